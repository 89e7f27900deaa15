"""Bars from prints, and from mids where there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from engine.model import Bar, Quote, Trade
from engine.sessions import Calendar

Empty = Literal["skip", "carry"]


class BarBuilder:
    """Builds the bars of one instrument and hands each to `emit` when it is complete.

    A bar covers [start, start + span); starts are whole spans from the opening of the session where a
    `calendar` is given, else from 1970 (UTC). A bar that the next session's opening would cut ends there.

    Only prints make a bar's prices. In a bar without any, the mids of two-sided uncrossed quotes do (half
    ticks rounded down, volume and trades 0). An interval with neither makes no bar with `empty="skip"`; with
    `"carry"` it makes a flat one at the last close while the calendar is open. Intervals in which the market
    is closed make no bars of their own, but what is recorded in them is not lost.

    A bar is complete when a record or `on_time` shows that its end has come, or at `flush`. Records before
    the bar under way are dropped and counted in `late`. All times in UTC ns, prices in ticks, volume in lots.
    """

    def __init__(
        self,
        symbol: str,
        span: int,
        emit: Callable[[Bar], None],
        *,
        calendar: Calendar | None = None,
        empty: Empty = "skip",
    ) -> None:
        if span <= 0:
            raise ValueError(f"the span of a bar must be above 0 ns, not {span}")
        self.symbol: Final = symbol
        self.span: Final = span
        self.late = 0
        self._emit = emit
        self._calendar = calendar
        self._empty: Final[Empty] = empty
        self._start: int | None = None
        self._end = 0
        self._floor = 0
        self._open = self._high = self._low = self._close = 0
        self._volume = self._trades = 0
        self._mids = False
        self._last: int | None = None

    def on_trade(self, trade: Trade) -> None:
        if not self._reach(trade.ts):
            return
        if self._trades == 0:
            self._mids = False
            self._begin(trade.price)
        else:
            self._extend(trade.price)
        self._volume += trade.size
        self._trades += 1

    def on_quote(self, quote: Quote) -> None:
        bid, ask = quote.bid, quote.ask
        if bid is None or ask is None or bid > ask or not self._reach(quote.ts) or self._trades:
            return
        mid = (bid + ask) // 2
        if self._mids:
            self._extend(mid)
        else:
            self._mids = True
            self._begin(mid)

    def on_time(self, now: int) -> None:
        """Completes the bar under way, and with `carry` the empty ones after it, where their end has come."""
        if self._start is not None and now >= self._end:
            self._advance(now)

    def flush(self) -> None:
        """Hands out the bar under way as it stands; what still comes for its interval counts as late."""
        self._finish(carry=False)
        self._start = None

    def next_end(self) -> int | None:
        """When the bar under way ends; None before the first record. For a timer."""
        return None if self._start is None else self._end

    def _reach(self, ts: int) -> bool:
        if self._start is None and ts >= self._floor:
            self._place(ts)
        elif ts < (self._floor if self._start is None else self._start):
            self.late += 1
            return False
        elif ts >= self._end:
            self._advance(ts)
        return True

    def _advance(self, ts: int) -> None:
        self._finish(carry=True)
        if self._empty == "carry" and self._last is not None:
            self._place(self._end)
            while ts >= self._end:
                if self._calendar is not None and not self._calendar.is_open(self._start or 0):
                    change = self._calendar.next_change(self._start or 0)
                    if change is None or change > ts:
                        break
                    self._place(max(change, self._end))
                    continue
                self._finish(carry=True)
                self._place(self._end)
        self._place(ts)

    def _place(self, ts: int) -> None:
        calendar = self._calendar
        if calendar is None:
            start = ts - ts % self.span
            self._start, self._end = max(start, self._floor), start + self.span
            return
        origin = calendar.session_open(ts)
        start = origin + (ts - origin) // self.span * self.span
        following = calendar.session_open(calendar.next_day(ts))
        self._start, self._end = max(start, self._floor), min(start + self.span, following)

    def _finish(self, *, carry: bool) -> None:
        if self._start is None:
            return
        if self._trades or self._mids:
            bar = Bar(
                self.symbol,
                self._start,
                self.span,
                self._open,
                self._high,
                self._low,
                self._close,
                self._volume,
                self._trades,
            )
            self._last = self._close
        elif carry and self._empty == "carry" and self._last is not None:
            flat = self._last
            bar = Bar(self.symbol, self._start, self.span, flat, flat, flat, flat, 0, 0)
        else:
            return
        self._volume = self._trades = 0
        self._mids = False
        self._floor = self._end
        self._emit(bar)

    def _begin(self, price: int) -> None:
        self._open = self._high = self._low = self._close = price

    def _extend(self, price: int) -> None:
        if price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price
