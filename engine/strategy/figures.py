"""What is measured of one strategy: how long its callbacks take, which are late, what processor it uses."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from engine.config_strategy import Callback
from engine.control.snapshot import CallbackRow
from engine.metrics import Histogram
from engine.model import NS

CPU_WINDOW: Final = 5.0
"""Seconds over which the share of the processor is taken; a limit on it holds for all of them together."""


class CallbackTimes:
    """Durations by callback, host time. `deadlines`: seconds by callback; longer ones are late."""

    def __init__(self, deadlines: Mapping[Callback, float]) -> None:
        self._deadlines: dict[str, int] = {name: int(seconds * NS) for name, seconds in deadlines.items()}
        self._times: dict[str, Histogram] = {}
        self._late: dict[str, int] = {}

    def take(self, callback: str, spent: int) -> str:
        """Counts one of `spent` ns. Returns what to say where it was late: the first time, and each time that
        ten times as many have been late."""
        times = self._times.get(callback)
        if times is None:
            times = self._times[callback] = Histogram()
        times.record(spent)
        deadline = self._deadlines.get(callback)
        if deadline is None or spent <= deadline:
            return ""
        late = self._late[callback] = self._late.get(callback, 0) + 1
        if str(late).strip("0") != "1":
            return ""
        return f"{callback} took {spent / 1e6:.1f} ms, its deadline is {deadline / 1e6:g} ms" + (
            f"; {late:,} were late so far" if late > 1 else ""
        )

    @property
    def late(self) -> int:
        return sum(self._late.values())

    def rows(self) -> tuple[CallbackRow, ...]:
        """By callback, the one that took the most time in all first."""
        ordered = sorted(self._times.items(), key=lambda item: -item[1].total)
        return tuple(
            CallbackRow(
                name=name,
                count=times.count,
                p50=times.quantile(0.50) / 1000,
                p99=times.quantile(0.99) / 1000,
                max=times.max / 1000,
                deadline=self._deadlines[name] / 1000 if name in self._deadlines else None,
                late=self._late.get(name, 0),
            )
            for name, times in ordered
        )


class CpuShare:
    """The share of one processor that a process used of late; above 1 where it has threads."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float]] = deque()

    def look(self, now: float, used: float) -> None:
        """`now`: seconds of host time; `used`: seconds of processor so far."""
        self._looks.append((now, used))
        while len(self._looks) > 2 and now - self._looks[1][0] >= CPU_WINDOW:
            self._looks.popleft()

    @property
    def share(self) -> float | None:
        """None before the second look."""
        if len(self._looks) < 2:
            return None
        (since, before), (now, used) = self._looks[0], self._looks[-1]
        return (used - before) / (now - since) if now > since else None

    @property
    def whole(self) -> bool:
        """Whether the looks span the whole window."""
        return len(self._looks) > 1 and self._looks[-1][0] - self._looks[0][0] >= CPU_WINDOW
