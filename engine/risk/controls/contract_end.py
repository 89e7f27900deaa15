"""Contract end: near a contract's last safe day nothing is opened in it any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from engine.config import RiskLimits
from engine.model import NS, Instrument
from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal
from engine.risk.view import RiskView

DAY: Final = 86_400 * NS


def closes_at(limits: RiskLimits, instrument: Instrument) -> int | None:
    """UTC ns from which only orders that reduce pass; None where the contract never ends."""
    if instrument.ends is None:
        return None
    own = limits.instruments.get(instrument.symbol)
    days = own.contract_close_days if own is not None else None
    return instrument.ends - (limits.contract_close_days if days is None else days) * DAY


def warns_at(limits: RiskLimits, instrument: Instrument) -> int | None:
    """UTC ns from which its end is alarmed, never later than `closes_at`; None where it never ends."""
    closes = closes_at(limits, instrument)
    if closes is None or instrument.ends is None:
        return None
    return min(closes, instrument.ends - limits.contract_warn_days * DAY)


def told(instrument: Instrument, now: int) -> str:
    """The last safe day and how far it is, for a person."""
    assert instrument.ends is not None
    day = datetime.fromtimestamp(instrument.ends // NS, UTC).date()
    left = (day - datetime.fromtimestamp(now // NS, UTC).date()).days
    far = "today" if left == 0 else f"in {left} days" if left > 0 else f"{-left} days ago"
    return f"last safe day {day}, {far}"


class ContractEnd(Control):
    """What reduces passes to the end: leaving is what the window is for."""

    name = "contract_end"
    title = "Contract end"
    kind = "symbol"
    follows_market = False

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        instrument = ask.instrument
        closes = None if instrument is None else closes_at(ask.limits, instrument)
        if instrument is None or closes is None or view.now() < closes:
            return None
        text = f"{ask.symbol} ends: {told(instrument, view.now())}; trade the next contract"
        return self.refusal(text, ask.symbol)

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits, instrument = view.limits(), view.instrument(scope)
        if instrument is None or instrument.ends is None:
            return self.as_before(scope, None) or self.keep(
                scope, None, self.reading(limits, scope, "ACTIVE")
            )
        now = view.now()
        closes, warns = closes_at(limits, instrument), warns_at(limits, instrument)
        assert closes is not None and warns is not None
        due = next((view.mono() + at - now for at in (warns, closes) if at > now), None)
        detail = told(instrument, now)
        if now >= closes:
            return self.reading(limits, scope, "TRIPPED", detail=detail)
        return self.reading(limits, scope, "WARN" if now >= warns else "ACTIVE", detail=detail, due=due)
