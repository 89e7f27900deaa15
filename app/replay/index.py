"""What a journal holds along its time, gathered while it is folded once: times, events, realised profit."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from decimal import Decimal
from typing import Final, NamedTuple

from engine.answers_day import realised_today
from engine.facts import Busted, Corrected, Executed
from engine.recorder import Moment
from engine.records import (
    AlertRaised,
    ControlTripped,
    DayOpened,
    FactTaken,
    Halted,
    KillBegan,
    OrderStored,
    Refused,
)
from engine.records_sentinel import OrderImported

SHOWN: Final = 400
"""Events on a timeline, at the most."""


class Event(NamedTuple):
    """Something that one looks for."""

    seq: int
    ts: int
    kind: str
    """`fill`, `alarm`, `halt` or `kill`."""


class Made(NamedTuple):
    """Realised profit of the day less fees, after one row."""

    seq: int
    ts: int
    day: str
    pnl: Decimal


class Index:
    """Grows with the first pass over a journal."""

    def __init__(self) -> None:
        self.stamps = array("q")
        """Engine time of each row, in order."""
        self.events: list[Event] = []
        self.made: list[Made] = []
        self.symbols: dict[str, str] = {}
        """Instrument by order id."""
        self.first = 1
        """Number of the first row."""

    def take(self, moment: Moment) -> None:
        """One further row; those that were taken before are passed over."""
        row, record, _ = moment
        assert row is not None
        if not self.stamps:
            self.first = row.seq
        elif row.seq < self.first + len(self.stamps):
            return
        self.stamps.append(row.ts)
        if isinstance(record, OrderStored | OrderImported | Refused):
            self.symbols[record.order.id] = record.order.symbol
        elif isinstance(record, FactTaken) and isinstance(record.fact, Executed | Busted | Corrected):
            self.events.append(Event(row.seq, row.ts, "fill"))
            self._made(moment)
        elif isinstance(record, DayOpened):
            self._made(moment)
        elif isinstance(record, AlertRaised) and record.alert.severity != "info":
            self.events.append(Event(row.seq, row.ts, "alarm"))
        elif isinstance(record, Halted | ControlTripped):
            self.events.append(Event(row.seq, row.ts, "halt"))
        elif isinstance(record, KillBegan):
            self.events.append(Event(row.seq, row.ts, "kill"))

    def _made(self, moment: Moment) -> None:
        row, books = moment.row, moment.books
        pnl = realised_today(books)
        if row is not None and pnl is not None and books.day is not None:
            self.made.append(Made(row.seq, row.ts, books.day.trading_day, pnl))

    @property
    def last(self) -> int:
        """Number of the last row."""
        return self.first + len(self.stamps) - 1

    def at(self, ts: int) -> int:
        """Number of the last row up to a time; one below the first where there is none."""
        return self.first + bisect_right(self.stamps, ts) - 1

    def time(self, seq: int) -> int:
        """Engine time of a row, held within the journal; 0 in an empty one."""
        if not self.stamps:
            return 0
        return self.stamps[max(0, min(seq - self.first, len(self.stamps) - 1))]

    def event(self, seq: int, direction: int) -> Event | None:
        """The next event after a row, or the one before it."""
        place = bisect_left(self.events, seq, key=lambda e: e.seq)
        if direction < 0:
            return self.events[place - 1] if place else None
        if place < len(self.events) and self.events[place].seq == seq:
            place += 1
        return self.events[place] if place < len(self.events) else None

    def thinned(self) -> tuple[tuple[int, str], ...]:
        """Events for a timeline: all where they are few, else the gravest of each stretch."""
        if len(self.events) <= SHOWN:
            return tuple((e.ts, e.kind) for e in self.events)
        rank = ("fill", "alarm", "halt", "kill")
        every = -(-len(self.events) // SHOWN)
        found = []
        for begin in range(0, len(self.events), every):
            gravest = max(self.events[begin : begin + every], key=lambda e: rank.index(e.kind))
            found.append((gravest.ts, gravest.kind))
        return tuple(found)
