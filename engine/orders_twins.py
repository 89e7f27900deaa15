"""Pictures of one of two orders that a replace has left at the venue under one id of ours.

The venue counts what each of them filled; our books count all executions under the id. So a picture of the
one that filled less reads like an old one of the other, for good (simulated seeds 8333, 9326).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.facts import OrderReport
from engine.lifecycle_types import OrderLife, TwinReport
from engine.model import Fill, OrderStatus

_WORKS = (OrderStatus.WORKING, OrderStatus.PARTIAL_FILL)


def twin_report(life: OrderLife, report: OrderReport, fills: Iterable[Fill]) -> TwinReport | None:
    """The picture with its counts brought up to ours, where it is one of a twin: it works, the venue counts
    on it just what was executed under that name of its own, and the rest of `fills`, all that are booked for
    the order, was executed under other names. None: it is an ordinary one, or this cannot be told.

    Of an order that works here under another name nothing is concluded: its own picture is to come.
    """
    name = report.broker_id
    if name is None or report.status not in _WORKS or report.leaves <= 0 or report.cum >= life.cum:
        return None
    if name != life.broker_id and not life.is_closed:
        return None
    own = elsewhere = 0
    for fill in fills:
        if fill.broker_id is None:
            return None
        if fill.broker_id == name:
            own += fill.qty
        else:
            elsewhere += fill.qty
    if own != report.cum or not elsewhere:
        return None
    fields = msgspec.structs.asdict(report)
    fields["cum"], fields["qty"] = report.cum + elsewhere, report.qty + elsewhere
    return TwinReport(**fields)
