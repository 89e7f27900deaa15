"""Daily loss: realised + open + fees against the day's opening equity. A bad day ends here."""

from __future__ import annotations

from decimal import Decimal

from engine.config import Action, RiskLimits
from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal, State, warns
from engine.risk.view import RiskView


def loss_limit(limits: RiskLimits, opening: Decimal | None) -> Decimal | None:
    """Loss at which the day stops, account currency, the tighter of percentage and amount; None where the
    opening equity is not known or not positive, so that no percentage of it means anything."""
    if opening is None or opening <= 0:
        return None
    limit = opening * limits.daily_loss_pct / 100
    amount = limits.daily_loss_amount
    return limit if amount is None or limit < amount else amount


class DailyLoss(Control):
    """Trips when the loss reaches the limit and stays tripped until a person resets the day's loss, a profit
    regained or a new day notwithstanding."""

    name = "daily_loss"
    title = "Daily loss"
    latches = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        pnl = view.day_pnl()
        limit = loss_limit(ask.limits, view.opening_equity())
        if pnl is None or limit is None:
            what = "profit of the day" if pnl is None else "opening equity"
            return self.unsure(ask, f"the {what} is not known")
        if -pnl < limit:
            return None
        self.touched[""] = None
        return self.refusal(f"the day has lost {-pnl:,.2f}, the limit is {limit:,.2f}; reset day_loss first")

    def action(self, limits: RiskLimits) -> Action:
        return limits.daily_loss_action

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        pnl = view.day_pnl()
        limit = loss_limit(limits, view.opening_equity())
        if pnl is None or limit is None:
            what = "profit of the day" if pnl is None else "opening equity"
            return self.reading(limits, scope, "UNKNOWN", None, limit, detail=f"{what} not known")
        loss = -pnl
        state: State = "ACTIVE"
        if loss >= limit:
            state = "TRIPPED"
        elif warns(loss, limit, limits.warn_pct):
            state = "WARN"
        return self.reading(
            limits, scope, state, loss if loss > 0 else Decimal(0), limit, detail=view.trading_day()
        )
