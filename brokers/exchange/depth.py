"""What the simulated exchange can show of a market beyond the touch: its book, and our places in the queues.

Only what is known: the recorded book order by order, where there is one. The estimates by which the exchange
fills orders behind a touch without depth are a model of it, and never shown as a book.
"""

from __future__ import annotations

import heapq
from collections.abc import Container

from brokers.exchange.exchange import Exchange
from brokers.exchange.orderbook import OrderBook
from engine.model import Side
from engine.ports import BookLevel, QueuePlace


class ExchangeDepth:
    """`engine.ports.DepthSource` over an exchange in this process."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def levels(self, symbol: str, most: int) -> tuple[list[BookLevel], list[BookLevel]] | None:
        book = self._exchange.market(symbol).book
        if not isinstance(book, OrderBook):
            return None
        bids = [
            BookLevel(price, book.bids.totals[price], len(book.bids.levels[price]))
            for price in heapq.nlargest(most, book.bids.levels)
        ]
        asks = [
            BookLevel(price, book.asks.totals[price], len(book.asks.levels[price]))
            for price in heapq.nsmallest(most, book.asks.levels)
        ]
        return bids, asks

    def places(self, symbol: str, order_ids: Container[str]) -> dict[str, QueuePlace]:
        market = self._exchange.market(symbol)
        exact = isinstance(market.book, OrderBook)
        found: dict[str, QueuePlace] = {}
        for order in market.orders.values():
            if order.order_id is None or order.order_id not in order_ids or order.limit is None:
                continue
            own = market.buys if order.side is Side.BUY else market.sells
            if order in own.levels.get(order.limit, ()):
                found[order.order_id] = QueuePlace(market.book.ahead(order), exact)
        return found
