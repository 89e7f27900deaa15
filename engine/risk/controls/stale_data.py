"""Stale data: nobody opens a position in a market that he cannot see."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from typing import Final

from engine.config import Action, RiskLimits
from engine.model import NS
from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal, State
from engine.risk.view import DataState, DataWord, RiskView

_WORDS: Final[dict[DataWord, str]] = {
    "stale": "stale",
    "behind": "the feed is behind",
    "jump": "a jump in price is not confirmed yet",
    "crossed": "crossed",
    "locked": "locked",
    "one_sided": "one-sided",
    "closed": "the market is closed",
    "none": "none has come yet",
}


class StaleData(Control):
    """Looks at the watchdog's word and, by itself, at the age: a watchdog that sleeps is no excuse."""

    name = "stale_data"
    title = "Data age"
    kind = "symbol"
    again = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        trouble = _trouble(ask.data(view))
        if trouble is None:
            return None
        return Refusal(
            self.name, f"data of {ask.symbol}: {trouble}; only orders that reduce pass", ask.symbol, True
        )

    def action(self, limits: RiskLimits) -> Action:
        return "pause"

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        data = view.data_state(scope)
        age, deadline = data.age, data.deadline
        if data.word == "live" and age is not None and age <= deadline:
            mono = view.mono()
            before = self.as_before(scope, deadline)
            if before is not None and before.due is not None and mono < before.due:
                return (
                    before  # looked at again at the latest when it would have been stale without this quote
                )
            due, limit = mono + deadline - age + 1, deadline // 1_000_000
            active = self.reading(view.limits(), scope, "ACTIVE", None, limit, " ms", "", due)
            return self.keep(scope, deadline, active)
        limits, trouble = view.limits(), _trouble(data)
        assert trouble is not None
        state: State = "ACTIVE" if data.word == "closed" else "UNKNOWN" if data.age is None else "TRIPPED"
        age = None if data.age is None else data.age // 1_000_000
        # It grows older by the second: an age that stood still would look like a feed that is nearly there.
        again = view.mono() + NS if state == "TRIPPED" else None
        return self.reading(limits, scope, state, age, data.deadline // 1_000_000, " ms", trouble, again)


def _trouble(data: DataState) -> str | None:
    if data.word != "live":
        return _WORDS[data.word]
    if data.age is None:
        return "none has come yet"
    if data.age > data.deadline:
        return f"{data.age / NS:.1f} s old, stale from {data.deadline / NS:g} s"
    return None
