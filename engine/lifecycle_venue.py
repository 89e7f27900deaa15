"""What an order does when the venue acknowledges, rejects, cancels, expires or suspends it.

One table row per fact, one arm per status; replaces stand in `engine.lifecycle_replace`, pictures of the
whole order (reports, "not found") in `engine.lifecycle_report`. The letters in comments are groups of the
FIX 4.4 order state change matrices (volume 4, appendix D).
"""

from __future__ import annotations

from typing import Final

from engine.facts import (
    Acknowledged,
    Canceled,
    CancelRejected,
    DoneForDay,
    Expired,
    PendingCancel,
    Rejected,
    Released,
    Suspended,
    Triggered,
)
from engine.lifecycle_local import Arm, surprise
from engine.lifecycle_types import (
    CANCELED,
    CLOSED,
    EXPIRED,
    FILLED,
    PARTIAL,
    PENDING_NEW,
    REJECTED,
    UNKNOWN,
    WORKING,
    Anomaly,
    Code,
    OrderLife,
    Transition,
    close,
    doubt,
    evolve,
    open_again,
    tell,
)
from engine.model import OrderStatus, TimeInForce

IMMEDIATE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
"""Orders whose rest the venue cancels by itself (group I)."""


def reopened(life: OrderLife, text: str) -> Transition:
    """An order that had ended is alive with certainty."""
    return Transition(open_again(life), (Anomaly(Code.REOPENED, text),))


def contradicted(life: OrderLife, text: str) -> Transition:
    """An order that had ended by the venue's word seems alive: not known, and counted, until asked."""
    return Transition(doubt(life, text), (Anomaly(Code.REOPENED, text),))


# --- acknowledgement and rejection ------------------------------------------------------------------------


def _ack_new(life: OrderLife, _event: Acknowledged) -> Transition:
    return Transition(open_again(evolve(life, acked=True)))


def _ack_known(life: OrderLife, _event: Acknowledged) -> Transition:
    if life.acked:
        return surprise(life, Code.DUPLICATE, "acknowledged before")
    return surprise(evolve(life, acked=True), Code.LATE_ACK, f"acknowledged when already {life.status}")


def _ack_closed(life: OrderLife, event: Acknowledged) -> Transition:
    if life.presumed:
        return reopened(evolve(life, acked=True), f"acknowledged after we ended it: {life.reason}")
    return _ack_known(life, event)


def _ack_rejected(life: OrderLife, event: Acknowledged) -> Transition:
    if life.presumed or life.acked:
        return _ack_closed(life, event)
    return contradicted(evolve(life, acked=True), "acknowledged after it was rejected")


def _ack_unknown(life: OrderLife, event: Acknowledged) -> Transition:
    return _ack_new(life, event) if life.uncertain is PENDING_NEW else _ack_known(life, event)


def _rejected_new(life: OrderLife, event: Rejected) -> Transition:
    if event.duplicate:
        # The line doubled it: the first copy is there, whatever has become of its acknowledgement (F.1).
        return surprise(doubt(life, event.reason), Code.REJECT_OF_OTHER_ORDER, event.reason)
    return Transition(close(life, REJECTED, event.reason))


def _rejected_open(life: OrderLife, event: Rejected) -> Transition:
    # The trader or exchange may refuse what the desk had taken (A.1.a); a duplicate id is refused with the
    # same id while the first order works on (F.1). Only the broker's id tells them apart.
    if event.broker_id is not None and event.broker_id == life.broker_id and not life.cum:
        return Transition(close(life, REJECTED, event.reason))
    if life.cum or (event.broker_id is not None and life.broker_id is not None):
        return surprise(life, Code.REJECT_OF_OTHER_ORDER, f"rejected while {life.status}: {event.reason}")
    text = f"rejected while {life.status}: {event.reason}"
    return surprise(doubt(life, text), Code.REJECT_AFTER_ACK, text)


def _rejected_unknown(life: OrderLife, event: Rejected) -> Transition:
    return (_rejected_new if life.uncertain is PENDING_NEW else _rejected_open)(life, event)


def _rejected_closed(life: OrderLife, event: Rejected) -> Transition:
    if life.presumed:  # the venue knew it after all, and refused it
        return Transition(close(life, REJECTED, event.reason) if not life.cum else life)
    if life.status is REJECTED:
        return surprise(life, Code.DUPLICATE, f"rejected before: {event.reason}")
    return surprise(life, Code.REJECT_OF_OTHER_ORDER, f"rejected when {life.status}: {event.reason}")


# --- cancel (B, E) ----------------------------------------------------------------------------------------


def _pending_cancel(life: OrderLife, _event: PendingCancel) -> Transition:
    return Transition(life if life.pending_cancel else evolve(life, pending_cancel=True))


def _pending_cancel_unknown(life: OrderLife, _event: PendingCancel) -> Transition:
    life = evolve(life, pending_cancel=True)
    if life.uncertain is PENDING_NEW:  # it has arrived, and may not be accepted yet (B.1.d)
        return Transition(evolve(life, status=PENDING_NEW, uncertain=None, reason=""))
    if life.uncertain in CLOSED and life.uncertain is not FILLED:
        return Transition(life)
    return Transition(open_again(life))


def _pending_cancel_filled(life: OrderLife, event: PendingCancel) -> Transition:
    return _pending_cancel(life, event) if life.replaces else late_fact(life, event)


def late_fact(life: OrderLife, event: object) -> Transition:
    """News of an order that has ended. Where only we had ended it, it is alive."""
    if life.presumed:
        if isinstance(event, PendingCancel):
            life = evolve(life, pending_cancel=True)
        elif isinstance(event, (Suspended, Triggered)):
            life = evolve(
                life, suspended=isinstance(event, Suspended), triggered=isinstance(event, Triggered)
            )
        return reopened(life, f"{type(event).__name__} after we ended it: {life.reason}")
    return surprise(life, Code.LATE_FACT, f"{type(event).__name__} when {life.status}")


def _ended(life: OrderLife, event: Canceled | Expired, status: OrderStatus) -> Transition:
    told, anomalies = tell(life, event.cum, event.ts)
    return Transition(close(told, status, event.reason), anomalies)


def _canceled(life: OrderLife, event: Canceled) -> Transition:
    after, anomalies = _ended(life, event, CANCELED)
    # Whoever was first: an order that we want away is gone, and that is no news.
    asked = life.pending_cancel or (life.tif in IMMEDIATE and not event.unsolicited)
    if not asked:
        text = ": ".join(filter(None, ("the venue canceled it unasked", event.reason)))
        anomalies = (Anomaly(Code.UNSOLICITED_CANCEL, text), *anomalies)
    return Transition(after, anomalies)


def _canceled_filled(life: OrderLife, event: Canceled) -> Transition:
    return _canceled(life, event) if life.replaces else _ended_late(life, event)


def _ended_late(life: OrderLife, event: Canceled | Expired) -> Transition:
    told, anomalies = tell(life, event.cum, event.ts)
    text = f"{type(event).__name__} when {life.status}"
    return Transition(told, (Anomaly(Code.LATE_FACT, text), *anomalies))


def _canceled_again(life: OrderLife, event: Canceled | Expired) -> Transition:
    told, anomalies = tell(life, event.cum, event.ts)
    if life.presumed:
        status = CANCELED if isinstance(event, Canceled) else EXPIRED
        return Transition(close(told, status, event.reason), anomalies)
    return Transition(told, (Anomaly(Code.DUPLICATE, f"it is {life.status} already"), *anomalies))


def _canceled_other(life: OrderLife, event: Canceled | Expired) -> Transition:
    return (_canceled_again if life.presumed else _ended_late)(life, event)


def _expired(life: OrderLife, event: Expired) -> Transition:
    return _ended(life, event, EXPIRED)


def _expired_filled(life: OrderLife, event: Expired) -> Transition:
    return _expired(life, event) if life.replaces else _ended_late(life, event)


def refusal(life: OrderLife, status: OrderStatus | None, reason: str, *, answers: bool) -> Transition:
    """After a rejected cancel or replace: what the venue says in passing of the order.

    `answers`: the rejection answered a request of ours, so nothing else may be in doubt.
    """
    if status is FILLED:
        if life.cum >= life.qty and life.status in CLOSED:
            return Transition(life)
        # Filled to which size the venue does not say; a replace under way may have made it smaller.
        least = min((life.qty, *(r.qty for r in life.replaces)))
        left = max(0, least - life.cum)
        text = f"rejected because it is filled: {left} lots of executions are missing"
        if not left:
            text = "rejected because it is filled, with terms that are not confirmed yet"
        life = evolve(life, told=max(life.told, least))
        return surprise(doubt(life, text), Code.MISSING_FILL, text, left)
    if status in CLOSED:
        if life.status in CLOSED and not life.replaces:
            return Transition(life)
        text = f"rejected because the venue has it as {status}: {reason}"
        return surprise(doubt(life, text), Code.VENUE_SAYS_CLOSED, text)
    known = status is WORKING or status is PARTIAL
    if life.status is PENDING_NEW or (life.status is UNKNOWN and life.uncertain is PENDING_NEW):
        return Transition(open_again(life) if known else life)
    if life.status is UNKNOWN and life.uncertain in (WORKING, PARTIAL, FILLED):
        settled = answers and not (life.pending_cancel or life.replaces or life.missing)
        return Transition(open_again(life) if settled else life)
    return Transition(life)


def _cancel_rejected(life: OrderLife, event: CancelRejected) -> Transition:
    if life.pending_cancel:
        return refusal(evolve(life, pending_cancel=False), event.status, event.reason, answers=True)
    after, anomalies = refusal(life, event.status, event.reason, answers=False)
    # a replace may have been meant; taking it for answered would hide what it may still do
    code = Code.REJECT_OF_OTHER_REQUEST if life.replaces else Code.REJECT_WITHOUT_REQUEST
    return Transition(after, (Anomaly(code, f"cancel rejected, none is pending: {event.reason}"), *anomalies))


def _cancel_rejected_filled(life: OrderLife, event: CancelRejected) -> Transition:
    text = f"too late to cancel: {event.reason}"
    return surprise(evolve(life, pending_cancel=False), Code.CANCEL_REJECTED_FILLED, text)


def _cancel_rejected_closed(life: OrderLife, event: CancelRejected) -> Transition:
    if life.presumed and event.status in (WORKING, PARTIAL):
        return reopened(life, f"cancel rejected, the venue works it: {event.reason}")
    return surprise(life, Code.CANCEL_REJECTED_CLOSED, f"cancel rejected when {life.status}: {event.reason}")


# --- end of day, halts, triggers (A, H, K) ----------------------------------------------------------------


def _done_for_day(life: OrderLife, event: DoneForDay) -> Transition:
    told, anomalies = tell(life, event.cum, event.ts)
    if life.tif is TimeInForce.DAY:  # for a day order this is the end (A.1.b)
        return Transition(close(told, EXPIRED, "done for day"), anomalies)
    told = evolve(told, done_for_day=True)
    if life.status is PENDING_NEW or (life.status is UNKNOWN and life.uncertain is PENDING_NEW):
        told = open_again(told)
    return Transition(told, anomalies)


def _done_for_day_filled(life: OrderLife, event: DoneForDay) -> Transition:
    told, anomalies = tell(life, event.cum, event.ts)
    return Transition(told, anomalies)  # every order of the day may get one; a filled one has nothing to end


def _done_for_day_closed(life: OrderLife, event: DoneForDay) -> Transition:
    told, anomalies = tell(life, event.cum, event.ts)
    if life.presumed and life.tif is not TimeInForce.DAY:
        text = f"done for the day after we ended it: {life.reason}"
        return Transition(
            open_again(evolve(told, done_for_day=True)), (Anomaly(Code.REOPENED, text), *anomalies)
        )
    return Transition(told, anomalies)


def _suspended(life: OrderLife, _event: Suspended) -> Transition:
    return _flagged(evolve(life, suspended=True))


def _triggered(life: OrderLife, _event: Triggered) -> Transition:
    if life.triggered:
        return surprise(life, Code.DUPLICATE, "triggered before")
    return _flagged(evolve(life, triggered=True))


def _released(life: OrderLife, _event: Released) -> Transition:
    return _flagged(evolve(life, suspended=False, done_for_day=False))


def _flagged(life: OrderLife) -> Transition:
    """Such news proves that the venue has the order; of a cancel or replace in doubt it says nothing."""
    if life.status is PENDING_NEW or (life.status is UNKNOWN and life.uncertain is PENDING_NEW):
        return Transition(open_again(life))
    return Transition(life)


def _flag_filled(life: OrderLife, event: Suspended | Triggered | Released) -> Transition:
    if not life.replaces:
        return late_fact(life, event)
    if isinstance(event, Triggered):
        return _triggered(life, event)
    return Transition(evolve(life, suspended=isinstance(event, Suspended)))


def _released_closed(life: OrderLife, event: Released) -> Transition:
    if life.presumed or event.ts >= life.as_of:
        return reopened(life, f"reinstated after it was {life.status}")
    return surprise(life, Code.OUT_OF_SEQUENCE, f"released before it was {life.status}")


def row(
    new: Arm, open_: Arm, filled: Arm, canceled: Arm, rejected: Arm, expired: Arm, unknown: Arm
) -> dict[OrderStatus, Arm]:
    """One table row. WORKING and PARTIAL_FILL differ only in the filled quantity, so they share an arm."""
    return {
        PENDING_NEW: new,
        WORKING: open_,
        PARTIAL: open_,
        FILLED: filled,
        CANCELED: canceled,
        REJECTED: rejected,
        EXPIRED: expired,
        UNKNOWN: unknown,
    }


VENUE_ARMS: Final[dict[type, dict[OrderStatus, Arm]]] = {
    #                PENDING_NEW, WORKING and PARTIAL_FILL, FILLED, CANCELED, REJECTED, EXPIRED, UNKNOWN
    Acknowledged: row(
        _ack_new, _ack_known, _ack_known, _ack_closed, _ack_rejected, _ack_closed, _ack_unknown
    ),
    Rejected: row(
        _rejected_new,
        _rejected_open,
        _rejected_closed,
        _rejected_closed,
        _rejected_closed,
        _rejected_closed,
        _rejected_unknown,
    ),
    PendingCancel: row(
        _pending_cancel,
        _pending_cancel,
        _pending_cancel_filled,
        late_fact,
        late_fact,
        late_fact,
        _pending_cancel_unknown,
    ),
    Canceled: row(
        _canceled,
        _canceled,
        _canceled_filled,
        _canceled_again,
        _canceled_other,
        _canceled_other,
        _canceled,
    ),
    CancelRejected: row(
        _cancel_rejected,
        _cancel_rejected,
        _cancel_rejected_filled,
        _cancel_rejected_closed,
        _cancel_rejected_closed,
        _cancel_rejected_closed,
        _cancel_rejected,
    ),
    Expired: row(
        _expired,
        _expired,
        _expired_filled,
        _canceled_other,
        _canceled_other,
        _canceled_again,
        _expired,
    ),
    DoneForDay: row(
        _done_for_day,
        _done_for_day,
        _done_for_day_filled,
        _done_for_day_closed,
        _done_for_day_closed,
        _done_for_day_closed,
        _done_for_day,
    ),
    Suspended: row(_suspended, _suspended, _flag_filled, late_fact, late_fact, late_fact, _suspended),
    Released: row(
        _released,
        _released,
        _flag_filled,
        _released_closed,
        late_fact,
        _released_closed,
        _released,
    ),
    Triggered: row(_triggered, _triggered, _flag_filled, late_fact, late_fact, late_fact, _triggered),
}
