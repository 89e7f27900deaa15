"""Allowed instruments: only what is known, listed as allowed, and of a currency that has a rate."""

from __future__ import annotations

from engine.risk.ask import Ask, CannotTell
from engine.risk.control import Control, Refusal
from engine.risk.view import RiskView


class AllowedInstruments(Control):
    """An unknown instrument is always refused; one that is merely not (or no longer) allowed can still be
    closed."""

    name = "instruments"
    title = "Allowed instruments"
    quiet = True
    opening_only = False
    on_flatten = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        instrument = ask.instrument
        if instrument is None:
            if ask.blind is not None:
                raise CannotTell(f"instruments cannot be read ({ask.blind})")
            return self.refusal(f"{ask.symbol} is not an instrument of this venue", ask.symbol)
        if ask.exempt:
            return None
        allowed = ask.limits.allowed
        if allowed and ask.symbol not in allowed:
            return self.refusal(f"{ask.symbol} is not in risk.allowed", ask.symbol)
        if view.fx(instrument.currency) is None:
            return self.unsure(ask, f"there is no rate for {instrument.currency}: add it to fx", ask.symbol)
        return None
