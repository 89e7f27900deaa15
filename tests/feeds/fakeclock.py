"""A clock for tests: sleeping advances its time at once, and a sink that writes down what it gets."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

from engine.model import MarketState, Quote, Trade


class _Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """`engine.ports.Clock` in virtual time. Timers fire inside `sleep`, in the order of their time."""

    def __init__(self, start: int = 0) -> None:
        self.ts = start
        self.sleeps = 0
        self._timers: list[tuple[int, int, _Timer, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def now(self) -> int:
        return self.ts

    def mono(self) -> int:
        return self.ts

    def perf(self) -> int:
        return 0

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> _Timer:
        timer = _Timer()
        self._count += 1
        heapq.heappush(self._timers, (self.ts + max(delay, 0), self._count, timer, callback, args))
        return timer

    def call_soon(self, callback: Callable[..., object], *args: Any) -> _Timer:
        return self.call_later(0, callback, *args)

    async def sleep(self, delay: int) -> None:
        self.sleeps += 1
        until = self.ts + max(delay, 0)
        while self._timers and self._timers[0][0] <= until:
            when, _, timer, callback, args = heapq.heappop(self._timers)
            self.ts = max(self.ts, when)
            if not timer.cancelled:
                callback(*args)
        self.ts = until
        await asyncio.sleep(0)


class Recorder:
    """A sink that keeps everything, with the clock's time at delivery where a clock is given."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock
        self.events: list[Any] = []
        self.batches: list[int] = []
        self.states: list[tuple[str, MarketState, int]] = []
        self.ended: list[str] = []
        self.early = 0
        """Records that came before their stamp."""

    def _keep(self, record: Any) -> None:
        if self.clock is not None and self.clock.ts < record.ts:
            self.early += 1
        self.events.append(record)

    def on_quote(self, quote: Quote) -> None:
        self._keep(quote)

    def on_trade(self, trade: Trade) -> None:
        self._keep(trade)

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        self.states.append((symbol, state, ts))
        self.events.append((symbol, state, ts))

    def on_batch_end(self, ts: int) -> None:
        self.batches.append(ts)

    def on_feed_end(self, reason: str) -> None:
        self.ended.append(reason)


class MboRecorder(Recorder):
    """A sink that also takes order-by-order messages."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        super().__init__(clock)
        self.messages: list[Any] = []

    def on_mbo(self, message: Any) -> None:
        self.messages.append(message)
