"""What happens right after each round of the risk loop: it is measured, and what must hold the engine's
thread for a moment gets that moment, the longest before the next round."""

from __future__ import annotations

from collections.abc import Callable

from engine.core import Core
from engine.kill import KillSwitch
from engine.model import NS


class Pace:
    """The risk ticker's hook. `speed`: engine time over host time."""

    def __init__(self, core: Core, kill: KillSwitch, speed: float) -> None:
        self._core = core
        self._kill = kill
        self._speed = speed
        self._late = 2 * int(core.config.risk_period * NS)
        self._perf = 0
        self.after_round: Callable[[bool], None] | None = None
        """What gets the moment after a round; told whether it is a calm one."""

    def __call__(self, period: int, lateness: int) -> None:
        """A round has ended. What is done here is not lost to the measure: the next round is due on the grid,
        and a pause that reaches beyond shows as its lateness."""
        metrics, perf = self._core.metrics, self._core.clock.perf()
        if period:
            took, stages = perf - self._perf if self._perf else period, metrics.stages
            stages["risk period"].record(took)
            stages["risk lateness"].record(int(lateness / self._speed))
            if self._perf:
                metrics.late_rounds.append(took > self._late)
        self._perf = perf
        if self.after_round is not None:
            self.after_round(self.calm())

    def calm(self) -> bool:
        """Nobody waits for anything: no kill, nothing on its way to the disk, no order on its way to the
        venue or in doubt there."""
        core = self._core
        return not (self._kill.running or core.journal.pending or core.books.orders.in_flight())
