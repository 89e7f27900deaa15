"""What the engine notices of its host: trouble with the store, how it heals, and a wall clock that steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.core import Core
from engine.journal import StoreFailed, StoreState
from engine.model import NS
from engine.restoring import Saver

CLOCK_STEP: Final = NS // 2
"""Change of the host's clock against engine time that is worth an alarm, ns."""
HEAL_EVERY: Final = 2 * NS
"""ns between two attempts to write to a store that failed."""
QUIET: Final = 5 * NS
"""ns without a row after which the moment counts as quiet: copying the books takes a round or two of the risk
loop where they are long."""


class HostWatch:
    """Runs on the engine's thread. `healed` is called when the store works again, `spawn` runs a task."""

    def __init__(
        self,
        core: Core,
        healed: Callable[[], None],
        spawn: Callable[[object], None],
        saver: Saver | None = None,
    ) -> None:
        """`saver`: saves the books in quiet moments, which are found here; None: nobody does."""
        self._core = core
        self._saver = saver
        self._row, self._quiet_since = -1, 0
        self._healed = healed
        self._spawn = spawn
        self._heal_due = 0
        self._clock_offset = 0
        core.journal.on_trouble = self._trouble
        core.journal.on_commit = self._committed

    async def own_up(self, halt: Callable[[str], None]) -> None:
        """The last run died with records that the store did not take: what it had halted is not known."""
        halt(
            "the last run ended while the store took nothing: halts and losses of its last moments may be "
            "missing. Look at positions and the day's loss, then reset the halt"
        )
        try:
            await self._core.journal.settle_owing()
        except StoreFailed as error:
            self._core.log("error", f"the store fails again: {error}", component="engine")

    def look_at_store(self, mono: int) -> None:
        """Heals it, now and then, while it has failed; saves the books in a quiet moment."""
        journal = self._core.journal
        if journal.seq != self._row:
            self._row, self._quiet_since = journal.seq, mono
        elif self._saver is not None and mono - self._quiet_since >= QUIET and self._saver.is_due:
            self._quiet_since = mono
            self._spawn(self._saver.save())
        if journal.state is StoreState.FAILED and mono >= self._heal_due:
            self._heal_due = mono + HEAL_EVERY
            self._spawn(self._heal())

    def look_at_clock(self) -> None:
        """Engine time does not follow a wall clock that steps, but a person should know that it did."""
        offset = self._core.clock.offset()
        if abs(offset - self._clock_offset) > CLOCK_STEP:
            self._clock_offset = offset
            text = f"the host's clock stepped; it is {offset / NS:+.3f} s from engine time now"
            self._core.alarm("warning", "clock", text)

    def _committed(self, duration: int, rows: int) -> None:
        self._core.metrics.stage("journal commit", duration)
        self._core.metrics.count("rows", rows)

    def _trouble(self, state: StoreState, reason: str) -> None:
        if state is StoreState.OK:
            self._core.alarm("info", "store", f"the store works again: {reason}")
        else:
            self._core.alarm(
                "critical", "store", f"{reason}. No opening orders; cancels and flattening still go"
            )

    async def _heal(self) -> None:
        if await self._core.journal.recover():
            self._healed()
