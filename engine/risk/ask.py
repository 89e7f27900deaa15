"""One order or replace in the form that controls read, with the proof whether it reduces.

**Reducing.** An order reduces only if no sequence of fills lets it raise |position|: it is on the side
opposite to the executed position, and its lots together with everything else that works or is in flight on
that side fit into that position; and, where the broker's position is known and differs, into the broker's as
well. The reduce-only flag is a wish, not a proof. A replace counts with the larger of its old and new size;
one that only makes an order smaller at the same prices takes risk away whatever the position is.
"""

from __future__ import annotations

from typing import Final

from engine.config import InstrumentLimits, RiskLimits
from engine.model import Instrument, Order, OrderType, Purpose, Quote, Replace, Side
from engine.risk.view import DataState, Market, OrderStanding, Reference, RiskView

_BUY: Final = Side.BUY
_FLATTEN: Final = Purpose.FLATTEN


class NoSuchOrder(LookupError):
    """A replace of an order that we do not know."""


class CannotTell(Exception):
    """A control lacks what it needs to decide; the gate treats it like any failure to evaluate."""


def closes(position: int, sign: int, lots: int) -> bool:
    """True where `lots` on the side with this sign (+1 buy, −1 sell) fit into the opposite position."""
    return position * sign < 0 and lots <= abs(position)


def fresh_price(reference: Reference, data: DataState) -> int | None:
    """The reference in ticks while the data is live and young enough, else None."""
    return reference.price if data.word == "live" and reference.age <= data.deadline else None


class Ask:
    """What is asked, and the first look at the books that most controls need. Made once for each check."""

    __slots__ = (
        "_data",
        "_market",
        "_quote",
        "_reference",
        "blind",
        "broker",
        "counted",
        "flatten",
        "instrument",
        "limit",
        "limits",
        "lots",
        "mono",
        "opposite",
        "order",
        "others",
        "overrides",
        "position",
        "purpose",
        "qty",
        "reducing",
        "request",
        "side",
        "sign",
        "standing",
        "stop",
        "strategy",
        "symbol",
        "trial",
        "type",
    )

    request: Order | Replace
    order: Order
    """The order itself; for a replace the order with its old terms."""
    standing: OrderStanding | None
    """For a replace: where the order stands."""
    qty: int
    """Total quantity asked for, lots."""
    counted: int
    """Lots of the same side's exposure that this order, or its OCO group, stands for already."""
    lots: int
    """Lots at stake: the quantity, or the larger of what counts already and what is asked for."""
    position: int
    broker: int | None
    others: int
    """Worst-case lots on the same side without this order and its OCO group."""
    opposite: int
    """Worst-case lots on the other side."""
    reducing: bool
    flatten: bool
    blind: Exception | None
    """Why the books could not be read; then nothing counts as reducing."""
    limits: RiskLimits
    overrides: InstrumentLimits | None
    instrument: Instrument | None

    def __init__(
        self, request: Order | Replace, view: RiskView, *, counts_already: bool = False, trial: bool = False
    ) -> None:
        """Raises `NoSuchOrder` for a replace of an unknown order. `counts_already`: the order was approved
        before and is part of the exposure by now. `trial`: a mere question, which must leave no trace."""
        self.request = request
        self.trial = trial
        self._reference: Reference | bool | None = False
        self._quote: Quote | bool | None = False
        self._data: DataState | None = None
        self._market: Market | None = None
        counted = 0
        if isinstance(request, Order):
            order = self.order = request
            self.standing = None
            self.lots = request.qty
            if counts_already:
                known = view.order(request.id)
                counted = known.exposure if known is not None else 0
        else:
            standing = self.standing = view.order(request.order_id)
            if standing is None:
                raise NoSuchOrder(request.order_id)
            order = self.order = standing.order
            counted = standing.exposure
            self.lots = request.qty - standing.cum
        self.qty = request.qty
        self.limit = request.limit
        self.stop = request.stop
        self.symbol = symbol = order.symbol
        self.strategy = order.strategy
        self.type: OrderType = order.type
        self.purpose: Purpose = order.purpose
        self.side: Side = order.side
        self.sign = sign = 1 if order.side is _BUY else -1
        self.flatten = order.purpose is _FLATTEN
        self.reducing = False
        self.blind = None
        self.instrument = None
        self.overrides = None
        try:
            self.mono = view.mono()
            self.limits = view.limits()
            self.overrides = self.limits.instruments.get(symbol)
            self.instrument = view.instrument(symbol)
            position = self.position = view.position(symbol)
            broker = self.broker = view.broker_position(symbol)
            buy, sell = view.exposure(symbol)
            if order.oco is not None:
                # Target and stop of one bracket: one fill takes the other away, so they share their room.
                counted = max(counted, view.oco_exposure(order.oco, symbol, order.side))
            self.counted = counted
            self.lots = max(counted, self.lots)
            if sign > 0:
                others, self.opposite = buy - counted, sell
            else:
                others, self.opposite = sell - counted, buy
            self.others = others
            if others < 0 or self.opposite < 0:
                raise CannotTell(f"the exposure of {symbol} is smaller than that of its orders")
            if position * sign < 0:
                lots = others + self.lots
                self.reducing = closes(position, sign, lots) and (
                    broker is None or broker == position or closes(broker, sign, lots)
                )
            if self.standing is not None and not self.reducing:
                self.reducing = self._only_shrinks(self.standing)
        except Exception as error:  # noqa: BLE001 - whatever the books raise, nothing is proven to reduce
            self.blind = error

    def _only_shrinks(self, standing: OrderStanding) -> bool:
        old = standing.order
        return (
            self.qty - standing.cum <= self.counted
            and self.qty <= old.qty
            and self.limit == old.limit
            and self.stop == old.stop
        )

    @property
    def exempt(self) -> bool:
        """True where the order takes risk away, proven or by the flatten procedure."""
        return self.reducing or self.flatten

    @property
    def protects(self) -> bool:
        """True for a protective order that provably reduces, and for a change of its size to one that does:
        what beside the flatten procedure may leave behind an account's halt. Its prices stay then."""
        old = None if self.standing is None else self.standing.order
        moved = old is not None and (self.limit, self.stop) != (old.limit, old.stop)
        return self.reducing and self.purpose is Purpose.PROTECT and not moved

    def reference(self, view: RiskView) -> Reference | None:
        """The newest reference, however old."""
        if self._reference is False:
            self._reference = view.reference(self.symbol)
        return self._reference  # type: ignore[return-value]

    def fresh_reference(self, view: RiskView) -> int | None:
        """The reference in ticks while the data is live and young enough, else None."""
        reference = self.reference(view)
        return None if reference is None else fresh_price(reference, self.data(view))

    def quote(self, view: RiskView) -> Quote | None:
        if self._quote is False:
            self._quote = view.quote(self.symbol)
        return self._quote  # type: ignore[return-value]

    def data(self, view: RiskView) -> DataState:
        if self._data is None:
            self._data = view.data_state(self.symbol)
        return self._data

    def market(self, view: RiskView) -> Market:
        if self._market is None:
            self._market = view.market(self.symbol)
        return self._market

    def max_spread(self) -> int:
        """Widest spread in ticks at which the market counts as orderly."""
        own = self.overrides
        if own is not None and own.max_spread_ticks is not None:
            return own.max_spread_ticks
        return self.limits.max_spread_ticks
