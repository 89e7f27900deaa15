"""Validity: an order must be complete and make sense before anybody weighs its risk."""

from __future__ import annotations

from engine.model import OrderType, Purpose, TimeInForce
from engine.risk.ask import Ask
from engine.risk.control import Control, Refusal
from engine.risk.view import RiskView

_GTD = TimeInForce.GTD
_NEEDS = {
    OrderType.MARKET: (False, False),
    OrderType.LIMIT: (True, False),
    OrderType.STOP: (False, True),
    OrderType.STOP_LIMIT: (True, True),
}
"""Which types carry (a limit, a stop)."""


class Validity(Control):
    """Whole lots and ticks, the prices that the type needs and no other, stops on the right side of the
    market, an expiry that lies ahead, signs that the instrument allows, and no flag without its proof."""

    name = "validity"
    title = "Order validity"
    quiet = True
    opening_only = False
    on_flatten = True

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        text = self._shape(ask)
        if text is None:
            order = ask.order
            if ask.stop is not None and order.purpose is Purpose.TRADE:
                text = self._stop_side(ask, view)
            if text is None and order.tif is _GTD and ask.standing is None:
                if order.expire is None:
                    text = "a GTD order needs the time at which it expires"
                elif order.expire <= view.now():
                    text = "the expiry of this GTD order has passed; give a later one"
            if text is None and ask.standing is not None:
                text = _replaceable(ask)
            if (
                text is None
                and order.reduce_only
                and order.purpose is Purpose.TRADE
                and not ask.reducing
                and ask.blind is None
            ):
                room = max(0, -ask.position * ask.sign - ask.others)
                text = (
                    f"reduce-only, but it could open a position: at most {room} lots are left to close by "
                    f"executions (broker: {'unknown' if ask.broker is None else ask.broker})"
                )
        return None if text is None else self.refusal(text, ask.symbol)

    def _shape(self, ask: Ask) -> str | None:
        order, limit, stop, qty = ask.order, ask.limit, ask.stop, ask.qty
        if type(qty) is not int or qty <= 0:
            return f"the quantity must be a whole number of lots above 0, not {qty!r}"
        wants_limit, wants_stop = _NEEDS[ask.type]
        if (limit is not None) is not wants_limit:
            return f"a {ask.type} order {'needs a limit price' if wants_limit else 'takes no limit price'}"
        if (stop is not None) is not wants_stop:
            return f"a {ask.type} order {'needs a stop price' if wants_stop else 'takes no stop price'}"
        signed = ask.instrument is None or ask.instrument.nonpositive_price
        for what, price in (("limit", limit), ("stop", stop)):
            if price is None:
                continue
            if type(price) is not int:
                return f"the {what} price must be a whole number of ticks, not {price!r}"
            if price <= 0 and not signed:
                return f"the {what} price is {price} ticks, but {ask.symbol} trades above zero only"
        if ask.flatten and limit is None:
            return "flattening uses marketable limits, never bare market orders"
        if order.post_only:
            if limit is None:
                return "post-only needs a limit price"
            if order.tif is TimeInForce.IOC or order.tif is TimeInForce.FOK:
                return f"post-only and {order.tif} exclude each other"
        return None

    def _stop_side(self, ask: Ask, view: RiskView) -> str | None:
        reference = ask.fresh_reference(view)
        if reference is None or ask.stop is None or (ask.stop - reference) * ask.sign > 0:
            return None
        where = "above" if ask.sign > 0 else "below"
        return (
            f"a {'buy' if ask.sign > 0 else 'sell'} stop belongs {where} the market ({reference} ticks), "
            f"{ask.stop} would trigger at once; use a limit order instead"
        )


def _replaceable(ask: Ask) -> str | None:
    standing = ask.standing
    assert standing is not None
    if standing.status.is_closed:
        return f"order {standing.order.id} is {standing.status}; send a new order instead"
    if ask.qty <= standing.cum:
        return f"{standing.cum} lots are filled already; cancel the order instead of replacing it"
    return None
