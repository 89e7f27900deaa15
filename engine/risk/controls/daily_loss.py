"""Daily loss: realised + open + fees against the day's opening equity, by our count and the broker's. A bad
day ends here."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.config import Action, RiskLimits
from engine.risk.ask import Ask
from engine.risk.control import Control, Number, Reading, Refusal, State, warns_from
from engine.risk.view import RiskView

_NONE: Final = Decimal(0)


def loss_limit(limits: RiskLimits, opening: Decimal | None) -> Decimal | None:
    """Loss at which the day stops, account currency, the tighter of percentage and amount; None where the
    opening equity is not known or not positive, so that no percentage of it means anything."""
    if opening is None or opening <= 0:
        return None
    limit = opening * limits.daily_loss_pct / 100
    amount = limits.daily_loss_amount
    return limit if amount is None or limit < amount else amount


def day_loss(view: RiskView, limits: RiskLimits) -> tuple[Decimal | None, str]:
    """The day's loss, the worse of ours and the broker's, below zero for a profit; and whose it is where it
    is not ours. None with what is missing."""
    own, broker = view.day_pnl(), None
    if own is None:
        return None, "profit of the day"
    if limits.broker_pnl != "ignored":
        broker = view.broker_day_pnl()
        if broker is None and limits.broker_pnl == "required" and view.tells("day_pnl"):
            return None, "broker's profit of the day"
    if broker is not None and broker < own:
        return -broker, f"by the broker's count, by ours {-own:,.2f}"
    return -own, ""


class DailyLoss(Control):
    """Trips when the loss reaches the limit and stays tripped until a person resets the day's loss, a profit
    regained or a new day notwithstanding."""

    name = "daily_loss"
    title = "Daily loss"
    latches = True

    def __init__(self) -> None:
        super().__init__()
        self._limit_of: tuple[RiskLimits | None, Decimal | None] = (None, None)
        self._limit: Decimal | None = None
        self._warns_from: Number = _NONE
        """`loss_limit` of the limits and the opening equity in `_limit_of`, and what warns of it."""

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        loss, note = day_loss(view, ask.limits)
        limit = loss_limit(ask.limits, view.opening_equity())
        if loss is None or limit is None:
            return self.unsure(ask, f"the {note if loss is None else 'opening equity'} is not known")
        if loss < limit:
            return None
        self.touched[""] = None
        whose = f" ({note})" if note else ""
        return self.refusal(
            f"the day has lost {loss:,.2f}{whose}, the limit is {limit:,.2f}; reset day_loss first"
        )

    def action(self, limits: RiskLimits) -> Action:
        return limits.daily_loss_action

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        loss, note = day_loss(view, limits)
        opening = view.opening_equity()
        if limits is not self._limit_of[0] or opening is not self._limit_of[1]:
            self._limit_of, self._limit = (limits, opening), loss_limit(limits, opening)
            if self._limit is not None:
                self._warns_from = warns_from(self._limit, limits.warn_pct)
        limit = self._limit
        if loss is None or limit is None:
            what = note if loss is None else "opening equity"
            return self.reading(limits, scope, "UNKNOWN", None, limit, detail=f"{what} not known")
        state: State = "ACTIVE"
        if loss >= limit:
            state = "TRIPPED"
        elif loss > _NONE and loss >= self._warns_from:
            state = "WARN"
        day = view.trading_day()
        detail = f"{day}; {note}" if day and note else day or note
        return self.reading(limits, scope, state, loss if loss > _NONE else _NONE, limit, detail=detail)
