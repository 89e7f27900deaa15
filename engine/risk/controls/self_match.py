"""Self-match prevention: our own orders must not trade with each other (a wash trade)."""

from __future__ import annotations

from engine.model import OrderType
from engine.risk.ask import Ask
from engine.risk.control import Control, Refusal
from engine.risk.view import RiskView


class SelfMatch(Control):
    """Refuses a price at which our own best order on the other side would be hit, from whichever strategy.
    A market order is refused where our own order stands at or before the touch, or nobody knows. Stops are
    looked at by the venue when they trigger."""

    name = "self_match"
    title = "Self-match"
    quiet = True
    opening_only = False

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        if ask.stop is not None:
            return None
        own = view.own_best(ask.symbol, ask.side.opposite)
        if own is None:
            return None
        price = ask.limit
        if price is None and ask.type is OrderType.MARKET:
            quote = ask.quote(view)
            touch = None if quote is None else (quote.ask if ask.sign > 0 else quote.bid)
            price = own if touch is None else touch
        if price is None or (price - own) * ask.sign < 0:
            return None
        at = f"{own} ticks" if ask.instrument is None else f"{ask.instrument.price(own)}"
        side = "sell" if ask.sign > 0 else "buy"
        return self.refusal(
            f"it would trade with our own {side} order at {at}; cancel that one first", ask.symbol
        )
