"""Market data of the session with TWS as a feed. Quotes conflate: of each symbol only the latest counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

from brokers.ib import raw
from brokers.ib.adapter import IbAdapter
from brokers.ib.contracts import Resolved
from engine.model import Instrument, MarketState, Quote, Trade
from engine.ports import Clock, MarketSink


class IbFeed:
    """`engine.ports.Feed` over an adapter that was prepared. It ends with the run."""

    name = "ib"

    def __init__(self, adapter: IbAdapter) -> None:
        self.adapter = adapter
        self.instruments: Sequence[Instrument] = adapter.listed()

    def start_time(self) -> None:
        """None: it is live."""
        return

    def progress(self) -> None:
        """None: it has no end."""
        return

    async def run(self, clock: Clock, sink: MarketSink, resume_after: int | None = None) -> None:  # noqa: ARG002
        """Delivers until it is cancelled; subscribes once the session stands, and again after a loss."""
        last: dict[str, tuple[int, Quote]] = {}
        """By symbol: subscription and quote. The first of a new subscription passes, also an equal one: it
        tells that there is a market again."""
        states: dict[str, MarketState] = {}

        def take(where: Resolved, ticks: raw.Ticks) -> None:
            symbol, now = where.instrument.symbol, clock.now()
            # TWS tells no more of a market's state than that it is halted, and old quotes out of hours: not
            # halted is not open. Where it is unknown, the calendar decides.
            state = MarketState.HALTED if ticks.halted else MarketState.UNKNOWN
            if states.get(symbol) is not state:
                states[symbol] = state
                sink.on_market_state(symbol, state, now)
            quote = quote_of(where, ticks, now)
            number, former = last.get(symbol, (None, None))
            if quote is not None and (number != ticks.req_id or _differs(quote, former)):
                last[symbol] = (ticks.req_id, quote)
                sink.on_quote(quote)
            trade = trade_of(where, ticks, now)
            if trade is not None:
                sink.on_trade(trade)
            sink.on_batch_end(now)

        self.adapter.on_ticks(take)
        self.adapter.market.watch([i.symbol for i in self.instruments], up=self.adapter.up)
        await asyncio.get_running_loop().create_future()


def quote_of(where: Resolved, ticks: raw.Ticks, ts: int) -> Quote | None:
    """The top of book; None before either side was told."""
    bid, ask = _ticks(where, ticks.bid), _ticks(where, ticks.ask)
    if bid is None and ask is None:
        return None
    lots = _lots(where)
    return Quote(
        where.instrument.symbol,
        ts,
        bid,
        lots(ticks.bid_size) if bid is not None else 0,
        ask,
        lots(ticks.ask_size) if ask is not None else 0,
    )


def trade_of(where: Resolved, ticks: raw.Ticks, ts: int) -> Trade | None:
    """The last print, where there was one since the former delivery; those between are lost."""
    price = _ticks(where, ticks.last)
    if price is None or not ticks.prints:
        return None
    return Trade(where.instrument.symbol, ts, price, max(_lots(where)(ticks.last_size), 1), None)


def _ticks(where: Resolved, price: float | None) -> int | None:
    exact = raw.number(price)
    return None if exact is None else where.instrument.nearest_ticks(exact / where.magnifier)


def _lots(where: Resolved) -> Callable[[float], int]:
    return lambda size: where.instrument.nearest_lots(raw.number(size) or Decimal(0))


def _differs(quote: Quote, former: Quote | None) -> bool:
    return former is None or (quote.bid, quote.bid_size, quote.ask, quote.ask_size) != (
        former.bid,
        former.bid_size,
        former.ask,
        former.ask_size,
    )
