"""Loop health: without a risk loop that runs on time, nothing is opened."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from typing import Final

from engine.config import Action, RiskLimits
from engine.model import NS
from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal, State
from engine.risk.view import RiskView

SLACK: Final = NS
"""ns by which a round may be late before opening orders are refused."""
NEVER: Final = 1 << 62
"""Promise of a loop that has nothing to wait for until something changes."""


class LoopHealth(Control):
    """Watches the watcher: the ticker promises when its next round comes and marks a round that failed."""

    name = "risk_loop"
    title = "Risk loop"
    quiet = True
    latches = True

    def __init__(self) -> None:
        super().__init__()
        self._promised: int | None = None
        self._failure = ""

    def promise(self, mono: int | None) -> None:
        """The next round comes at `mono`, or with None when something changes."""
        self._promised = NEVER if mono is None else mono

    def stopped(self) -> None:
        """No further round comes."""
        self._promised = None

    def fail(self, what: str) -> bool:
        """Latches a failed round; True the first time."""
        first = not self._failure
        if first:
            self._failure = what
        return first

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        if self._failure:
            return self.refusal(f"a round of the risk loop failed ({self._failure}); reset risk_loop")
        if self._promised is None:
            return self.unsure(ask, "the risk loop is not running")
        late = ask.mono - self._promised
        if late > SLACK:
            return self.unsure(ask, f"the risk loop is {late / NS:.1f} s late")
        return None

    def action(self, limits: RiskLimits) -> Action:
        return "kill"

    def reset(self, scope: str) -> None:
        self._failure = ""

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        state: State = "TRIPPED" if self._failure else "ACTIVE"
        return self.reading(view.limits(), scope, state, detail=self._failure)
