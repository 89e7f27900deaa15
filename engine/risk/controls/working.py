"""Working orders: how many may be open at a time."""

from __future__ import annotations

from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal, State, warns
from engine.risk.view import RiskView


class MaxWorking(Control):
    """Counts what is not yet acknowledged as well, so that a burst cannot slip past the cap."""

    name = "max_working"
    title = "Working orders"
    follows_market = False

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        if ask.standing is not None:
            return None
        count, cap = view.working_count(), ask.limits.max_working
        if count < cap:
            return None
        return self.refusal(f"{count} orders are open, the cap is {cap}; cancel some first")

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        count = view.working_count()
        of = (count, limits)
        if (before := self.as_before(scope, of)) is not None:
            return before
        cap = limits.max_working
        state: State = "WARN" if warns(count, cap, limits.warn_pct) else "ACTIVE"
        reading = self.reading(limits, scope, "TRIPPED" if count > cap else state, count, cap)
        return self.keep(scope, of, reading)
