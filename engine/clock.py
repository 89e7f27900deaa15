"""The real clock: host time, or a recording's time at N times the host's pace. The only reader of `time`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from engine.model import NS
from engine.ports import TimerHandle


class RealClock:
    """`engine.ports.Clock` over an asyncio loop.

    With `start` (UTC ns) engine time begins there, at `speed` times the host's pace: a recording at 1× or N×.
    Without it engine time begins at the host's wall clock and `speed` must be 1. Either way it then follows
    the monotonic clock, so a wall clock that is set back by a minute moves nothing here; `offset` tells how
    far the two have come apart.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, speed: float = 1.0, start: int | None = None
    ) -> None:
        if start is None and speed != 1.0:
            raise ValueError("only a recording or a synthetic market can run at another speed than 1")
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._loop = loop
        self._speed = speed
        self._live = start is None
        self._plain = speed == 1.0
        self._origin = time.monotonic_ns()
        self._start = self._shift = 0
        self._begin(time.time_ns() if start is None else start)

    def _begin(self, start: int) -> None:
        self._start = start
        self._shift = start - self._origin
        """What makes engine time of the host's monotonic clock at the host's pace: asked some twenty times an
        order."""

    def begin_at(self, ts: int) -> None:
        """Engine time is `ts` (UTC ns) now; for a run that goes on where another stopped."""
        self._begin(ts - self._elapsed())

    def offset(self) -> int:
        """Host's wall clock − engine time, ns, when live; 0 in a recording."""
        return time.time_ns() - self.now() if self._live else 0

    def now(self) -> int:
        return time.monotonic_ns() + self._shift if self._plain else self._start + self._elapsed()

    def mono(self) -> int:
        return time.monotonic_ns() - self._origin if self._plain else self._elapsed()

    def perf(self) -> int:
        return time.perf_counter_ns()

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> TimerHandle:
        return self._loop.call_later(max(delay, 0) / NS / self._speed, callback, *args)

    def call_soon(self, callback: Callable[..., object], *args: Any) -> TimerHandle:
        return self._loop.call_soon(callback, *args)

    async def sleep(self, delay: int) -> None:
        await asyncio.sleep(max(delay, 0) / NS / self._speed)

    def _elapsed(self) -> int:
        elapsed = time.monotonic_ns() - self._origin
        return elapsed if self._speed == 1.0 else int(elapsed * self._speed)


def perf_ns() -> int:
    """The host's performance counter in ns, for measuring only."""
    return time.perf_counter_ns()
