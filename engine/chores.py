"""The engine's chores: what must be looked at again and again beside the risk loop, on the same 10 ms grid.

In real time they come at a steady pace. In virtual time only where something changed or falls due: a round
is a function of what is known and of the time, so one in which neither moved would repeat the last answer.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.ports import Clock, TimerHandle


class Chores:
    """Runs `round_` at the next grid point after `poke`, and at the deadlines that it returns.

    A round that raises does not end the chores: `failed` is told, and the next one comes.
    """

    def __init__(
        self,
        clock: Clock,
        period: int,
        round_: Callable[[], int | None],
        longest: int,
        failed: Callable[[Exception], None],
    ) -> None:
        """`round_` returns the monotonic ns of its next deadline, or None. `longest`: ns between two rounds
        at the most."""
        self._clock = clock
        self._period = period
        self._round = round_
        self._longest = longest
        self._failed = failed
        self._timer: TimerHandle | None = None
        self._at = 0
        self._stopped = False

    def start(self) -> None:
        self.poke()

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def poke(self, by: int = 0) -> None:
        """Something changed: look at the next grid point, or at the first from `by` (monotonic ns) on."""
        mono = self._clock.mono()
        self._schedule(max(mono // self._period + 1, -(-by // self._period)) * self._period, mono)

    def _schedule(self, at: int, mono: int) -> None:
        if self._stopped or (self._timer is not None and self._at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = self._clock.call_later(at - mono, self._run)

    def _run(self) -> None:
        self._timer = None
        due: int | None = None
        try:
            due = self._round()
        except Exception as error:  # noqa: BLE001 - it is reported, and the chores go on
            self._failed(error)
        mono = self._clock.mono()
        latest = mono + self._longest
        at = latest if due is None else max(min(due, latest), mono + 1)
        self._schedule(-(-at // self._period) * self._period, mono)
