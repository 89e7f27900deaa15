"""Drawdown: how far equity has fallen from the highest of the day."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.config import Action, RiskLimits
from engine.risk.ask import Ask
from engine.risk.control import Control, Number, Reading, Refusal, State, warns_from
from engine.risk.view import RiskView

_NOTHING: Final = Decimal(0)
_HUNDRED: Final = Decimal(100)


def _fallen(view: RiskView) -> tuple[Decimal, Decimal] | None:
    """(fall × 100, peak); None where it cannot be told."""
    equity, peak = view.equity(), view.peak_equity()
    if equity is None or peak is None or peak <= _NOTHING:
        return None
    fall = peak - equity
    return (_NOTHING if fall < _NOTHING else fall) * _HUNDRED, peak


class Drawdown(Control):
    """Trips when the fall reaches the limit, a percentage of the peak; stays tripped until reset."""

    name = "drawdown"
    title = "Drawdown"
    latches = True

    def __init__(self) -> None:
        super().__init__()
        self._enough_of: tuple[RiskLimits | None, Decimal | None] = (None, None)
        self._enough = _NOTHING
        self._warns_from: Number = _NOTHING
        """Falls × 100 that trip and that warn, by the limits and the peak in `_enough_of`."""

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        fallen = _fallen(view)
        if fallen is None:
            return self.unsure(ask, "equity or its peak is not known")
        if fallen[0] < ask.limits.max_drawdown_pct * fallen[1]:
            return None
        self.touched[""] = None
        return self.refusal(
            f"equity is {fallen[0] / fallen[1]:.2f}% below its peak, "
            f"the limit is {ask.limits.max_drawdown_pct}%"
        )

    def action(self, limits: RiskLimits) -> Action:
        return limits.drawdown_action

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        fallen = _fallen(view)
        cap = limits.max_drawdown_pct
        if fallen is None:
            return self.reading(limits, scope, "UNKNOWN", None, cap, "%", "equity or its peak not known")
        fall, peak = fallen
        if limits is not self._enough_of[0] or peak is not self._enough_of[1]:
            self._enough_of, self._enough = (limits, peak), cap * peak
            self._warns_from = warns_from(self._enough, limits.warn_pct)
        state: State = "ACTIVE"
        if fall >= self._enough:
            state = "TRIPPED"
        elif fall > _NOTHING and fall >= self._warns_from:
            state = "WARN"
        return self.reading(limits, scope, state, fall / peak, cap, "%")
