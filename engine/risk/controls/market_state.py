"""Market state: what the venue lets in right now, and its price limits for the day."""

from __future__ import annotations

from typing import Final

from engine.model import MarketState, OrderType, TimeInForce
from engine.risk.ask import Ask
from engine.risk.control import Control, Reading, Refusal, State
from engine.risk.view import RiskView

_UNKNOWN: Final = MarketState.UNKNOWN
_PRE_OPEN: Final = MarketState.PRE_OPEN

ADMITTED: Final[dict[MarketState, frozenset[OrderType]]] = {
    MarketState.OPEN: frozenset(OrderType),
    MarketState.PRE_OPEN: frozenset({OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT}),
    MarketState.RESERVED: frozenset({OrderType.LIMIT}),
    MarketState.HALTED: frozenset(),
    MarketState.CLOSED: frozenset(),
}
"""Order types that each state takes; in a halted or closed market only cancels go out."""

_STATES: Final[dict[MarketState, State]] = {
    MarketState.OPEN: "ACTIVE",
    MarketState.PRE_OPEN: "ACTIVE",
    MarketState.RESERVED: "WARN",
    MarketState.HALTED: "TRIPPED",
    MarketState.CLOSED: "ACTIVE",
    MarketState.UNKNOWN: "UNKNOWN",
}


class MarketStateGate(Control):
    """Asks even the flatten procedure, because the venue would refuse its orders anyway. While the state is
    not known, only limit orders that reduce pass."""

    name = "market_state"
    title = "Market state"
    kind = "symbol"
    again = True
    opening_only = False
    on_flatten = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        market = ask.market(view)
        state = market.state
        if state is _UNKNOWN:
            if ask.type is OrderType.MARKET:
                return self.refusal("the market's state is not known; use a limit order", ask.symbol)
            return self.unsure(ask, f"the market state of {ask.symbol} is not known", ask.symbol)
        if ask.type not in ADMITTED[state]:
            admitted = ", ".join(sorted(ADMITTED[state])) or "nothing but cancels"
            return self.refusal(f"{ask.symbol} is {state}: it takes {admitted}", ask.symbol)
        if state is _PRE_OPEN and ask.order.tif in (TimeInForce.IOC, TimeInForce.FOK):
            return self.refusal(f"{ask.symbol} is PRE_OPEN: {ask.order.tif} cannot be filled", ask.symbol)
        for price in (ask.limit, ask.stop):
            if price is None:
                continue
            if market.low is not None and price < market.low:
                return self.refusal(
                    f"{price} ticks lies below the venue's limit of the day, {market.low}", ask.symbol
                )
            if market.high is not None and price > market.high:
                return self.refusal(
                    f"{price} ticks lies above the venue's limit of the day, {market.high}", ask.symbol
                )
        return None

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        market = view.market(scope)
        state = market.state
        return self.as_before(scope, state) or self.keep(
            scope, state, self.reading(view.limits(), scope, _STATES[state], detail=str(state))
        )
