"""Price sanity: a limit or stop must lie near a fresh reference, a market order needs an orderly market."""

# ruff: noqa: ARG002 - all controls answer one signature, whatever part of it each needs
from __future__ import annotations

from typing import Final

from engine.config import Action, RiskLimits
from engine.model import Instrument, OrderType
from engine.risk.ask import Ask, CannotTell, fresh_price
from engine.risk.control import Control, Reading, Refusal, State
from engine.risk.view import RiskView

_MARKET: Final = OrderType.MARKET
LEAST_BAND: Final = 10
"""Ticks. A percentage of a price of few ticks would be narrower than an ordinary spread."""
FLATTEN_WIDER: Final = 3
"""How many times as wide the band is for the flatten procedure, which must get out of a running market."""


def band(instrument: Instrument, limits: RiskLimits, reference: int) -> int | None:
    """How far from the reference a price may be, ticks on either side; None where the reference is absurd.

    Instruments that may trade at or below zero have a band in ticks, because a percentage of nothing is
    nothing (CME bands are in points; crude oil settled at −37.63 on 2020-04-20).
    """
    own = limits.instruments.get(instrument.symbol)
    if own is not None and own.collar_ticks is not None:
        ticks = own.collar_ticks
    elif instrument.nonpositive_price:
        ticks = limits.collar_ticks
    else:
        ticks = max(LEAST_BAND, int(reference * limits.collar_pct / 100))
    if reference <= 0 and not instrument.nonpositive_price:
        return None
    return ticks


def flatten_range(view: RiskView, symbol: str) -> tuple[int, int] | None:
    """Lowest and highest price, ticks, at which this control lets the flatten procedure's orders pass; None
    where it has nothing to measure by, and so does not bound them."""
    instrument, reference = view.instrument(symbol), view.reference(symbol)
    if instrument is None or reference is None:
        return None
    middle = fresh_price(reference, view.data_state(symbol))
    width = None if middle is None else band(instrument, view.limits(), middle)
    if middle is None or width is None:
        return None
    return middle - width * FLATTEN_WIDER, middle + width * FLATTEN_WIDER


class PriceSanity(Control):
    """Both sides of the reference count: a price typed far too passive is a typing error all the same."""

    name = "price_sanity"
    title = "Price sanity"
    quiet = True
    opening_only = False
    on_flatten = True

    def __init__(self) -> None:
        super().__init__()
        self._tripped = ""

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        instrument = ask.instrument
        if instrument is None:
            raise CannotTell(f"{ask.symbol} is not known")
        reference = ask.fresh_reference(view)
        if reference is None:
            return self.unsure(ask, f"{ask.symbol} has no fresh reference price", ask.symbol)
        width = band(instrument, ask.limits, reference)
        if width is None:
            return self.unsure(
                ask, f"the reference of {ask.symbol} is {reference} ticks, which it cannot be", ask.symbol
            )
        if ask.flatten:
            width *= FLATTEN_WIDER
        low, high = reference - width, reference + width
        limit, stop = ask.limit, ask.stop
        for what, price in (("limit", limit), ("stop", stop)):
            if price is not None and not low <= price <= high:
                self._trip(ask)
                return self.refusal(
                    f"the {what} {instrument.price(price)} is outside {instrument.price(low)} to "
                    f"{instrument.price(high)} around {instrument.price(reference)}; check the price",
                    ask.symbol,
                )
        if ask.type is _MARKET:
            return self._orderly(ask, view)
        return None

    def _orderly(self, ask: Ask, view: RiskView) -> Refusal | None:
        quote = ask.quote(view)
        spread = None if quote is None else quote.spread
        if spread is not None and 0 <= spread <= ask.max_spread():
            return None
        shown = "one-sided" if spread is None else "crossed" if spread < 0 else f"{spread} ticks wide"
        return self.refusal(
            f"a market order needs an orderly market and {ask.symbol} is {shown}; use a limit order",
            ask.symbol,
        )

    def _trip(self, ask: Ask) -> None:
        if self.action(ask.limits) != "refuse" and not self._tripped and not ask.trial:
            self._tripped = f"{ask.strategy} asked for an insane price in {ask.symbol}"
            self.touched[""] = None

    def action(self, limits: RiskLimits) -> Action:
        return limits.collar_action

    def holds_until_reset(self, limits: RiskLimits) -> bool:
        return True

    def reset(self, scope: str) -> None:
        self._tripped = ""

    def evaluate(self, view: RiskView, scope: str) -> Reading:
        limits = view.limits()
        state: State = "TRIPPED" if self._tripped else "ACTIVE"
        detail = self._tripped or f"±{limits.collar_pct}% of a fresh reference, or ticks where signed"
        if self.refused:
            detail += f"; {self.refused_text}"
        return self.reading(limits, scope, state, detail=detail)
