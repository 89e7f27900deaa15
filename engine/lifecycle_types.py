"""The vocabulary of an order's life: where it stands, what happens to it, what is a surprise.

`OrderLife` is the immutable state of one order, `Anomaly` a typed surprise, `Transition` the answer to an
event. The events that come from outside are the order facts of `engine.facts`; those that happen in the
engine itself (sent, unanswered, an execution booked …) stand here. Quantities are lots, prices ticks.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Final, NamedTuple

import msgspec

from engine.facts import (
    Acknowledged,
    Canceled,
    CancelRejected,
    DoneForDay,
    Expired,
    Listed,
    OrderNotFound,
    OrderReport,
    PendingCancel,
    PendingReplace,
    Rejected,
    Released,
    Replaced,
    ReplaceRejected,
    Restated,
    Suspended,
    Triggered,
)
from engine.model import Order, OrderStatus, Replace, TimeInForce, Value

ANSWERED_KEPT: Final = 8
"""How many ids of answered replaces an order remembers, to tell a repeated answer from a new one."""


class Request(StrEnum):
    """What was asked of the venue and is not answered yet."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    REPLACE = "replace"
    QUERY = "query"
    """Nothing was asked, but what we were told contradicts itself: the venue has to be asked."""


_SUBMIT: Final = Request.SUBMIT
"""Under a name of its own, as below: to look one up in an enumeration takes as long as ten other steps."""
_CANCEL: Final = Request.CANCEL
_REPLACE: Final = Request.REPLACE
_QUERY: Final = Request.QUERY
PENDING_NEW: Final = OrderStatus.PENDING_NEW
WORKING: Final = OrderStatus.WORKING
PARTIAL: Final = OrderStatus.PARTIAL_FILL
FILLED: Final = OrderStatus.FILLED
CANCELED: Final = OrderStatus.CANCELED
REJECTED: Final = OrderStatus.REJECTED
EXPIRED: Final = OrderStatus.EXPIRED
UNKNOWN: Final = OrderStatus.UNKNOWN


class Code(StrEnum):
    """Kinds of surprise."""

    DUPLICATE = "DUPLICATE"
    """Said before (possible resend); nothing changed."""
    LATE_ACK = "LATE_ACK"
    """The acknowledgement came after other news of the order."""
    LATE_FACT = "LATE_FACT"
    """News of an order that has already ended; nothing changed."""
    OUT_OF_SEQUENCE = "OUT_OF_SEQUENCE"
    """Overtaken by newer news; nothing changed."""
    STALE_REPORT = "STALE_REPORT"
    """A picture of the order older than what is known; nothing regressed."""
    FILL_BEFORE_ACK = "FILL_BEFORE_ACK"
    FILL_BEFORE_REPLACED = "FILL_BEFORE_REPLACED"
    """Filled beyond the present quantity but within a replace that is not answered yet."""
    FILL_AFTER_CANCEL = "FILL_AFTER_CANCEL"
    FILL_AFTER_EXPIRE = "FILL_AFTER_EXPIRE"
    FILL_AFTER_REJECT = "FILL_AFTER_REJECT"
    FILL_AFTER_LOST = "FILL_AFTER_LOST"
    """An order that we gave up, or believed never sent, has filled."""
    FILL_WHILE_SUSPENDED = "FILL_WHILE_SUSPENDED"
    OVERFILL = "OVERFILL"
    """Filled beyond every quantity that was ever asked for; `amount` lots too many."""
    MISSING_FILL = "MISSING_FILL"
    """The venue counts `amount` lots more than our executions: ask for executions."""
    BUST_TOO_LARGE = "BUST_TOO_LARGE"
    """More was taken back than had been filled."""
    REOPENED = "REOPENED"
    """An order that had ended is alive again, or may be."""
    UNSOLICITED_CANCEL = "UNSOLICITED_CANCEL"
    UNSOLICITED_REPLACE = "UNSOLICITED_REPLACE"
    REJECT_AFTER_ACK = "REJECT_AFTER_ACK"
    """A rejection of an order that was working, with nothing to say whose it is."""
    REJECT_OF_OTHER_ORDER = "REJECT_OF_OTHER_ORDER"
    """A rejection that belongs to another order (duplicate id, other broker id); nothing changed."""
    REJECT_OF_OTHER_REQUEST = "REJECT_OF_OTHER_REQUEST"
    """A rejection of a cancel or replace that is not pending, while another request is."""
    REJECT_WITHOUT_REQUEST = "REJECT_WITHOUT_REQUEST"
    CANCEL_REJECTED_FILLED = "CANCEL_REJECTED_FILLED"
    """Too late to cancel or replace: the order had filled."""
    CANCEL_REJECTED_CLOSED = "CANCEL_REJECTED_CLOSED"
    VENUE_SAYS_CLOSED = "VENUE_SAYS_CLOSED"
    """A rejection claims in passing that the order has ended; to be asked about."""
    CANCEL_LOST = "CANCEL_LOST"
    """The venue works the order as if our cancel had never arrived: send it again if still wanted."""
    REPLACE_LOST = "REPLACE_LOST"
    """Answers over `orders.lost_after` showed the order without the replace: it never arrived."""
    NOT_FOUND = "NOT_FOUND"
    """The venue says that it has no such order."""
    LOST_WITH_FILLS = "LOST_WITH_FILLS"
    """Given up as lost although it had filled in part."""
    NOTHING_TO_CANCEL = "NOTHING_TO_CANCEL"
    NOTHING_TO_REPLACE = "NOTHING_TO_REPLACE"
    CONTRADICTION = "CONTRADICTION"
    """What the engine says of itself does not fit with what the venue said."""
    NOT_AN_ORDER_EVENT = "NOT_AN_ORDER_EVENT"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    """News of an order that is not ours, or not known."""
    EVICTED_ORDER = "EVICTED_ORDER"
    """News of an order that ended long ago and left memory; the journal has it."""
    FILL_MISMATCH = "FILL_MISMATCH"
    """An execution with our order's id but another symbol or side."""
    INVALID_FILL = "INVALID_FILL"
    EXECUTION_DIFFERS = "EXECUTION_DIFFERS"
    """An execution's identity was used again for other lots: not booked, the broker is compared with."""
    BUST_BEFORE_FILL = "BUST_BEFORE_FILL"
    """A bust of an execution that has not arrived: remembered."""
    CORRECTION_BEFORE_FILL = "CORRECTION_BEFORE_FILL"
    """A correction of an execution that never arrived: booked as it stands now."""
    VOIDED_FILL = "VOIDED_FILL"
    """An execution that had been busted before it arrived: not booked."""


class Anomaly(NamedTuple):
    """A surprise: its kind, a sentence for the log, and lots where a quantity matters."""

    code: Code
    text: str
    amount: int = 0


class OrderLife(Value, frozen=True, kw_only=True):
    """Where one order stands. Immutable; `engine.lifecycle.transition` makes the next one."""

    status: OrderStatus
    qty: int
    """Total quantity that the venue is known to have, lots."""
    cum: int = 0
    """Sum of the executions booked, lots. Only executions, busts and corrections move it."""
    limit: int | None = None
    stop: int | None = None
    tif: TimeInForce = TimeInForce.DAY
    broker_id: str | None = None
    reason: str = ""
    """Why it ended or is in doubt, in the venue's words where there are any."""
    pending_cancel: bool = False
    replaces: tuple[Replace, ...] = ()
    """Replaces asked for and not answered, oldest first."""
    late: tuple[Replace, ...] = ()
    """Replaces of which two answers in a row showed nothing, oldest first: nothing waits for them any more,
    but they may still be under way, and what they ask for counts until they are given up."""
    excused: tuple[Replace, ...] = ()
    """Unanswered replaces that alone explain why more than `qty` has filled; all that they asked for has."""
    suspended: bool = False
    done_for_day: bool = False
    triggered: bool = False
    acked: bool = False
    """An explicit acknowledgement was seen."""
    uncertain: OrderStatus | None = None
    """What it was when it became UNKNOWN."""
    ended: OrderStatus | None = None
    """How the venue (or we) ended it; outlives a late fill that makes it FILLED."""
    presumed: bool = False
    """Ended by our own inference (never sent, lost), not by the venue's word: any sign of life re-opens."""
    told: int = 0
    """Filled quantity by the venue's latest count, lots; above `cum` while executions are missing."""
    doubts: int = 0
    """Answers in a row that showed the old terms although one of `replaces` went unanswered."""
    answered: tuple[str, ...] = ()
    """Ids of the replaces answered last."""
    as_of: int = 0
    """Venue time of the newest fact applied, ns; older pictures of the order are stale."""
    termed: int = 0
    """Venue time of the newest fact that named the quantity and prices that it stands on, ns; 0: none yet."""
    listed: tuple[tuple[str, int], ...] = ()
    """What the venue listed as working under this id, by its names and lots, where that was more than the one
    order that the rest tells of, as a replace may have left two."""

    @property
    def leaves(self) -> int:
        """Lots that may still fill on the present terms; 0 once it has ended."""
        left = self.qty - self.cum
        return left if left > 0 and not self.is_closed else 0

    @property
    def missing(self) -> int:
        """Lots that the venue counts as filled and for which no execution has arrived."""
        return max(0, self.told - self.cum)

    @property
    def worst_qty(self) -> int:
        """Largest total quantity that may be live: the present one, or that of any unanswered replace."""
        if not self.replaces and not self.late:
            return self.qty
        return max(self.qty, *(r.qty for r in self.unanswered))

    @property
    def unanswered(self) -> tuple[Replace, ...]:
        """Every replace that may still be taken by the venue, in the order in which they were asked for."""
        return (*self.late, *self.replaces) if self.late else self.replaces

    @property
    def worst_leaves(self) -> int:
        """Most lots that may still reach the position. An ended order counts what is missing of its fills,
        and each what the venue was seen to work under its id."""
        told, cum = self.told, self.cum
        listed = sum(lots for _, lots in self.listed) if self.listed else 0
        if self.status in CLOSED and not self.replaces:  # as `is_closed`
            most = told
        else:
            qty = self.worst_qty if self.replaces or self.late else self.qty
            most = qty if qty > told else told
        return most - cum if most - cum > listed else listed

    @property
    def is_closed(self) -> bool:
        """True where nothing more is expected. FILLED with a pending replace upwards is not closed."""
        return self.status in CLOSED and not self.replaces

    @property
    def in_flight(self) -> Request | None:
        """The question that is open between us and the venue; None where everything is answered."""
        status = self.status
        if status is PENDING_NEW or (status is UNKNOWN and self.uncertain is PENDING_NEW):
            return _SUBMIT
        if self.pending_cancel:
            return _CANCEL
        if self.replaces or self.late:
            return _REPLACE
        return _QUERY if status is UNKNOWN else None


CLOSED: Final = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)


class Transition(NamedTuple):
    """The state after an event, and what was surprising about it."""

    life: OrderLife
    anomalies: tuple[Anomaly, ...] = ()


class TwinReport(OrderReport, frozen=True, tag="twin_report", kw_only=True):
    """A picture of one of two orders under our id, its counts brought up to ours (`engine.orders_twins`);
    never journalled."""


class Local(Value, frozen=True, tag_field="local", kw_only=True):
    """Base of what happens to an order inside the engine."""

    ts: ClassVar[int] = 0
    broker_id: ClassVar[str | None] = None


class Sent(Local, frozen=True, tag="sent"):
    """The order was handed to the adapter."""


class CancelSent(Local, frozen=True, tag="cancel_sent"):
    """A cancel was handed to the adapter (also when it is sent again)."""


class ReplaceSent(Local, frozen=True, tag="replace_sent"):
    """A replace was handed to the adapter."""

    replace: Replace


class NotSent(Local, frozen=True, tag="not_sent"):
    """It is certain that a request never left. `replace_id` names the replace, None means the newest."""

    reason: str
    what: Request = Request.SUBMIT
    replace_id: str | None = None


class Unanswered(Local, frozen=True, tag="unanswered"):
    """The time for an answer has passed."""

    what: Request = Request.SUBMIT


class ReplacesLost(Local, frozen=True, tag="replaces_lost"):
    """Decided after asking: these late replaces never arrived."""

    ids: tuple[str, ...]


class LinkLost(Local, frozen=True, tag="link_lost"):
    """The link to the broker was lost; what was in flight is not known any more."""

    reason: str = ""


class Lost(Local, frozen=True, tag="lost"):
    """Decided after asking: the broker positively does not know the order and nothing of it filled."""

    reason: str = ""


class FillApplied(Local, frozen=True, tag="fill_applied"):
    """A new execution of `qty` lots was booked (repeats never get here)."""

    qty: int


class FillRemoved(Local, frozen=True, tag="fill_removed"):
    """A booked execution of `qty` lots was busted."""

    qty: int


class FillCorrected(Local, frozen=True, tag="fill_corrected"):
    """A booked execution was corrected from `old_qty` to `new_qty` lots."""

    old_qty: int
    new_qty: int


class FillVoided(Local, frozen=True, tag="fill_voided"):
    """An execution arrived that had been busted before: never booked, but the venue may have counted it."""

    qty: int


LocalEvent = (
    Sent
    | CancelSent
    | ReplaceSent
    | NotSent
    | Unanswered
    | ReplacesLost
    | LinkLost
    | Lost
    | FillApplied
    | FillRemoved
    | FillCorrected
    | FillVoided
)
VenueEvent = (
    Acknowledged
    | Rejected
    | PendingCancel
    | Canceled
    | CancelRejected
    | PendingReplace
    | Replaced
    | ReplaceRejected
    | Expired
    | DoneForDay
    | Suspended
    | Released
    | Restated
    | Triggered
    | OrderReport
    | TwinReport
    | OrderNotFound
    | Listed
)
OrderEvent = VenueEvent | LocalEvent


def born(order: Order) -> OrderLife:
    """The life of an order that was recorded and is about to be sent."""
    return OrderLife(status=PENDING_NEW, qty=order.qty, limit=order.limit, stop=order.stop, tif=order.tif)


evolve = msgspec.structs.replace
"""A copy of a life with some fields changed."""


def open_again(life: OrderLife) -> OrderLife:
    """The life with the status that its quantities say, overlays kept: what the venue works as of now.

    Filled up, it keeps only replaces that would raise the quantity beyond what has filled; late ones are
    waited for again, because nothing else keeps it open.
    """
    if life.cum >= life.qty:
        asked = life.unanswered
        raising = tuple(r for r in asked if r.qty > life.cum) if asked else ()
        excused = life.excused
        if asked and life.cum > life.qty:
            excused += tuple(r for r in asked if life.qty < r.qty <= life.cum)
        return evolve(
            life,
            status=FILLED,
            replaces=raising,
            late=(),
            excused=excused,
            pending_cancel=life.pending_cancel and bool(raising),
            suspended=life.suspended and bool(raising),
            done_for_day=False,
            uncertain=None,
            presumed=False,
            reason="",
        )
    return evolve(
        life,
        status=PARTIAL if life.cum else WORKING,
        uncertain=None,
        ended=None,
        presumed=False,
        reason="",
    )


def close(life: OrderLife, status: OrderStatus, reason: str, *, presumed: bool = False) -> OrderLife:
    """The life ended as `status`, or as FILLED where nothing was left; without overlays."""
    filled = life.cum >= life.qty
    return evolve(
        life,
        status=FILLED if filled else status,
        reason="" if filled else reason,
        pending_cancel=False,
        replaces=(),
        late=(),
        suspended=False,
        done_for_day=False,
        uncertain=None,
        ended=status,
        presumed=presumed and not filled,
        doubts=0,
    )


def doubt(life: OrderLife, reason: str) -> OrderLife:
    """The life as UNKNOWN: overlays and exposure stay, what it was is remembered."""
    was = life.uncertain or life.status
    if was is FILLED and life.cum < life.qty:
        was = PARTIAL if life.cum else WORKING
    return evolve(life, status=UNKNOWN, uncertain=was, reason=reason, presumed=False)


def tell(life: OrderLife, cum: int | None, ts: int) -> tuple[OrderLife, tuple[Anomaly, ...]]:
    """Takes note of the venue's own count; says what is missing or behind, never changes ours.

    A count from before the newest fact (`ts` ns) never takes back a higher one.
    """
    if cum is None or (ts < life.as_of and cum < life.told):
        return life, ()
    told = life if life.told == cum else evolve(life, told=cum)
    if cum > life.cum:
        lots = cum - life.cum
        return told, (Anomaly(Code.MISSING_FILL, f"venue counts {cum} filled, we have {life.cum}", lots),)
    if cum < life.cum:
        text = f"venue counts {cum} filled, we have {life.cum}"
        return told, (Anomaly(Code.STALE_REPORT, text, life.cum - cum),)
    return told, ()
