"""Spread breaker: while the market is too wide, one-sided or crossed, and for a while after, nobody opens."""

from __future__ import annotations

from typing import Final

from engine.config import Action, RiskLimits
from engine.model import MarketState
from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal, State, ns, warns
from engine.risk.view import RiskView

_NOT_TRADING: Final = frozenset({MarketState.PRE_OPEN, MarketState.HALTED, MarketState.CLOSED})
"""States in which an empty or crossed book is ordinary and says nothing about the market to come."""


def _cap(limits: RiskLimits, symbol: str) -> int:
    own = limits.instruments.get(symbol)
    if own is not None and own.max_spread_ticks is not None:
        return own.max_spread_ticks
    return limits.max_spread_ticks


def _fault(spread: int | None, cap: int) -> str:
    """What is wrong with a market; empty where it is orderly. Locked (bid = ask) is orderly."""
    if spread is None:
        return "one-sided"
    if spread < 0:
        return "crossed"
    return f"{spread} ticks wide" if spread > cap else ""


class SpreadBreaker(Control):
    """Per symbol. The pause runs from the moment at which the spread was last seen too wide."""

    name = "spread"
    title = "Spread breaker"
    kind = "symbol"
    again = True

    def __init__(self) -> None:
        super().__init__()
        self._until: dict[str, int] = {}
        self._bad: dict[str, str] = {}
        self._caps_of: RiskLimits | None = None
        self._caps: dict[str, int] = {}
        """Widest orderly spread by symbol, by the limits `_caps_of`."""

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        quote = ask.quote(view)
        symbol = ask.symbol
        if quote is None:
            return self.unsure(ask, f"{symbol} has no quote", symbol)
        cap = ask.max_spread()
        fault = _fault(quote.spread, cap)
        if fault:
            if ask.market(view).state not in _NOT_TRADING and not ask.trial:
                self._note(symbol, fault, ask.mono, ask.limits)
                self.touched[symbol] = None
            until = self._until.get(symbol)
            return self.refusal(f"the market is {fault}, the limit is {cap} ticks", symbol, until)
        paused = self._until.get(symbol, 0)
        if ask.mono < paused:
            return self.refusal(
                f"the spread was too wide; paused for another {(paused - ask.mono) / 1e9:.1f} s",
                symbol,
                paused,
            )
        return None

    def _note(self, symbol: str, fault: str, mono: int, limits: RiskLimits) -> None:
        self._bad[symbol] = fault
        self._until[symbol] = mono + ns(limits.spread_pause)

    def action(self, limits: RiskLimits) -> Action:
        return limits.spread_action

    def reset(self, scope: str) -> None:
        for symbol in list(self._until) if scope == "" else [scope]:
            self._until.pop(symbol, None)
            self._bad.pop(symbol, None)

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        if limits is not self._caps_of:
            self._caps_of = limits
            self._caps.clear()
        cap = self._caps.get(scope)
        if cap is None:
            cap = self._caps[scope] = _cap(limits, scope)
        quote = view.quote(scope)
        if quote is None:
            return self.reading(limits, scope, "UNKNOWN", None, cap, " ticks", "no quote yet")
        mono = view.mono()
        used = quote.spread
        fault = _fault(used, cap)
        resting = view.market(scope).state in _NOT_TRADING
        if resting:
            self._bad.pop(scope, None)
        elif fault or scope in self._bad:
            # Also at the first look at an orderly market: until now it was too wide.
            self._note(scope, fault, mono, limits)
            if not fault:
                del self._bad[scope]
        until = self._until.get(scope, 0)
        if mono < until:
            due = None if fault and not resting else until
            return self.reading(limits, scope, "TRIPPED", used, cap, " ticks", fault or "pausing", due)
        of = (used, resting, fault, limits)
        if (before := self.as_before(scope, of)) is not None:
            return before
        state: State = "WARN" if used is not None and warns(used, cap, limits.warn_pct) else "ACTIVE"
        if resting and fault:
            state = "ACTIVE"
        reading = self.reading(limits, scope, state, used, cap, " ticks", "not trading" if resting else "")
        return self.keep(scope, of, reading)
