"""Order size: caps on quantity and notional of one order, against fat fingers."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from engine.risk.ask import Ask, CannotTell
from engine.risk.control import Control, Refusal
from engine.risk.view import RiskView


class OrderQuantity(Control):
    """No single order above the instrument's cap, reducing or not: a typing error in a closing order hurts
    as well. Larger positions are closed in parts, or by the flatten procedure."""

    name = "order_qty"
    title = "Order quantity"
    quiet = True
    opening_only = False

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        own = ask.overrides
        cap = ask.limits.max_order_qty
        if own is not None and own.max_order_qty is not None:
            cap = own.max_order_qty
        if ask.qty <= cap:
            return None
        return self.refusal(f"{ask.qty} lots, the cap for one order is {cap}; make it smaller", ask.symbol)


class OrderNotional(Control):
    """|price| × size × multiplier in account currency. The dearest of limit, stop and last known reference
    counts, so that neither a negative price nor one typed far too low slips under the cap."""

    name = "order_notional"
    title = "Order notional"
    quiet = True
    opening_only = False

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        instrument = ask.instrument
        if instrument is None:
            raise CannotTell(f"{ask.symbol} is not known")
        reference = ask.reference(view)
        price = -1 if reference is None else abs(reference.price)
        if ask.limit is not None:
            price = max(price, abs(ask.limit))
        if ask.stop is not None:
            price = max(price, abs(ask.stop))
        if price < 0:
            return self.unsure(ask, f"{ask.symbol} has no price to value the order at", ask.symbol)
        rate = view.fx(instrument.currency)
        if rate is None:
            return self.unsure(ask, f"there is no rate for {instrument.currency}: add it to fx", ask.symbol)
        notional = instrument.money(price * ask.qty) * rate
        cap = ask.limits.max_order_notional
        if notional <= cap:
            return None
        return self.refusal(
            f"notional {notional:,.2f}, the cap for one order is {cap:,f}; send smaller orders", ask.symbol
        )
