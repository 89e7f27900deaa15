"""The day's profit over time, sampled and bounded: the curve of the P&L screen. Nothing decides by it.

It holds the whole day in a fixed number of points: when they are used up, neighbours are merged and the step
doubles. It is not journalled; after a restart it begins anew, and says so.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from engine.control.questions import MAX_POINTS
from engine.model import NS

STEP: Final = 5 * NS
"""Time between two points at first, ns."""


class Point(NamedTuple):
    """One step: its start (UTC ns), the profit at its end, and its extremes, account currency."""

    ts: int
    pnl: Decimal
    low: Decimal
    high: Decimal


class DayCurve:
    """Fed with the day's profit several times a second."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.step = STEP
        self.day = ""
        self.since = 0
        """When the curve begins, UTC ns; 0 before the first point."""

    def sample(self, day: str, pnl: Decimal | None, now: int) -> None:
        """The profit of trading day `day` right now; None: not known, which leaves a gap."""
        if day != self.day:
            self.day, self.points, self.step, self.since = day, [], STEP, 0
        if pnl is None:
            return
        start = now // self.step * self.step
        last = self.points[-1] if self.points else None
        if last is not None and last.ts >= start:
            if pnl != last.pnl:
                self.points[-1] = Point(last.ts, pnl, min(last.low, pnl), max(last.high, pnl))
            return
        if len(self.points) >= MAX_POINTS:
            self._widen()
            start = now // self.step * self.step
        self.since = self.since or now
        self.points.append(Point(start, pnl, pnl, pnl))

    def _widen(self) -> None:
        """Doubles the step; points that fall into the same one are merged."""
        self.step *= 2
        wide: list[Point] = []
        for point in self.points:
            start = point.ts // self.step * self.step
            if wide and wide[-1].ts == start:
                first = wide[-1]
                wide[-1] = Point(start, point.pnl, min(first.low, point.low), max(first.high, point.high))
            else:
                wide.append(point._replace(ts=start))
        self.points = wide
