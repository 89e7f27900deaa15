"""One order in the book and the small values in which the order book answers.

The record is the only mutable thing: the book moves it from one immutable `OrderLife` to the next and keeps
times (engine time, UTC ns), totals of executions and the state of the in-flight watch beside it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engine.lifecycle_types import Anomaly, OrderLife, Request, evolve
from engine.model import ExecutionKey, Fill, Order, Value


class RecordImage(Value, frozen=True, array_like=True):
    """An `OrderRecord` for a saved state of the books; what follows from the rest is left out."""

    order: Order
    life: OrderLife
    seq: int
    foreign: bool
    held: bool
    recorded: int
    sent: int
    acked: int
    first_fill: int
    last_report: int
    closed: int
    executed: int
    cum_value: int
    fees: Decimal
    keys: tuple[ExecutionKey, ...]
    brokers: tuple[str, ...]
    flight: Request | None
    flight_since: int
    not_found: int
    exposed: int


if TYPE_CHECKING:
    from engine.control.snapshot import OrderRow
    from engine.reconcile_types import OwnOrder


class OrderRecord:
    """An order, where it stands, and what was seen of it. Written by `OrderBook` only."""

    __slots__ = (
        "acked",
        "attempts",
        "brokers",
        "closed",
        "compared",
        "cum_value",
        "drawn",
        "executed",
        "exposed",
        "fees",
        "first_fill",
        "flight",
        "flight_since",
        "foreign",
        "held",
        "keys",
        "last_report",
        "life",
        "not_found",
        "order",
        "own_price",
        "recorded",
        "sent",
        "seq",
    )

    def __init__(
        self, order: Order, life: OrderLife, seq: int, now: int, *, foreign: bool, held: bool
    ) -> None:
        self.order = order
        self.life = life
        self.seq = seq
        """Place in the order of creation; stable over replays."""
        self.foreign = foreign
        """Placed elsewhere; stays true after it was claimed."""
        self.held = held
        """A bracket's child that waits in the engine for its parent's fills; not at the venue."""
        self.recorded = now
        self.sent = 0
        self.acked = 0
        self.first_fill = 0
        self.last_report = 0
        """Engine time of the last news from the venue, ns; 0 before any. Likewise for the other times."""
        self.closed = 0
        self.executed = 0
        """Lots by executions that we hold. Equals `life.cum` but for foreign orders, which may have filled
        before they were seen."""
        self.cum_value = 0
        """Sum of price × quantity of the executions, tick-lots; over `executed` it is the exact average."""
        self.fees = Decimal(0)
        self.keys: list[ExecutionKey] = []
        """The executions that make up `executed`, in order of arrival."""
        self.brokers: list[str] = []
        """Every id that the broker used for it; a replace may change it."""
        self.flight: Request | None = None
        """What is asked of the venue and unanswered, since `flight_since`, asked about `attempts` times."""
        self.flight_since = 0
        self.attempts = 0
        self.not_found = 0
        """Times in a row that the venue said it does not know the order."""
        self.exposed = 0
        """Lots entered into the exposure on this order's account."""
        self.own_price: int | None = None
        self.drawn: OrderRow | None = None
        """As screens are shown it (`engine.picture_rows`); None where it has changed since."""
        self.compared: tuple[tuple[object, ...], OwnOrder] | None = None
        """What it was when it was last compared with the broker, and as what it took part."""

    @property
    def id(self) -> str:
        return self.order.id

    @property
    def avg_price(self) -> Decimal | None:
        """Exact average price of the executions in fractional ticks; None before the first."""
        return Decimal(self.cum_value) / self.executed if self.executed else None

    def current(self) -> Order:
        """The order with the terms now in force."""
        order, life = self.order, self.life
        if order.qty == life.qty and order.limit == life.limit and order.stop == life.stop:
            return order
        return evolve(order, qty=life.qty, limit=life.limit, stop=life.stop)

    def image(self) -> RecordImage:
        """All that a fold over the journal has put here."""
        return RecordImage(
            self.order,
            self.life,
            self.seq,
            self.foreign,
            self.held,
            self.recorded,
            self.sent,
            self.acked,
            self.first_fill,
            self.last_report,
            self.closed,
            self.executed,
            self.cum_value,
            self.fees,
            tuple(self.keys),
            tuple(self.brokers),
            self.flight,
            self.flight_since,
            self.not_found,
            self.exposed,
        )

    @classmethod
    def of(cls, image: RecordImage) -> OrderRecord:
        """The order again. Its price is entered, and its questions asked, by whoever takes it in."""
        record = cls(
            image.order, image.life, image.seq, image.recorded, foreign=image.foreign, held=image.held
        )
        record.sent, record.acked, record.first_fill = image.sent, image.acked, image.first_fill
        record.last_report, record.closed = image.last_report, image.closed
        record.executed, record.cum_value, record.fees = image.executed, image.cum_value, image.fees
        record.keys, record.brokers = list(image.keys), list(image.brokers)
        record.flight, record.flight_since = image.flight, image.flight_since
        record.not_found, record.exposed = image.not_found, image.exposed
        return record

    def state(self) -> tuple[object, ...]:
        """Everything that must be equal after a replay of the same events."""
        return (
            self.order,
            self.life,
            self.foreign,
            self.held,
            self.recorded,
            self.sent,
            self.acked,
            self.first_fill,
            self.last_report,
            self.closed,
            self.executed,
            self.cum_value,
            str(self.fees),
            self.keys,
            self.not_found,
            self.exposed,
        )


class Exposure(NamedTuple):
    """Most lots that may still be bought and sold by what is open, in flight or unknown."""

    buy: int
    sell: int


class InFlight(NamedTuple):
    """A question that went unanswered for too long. `attempts`: how often it fell due before."""

    order_id: str
    kind: Request
    attempts: int


class Outcome(StrEnum):
    """What became of news about an order or an execution."""

    NEW = "NEW"
    """Taken."""
    DUPLICATE = "DUPLICATE"
    """Known before; nothing changed."""
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    """No order of ours explains it. An execution counts in the position all the same."""
    EVICTED = "EVICTED"
    """Its order has left memory. A new execution counts in the position; the journal knows whose it is."""
    MISMATCH = "MISMATCH"
    """An execution whose symbol or side is not its order's; it counts in the position of its own symbol."""
    VOIDED = "VOIDED"
    """An execution that was busted before it arrived."""
    EARLY = "EARLY"
    """A bust or correction of an execution that has not arrived."""
    INVALID = "INVALID"
    """An execution of no positive quantity; not taken."""


class OrderOutcome(msgspec.Struct, frozen=True):
    """What an event did to an order. `before` and `life` are None where the order is not in memory."""

    outcome: Outcome
    record: OrderRecord | None
    before: OrderLife | None
    life: OrderLife | None
    anomalies: tuple[Anomaly, ...] = ()


class FillOutcome(NamedTuple):
    """What an execution did. `fill` is set where the position must book it now."""

    outcome: Outcome
    record: OrderRecord | None
    fill: Fill | None
    anomalies: tuple[Anomaly, ...] = ()

    @property
    def is_new(self) -> bool:
        """True where the position must book the execution: it was never seen before."""
        return self.fill is not None


class ChangeOutcome(NamedTuple):
    """What a bust or correction did: the position takes `fill` back (by `fill.key`) and books `new`."""

    outcome: Outcome
    record: OrderRecord | None
    fill: Fill | None
    new: Fill | None = None
    anomalies: tuple[Anomaly, ...] = ()
