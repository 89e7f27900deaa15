"""The state machine of an order: `transition` answers every pair of state and event, and never raises.

The answer to each pair is a function in one table, `ARMS[event type][status]`, put together from what happens
in the engine (`lifecycle_local`), what the venue does (`lifecycle_venue`, `lifecycle_replace`) and what it
shows when it is asked (`lifecycle_report`). It follows the FIX order state change matrices (FIX 4.4 vol. 4
app. D, FIX 5.0 SP2 vol. 7); where venue and engine contradict one another the order becomes UNKNOWN, keeps
its whole exposure and is asked about. Executions reach it only after repeats were sorted out
(`engine.orders_fills`).
"""

from __future__ import annotations

from typing import Final

from engine.facts import (
    Canceled,
    CancelRejected,
    Expired,
    OrderReport,
    Rejected,
    Replaced,
    ReplaceRejected,
    Restated,
)
from engine.lifecycle_local import LOCAL_ARMS, Arm
from engine.lifecycle_replace import REPLACE_ARMS, is_current
from engine.lifecycle_report import REPORT_ARMS
from engine.lifecycle_types import (
    CLOSED,
    UNKNOWN,
    Anomaly,
    CancelSent,
    Code,
    FillApplied,
    FillCorrected,
    FillRemoved,
    FillVoided,
    LinkLost,
    LocalEvent,
    Lost,
    NotSent,
    OrderEvent,
    OrderLife,
    ReplaceSent,
    ReplacesLost,
    Request,
    Sent,
    Transition,
    Unanswered,
    VenueEvent,
    born,
    evolve,
    open_again,
)
from engine.lifecycle_venue import VENUE_ARMS
from engine.model import OrderStatus

ARMS: Final[dict[type, dict[OrderStatus, Arm]]] = {**LOCAL_ARMS, **VENUE_ARMS, **REPLACE_ARMS, **REPORT_ARMS}
"""The answer to every pair of event type and status."""

_MAY_BE_OF_ANOTHER: Final = frozenset({Rejected, CancelRejected, ReplaceRejected})
"""Rejections may carry the broker's id of another order; they never teach us an id we have already."""
_TELL_TERMS: Final = (Replaced, Restated, OrderReport)


def _without_ended(life: OrderLife, event: OrderEvent) -> OrderLife:
    """Of what works under its id, that which the venue has ended does not count any more."""
    ended = isinstance(event, Canceled | Expired) or (
        isinstance(event, OrderReport) and event.status in CLOSED
    )
    left = tuple(one for one in life.listed if not (ended and one[0] == event.broker_id))
    return life if left == life.listed else evolve(life, listed=left)


def transition(life: OrderLife, event: OrderEvent) -> Transition:
    """The state after `event`, and every surprise in it. Total and pure."""
    kind = event.__class__
    row = ARMS.get(kind)
    if row is None:
        return Transition(
            life, (Anomaly(Code.NOT_AN_ORDER_EVENT, f"{kind.__name__} is no event of an order"),)
        )
    result = row[life.status](life, event)
    after = result.life
    if after.status is UNKNOWN and after.cum >= after.worst_qty:  # nothing is left to be in doubt about
        after = open_again(evolve(after, pending_cancel=False))
        result = Transition(after, result.anomalies)
    if after.listed:
        after = _without_ended(after, event)
        result = Transition(after, result.anomalies)
    ts = event.ts
    if ts > after.termed and isinstance(event, _TELL_TERMS) and is_current(after, event):
        after = evolve(after, termed=ts)
        result = Transition(after, result.anomalies)
    broker_id = event.broker_id
    if broker_id is None or broker_id == after.broker_id:
        if ts <= after.as_of:
            return result
        return Transition(evolve(after, as_of=ts), result.anomalies)
    if after.broker_id is not None and (kind in _MAY_BE_OF_ANOTHER or ts < after.as_of):
        broker_id = after.broker_id
    return Transition(evolve(after, as_of=max(ts, after.as_of), broker_id=broker_id), result.anomalies)


__all__ = [
    "ARMS",
    "CLOSED",
    "Anomaly",
    "CancelSent",
    "Code",
    "FillApplied",
    "FillCorrected",
    "FillRemoved",
    "FillVoided",
    "LinkLost",
    "LocalEvent",
    "Lost",
    "NotSent",
    "OrderEvent",
    "OrderLife",
    "ReplaceSent",
    "ReplacesLost",
    "Request",
    "Sent",
    "Transition",
    "Unanswered",
    "VenueEvent",
    "born",
    "transition",
]
