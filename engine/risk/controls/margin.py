"""Margin: how much of the equity is pledged, and what to close to get back to the target."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Final

from engine.config import Action, RiskLimits
from engine.model import NS, Side, Value
from engine.risk.ask import Ask
from engine.risk.control import Control, Number, Reading, Refusal, State, warns_from
from engine.risk.view import RiskView
from engine.risk.worst import ZERO, WorstCase

HUNDRED: Final = Decimal(100)


class Reduction(Value, frozen=True):
    """Close so many lots of a symbol; `side` is the side of the closing order."""

    symbol: str
    side: Side
    lots: int


class Margin(Control):
    """Before an order: what is used, what the working orders could need, and what this one could need, all
    against the trigger. In the loop: what is used. A trip whose action is kill means "reduce to the target,
    then pause" and holds until reset; any other clears by itself at the target. A figure that is missing or
    too old counts as breached for whatever opens."""

    name = "margin"
    title = "Margin"
    again = True

    def __init__(self, worst: WorstCase) -> None:
        super().__init__()
        self._worst = worst
        self._above = False
        self._warns_of: RiskLimits | None = None
        self._warns_from: Number = ZERO
        """Percent from which on it warns, by the limits `_warns_of`."""

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        used, equity = view.margin_used(), view.margin_equity()
        if used is None or equity is None or equity <= 0:
            what = "margin in use" if used is None else "equity" if equity is None else "equity above zero"
            return self.unsure(ask, f"there is no {what} to measure by")
        doubt = view.margin_doubt(ask.symbol)
        if doubt:
            return self.unsure(ask, doubt, ask.symbol)
        after = self._worst.after(ask, view).margin
        if after is None:
            symbols = self._worst.unmargined or ask.symbol
            return self.unsure(ask, f"the margin of {symbols} is not known", ask.symbol)
        trigger = ask.limits.margin_flatten_pct
        if (used + after) * HUNDRED < trigger * equity:
            return None
        return self.refusal(
            f"margin would reach {(used + after) * HUNDRED / equity:.1f}% of equity, the limit is {trigger}%"
        )

    def outlook(self, ask: Ask, view: RiskView) -> tuple[Decimal | None, Decimal | None]:
        """Margin in use if everything that works were filled, account currency: now, and with the order on
        top. None where it is not known."""
        used = view.margin_used()
        if used is None:
            return None, None
        self._worst.refresh(view)
        after = self._worst.after(ask, view).margin
        now = None if self._worst.unmargined else used + self._worst.margin
        return now, None if after is None else used + after

    @property
    def above(self) -> bool:
        """True from the trigger on until margin is back at the target."""
        return self._above

    def action(self, limits: RiskLimits) -> Action:
        return limits.margin_action

    def holds_until_reset(self, limits: RiskLimits) -> bool:
        return limits.margin_action == "kill"

    def reset(self, scope: str) -> None:
        self._above = False

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        used, equity = view.margin_used(), view.margin_equity()
        trigger, target = limits.margin_flatten_pct, limits.margin_target_pct
        if used is None or equity is None or (equity <= ZERO and used <= ZERO):
            return self.reading(limits, scope, "UNKNOWN", None, trigger, "%", "margin or equity not known")
        pledged = used * HUNDRED
        if equity <= ZERO or pledged >= trigger * equity:
            self._above = True
        elif self._above and pledged <= target * equity:
            self._above = False
        percent = pledged / equity if equity > ZERO else None
        detail = ""
        state: State = "ACTIVE"
        if self._above:
            state, detail = "TRIPPED", f"reducing to {target}%"
        else:
            detail = _ahead(view, equity, trigger)
            if limits is not self._warns_of:
                self._warns_of, self._warns_from = limits, warns_from(trigger, limits.warn_pct)
            if detail or (percent is not None and percent > ZERO and percent >= self._warns_from):
                state = "WARN"
        return self.reading(limits, scope, state, percent, trigger, "%", detail)


def _ahead(view: RiskView, equity: Decimal, trigger: Decimal) -> str:
    """Says when the broker's next requirements would reach the trigger with what is held; empty where they
    would not."""
    ahead = view.margin_ahead()
    if ahead is None or equity <= 0 or ahead[0] * HUNDRED < trigger * equity:
        return ""
    at = datetime.fromtimestamp(ahead[1] // NS, UTC)
    return f"{ahead[0] * HUNDRED / equity:.1f}% from {at:%Y-%m-%d %H:%M} UTC on, as the broker announces"


def reduction_plan(view: RiskView) -> tuple[Reduction, ...]:
    """What to close so that margin falls to margin_target_pct: the positions that bind most margin first.

    Empty where nothing has to be closed, or where margin is not known. What each position binds is taken as
    its share of the margin in use, so that closing everything frees all of it whatever the broker charges.
    """
    used, equity = view.margin_used(), view.margin_equity()
    if used is None or equity is None:
        return ()
    excess = used - max(equity, Decimal(0)) * view.limits().margin_target_pct / 100
    if excess <= 0:
        return ()
    held: list[tuple[Decimal, str, int]] = []
    for symbol in view.symbols():
        position = view.position(symbol)
        needed = view.margin_needed(symbol, abs(position)) if position else None
        if needed:
            held.append((needed, symbol, position))
    total = sum((needed for needed, _, _ in held), Decimal(0))
    plan: list[Reduction] = []
    for needed, symbol, position in sorted(held, key=lambda item: (-item[0], item[1])):
        if excess <= 0:
            break
        per_lot = used * needed / total / abs(position)
        lots = min(abs(position), int((excess / per_lot).to_integral_value(ROUND_CEILING)))
        plan.append(Reduction(symbol, Side.SELL if position > 0 else Side.BUY, lots))
        excess -= lots * per_lot
    return tuple(plan)
