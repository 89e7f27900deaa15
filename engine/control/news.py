"""The lossless stream beside the snapshots: fills, rejections, alarms and audit, each with a number.

A bounded history, written by the engine's thread alone and read by any other without a lock: neither ever
waits. Who asks for what is older than the history is told how much is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from engine.facts import Busted, CancelRejected, Corrected, Executed, Rejected, ReplaceRejected
from engine.records import (
    Adopted,
    AlertAcknowledged,
    AlertCleared,
    AlertRaised,
    AlertShelved,
    AnyRecord,
    Claimed,
    CommandAnswered,
    CommandTaken,
    ControlReset,
    ControlTripped,
    DayOpened,
    FactTaken,
    FindingSeen,
    GateOverridden,
    Halted,
    HaltReset,
    HoldEnded,
    KillBegan,
    KillEnded,
    KillStep,
    LimitsChanged,
    LinkLost,
    LinkRestored,
    LostOrder,
    LostReplace,
    NotSentNote,
    Refused,
    ReplaceRefused,
    RollEnded,
    RollStarted,
    RunEnded,
    RunStarted,
    StrategyChanged,
    Transferred,
    Unanswered,
)

if TYPE_CHECKING:
    from engine.books import Applied

KEPT: Final = 10_000
"""Events in the history: some minutes of the busiest market, a day of a usual one."""

Stream: TypeAlias = Literal["fill", "reject", "alarm", "audit"]

_STREAMS: Final[dict[type, Stream]] = {
    Refused: "reject",
    ReplaceRefused: "reject",
    NotSentNote: "reject",
    AlertRaised: "alarm",
    AlertAcknowledged: "alarm",
    AlertCleared: "alarm",
    AlertShelved: "alarm",
    **dict.fromkeys(
        (
            RunStarted,
            RunEnded,
            GateOverridden,
            CommandTaken,
            CommandAnswered,
            LimitsChanged,
            Halted,
            HaltReset,
            HoldEnded,
            ControlTripped,
            ControlReset,
            DayOpened,
            FindingSeen,
            KillBegan,
            KillStep,
            KillEnded,
            StrategyChanged,
            Adopted,
            Claimed,
            Transferred,
            RollStarted,
            RollEnded,
            LinkLost,
            LinkRestored,
            LostOrder,
            LostReplace,
            Unanswered,
        ),
        "audit",
    ),
}


def stream_of(record: AnyRecord) -> Stream | None:
    """Where a record is told; None for the many that make no news (orders on their way, intentions)."""
    if isinstance(record, FactTaken):
        if isinstance(record.fact, Executed | Busted | Corrected):
            return "fill"
        return "reject" if isinstance(record.fact, Rejected | CancelRejected | ReplaceRejected) else None
    return _STREAMS.get(type(record))


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the journal as news. `seq` counts from 1 in each run; `ts`: engine time, UTC ns."""

    seq: int
    ts: int
    stream: Stream
    correlation: str
    order_id: str
    record: AnyRecord


@dataclass(frozen=True, slots=True)
class Batch:
    """What came after the event that was asked for, oldest first. `missed`: how many more there were, which
    the history has no longer."""

    events: Sequence[Event]
    missed: int = 0


class News:
    """See the module."""

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: list[Event | None] = [None] * kept
        self.last = 0
        """Number of the newest event; 0: none yet."""
        self.started: RunStarted | None = None
        """How this run began, and what its prices are ticks of."""

    def tell(self, record: AnyRecord, applied: Applied, ts: int, correlation: str, order_id: str) -> None:
        """Takes a record in, where it is news; a fill that is reported again is none. For one thread."""
        stream = stream_of(record)
        if isinstance(record, FactTaken) and isinstance(record.fact, Executed) and applied.fill is None:
            return
        if stream is not None:
            self.put(Event(self.last + 1, ts, stream, correlation, order_id, record))

    def put(self, event: Event) -> None:
        """Takes in an event under the number that it has. For one thread alone."""
        if isinstance(event.record, RunStarted):
            self.started = event.record
        self._ring[event.seq % len(self._ring)] = event
        self.last = event.seq

    def after(self, seq: int, most: int = KEPT) -> Batch:
        """The events after number `seq`, at most so many; from any thread."""
        last = self.last
        first = max(seq + 1, last - len(self._ring) + 1, 1)
        found: list[Event] = []
        for number in range(first, min(last, first + most - 1) + 1):
            event = self._ring[number % len(self._ring)]
            if event is not None and event.seq == number:
                found.append(event)
            else:  # written over while we read: what is older is gone as well
                found.clear()
        begin = found[0].seq if found else last + 1
        return Batch(found, missed=max(0, begin - seq - 1))
