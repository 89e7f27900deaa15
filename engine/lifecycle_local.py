"""What an order does when something happens to it inside the engine: sent, unanswered, an execution booked.

One table row per event, one arm per status; `engine.lifecycle` joins them with those of the venue's facts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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
    CancelSent,
    Code,
    FillApplied,
    FillCorrected,
    FillRemoved,
    FillVoided,
    LinkLost,
    Lost,
    NotSent,
    OrderLife,
    ReplaceSent,
    ReplacesLost,
    Request,
    Sent,
    Transition,
    Unanswered,
    close,
    doubt,
    evolve,
    open_again,
)
from engine.model import OrderStatus, Replace

Arm = Callable[[OrderLife, Any], Transition]


_AFTER: Final = {
    CANCELED: Code.FILL_AFTER_CANCEL,
    EXPIRED: Code.FILL_AFTER_EXPIRE,
    REJECTED: Code.FILL_AFTER_REJECT,
}


def still(life: OrderLife, _event: object = None) -> Transition:
    """Nothing changes and nothing is wrong."""
    return Transition(life)


def surprise(life: OrderLife, code: Code, text: str, amount: int = 0) -> Transition:
    """The state and one anomaly."""
    return Transition(life, (Anomaly(code, text, amount),))


# --- requests ---------------------------------------------------------------------------------------------


def _cancel_sent(life: OrderLife, _event: CancelSent) -> Transition:
    return Transition(life if life.pending_cancel else evolve(life, pending_cancel=True))


def _cancel_sent_closed(life: OrderLife, event: CancelSent) -> Transition:
    if not life.is_closed:  # filled, with a replace upwards still pending: a cancel is aimed at that
        return _cancel_sent(life, event)
    return surprise(life, Code.NOTHING_TO_CANCEL, f"cancel of an order that is {life.status}")


def _replace_sent(life: OrderLife, event: ReplaceSent) -> Transition:
    change = event.replace
    if change.id in life.answered or any(r.id == change.id for r in life.unanswered):
        return surprise(life, Code.DUPLICATE, f"replace {change.id} was sent before")
    return Transition(evolve(life, replaces=(*life.replaces, change), doubts=0))


def _replace_sent_filled(life: OrderLife, event: ReplaceSent) -> Transition:
    # FIX C.1.c: a filled order may be asked for more; anything else has nothing left to change
    if event.replace.qty > life.cum:
        return _replace_sent(life, event)
    return _replace_sent_closed(life, event)


def _replace_sent_closed(life: OrderLife, event: ReplaceSent) -> Transition:
    text = f"replace {event.replace.id} of an order that is {life.status}"
    return surprise(life, Code.NOTHING_TO_REPLACE, text)


def without(life: OrderLife, gone: tuple[Replace, ...]) -> OrderLife:
    """The life without these unanswered replaces; a filled order drops a cancel that was aimed at them."""
    left = tuple(r for r in life.replaces if r not in gone)
    late = tuple(r for r in life.late if r not in gone)
    life = evolve(life, replaces=left, late=late, doubts=life.doubts if left == life.replaces else 0)
    return close_if_filled(life)


def close_if_filled(life: OrderLife) -> OrderLife:
    """Drops what overlays remain on a filled order once no replace is pending any more."""
    if life.status is FILLED and not life.replaces:
        return evolve(life, pending_cancel=False, suspended=False, done_for_day=False)
    return life


def _asked(life: OrderLife) -> int:
    """The largest size that stands or that an unanswered replace may have made, lots."""
    return max(life.worst_qty, *(r.qty for r in life.excused)) if life.excused else life.worst_qty


def unexcused(before: OrderLife, after: OrderLife) -> tuple[Anomaly, ...]:
    """The executions that only a replace excused which is not under way any more."""
    asked, most = _asked(after), _asked(before)
    filled = min(before.cum, most)
    if filled <= asked:
        return ()
    text = f"{before.cum} filled, only {asked} asked for: the change to {most} is off"
    return (Anomaly(Code.OVERFILL, text, filled - asked),)


def _not_sent(life: OrderLife, event: NotSent) -> Transition:
    if event.what is Request.CANCEL:
        return Transition(
            close_if_filled(evolve(life, pending_cancel=False)) if life.pending_cancel else life
        )
    if event.what is Request.REPLACE:
        return _change_not_sent(life, event.replace_id)
    return surprise(life, Code.CONTRADICTION, f"said never to have left, but it is {life.status}")


def _change_not_sent(life: OrderLife, replace_id: str | None) -> Transition:
    """It can explain no execution, whether it still was to raise the order or had all that it asked for."""
    if replace_id is None:
        replaces, excused = life.replaces[-1:], life.excused[-1:] if not life.replaces else ()
    else:
        replaces = tuple(r for r in life.unanswered if r.id == replace_id)
        excused = tuple(r for r in life.excused if r.id == replace_id)
    if not replaces and not excused:
        return Transition(life)
    after = evolve(life, excused=tuple(r for r in life.excused if r not in excused))
    after = without(after, replaces) if replaces else after
    return Transition(after, unexcused(life, after))


def _not_sent_new(life: OrderLife, event: NotSent) -> Transition:
    if event.what is not Request.SUBMIT:
        return _not_sent(life, event)
    return Transition(close(life, REJECTED, f"not sent: {event.reason}", presumed=True))


def _not_sent_unknown(life: OrderLife, event: NotSent) -> Transition:
    if life.uncertain is PENDING_NEW:
        return _not_sent_new(life, event)
    return _not_sent(life, event)


def _unanswered(life: OrderLife, event: Unanswered) -> Transition:
    if life.in_flight is None:
        return Transition(life)
    return Transition(doubt(life, f"no answer to the {event.what}"))


def _link_lost(life: OrderLife, event: LinkLost) -> Transition:
    if life.in_flight is None:
        return Transition(life)
    return Transition(doubt(life, f"link lost {event.reason}".rstrip()))


def _replaces_lost(life: OrderLife, event: ReplacesLost) -> Transition:
    gone = tuple(r for r in life.late if r.id in event.ids)
    if not gone:
        return Transition(life)
    after = without(life, gone)
    text = f"replace {', '.join(r.id for r in gone)} never arrived"
    return Transition(after, (Anomaly(Code.REPLACE_LOST, text), *unexcused(life, after)))


def _lost(life: OrderLife, event: Lost) -> Transition:
    anomalies: tuple[Anomaly, ...] = ()
    if life.cum or life.missing:
        anomalies = (Anomaly(Code.LOST_WITH_FILLS, f"given up with {life.cum} of {life.qty} filled"),)
    return Transition(close(life, CANCELED, f"lost {event.reason}".rstrip(), presumed=True), anomalies)


def _lost_closed(life: OrderLife, _event: Lost) -> Transition:
    if life.replaces:  # filled, with a replace upwards that the venue does not know
        return Transition(without(life, life.replaces))
    return surprise(life, Code.LATE_FACT, f"given up as lost, but it is {life.status}")


# --- executions -------------------------------------------------------------------------------------------


def _beyond(before: OrderLife, cum: int) -> tuple[Anomaly, ...]:
    """What is wrong with a filled quantity of `cum`, if anything."""
    if cum <= before.qty:
        return ()
    worst = before.worst_qty
    if cum <= worst:
        return (Anomaly(Code.FILL_BEFORE_REPLACED, f"{cum} filled of {before.qty}, {worst} asked for"),)
    return (Anomaly(Code.OVERFILL, f"{cum} filled, only {worst} asked for", cum - max(worst, before.cum)),)


def _fill_open(life: OrderLife, event: FillApplied) -> Transition:
    cum = life.cum + event.qty
    anomalies = _beyond(life, cum) if cum > life.qty else ()
    if life.suspended:
        anomalies += (Anomaly(Code.FILL_WHILE_SUSPENDED, "filled while the venue holds it inactive"),)
    if cum < life.qty:
        return Transition(
            evolve(life, cum=cum, status=PARTIAL, done_for_day=False, uncertain=None, ended=None, reason=""),
            anomalies,
        )
    return Transition(open_again(evolve(life, cum=cum)), anomalies)


def _fill_new(life: OrderLife, event: FillApplied) -> Transition:
    after, anomalies = _fill_open(life, event)
    return Transition(after, (Anomaly(Code.FILL_BEFORE_ACK, "filled before it was acknowledged"), *anomalies))


def _fill_unknown(life: OrderLife, event: FillApplied) -> Transition:
    if life.uncertain is PENDING_NEW:
        return _fill_new(life, event)
    cum = life.cum + event.qty
    anomalies = _beyond(life, cum)
    if cum >= life.worst_qty:  # nothing is left to be in doubt about
        return Transition(open_again(evolve(life, cum=cum)), anomalies)
    # a fill says nothing about the cancel or replace in doubt: it may have come before either
    was = life.uncertain
    if was is not CANCELED and was is not EXPIRED:
        was = FILLED if cum >= life.qty else PARTIAL
    return Transition(evolve(life, cum=cum, uncertain=was), anomalies)


def _fill_closed(life: OrderLife, event: FillApplied) -> Transition:
    cum = life.cum + event.qty
    beyond = _beyond(life, cum)
    if life.presumed:
        late = Anomaly(Code.FILL_AFTER_LOST, f"filled {event.qty} after we ended it: {life.reason}")
        return Transition(_alive(evolve(life, cum=cum), "filled after we gave it up"), (late, *beyond))
    announced = cum <= life.told
    code = _AFTER[life.status]
    late_fill = () if announced else (Anomaly(code, f"filled {event.qty} after it was {life.status}"),)
    if life.status is REJECTED:
        return Transition(_alive(evolve(life, cum=cum), "filled after it was rejected"), late_fill + beyond)
    status = FILLED if cum >= life.qty else life.status
    return Transition(evolve(life, cum=cum, status=status), late_fill + beyond)


def _alive(life: OrderLife, reason: str) -> OrderLife:
    """An ended order that filled after all: full, or with a rest of which nobody knows."""
    if life.cum >= life.qty:
        return open_again(evolve(life, ended=None))
    return evolve(life, status=UNKNOWN, uncertain=PARTIAL, reason=reason, presumed=False, ended=None)


def _requantified(life: OrderLife, cum: int, told: int, anomalies: tuple[Anomaly, ...]) -> Transition:
    """After a bust or correction: the status that the new sum gives (FIX group J)."""
    before = life.status
    life = evolve(life, cum=cum, told=told)
    if before is FILLED:
        if cum >= life.qty:
            return Transition(open_again(life), anomalies)
        if life.ended is not None and life.ended is not FILLED:
            # it was canceled or expired first and filled late: without that fill it is what it was (J.1.b)
            return Transition(close(life, life.ended, life.reason), anomalies)
        text = f"executions taken back: {cum} of {life.qty} filled"
        return Transition(open_again(life), (*anomalies, Anomaly(Code.REOPENED, text, life.qty - cum)))
    if before is REJECTED and cum:
        return Transition(_alive(life, "filled after it was rejected"), anomalies)
    if before in CLOSED:
        return Transition(open_again(life) if cum >= life.qty else life, anomalies)
    if before is UNKNOWN:
        if cum >= life.worst_qty:
            return Transition(open_again(evolve(life, replaces=())), anomalies)
        if life.uncertain is PENDING_NEW:
            return Transition(open_again(life) if cum else life, anomalies)
        if life.uncertain is CANCELED or life.uncertain is EXPIRED:
            return Transition(life, anomalies)
        was = FILLED if cum >= life.qty else PARTIAL if cum else WORKING
        return Transition(evolve(life, uncertain=was), anomalies)
    if before is PENDING_NEW and not cum:
        return Transition(life, anomalies)
    return Transition(open_again(life), anomalies)


def _fill_removed(life: OrderLife, event: FillRemoved) -> Transition:
    return _fill_changed(life, event.qty, 0)


def _fill_corrected(life: OrderLife, event: FillCorrected) -> Transition:
    return _fill_changed(life, event.old_qty, event.new_qty)


def _fill_changed(life: OrderLife, old: int, new: int) -> Transition:
    anomalies: tuple[Anomaly, ...] = ()
    if old > life.cum:
        text = f"{old} taken back of {life.cum} filled"
        anomalies = (Anomaly(Code.BUST_TOO_LARGE, text, old - life.cum),)
    cum = max(0, life.cum - old) + new
    if cum > life.cum:
        anomalies += _beyond(life, cum)
    told = max(0, life.told - old + new) if life.told else 0
    return _requantified(life, cum, told, anomalies)


def _fill_voided(life: OrderLife, event: FillVoided) -> Transition:
    return Transition(evolve(life, told=max(0, life.told - event.qty)) if life.told else life)


LOCAL_ARMS: Final[dict[type, dict[OrderStatus, Arm]]] = {
    Sent: dict.fromkeys(OrderStatus, still),
    CancelSent: {
        PENDING_NEW: _cancel_sent,
        WORKING: _cancel_sent,
        PARTIAL: _cancel_sent,
        FILLED: _cancel_sent_closed,
        CANCELED: _cancel_sent_closed,
        REJECTED: _cancel_sent_closed,
        EXPIRED: _cancel_sent_closed,
        UNKNOWN: _cancel_sent,
    },
    ReplaceSent: {
        PENDING_NEW: _replace_sent,
        WORKING: _replace_sent,
        PARTIAL: _replace_sent,
        FILLED: _replace_sent_filled,
        CANCELED: _replace_sent_closed,
        REJECTED: _replace_sent_closed,
        EXPIRED: _replace_sent_closed,
        UNKNOWN: _replace_sent,
    },
    NotSent: {
        PENDING_NEW: _not_sent_new,
        WORKING: _not_sent,
        PARTIAL: _not_sent,
        FILLED: _not_sent,
        CANCELED: _not_sent,
        REJECTED: _not_sent,
        EXPIRED: _not_sent,
        UNKNOWN: _not_sent_unknown,
    },
    Unanswered: {
        PENDING_NEW: _unanswered,
        WORKING: _unanswered,
        PARTIAL: _unanswered,
        FILLED: _unanswered,
        CANCELED: still,
        REJECTED: still,
        EXPIRED: still,
        UNKNOWN: still,
    },
    ReplacesLost: dict.fromkeys(OrderStatus, _replaces_lost),
    LinkLost: {
        PENDING_NEW: _link_lost,
        WORKING: _link_lost,
        PARTIAL: _link_lost,
        FILLED: _link_lost,
        CANCELED: still,
        REJECTED: still,
        EXPIRED: still,
        UNKNOWN: still,
    },
    Lost: {
        PENDING_NEW: _lost,
        WORKING: _lost,
        PARTIAL: _lost,
        FILLED: _lost_closed,
        CANCELED: _lost_closed,
        REJECTED: _lost_closed,
        EXPIRED: _lost_closed,
        UNKNOWN: _lost,
    },
    FillApplied: {
        PENDING_NEW: _fill_new,
        WORKING: _fill_open,
        PARTIAL: _fill_open,
        FILLED: _fill_open,
        CANCELED: _fill_closed,
        REJECTED: _fill_closed,
        EXPIRED: _fill_closed,
        UNKNOWN: _fill_unknown,
    },
    FillRemoved: dict.fromkeys(OrderStatus, _fill_removed),
    FillCorrected: dict.fromkeys(OrderStatus, _fill_corrected),
    FillVoided: dict.fromkeys(OrderStatus, _fill_voided),
}
