"""Other people's liquidity order by order: the recorded book itself, with our true place in each queue.

What we take is taken from the orders at the front, and stays taken until they leave or lose their place.
"""

from __future__ import annotations

from collections.abc import Iterator

from brokers.exchange.orders import VenueOrder
from engine.feeds.mbo import MboBook, MboMessage
from engine.model import Quote, Side

BUY = Side.BUY


class OrderBook(MboBook):
    """The recorded book of one instrument, and what is left of each order in it for us."""

    sized = True
    synthetic = False

    def __init__(self) -> None:
        super().__init__()
        self.top: Quote | None = None
        """Touch at the end of the last exchange event."""
        self._seq = 0
        self._arrived: dict[int, int] = {}
        """Order id → number of its arrival at its place."""
        self._gone: dict[int, int] = {}
        """Order id → lots that we took from it."""
        self._filled: dict[int, int] = {}
        """Order id → lots that the recording filled and its book does not show yet."""
        self._joined: dict[int, int] = {}
        """Our order's uid → arrivals before it."""

    def apply(self, message: MboMessage) -> None:
        action, oid = message.action, message.order_id
        if action == "F":
            self._filled[oid] = self._filled.get(oid, 0) + message.size
            return
        if action == "T":
            return
        if action == "R":
            super().apply(message)
            for table in (self._arrived, self._gone, self._filled, self._joined):
                table.clear()
            return
        place = self._where.get(oid)
        size = 0 if place is None else place[0].levels[place[1]][oid]
        super().apply(message)
        self._filled.pop(oid, None)
        if oid not in self._where:
            self._arrived.pop(oid, None)
            self._gone.pop(oid, None)
        elif action != "C" and (place is None or place[1] != message.price or message.size > size):
            self._seq += 1
            self._arrived[oid] = self._seq
            self._gone.pop(oid, None)

    # -- what is there

    @property
    def sane(self) -> bool:
        bid, ask = self.bids.best, self.asks.best
        if bid is None or ask is None:
            return bid is not None or ask is not None
        return bid < ask

    def best(self, side: Side) -> int | None:
        return self.bids.best if side is BUY else self.asks.best

    def touch_lots(self, side: Side) -> int:
        price = self.best(side)
        return 0 if price is None else self._lots(side, price)

    def levels(self, taker: Side, bound: int | None) -> Iterator[tuple[int, int]]:
        """What an aggressor may take, best first, as (price, lots), no worse than `bound`."""
        side, sign = taker.opposite, taker.sign
        half = self.bids if side is BUY else self.asks
        for price in sorted(half.levels, reverse=side is BUY):
            if bound is not None and (price - bound) * sign > 0:
                return
            lots = self._lots(side, price)
            if lots > 0:
                yield price, lots

    def take(self, taker: Side, price: int, lots: int) -> None:
        """We took `lots` at `price` (or at the touch, where nobody rests there), front first."""
        for oid, size in self.queue(taker.opposite, price):
            part = min(self._left(oid, size), lots)
            if part > 0:
                self._gone[oid] = self._gone.get(oid, 0) + part
                lots -= part
            if lots <= 0:
                return

    def _left(self, oid: int, size: int) -> int:
        return max(size - self._gone.get(oid, 0) - self._filled.get(oid, 0), 0)

    def _lots(self, side: Side, price: int) -> int:
        return sum(self._left(oid, size) for oid, size in self.queue(side, price))

    # -- our place in it

    def join(self, order: VenueOrder, last: VenueOrder | None) -> None:  # noqa: ARG002 - as in QuoteBook
        self._joined[order.uid] = self._seq
        order.ahead = self.ahead(order)

    def leave(self, order: VenueOrder) -> None:
        self._joined.pop(order.uid, None)

    def ahead(self, order: VenueOrder) -> int:
        """Lots that are truly before the order: what came earlier at its price and is still there."""
        joined = self._joined.setdefault(order.uid, self._seq)
        assert order.limit is not None
        queue = self.queue(order.side, order.limit)
        return sum(self._left(oid, size) for oid, size in queue if self._arrived.get(oid, 0) <= joined)
