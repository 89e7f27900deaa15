"""What an order does when the venue replaces it, refuses to, or restates it by itself.

The letters in comments are groups of the FIX 4.4 order state change matrices (volume 4, appendix D). Replaces
are answered in the order in which they were asked for: the answer to one overtakes all before it (D.2).
"""

from __future__ import annotations

from typing import Final

from engine.facts import OrderReport, PendingReplace, Replaced, ReplaceRejected, Restated
from engine.lifecycle_local import Arm, close_if_filled, surprise, unexcused, without
from engine.lifecycle_types import (
    ANSWERED_KEPT,
    CANCELED,
    EXPIRED,
    FILLED,
    PENDING_NEW,
    REJECTED,
    UNKNOWN,
    Anomaly,
    Code,
    OrderLife,
    Transition,
    doubt,
    evolve,
    open_again,
    tell,
)
from engine.lifecycle_venue import contradicted, late_fact, refusal, reopened, row
from engine.model import OrderStatus, Replace


def answered(life: OrderLife, upto: int) -> OrderLife:
    """Takes the pending replaces up to and including index `upto` for answered: the venue works in order."""
    done = tuple(r.id for r in life.replaces[: upto + 1])
    return evolve(
        life,
        replaces=life.replaces[upto + 1 :],
        answered=(*life.answered, *done)[-ANSWERED_KEPT:],
        doubts=0,
    )


def answered_late(life: OrderLife, which: Replace) -> OrderLife:
    """Takes a late replace for answered; the others may still be under way, whichever came first."""
    left = tuple(r for r in life.late if r is not which)
    return evolve(life, late=left, answered=(*life.answered, which.id)[-ANSWERED_KEPT:])


def with_terms(life: OrderLife, qty: int, limit: int | None, stop: int | None) -> OrderLife:
    """The life with other terms; never below what has filled (C.3.b, C.3.c). None leaves a price as it is."""
    return evolve(
        life,
        qty=max(qty, life.cum),
        limit=life.limit if limit is None else limit,
        stop=life.stop if stop is None else stop,
    )


def same_terms(life: OrderLife, terms: Replace | Replaced, other: Replaced) -> bool:
    """True where two sets of terms mean the same for this order."""

    def full(t: Replace | Replaced) -> tuple[int, int | None, int | None]:
        limit = life.limit if t.limit is None else t.limit
        return t.qty, limit, life.stop if t.stop is None else t.stop

    return full(terms) == full(other)


def is_current(life: OrderLife, terms: Replaced | Restated | OrderReport) -> bool:
    """True where the order stands on these terms."""
    limit = life.limit if terms.limit is None else terms.limit
    stop = life.stop if terms.stop is None else terms.stop
    return (max(terms.qty, life.cum), limit, stop) == (life.qty, life.limit, life.stop)


def _which(life: OrderLife, event: Replaced) -> int | None:
    """Which pending replace was answered: by id; without one by terms, else the oldest."""
    if event.replace_id is not None:
        return next((i for i, r in enumerate(life.replaces) if r.id == event.replace_id), None)
    alike = next((i for i, r in enumerate(life.replaces) if same_terms(life, r, event)), None)
    if alike is not None or not life.replaces or is_current(life, event):
        return alike
    return 0


def _which_late(life: OrderLife, event: Replaced) -> Replace | None:
    """Which late replace was answered: by id; without one by terms that the order does not stand on."""
    if event.replace_id is not None:
        return next((r for r in life.late if r.id == event.replace_id), None)
    return next((r for r in life.late if same_terms(life, r, event) and not is_current(life, event)), None)


def _replaced_again(life: OrderLife, event: Replaced) -> Transition:
    """Another answer to a replace that was answered or overtaken. As a rule it is a copy of the first. Other
    terms, told later than those that the order stands on, are no copy: the line brought the request twice,
    the second time after a newer one, and the venue works on the older terms. Which of the two stands the
    venue is asked; until then the larger quantity counts."""
    if event.ts <= life.termed or is_current(life, event):
        code = Code.OUT_OF_SEQUENCE if event.replace_id != life.answered[-1] else Code.DUPLICATE
        return surprise(life, code, f"replace {event.replace_id} was answered or overtaken before")
    told, anomalies = tell(life, event.cum, event.ts)
    either = with_terms(told, max(life.qty, event.qty), event.limit, event.stop)
    text = f"the venue took {event.replace_id} a second time, after newer terms: "
    text += f"{event.qty} lots, limit {event.limit}, stop {event.stop}"
    again = Anomaly(Code.UNSOLICITED_REPLACE, text)
    return Transition(doubt(open_again(either), text), (again, *anomalies))


def _replaced(life: OrderLife, event: Replaced) -> Transition:
    if event.replace_id is not None and event.replace_id in life.answered:
        return _replaced_again(life, event)
    late = _which_late(life, event)
    if late is not None:
        return _replaced_late(life, event, late)
    which = _which(life, event)
    if which is None and event.replace_id is None and is_current(life, event):
        told, anomalies = tell(life, event.cum, event.ts)
        again = Anomaly(Code.DUPLICATE, f"it stands at {event.qty} lots, limit {event.limit} already")
        return Transition(open_again(told), (again, *anomalies))
    told, anomalies = tell(life, event.cum, event.ts)
    if which is None and event.ts < life.termed:
        # A copy of the answer to a replace that was given up or is long forgotten (simulated seed 94080):
        # what the venue said later stands.
        text = f"replaced to {event.qty} lots, limit {event.limit}, before the terms that stand"
        return Transition(told, (Anomaly(Code.OUT_OF_SEQUENCE, text), *anomalies))
    if which is None:
        text = f"the venue replaced it unasked: {event.qty} lots, limit {event.limit}, stop {event.stop}"
        anomalies = (Anomaly(Code.UNSOLICITED_REPLACE, text), *anomalies)
        if event.replace_id is not None:
            told = evolve(told, answered=(*told.answered, event.replace_id)[-ANSWERED_KEPT:])
    else:
        told = answered(told, which)
    return Transition(open_again(with_terms(told, event.qty, event.limit, event.stop)), anomalies)


def _replaced_late(life: OrderLife, event: Replaced, late: Replace) -> Transition:
    """The venue took a replace after all. Terms that it has told since then stand."""
    told, anomalies = tell(answered_late(life, late), event.cum, event.ts)
    if event.ts < life.termed:
        text = f"replace {late.id} was taken before the terms that stand"
        return Transition(told, (Anomaly(Code.OUT_OF_SEQUENCE, text), *anomalies))
    return Transition(open_again(with_terms(told, event.qty, event.limit, event.stop)), anomalies)


def _replaced_filled(life: OrderLife, event: Replaced) -> Transition:
    after, anomalies = _replaced(life, event)
    if not life.replaces and after.status is not FILLED:
        text = f"replaced to {event.qty} lots after it was filled"
        anomalies = (*anomalies, Anomaly(Code.REOPENED, text, after.leaves))
    return Transition(after, anomalies)


def _replaced_closed(life: OrderLife, event: Replaced) -> Transition:
    again = event.replace_id is not None and event.replace_id in life.answered
    if again and event.ts <= life.as_of:
        return surprise(life, Code.DUPLICATE, f"replace {event.replace_id} was answered before")
    if event.ts < life.as_of and not life.presumed:
        return surprise(life, Code.OUT_OF_SEQUENCE, f"replaced before it was {life.status}")
    if life.presumed and not again:
        after, anomalies = _replaced(life, event)
        return Transition(
            after, (Anomaly(Code.REOPENED, f"replaced after we ended it: {life.reason}"), *anomalies)
        )
    told, anomalies = tell(life, event.cum, event.ts)
    told = with_terms(told, event.qty, event.limit, event.stop)
    if event.replace_id is not None and not again:
        told = evolve(told, answered=(*told.answered, event.replace_id)[-ANSWERED_KEPT:])
    after, more = contradicted(told, f"replaced after it was {life.status}")
    return Transition(after, more + anomalies)


def _pending_replace(life: OrderLife, event: PendingReplace) -> Transition:
    late = next((r for r in life.late if r.id == event.replace_id), None)
    if late is not None:  # it has arrived: its answer is waited for again
        left = tuple(r for r in life.late if r is not late)
        life = evolve(life, late=left, replaces=(late, *life.replaces), doubts=0)
    ours = any(r.id == event.replace_id for r in life.replaces)
    if not ours and event.replace_id not in life.answered:
        text = f"the venue works on a replace that is not ours: {event.replace_id}"
        return surprise(life, Code.UNSOLICITED_REPLACE, text)
    if not ours:
        return surprise(life, Code.OUT_OF_SEQUENCE, f"replace {event.replace_id} was answered before")
    if life.status is UNKNOWN:
        if life.uncertain is PENDING_NEW:
            return Transition(evolve(life, status=PENDING_NEW, uncertain=None, reason=""))
        if life.uncertain not in (CANCELED, EXPIRED, REJECTED):
            return Transition(open_again(life))
    return Transition(life)


def _replace_rejected(life: OrderLife, event: ReplaceRejected) -> Transition:
    gone: tuple[Replace, ...]
    if event.replace_id is None:
        # without an id one pending replace can only be the one; of several none is known to be refused
        gone = life.unanswered if len(life.unanswered) == 1 else ()
    else:
        gone = tuple(r for r in life.unanswered if r.id == event.replace_id)
    if gone:
        beyond = unexcused(life, without(life, gone))
        life = without(life, gone)
        life = evolve(life, answered=(*life.answered, gone[0].id)[-ANSWERED_KEPT:])
        after, anomalies = refusal(life, event.status, event.reason, answers=True)
        return Transition(after, beyond + anomalies)
    if event.replace_id is not None and event.replace_id in life.answered:
        return surprise(life, Code.OUT_OF_SEQUENCE, f"replace {event.replace_id} was answered before")
    after, anomalies = refusal(life, event.status, event.reason, answers=False)
    other = life.pending_cancel or life.replaces
    code = Code.REJECT_OF_OTHER_REQUEST if other else Code.REJECT_WITHOUT_REQUEST
    text = f"replace {event.replace_id or '(no id)'} rejected, none such is pending: {event.reason}"
    return Transition(after, (Anomaly(code, text), *anomalies))


def _replace_rejected_filled(life: OrderLife, event: ReplaceRejected) -> Transition:
    text = f"too late to replace: {event.reason}"
    left = tuple(r for r in life.excused if not _means(event, r, life))
    if len(left) < len(life.excused):
        after = evolve(life, excused=left)
        return Transition(after, (*unexcused(life, after), Anomaly(Code.CANCEL_REJECTED_FILLED, text)))
    if life.replaces:
        after, anomalies = _replace_rejected(life, event)
        if after.replaces:
            return Transition(after, anomalies)
        beyond = tuple(a for a in anomalies if a.code is Code.OVERFILL)
        return Transition(close_if_filled(after), (*beyond, Anomaly(Code.CANCEL_REJECTED_FILLED, text)))
    return surprise(life, Code.CANCEL_REJECTED_FILLED, text)


def _means(event: ReplaceRejected, replace: Replace, life: OrderLife) -> bool:
    """Whether a rejection, with or without an id, is of this replace, which excuses executions."""
    if event.replace_id is None:
        return not life.replaces and len(life.excused) == 1
    return event.replace_id == replace.id and replace.id not in life.answered


def _replace_rejected_closed(life: OrderLife, event: ReplaceRejected) -> Transition:
    return surprise(life, Code.CANCEL_REJECTED_CLOSED, f"replace rejected when {life.status}: {event.reason}")


def _restated(life: OrderLife, event: Restated) -> Transition:
    changed = (event.qty, event.limit, event.stop) != (life.qty, life.limit, life.stop)
    after = with_terms(life, event.qty, event.limit, event.stop)
    changed = changed and (after.qty, after.limit, after.stop) != (life.qty, life.limit, life.stop)
    after = open_again(evolve(after, done_for_day=False))
    if not changed:  # a renewal for a new day (H.1.a)
        return Transition(after)
    text = f"the venue restated it: {after.qty} lots, limit {after.limit}, stop {after.stop} {event.reason}"
    return surprise(after, Code.UNSOLICITED_REPLACE, text.rstrip())


def _restated_closed(life: OrderLife, event: Restated) -> Transition:
    if event.ts < life.as_of and not life.presumed:
        return surprise(life, Code.OUT_OF_SEQUENCE, f"restated before it was {life.status}")
    if event.qty <= life.cum:
        return surprise(life, Code.LATE_FACT, f"restated to {event.qty} lots when {life.status}")
    return reopened(
        with_terms(life, event.qty, event.limit, event.stop), f"reinstated {event.reason}".rstrip()
    )


REPLACE_ARMS: Final[dict[type, dict[OrderStatus, Arm]]] = {
    #                PENDING_NEW, WORKING and PARTIAL_FILL, FILLED, CANCELED, REJECTED, EXPIRED, UNKNOWN
    PendingReplace: row(
        _pending_replace,
        _pending_replace,
        _pending_replace,
        late_fact,
        late_fact,
        late_fact,
        _pending_replace,
    ),
    Replaced: row(
        _replaced,
        _replaced,
        _replaced_filled,
        _replaced_closed,
        _replaced_closed,
        _replaced_closed,
        _replaced,
    ),
    ReplaceRejected: row(
        _replace_rejected,
        _replace_rejected,
        _replace_rejected_filled,
        _replace_rejected_closed,
        _replace_rejected_closed,
        _replace_rejected_closed,
        _replace_rejected,
    ),
    Restated: row(
        _restated,
        _restated,
        _restated_closed,
        _restated_closed,
        _restated_closed,
        _restated_closed,
        _restated,
    ),
}
