"""The ticker: calls the risk loop at fixed times, measures how late it was, cannot die without a sound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from engine.ports import Clock, TimerHandle
from engine.risk.loop import RiskEvent, RiskLoop
from engine.risk.view import RiskView

Hook = Callable[[int, int], object]
"""Told (period, lateness) of each round, both ns of engine time: since the round before, and after the time
at which the round was due."""


class RiskTicker:
    """Runs `RiskLoop.tick` every `period` ns on a fixed grid; a round that comes too late is not made up for.

    Each event goes to `sink`, in order. What raises, the round or the sink, latches the breach 'risk loop
    failed' (action kill); events that the sink did not take are offered again at the next round.

    With `skip_idle` (virtual time) rounds in which nothing can happen are left out: the next one is the first
    on the grid at which time alone may change a figure, or the next on the grid after `wake`. The rounds that
    remain find exactly what they would have found without it.
    """

    def __init__(
        self,
        clock: Clock,
        loop: RiskLoop,
        view: RiskView,
        sink: Callable[[RiskEvent], object],
        *,
        period: int,
        hook: Hook | None = None,
        skip_idle: bool = False,
    ) -> None:
        if period <= 0:
            raise ValueError(f"the risk period must be above 0 ns, not {period}")
        self._clock = clock
        self._loop = loop
        self._health = loop.controls.health
        self._view = view
        self._sink = sink
        self._period = period
        self._hook = hook
        self._skip_idle = skip_idle
        self._undelivered: deque[RiskEvent] = deque()
        self._timer: TimerHandle | None = None
        self._origin = 0
        self._due: int | None = None
        self._last: int | None = None
        self.running = False
        self.failures = 0
        """Rounds, sinks or hooks that raised."""

    def start(self) -> None:
        """The first round comes at once, the others on a grid from now."""
        if not self.running:
            self.running = True
            self._origin = self._clock.mono()
            self._arm(self._origin)

    def stop(self) -> None:
        """No more rounds; from now on the gate refuses whatever opens."""
        self.running = False
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._due = None
        self._last = None
        self._health.stopped()

    def wake(self) -> None:
        """Something changed: with `skip_idle` makes sure that the next round on the grid takes place."""
        if not self._skip_idle or not self.running:
            return
        at = self._grid_after(self._clock.mono())
        if self._due is None or at < self._due:
            self._arm(at)

    def _grid_after(self, mono: int) -> int:
        return self._origin + ((mono - self._origin) // self._period + 1) * self._period

    def _arm(self, at: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = at
        self._health.promise(at)
        if at is not None:
            delay = at - self._clock.mono()
            self._timer = self._clock.call_later(delay if delay > 0 else 0, self._round)

    def _round(self) -> None:
        self._timer = None
        mono = self._clock.mono()
        due = mono if self._due is None else self._due
        period = mono - self._last if self._last is not None else 0
        self._last = mono
        try:
            self._undelivered.extend(self._loop.tick(self._view))
        except Exception as error:  # noqa: BLE001 - a failed round is the worst breach, not the end of rounds
            self._failed(error)
        if self._undelivered:
            self._deliver()
        if self._hook is not None:
            try:
                self._hook(period, mono - due)
            except Exception:  # noqa: BLE001 - measuring must never stop what it measures; it is counted
                self.failures += 1
        if self.running:
            self._arm(self._next(mono))

    def _deliver(self) -> None:
        """Offers each event once per round; what the sink refuses stays first in line."""
        while self._undelivered:
            try:
                self._sink(self._undelivered[0])
            except Exception as error:  # noqa: BLE001 - the engine failed to act on a breach: that is a breach
                first = self.failures
                self._failed(error)
                if first == 0:
                    continue
                return
            self._undelivered.popleft()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        breach = self._loop.fail(error)
        if breach is not None:
            # Ahead of everything else: what could not be delivered must not bar the way of the alarm.
            self._undelivered.appendleft(breach)

    def _next(self, mono: int) -> int | None:
        after = self._grid_after(mono)
        if not self._skip_idle:
            return after
        if self._undelivered:
            return after
        try:
            due = self._loop.next_deadline(self._view)
        except Exception as error:  # noqa: BLE001 - in doubt the next round comes as usual
            self._failed(error)
            return after
        if due is None:
            return None
        return after if due <= after else self._grid_after(due - 1)
