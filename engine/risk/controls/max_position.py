"""Maximum position: worst case per instrument, whatever of the working orders is filled."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from decimal import Decimal

from engine.config import Action, RiskLimits
from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal, State, warns
from engine.risk.view import RiskView


def cap_of(limits: RiskLimits, symbol: str) -> int:
    """Largest worst-case position of the symbol on either side, lots."""
    own = limits.instruments.get(symbol)
    if own is not None and own.max_position is not None:
        return own.max_position
    return limits.max_position


class MaxPosition(Control):
    """Position + everything that works or is in flight on that side + this order. Where the broker's position
    differs from ours, the larger one counts. Unexpected fills show up in the loop's reading."""

    name = "max_position"
    title = "Max position"
    kind = "symbol"
    follows_market = False

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        base = ask.position * ask.sign
        if ask.broker is not None and ask.broker != ask.position:
            base = max(base, ask.broker * ask.sign)
        worst = base + ask.others + ask.lots
        cap = cap_of(ask.limits, ask.symbol)
        if worst <= cap:
            return None
        return self.refusal(
            f"worst case {worst * ask.sign:+d} lots (position {base * ask.sign:+d}, {ask.others} working on "
            f"that side, {ask.lots} asked), the limit is {cap}",
            ask.symbol,
        )

    def action(self, limits: RiskLimits) -> Action:
        return limits.max_position_action

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        position = view.position(scope)
        broker = view.broker_position(scope)
        buy, sell = view.exposure(scope)
        key = (position, broker, buy, sell, limits)
        if (before := self.as_before(scope, key)) is not None:
            return before
        cap = cap_of(limits, scope)
        other = position if broker is None else broker
        worst = max(position + buy, other + buy, sell - position, sell - other)
        state: State = "ACTIVE"
        if worst > cap:
            state = "TRIPPED"
        elif warns(worst, cap, limits.warn_pct):
            state = "WARN"
        instrument = view.instrument(scope)
        lot = Decimal(1) if instrument is None else instrument.lot
        unit = "lots" if instrument is None else instrument.unit
        detail = f"position {position * lot:+f}, working {buy * lot:f} to buy and {sell * lot:f} to sell"
        reading = self.reading(limits, scope, state, worst, cap, f" {unit}", detail, lot=lot)
        return self.keep(scope, key, reading)
