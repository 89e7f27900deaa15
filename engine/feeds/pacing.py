"""Delivery of a stream of records at the pace of a clock, the same for recorded and made-up markets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from engine.feeds.mbo import MboMessage
from engine.model import MarketState, Quote, Trade, Value
from engine.ports import Clock, MarketSink

CATCH_UP: Final = 16
"""Stamps delivered in a row while behind time before the loop gets its turn."""


class StateChange(Value, frozen=True, array_like=True):
    """A market state in a stream of records."""

    symbol: str
    ts: int
    state: MarketState


class Pacer:
    """Hands records to a sink when the clock has reached their stamp; counts them.

    One wait for each distinct stamp; what is due already goes out at once, with a turn for the loop every
    16 stamps, so that a feed that runs behind does not hold up the rest.
    """

    def __init__(self) -> None:
        self.now = 0
        """Stamp of the last record that was delivered; UTC ns."""
        self.quotes = 0
        self.trades = 0
        self.messages = 0
        """Order-by-order messages."""
        self.skipped = 0
        """Quotes, trades and states left out because of `resume_after`."""

    @property
    def counters(self) -> dict[str, int]:
        return {
            "quotes": self.quotes,
            "trades": self.trades,
            "messages": self.messages,
            "skipped": self.skipped,
        }

    async def deliver(
        self,
        records: Iterable[Quote | Trade | MboMessage | StateChange],
        clock: Clock,
        sink: MarketSink,
        resume_after: int | None = None,
    ) -> None:
        """Delivers `records`, sorted by stamp, until they end. What they raise passes through.

        Stamps up to `resume_after` are left out, order-by-order messages excepted: they hold the book with
        which the rest begins.
        """
        on_quote, on_trade, on_batch_end = sink.on_quote, sink.on_trade, sink.on_batch_end
        on_mbo: Callable[[MboMessage], Any] | None = getattr(sink, "on_mbo", None)
        current = 0
        behind = 0
        try:
            for record in records:
                ts = record.ts
                kind = type(record)
                if resume_after is not None:
                    if ts > resume_after:
                        resume_after = None
                    elif kind is not MboMessage:
                        self.skipped += 1
                        if self.skipped % 4096 == 0:
                            await clock.sleep(0)
                        continue
                if ts != current:
                    if current:
                        on_batch_end(current)
                        current = 0  # nothing is open while it waits, so that a cancel ends no batch twice
                    delay = ts - clock.now()
                    if delay > 0:
                        await clock.sleep(delay)
                        behind = 0
                    else:
                        behind += 1
                        if behind >= CATCH_UP:
                            await clock.sleep(0)
                            behind = 0
                    self.now = current = ts
                if kind is Quote:
                    self.quotes += 1
                    on_quote(record)  # type: ignore[arg-type]
                elif kind is Trade:
                    self.trades += 1
                    on_trade(record)  # type: ignore[arg-type]
                elif kind is MboMessage:
                    self.messages += 1
                    if on_mbo is not None:
                        on_mbo(record)  # type: ignore[arg-type]
                elif isinstance(record, StateChange):
                    sink.on_market_state(record.symbol, record.state, ts)
        finally:
            if current:
                on_batch_end(current)
