"""Trading state: halts, pauses and the recovery that has to come first."""

from __future__ import annotations

from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal
from engine.risk.view import RiskView


class TradingState(Control):
    """Before recovery is done, and where the flatten procedure works, nothing leaves but that procedure's own
    orders: a second hand closing the same position would turn it round. Behind a halt of the account
    protection that only reduces leaves as well: what was filled before it, or late, is not to stay without
    its stop until a person comes. Halts of one instrument and pauses stop what opens and let pass what
    reduces."""

    name = "trading_state"
    title = "Trading state"
    follows_market = False
    opening_only = False

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        why = view.halted()
        if why and not ask.protects:
            return self.refusal(f"trading is halted ({why}); use flatten to close, reset to trade again")
        if not view.trading_enabled():
            return self.refusal("recovery has not finished; wait until the three positions agree")
        if view.flattening(ask.symbol):
            return self.refusal(f"{ask.symbol} is being flattened; wait for the verdict", ask.symbol)
        if ask.reducing:
            return None
        why = view.symbol_halt(ask.symbol)
        if why:
            return self.refusal(f"{ask.symbol} is halted ({why}); resolve it and reset it", ask.symbol)
        why = view.symbol_hold(ask.symbol)
        if why:
            return self.refusal(f"{why}; it goes on when the broker agrees", ask.symbol)
        why = view.paused(ask.strategy)
        if why:
            return self.refusal(f"paused ({why}); resume to open positions again", ask.strategy)
        return None

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        why = view.halted() or ("" if view.trading_enabled() else "recovery has not finished")
        return self.as_before(scope, why) or self.keep(
            scope, why, self.reading(view.limits(), scope, "TRIPPED" if why else "ACTIVE", detail=why)
        )
