"""Exposure: worst-case gross and net notional of the account, and gross of each asset class."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from decimal import Decimal

from engine.config import RiskLimits
from engine.risk.ask import Ask
from engine.risk.control import Control, Number, Reading, Refusal, State, warns_from
from engine.risk.view import RiskView
from engine.risk.worst import ZERO, After, WorstCase


class Exposure(Control):
    """What the three have in common: a total now, a total after the order, a cap. Prices are the last known,
    however old; a position that cannot be valued at all makes the total unknown."""

    def __init__(self, worst: WorstCase) -> None:
        super().__init__()
        self._worst = worst
        self._bounds_of: RiskLimits | None = None
        self._bounds: dict[str, tuple[Decimal | None, Number]] = {}
        """By scope the cap, and the total that warns, by the limits `_bounds_of`."""

    def cap(self, limits: RiskLimits, scope: str) -> Decimal | None:
        """The limit in account currency; None where there is none."""
        raise NotImplementedError

    def total(self, worst: WorstCase, scope: str) -> Decimal:
        raise NotImplementedError

    def total_after(self, worst: WorstCase, after: After, scope: str) -> Decimal | None:
        raise NotImplementedError

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        scope = self.scope_of(ask)
        cap = self.cap(ask.limits, scope)
        if cap is None:
            return None
        after = self._worst.after(ask, view)
        total = self.total_after(self._worst, after, scope)
        if total is None:
            return self.unsure(ask, f"{after.unknown} cannot be valued (no price, or no rate in fx)", scope)
        if total <= cap:
            return None
        return self.refusal(f"{self.title.lower()} would reach {total:,.2f}, the limit is {cap:,f}", scope)

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        if limits is not self._bounds_of:
            self._bounds_of = limits
            self._bounds.clear()
        bounds = self._bounds.get(scope)
        if bounds is None:
            cap = self.cap(limits, scope)
            bounds = (cap, ZERO if cap is None else warns_from(cap, limits.warn_pct))
            self._bounds[scope] = bounds
        cap, warning = bounds
        if cap is None:
            return self.reading(limits, scope, "ACTIVE", detail="no limit")
        worst = self._worst
        worst.refresh(view)
        if worst.unvalued:
            return self.reading(
                limits, scope, "UNKNOWN", None, cap, detail=f"{worst.unvalued} cannot be valued"
            )
        total = self.total(worst, scope)
        state: State = "ACTIVE"
        if total > cap:
            state = "TRIPPED"
        elif total >= warning and total > ZERO:
            state = "WARN"
        return self.reading(limits, scope, state, total, cap)


class GrossExposure(Exposure):
    """Sum over all symbols of the largest |position| that fills could bring."""

    name = "gross"
    title = "Gross exposure"

    def cap(self, limits: RiskLimits, scope: str) -> Decimal | None:
        return limits.max_gross

    def total(self, worst: WorstCase, scope: str) -> Decimal:
        return worst.gross

    def total_after(self, worst: WorstCase, after: After, scope: str) -> Decimal | None:
        return after.gross


class NetExposure(Exposure):
    """Largest |sum of signed positions| that fills could bring on either side."""

    name = "net"
    title = "Net exposure"

    def cap(self, limits: RiskLimits, scope: str) -> Decimal | None:
        return limits.max_net

    def total(self, worst: WorstCase, scope: str) -> Decimal:
        return worst.net

    def total_after(self, worst: WorstCase, after: After, scope: str) -> Decimal | None:
        return after.net


class ClassExposure(Exposure):
    """Gross of one asset class, for the classes that have a limit."""

    name = "class_gross"
    title = "Class exposure"
    kind = "class"

    def cap(self, limits: RiskLimits, scope: str) -> Decimal | None:
        return limits.max_gross_by_class.get(scope)

    def total(self, worst: WorstCase, scope: str) -> Decimal:
        return worst.class_gross(scope)

    def total_after(self, worst: WorstCase, after: After, scope: str) -> Decimal | None:
        return None if after.change is None else worst.class_gross(scope) + after.change
