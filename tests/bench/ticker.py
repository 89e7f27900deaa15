"""The control of the risk benchmark: the engine's own 10 ms ticker with nothing to do, alone in its process.

`python -m tests.bench.ticker BEGIN END FILE`: times in ns of the host's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from engine.clock import RealClock
from engine.risk.ticker import RiskTicker

PERIOD = 10_000_000


def processor_wait() -> int:
    """ns for which the kernel has kept this thread, which could run, waiting for a processor; 0 where it does
    not say (`/proc/…/schedstat`, Linux)."""
    try:
        with open(f"/proc/self/task/{threading.get_native_id()}/schedstat", "rb") as file:  # noqa: PTH123 - each 10 ms
            return int(file.read().split()[1])
    except (OSError, IndexError):
        return 0


class Periods:
    """Periods and latenesses of the rounds within a window, and how much of each period the thread waited for
    a processor: that is the machine's doing, not the engine's."""

    def __init__(self, begin: int, end: int) -> None:
        self._begin, self._end = begin, end
        self.periods: list[int] = []
        self.lateness: list[int] = []
        self.waited: list[int] = []
        self._waited = 0

    def __call__(self, period: int, lateness: int) -> None:
        before, self._waited = self._waited, processor_wait()
        if period and self._begin <= time.monotonic_ns() < self._end:
            self.periods.append(period)
            self.lateness.append(lateness)
            self.waited.append(self._waited - before)

    def write(self, path: Path, **more: Any) -> None:
        path.write_text(
            json.dumps({"periods": self.periods, "lateness": self.lateness, "waited": self.waited, **more})
        )


class _Nothing:
    """Stands where the ticker expects the risk loop; there is no loop to be measured here."""

    def __init__(self) -> None:
        self.controls = self.health = self

    def promise(self, at: int | None) -> None: ...

    def stopped(self) -> None: ...

    def tick(self, view: object) -> tuple[()]:
        return ()

    def fail(self, error: Exception) -> None: ...


async def _run(begin: int, end: int, path: Path) -> None:
    seen = Periods(begin, end)
    clock = RealClock(asyncio.get_running_loop())
    nothing: Any = _Nothing()
    ticker = RiskTicker(clock, nothing, nothing, lambda _: None, period=PERIOD, hook=seen)
    ticker.start()
    await asyncio.sleep((end - time.monotonic_ns()) / 1e9)
    ticker.stop()
    seen.write(path)


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
