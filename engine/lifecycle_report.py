"""What an order does when the venue shows a picture of it: answer to a query or open-order list.

A picture resolves UNKNOWN, but it never invents a fill (a larger count is MISSING_FILL and makes the caller
ask for executions) and an older one never takes anything back (FIX 4.4 vol. 4 app. D, group G).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.facts import AnyFact, Listed, OrderNotFound, OrderReport, Replaced
from engine.lifecycle_local import Arm, surprise
from engine.lifecycle_replace import answered, answered_late, same_terms, with_terms
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
    TwinReport,
    close,
    doubt,
    evolve,
    open_again,
    tell,
)
from engine.lifecycle_venue import IMMEDIATE, contradicted
from engine.model import OrderStatus

_DOUBTS_TO_GO_ON: Final = 2
"""Answers with the old terms, each after a time-out, after which nothing waits for a replace any more."""


def _stale(life: OrderLife, event: OrderReport) -> Transition:
    """An old picture: only what it counts beyond ours is news."""
    if event.cum > life.cum:
        told, anomalies = tell(life, event.cum, event.ts)
        return Transition(told, anomalies)
    text = f"{event.status} with {event.cum} filled, older than what is known"
    return surprise(life, Code.STALE_REPORT, text, life.cum - event.cum)


def _report(life: OrderLife, event: OrderReport) -> Transition:
    """A picture of an order that we have open or in doubt."""
    if event.ts < life.as_of:
        return _stale(life, event)
    status = event.status
    if status in CLOSED:
        return _report_of_end(life, event)
    if event.cum < life.cum:
        return _stale(life, event)
    told, anomalies = tell(life, event.cum, event.ts)
    if status is UNKNOWN:
        return Transition(told, anomalies)
    if status is PENDING_NEW:
        if life.status is UNKNOWN and life.uncertain is PENDING_NEW:
            told = evolve(told, status=PENDING_NEW, uncertain=None, reason="")
        return Transition(told, anomalies)
    return _report_of_work(told, event, anomalies)


def _report_of_end(life: OrderLife, event: OrderReport) -> Transition:
    told, anomalies = tell(life, event.cum, event.ts)
    if event.status is FILLED:
        return _report_of_fill(life, told, event, anomalies)
    if event.status is REJECTED and life.cum:
        text = f"reported as rejected with {life.cum} filled: {event.reason}"
        return Transition(
            close(told, CANCELED, event.reason), (Anomaly(Code.REJECT_AFTER_ACK, text), *anomalies)
        )
    asked = life.pending_cancel or life.tif in IMMEDIATE
    if event.status is CANCELED and not asked:
        text = ": ".join(filter(None, ("the venue canceled it unasked", event.reason)))
        anomalies = (Anomaly(Code.UNSOLICITED_CANCEL, text), *anomalies)
    return Transition(close(told, event.status, event.reason), anomalies)


def _report_of_fill(
    life: OrderLife, told: OrderLife, event: OrderReport, anomalies: tuple[Anomaly, ...]
) -> Transition:
    if event.cum < life.cum:
        if life.status is not UNKNOWN:
            return _stale(life, event)
        # Asked about, it has ended, with fewer lots than were executed under its id: a replace may have left
        # two orders, or an execution is to be taken back. Nothing of this one works any more.
        text = f"the venue has it filled with {event.cum} lots, {life.cum} were executed"
        return Transition(close(told, CANCELED, text), (Anomaly(Code.CONTRADICTION, text), *anomalies))
    full = max(event.qty, event.cum)
    if event.cum > max(life.cum, event.qty, life.worst_qty):
        text = f"{event.cum} filled by the venue's count, only {max(event.qty, life.worst_qty)} asked for"
        anomalies = (*anomalies, Anomaly(Code.OVERFILL, text, event.cum - max(event.qty, life.worst_qty)))
    if life.cum < full:  # it has filled, we do not know how: in doubt, with full exposure
        text = f"the venue has it filled, {event.cum - life.cum} lots of executions are missing"
        return Transition(doubt(with_terms(told, full, event.limit, event.stop), text), anomalies)
    told = with_terms(told, full, event.limit, event.stop)
    if life.status is UNKNOWN:
        told = evolve(told, replaces=(), late=(), pending_cancel=False)
    return Transition(open_again(told), anomalies)


def _report_of_work(life: OrderLife, event: OrderReport, anomalies: tuple[Anomaly, ...]) -> Transition:
    """The venue works it: take its terms, and judge by them what became of our requests."""
    asked_about = life.status is UNKNOWN and life.uncertain is not PENDING_NEW
    terms = Replaced(
        ts=event.ts,
        order_id=event.order_id,
        replace_id=None,
        qty=event.qty,
        limit=event.limit,
        stop=event.stop,
    )
    current = Replaced(ts=0, order_id="", replace_id=None, qty=life.qty, limit=life.limit, stop=life.stop)
    if not same_terms(life, current, terms):
        which = next((i for i, r in enumerate(life.replaces) if same_terms(life, r, terms)), None)
        late = next((r for r in life.late if same_terms(life, r, terms)), None)
        if which is not None:
            life = answered(life, which)
        elif late is not None:
            life = answered_late(life, late)
        else:
            text = f"the venue shows other terms: {event.qty} lots, limit {event.limit}, stop {event.stop}"
            anomalies = (*anomalies, Anomaly(Code.UNSOLICITED_REPLACE, text))
        life = with_terms(life, event.qty, event.limit, event.stop)
    elif asked_about and life.replaces:
        # It may be slow rather than lost: its exposure stays until the engine gives it up. What waits for it
        # (the next change, a new size of a bracket) goes on after the second answer that says the same.
        life = evolve(life, doubts=life.doubts + 1)
        if life.doubts >= _DOUBTS_TO_GO_ON:
            life = evolve(life, late=life.unanswered, replaces=(), doubts=0)
    if asked_about and life.pending_cancel:
        anomalies = (*anomalies, Anomaly(Code.CANCEL_LOST, "the venue works it, our cancel never arrived"))
        life = evolve(life, pending_cancel=False)
    if asked_about and life.uncertain in CLOSED and life.uncertain is not FILLED:
        anomalies = (*anomalies, Anomaly(Code.REOPENED, f"the venue works it again: it was {life.uncertain}"))
    return Transition(open_again(life), anomalies)


def _is_second(life: OrderLife, event: OrderReport) -> bool:
    """Whether a picture, newer than all that is known, shows a live order with another id of the venue's own
    and fewer lots filled: it cannot be the one that our executions filled."""
    other = event.broker_id is not None and life.broker_id is not None and event.broker_id != life.broker_id
    works = event.status in (WORKING, PARTIAL) and event.leaves > 0
    return other and works and event.ts > life.as_of and event.cum < life.cum


def _second(life: OrderLife, event: OrderReport) -> Transition:
    """A replace left two orders with one id of ours: what this one may trade comes on top of what has."""
    life = open_again(with_terms(life, life.cum + event.leaves, event.limit, event.stop))
    return Transition(life, (_reopened_by(event),))


def _reopened_by(event: OrderReport) -> Anomaly:
    text = f"a second order with its id works at the venue ({event.broker_id}), {event.leaves} lots"
    return Anomaly(Code.REOPENED, text, event.leaves)


def _report_twin(life: OrderLife, event: TwinReport) -> Transition:
    """A picture of an order that is over, which shows the other one that has its id."""
    if life.replaces or life.presumed:
        return (_report_filled if life.status is FILLED else _report_closed)(life, event)
    if event.ts <= life.as_of or event.cum < life.cum:
        return _stale(life, event)
    told, anomalies = tell(life, event.cum, event.ts)
    life = open_again(with_terms(told, event.qty, event.limit, event.stop))
    return Transition(life, (_reopened_by(event), *anomalies))


def _report_filled(life: OrderLife, event: OrderReport) -> Transition:
    """A picture of an order that is filled by our executions."""
    if life.replaces:
        return _report(life, event)
    if _is_second(life, event):
        return _second(life, event)
    if event.cum < life.cum or event.ts < life.as_of:
        return _stale(life, event)
    told, anomalies = tell(life, event.cum, event.ts)
    if event.status in (WORKING, PARTIAL) and event.qty > life.qty:
        life = open_again(with_terms(told, event.qty, event.limit, event.stop))
        text = f"the venue works {event.qty} lots, {life.cum} are filled"
        more = (Anomaly(Code.UNSOLICITED_REPLACE, text), Anomaly(Code.REOPENED, text, life.leaves))
        return Transition(life, more + anomalies)
    if event.status in CLOSED:
        return Transition(told, anomalies)
    return Transition(told, (Anomaly(Code.STALE_REPORT, f"{event.status} when filled"), *anomalies))


def _report_closed(life: OrderLife, event: OrderReport) -> Transition:
    """A picture of an order that was canceled, rejected or expired."""
    alive = event.status not in CLOSED
    if life.presumed:
        return _report_presumed(life, event, alive=alive)
    if event.ts < life.as_of or (alive and event.ts == life.as_of):
        return _stale(life, event)
    if _is_second(life, event):
        return _second(life, event)
    told, anomalies = tell(life, event.cum, event.ts)
    if not alive or event.status is UNKNOWN:
        return Transition(told, anomalies)
    # one picture against one word: neither is believed until the venue was asked again
    after, more = contradicted(told, f"the venue shows {event.status} after it was {life.status}")
    return Transition(after, more + anomalies)


def revived_by_a_picture(
    before: OrderLife, after: OrderLife, event: AnyFact, anomalies: Iterable[Anomaly]
) -> bool:
    """The transition from an end by the venue's word to work, by a picture alone: as a rule the second of two
    orders that a replace left under one id.

    Source: in the FIX 4.4 order state change matrices (vol. 4 app. D) no row leads from Canceled, Rejected or
    Expired back to New or Partially Filled, and from Filled only a replace that raised the quantity (C.3, D)
    or an execution taken back does. So what is seen to work after such an end is no state of that order. What
    we had ended by inference alone is no end, and what was raised at the venue is its owner's will.
    """
    if not isinstance(event, OrderReport) or after.status not in (WORKING, PARTIAL):
        return False
    over = before.is_closed or (before.status is UNKNOWN and before.ended is not None)
    codes = {anomaly.code for anomaly in anomalies}
    raised = before.status is FILLED and Code.UNSOLICITED_REPLACE in codes
    return over and not before.presumed and Code.REOPENED in codes and not raised


def _report_presumed(life: OrderLife, event: OrderReport, *, alive: bool) -> Transition:
    """Only we had ended it: the venue's picture is the truth."""
    if event.status is UNKNOWN:
        return Transition(life)
    if event.ts < life.as_of:
        return _stale(life, event)
    if not alive and event.status is not FILLED:
        told, anomalies = tell(life, event.cum, event.ts)
        status = CANCELED if life.cum else event.status  # with fills it cannot have been refused
        return Transition(
            close(told, EXPIRED if event.status is EXPIRED else status, event.reason), anomalies
        )
    text = f"the venue shows {event.status} after we ended it: {life.reason}"
    revived = evolve(
        life, status=UNKNOWN, uncertain=PARTIAL if life.cum else PENDING_NEW, presumed=False, ended=None
    )
    after, anomalies = _report(revived, event)
    return Transition(after, (Anomaly(Code.REOPENED, text), *anomalies))


def _not_found(life: OrderLife, event: OrderNotFound) -> Transition:
    if event.ts < life.as_of:
        return surprise(life, Code.STALE_REPORT, "not found, but known since")
    text = "the venue does not know it"
    return surprise(doubt(life, text), Code.NOT_FOUND, text)


def _not_found_filled(life: OrderLife, event: OrderNotFound) -> Transition:
    return _not_found(life, event) if life.replaces else Transition(life)


def _not_found_closed(life: OrderLife, _event: OrderNotFound) -> Transition:
    return Transition(life)  # it is not there because it has ended


def _not_found_unknown(life: OrderLife, event: OrderNotFound) -> Transition:
    if life.uncertain in CLOSED and event.ts >= life.as_of:
        if life.uncertain is FILLED:
            return Transition(open_again(evolve(life, replaces=(), late=(), pending_cancel=False)))
        return Transition(close(life, life.uncertain, life.reason))
    return _not_found(life, event)


def _listed(life: OrderLife, event: Listed) -> Transition:
    """Only what it counts: of which of them the rest tells, a picture or an answer says."""
    return Transition(life if life.listed == event.names else evolve(life, listed=event.names))


REPORT_ARMS: Final[dict[type, dict[OrderStatus, Arm]]] = {
    OrderReport: {
        PENDING_NEW: _report,
        WORKING: _report,
        PARTIAL: _report,
        FILLED: _report_filled,
        CANCELED: _report_closed,
        REJECTED: _report_closed,
        EXPIRED: _report_closed,
        UNKNOWN: _report,
    },
    TwinReport: {
        PENDING_NEW: _report,
        WORKING: _report,
        PARTIAL: _report,
        FILLED: _report_twin,
        CANCELED: _report_twin,
        REJECTED: _report_twin,
        EXPIRED: _report_twin,
        UNKNOWN: _report,
    },
    OrderNotFound: {
        PENDING_NEW: _not_found,
        WORKING: _not_found,
        PARTIAL: _not_found,
        FILLED: _not_found_filled,
        CANCELED: _not_found_closed,
        REJECTED: _not_found_closed,
        EXPIRED: _not_found_closed,
        UNKNOWN: _not_found_unknown,
    },
    Listed: dict.fromkeys(OrderStatus, _listed),
}
