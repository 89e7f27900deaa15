"""Which halts of an instrument the surprises of a report call for."""

from __future__ import annotations

from collections.abc import Iterator

from engine.alarmkinds import UNKNOWN_FILL
from engine.applied import Applied
from engine.halts import OVERFILL, Halt
from engine.lifecycle_types import Code


def called_for(applied: Applied, ts: int) -> Iterator[Halt]:
    """More was executed than an order of ours asked for, or something under an id of ours that is not known.
    `ts`: engine time of the report, ns."""
    record, fill = applied.record, applied.fill
    for anomaly in applied.anomalies:
        if anomaly.code is Code.OVERFILL and record is not None and not record.foreign:
            symbol, code, reason = record.order.symbol, OVERFILL, f"{record.order.id}: {anomaly.text}"
        elif anomaly.code is Code.UNKNOWN_ORDER and fill is not None and fill.order_id:
            symbol, code, reason = fill.symbol, UNKNOWN_FILL, anomaly.text
        else:
            continue
        yield Halt(scope="instrument", target=symbol, code=code, reason=reason, ts=ts)
