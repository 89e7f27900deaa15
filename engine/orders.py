"""The order book: every order that we sent or saw, where it stands, and what it may still do to the position.

One writer, synchronous, and of constant cost per event however many orders there are. The state machine is
`engine.lifecycle`; here news finds its order, executions are told apart from their repeats, and orders placed
elsewhere are taken in. Times are engine time in UTC ns; prices ticks, quantities lots.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.facts import (
    Acknowledged,
    CancelRejected,
    ForeignOrder,
    OrderFact,
    OrderNotFound,
    OrderReport,
    ReplaceRejected,
)
from engine.lifecycle import transition
from engine.lifecycle_types import (
    Anomaly,
    Code,
    FillApplied,
    FillCorrected,
    FillRemoved,
    FillVoided,
    OrderEvent,
    Sent,
    born,
    evolve,
)
from engine.model import ExecutionKey, Fill, Order, OrderStatus
from engine.orders_record import (
    ChangeOutcome,
    Exposure,
    FillOutcome,
    InFlight,
    OrderOutcome,
    OrderRecord,
    Outcome,
)
from engine.orders_shelf import OrderShelf
from engine.orders_twins import twin_report

FOREIGN: Final = "foreign"
"""Strategy name of orders that were placed elsewhere and not claimed."""

_REFUSALS: Final = frozenset({CancelRejected, ReplaceRejected})


class OrderBook(OrderShelf):
    """All orders of one account session. Changed on the engine's thread only."""

    # -- events

    def apply(self, order_id: str, event: OrderEvent, now: int) -> OrderOutcome:
        """Moves one order by one event. Executions go through `apply_fill`, `bust` and `correct` instead."""
        record = self._orders.get(order_id)
        if record is None:
            code, outcome = self._absent(order_id)
            text = f"{type(event).__name__} for {order_id}"
            return OrderOutcome(outcome, None, None, None, (Anomaly(code, text),))
        before = record.life
        if event.__class__ is OrderReport:
            event = twin_report(before, event, self._fills(record)) or event
        life, anomalies = transition(before, event)
        kind = event.__class__
        if isinstance(event, OrderFact) and (kind not in _REFUSALS or _tells_of_the_order(event)):
            # A venue that speaks of it has it: this state is older than the release.
            if record.held and kind is not OrderNotFound:
                record.held, record.drawn = False, None
            record.last_report = now
            record.not_found = record.not_found + 1 if kind is OrderNotFound else 0
            if kind is Acknowledged and not record.acked:
                record.acked = now
        elif kind is Sent and not record.sent:
            record.sent = now
        self._moved(record, life, now, asked=kind is Sent)
        return OrderOutcome(Outcome.NEW, record, before, life, anomalies)

    def _fills(self, record: OrderRecord) -> Iterator[Fill]:
        """All executions that are booked for an order."""
        entries = map(self._executions.booked, record.keys)
        return (entry[1] for entry in entries if entry is not None)

    def _absent(self, order_id: str | None) -> tuple[Code, Outcome]:
        if order_id is not None and order_id in self._evicted:
            return Code.EVICTED_ORDER, Outcome.EVICTED
        return Code.UNKNOWN_ORDER, Outcome.UNKNOWN_ORDER

    # -- executions

    def apply_fill(self, fill: Fill, now: int) -> FillOutcome:
        """Books an execution once, whatever its order's state; repeats are counted and change nothing."""
        key = fill.key
        if fill.qty <= 0:
            text = f"execution {key.exec_id} of {fill.qty} lots"
            return FillOutcome(Outcome.INVALID, None, None, (Anomaly(Code.INVALID_FILL, text),))
        record = self.record_of(fill)
        if not self._executions.remember(key):
            self.duplicates += 1
            code, text = Code.DUPLICATE, f"execution {key.exec_id} came again"
            if self._executions.contradicts(fill):
                code = Code.EXECUTION_DIFFERS
                text += f" as another one: {fill.side} {fill.qty} {fill.symbol} at {fill.price} ticks"
            return FillOutcome(Outcome.DUPLICATE, record, None, (Anomaly(code, text, fill.qty),))
        if self._executions.is_busted(key):
            if record is not None:
                self._moved(record, transition(record.life, FillVoided(qty=fill.qty)).life, now)
            text = f"execution {key.exec_id} was busted before it arrived"
            return FillOutcome(Outcome.VOIDED, record, None, (Anomaly(Code.VOIDED_FILL, text, fill.qty),))
        return self._book(fill, record, now)

    def record_of(self, fill: Fill) -> OrderRecord | None:
        """The order in memory that an execution is of, or that its ids lead to."""
        record = self._orders.get(fill.order_id) if fill.order_id is not None else None
        if record is None and fill.broker_id is not None:
            # The broker gives ids out again; the fill may be of an order that had this one before.
            record = self._names.find(fill.broker_id, lambda r: _is_of(fill, r))
            record = record or self._names.newest(fill.broker_id)
        return record

    def _book(self, fill: Fill, record: OrderRecord | None, now: int) -> FillOutcome:
        if record is None:
            self._executions.book(fill.key, None, fill)
            code, outcome = self._absent(fill.order_id)
            text = f"execution {fill.key.exec_id} of order {fill.order_id or fill.broker_id or '(none)'}"
            text += ", which ended long ago" if outcome is Outcome.EVICTED else ", which is not known"
            return FillOutcome(outcome, None, fill, (Anomaly(code, text, fill.qty),))
        order = record.order
        if fill.symbol != order.symbol or fill.side is not order.side:
            self._executions.book(fill.key, None, fill)
            if fill.broker_id is not None:
                self._names.doubt(fill.broker_id)
            text = (
                f"execution {fill.key.exec_id} is not of the symbol and side of {order.id}, whose id it has"
            )
            return FillOutcome(Outcome.MISMATCH, None, fill, (Anomaly(Code.FILL_MISMATCH, text, fill.qty),))
        self._executions.book(fill.key, record, fill)
        self._total(record, fill, 1)
        record.held = False
        record.last_report = now
        record.not_found = 0
        first = not record.first_fill
        if first:
            record.first_fill = now
        if fill.broker_id is not None:
            self._names.bind(fill.broker_id, record)
        anomalies = self._executed(record, fill.qty, now)
        if first and not record.life.is_closed:
            self._watch.filled(record)
        return FillOutcome(Outcome.NEW, record, fill, anomalies)

    def _executed(self, record: OrderRecord, qty: int, now: int) -> tuple[Anomaly, ...]:
        if record.foreign:
            # what had filled before we saw the order stands in its count; only what goes beyond is new
            qty = record.executed - record.life.cum
            if qty <= 0:
                return ()
        life, anomalies = transition(record.life, FillApplied(qty=qty))
        self._moved(record, life, now)
        return anomalies

    @staticmethod
    def _total(record: OrderRecord, fill: Fill, sign: int) -> None:
        record.drawn = None
        record.executed += sign * fill.qty
        record.cum_value += sign * fill.qty * fill.price
        if fill.fee:
            record.fees += sign * fill.fee

    def bust(self, key: ExecutionKey, now: int) -> ChangeOutcome:
        """Takes an execution back. One that has not arrived yet is remembered and never booked."""
        key = self._executions.latest(key)
        if not self._executions.bust(key):
            self.duplicates += 1
            text = f"execution {key.exec_id} was busted before"
            return ChangeOutcome(Outcome.DUPLICATE, None, None, None, (Anomaly(Code.DUPLICATE, text),))
        if not self._executions.seen(key):
            text = f"bust of execution {key.exec_id}, which has not arrived"
            return ChangeOutcome(Outcome.EARLY, None, None, None, (Anomaly(Code.BUST_BEFORE_FILL, text),))
        entry = self._executions.booked(key)
        if entry is None:
            text = f"bust of execution {key.exec_id}, whose order has left memory"
            return ChangeOutcome(Outcome.EVICTED, None, None, None, (Anomaly(Code.EVICTED_ORDER, text),))
        record, fill = entry
        self._executions.forget(key)
        anomalies: tuple[Anomaly, ...] = ()
        if record is not None:
            self._total(record, fill, -1)
            record.last_report = now
            if not record.executed:
                record.first_fill = 0
            life, anomalies = transition(record.life, FillRemoved(qty=fill.qty))
            self._moved(record, life, now)
        return ChangeOutcome(Outcome.NEW, record, fill, None, anomalies)

    def correct(self, key: ExecutionKey, fill: Fill, now: int) -> ChangeOutcome:
        """Puts `fill` in the place of the execution `key`.

        One that never arrived is booked as it stands now (`new` without `fill`), ignored if it comes later.
        """
        executions = self._executions
        key = executions.latest(key)
        entry = executions.booked(key)
        known_new = executions.seen(fill.key)
        repeated = fill.key == key and entry is not None and entry[1] == fill
        if fill.qty <= 0:
            text = f"correction of execution {key.exec_id} to {fill.qty} lots"
            return ChangeOutcome(Outcome.INVALID, None, None, None, (Anomaly(Code.INVALID_FILL, text),))
        if repeated or executions.is_busted(key) or (known_new and fill.key != key):
            self.duplicates += 1
            text = f"correction of execution {key.exec_id} came again, or after its bust"
            record = entry[0] if entry is not None else None
            return ChangeOutcome(Outcome.DUPLICATE, record, None, None, (Anomaly(Code.DUPLICATE, text),))
        if not executions.seen(key):
            executions.remember(key)
            executions.remember(fill.key)
            executions.replace(key, fill.key)
            booked = self._book(fill, self.record_of(fill), now)
            text = f"correction of execution {key.exec_id}, which has not arrived"
            early = Anomaly(Code.CORRECTION_BEFORE_FILL, text, fill.qty)
            return ChangeOutcome(Outcome.EARLY, booked.record, None, fill, (early, *booked.anomalies))
        if entry is None:
            text = f"correction of execution {key.exec_id}, whose order has left memory"
            return ChangeOutcome(Outcome.EVICTED, None, None, None, (Anomaly(Code.EVICTED_ORDER, text),))
        record, old = entry
        executions.forget(key)
        executions.remember(fill.key)
        executions.replace(key, fill.key)
        executions.book(fill.key, record, fill)
        anomalies: tuple[Anomaly, ...] = ()
        if record is not None:
            self._total(record, old, -1)
            self._total(record, fill, 1)
            record.last_report = now
            life, anomalies = transition(record.life, FillCorrected(old_qty=old.qty, new_qty=fill.qty))
            self._moved(record, life, now)
        return ChangeOutcome(Outcome.NEW, record, old, fill, anomalies)

    # -- orders from elsewhere

    def stranger(self, fact: ForeignOrder) -> OrderRecord | None:
        """The order in memory that news of an order from elsewhere is about: one from elsewhere with its id,
        symbol and side, else one of ours with its terms. Other terms are another order's, to which the broker
        gave the id as well: seed 6792, where the two were held for one that came back to life without end."""

        def fits(record: OrderRecord) -> bool:
            return (record.order.symbol, record.order.side) == (fact.symbol, fact.side)

        found = self._names.find(fact.broker_id, lambda r: r.foreign and fits(r))
        return found or self._names.find(fact.broker_id, lambda r: fits(r) and _has_terms(r, fact))

    def foreign_named(self, broker_id: str) -> OrderRecord | None:
        """The order from elsewhere with that id of the broker."""
        return self._names.find(broker_id, lambda r: r.foreign)

    def adopt_foreign(self, fact: ForeignOrder, now: int) -> OrderRecord:
        """Takes in, or brings up to date, an order placed elsewhere; it counts in the exposure."""
        return self.foreign(fact, now)[0]

    def foreign(self, fact: ForeignOrder, now: int) -> tuple[OrderRecord, tuple[Anomaly, ...]]:
        """`adopt_foreign`, and what was surprising about it.

        Where the broker's id is that of an order of ours, the news is taken as a report on that.
        """
        record = self.stranger(fact)
        if record is not None:
            if not record.foreign:
                self._names.doubt(fact.broker_id)
            return record, self._foreign_report(record, fact, now)
        order_id = f"{FOREIGN}-{fact.broker_id}"
        again = 1
        while order_id in self._orders or order_id in self._evicted:  # the broker uses the id again
            again += 1
            order_id = f"{FOREIGN}-{fact.broker_id}-{again}"
        order = Order(
            id=order_id,
            strategy=FOREIGN,
            account=self._account,
            symbol=fact.symbol,
            side=fact.side,
            qty=fact.qty,
            type=fact.type,
            limit=fact.limit,
            stop=fact.stop,
            tif=fact.tif,
            created=now,
        )
        life = evolve(
            born(order),
            status=OrderStatus.UNKNOWN,
            uncertain=OrderStatus.PENDING_NEW,
            cum=fact.cum,
            broker_id=fact.broker_id,
        )
        life, anomalies = transition(life, _as_report(order_id, fact))
        record = self._enter(order, life, now, foreign=True)
        record.acked = record.last_report = now
        self._opened(record, now)
        for fill in self._executions.find_owner(fact.broker_id, record):
            self._total(record, fill, 1)
            anomalies = (*anomalies, *self._executed(record, fill.qty, now))
        return record, anomalies

    def _foreign_report(self, record: OrderRecord, fact: ForeignOrder, now: int) -> tuple[Anomaly, ...]:
        life = record.life
        if record.foreign and fact.cum > life.cum:
            # the position gets these lots by their executions; here they only leave the exposure
            life = transition(life, FillApplied(qty=fact.cum - life.cum)).life
        life, anomalies = transition(life, _as_report(record.order.id, fact))
        record.last_report = now
        record.not_found = 0
        self._moved(record, life, now)
        return anomalies

    def claim(self, broker_id: str, strategy: str) -> OrderRecord | None:
        """Hands a foreign order to a strategy; None where no foreign order has that broker id."""
        record = self.foreign_named(broker_id)
        if record is None:
            return None
        is_open = record.order.id in self._index
        if is_open:
            self._index.discard(record)
        self._exposure.put(record.order, record.exposed, 0)
        record.order = evolve(record.order, strategy=strategy)
        record.drawn = None
        self._exposure.put(record.order, 0, record.exposed)
        if is_open:
            self._index.add(record)
        return record


def _is_of(fill: Fill, record: OrderRecord) -> bool:
    """Whether an execution may be of this order, by what it says beside the broker's id. The venue knows our
    orders by our id: one that comes without is rather of an order from elsewhere."""
    same = (fill.symbol, fill.side) == (record.order.symbol, record.order.side)
    return same and (fill.order_id is not None or record.foreign)


def _has_terms(record: OrderRecord, fact: ForeignOrder) -> bool:
    """Whether an order has, or is being changed to, the quantity and prices that the broker states."""
    stated = (fact.qty, fact.limit, fact.stop)
    life = record.life
    return stated == (life.qty, life.limit, life.stop) or any(
        stated == (r.qty, r.limit, r.stop) for r in life.unanswered
    )


def _tells_of_the_order(event: OrderFact) -> bool:
    """False for a refused cancel or replace in which the venue does not say where the order stands: "unknown
    order" is no sign of life, however often it is told."""
    return not isinstance(event, CancelRejected | ReplaceRejected) or event.status is not None


def _as_report(order_id: str, fact: ForeignOrder) -> OrderReport:
    return OrderReport(
        ts=fact.ts,
        order_id=order_id,
        broker_id=fact.broker_id,
        status=fact.status,
        qty=fact.qty,
        cum=fact.cum,
        leaves=max(0, fact.qty - fact.cum),
        limit=fact.limit,
        stop=fact.stop,
    )


__all__ = [
    "FOREIGN",
    "ChangeOutcome",
    "Exposure",
    "FillOutcome",
    "InFlight",
    "OrderBook",
    "OrderOutcome",
    "OrderRecord",
    "Outcome",
]
