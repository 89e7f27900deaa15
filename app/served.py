"""Days served: on which days an engine of some stage ran in real time, read off the journals' run records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from app.paths import journal_path
from engine.journal.errors import StoreRefused
from engine.model import NS
from engine.recorder import Tape, open_tape
from engine.records import RunStarted, decode

PAPER_BROKERS = frozenset({"paper", "loopback", "ib-paper"})
"""Brokers whose money is not real: days with them never count as days of pilot or live."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an engine. `begin` and `end` (its last row): engine time, UTC ns."""

    stage: str
    broker: str
    real_time: bool
    begin: int
    end: int
    boot: str = ""
    """Which start of the host it ran in; empty: not known."""
    uptime: int = 0
    """ns from there to `begin`, by a clock that nobody sets."""


@dataclass(slots=True)
class Record:
    """What was found."""

    runs: list[Run] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Journals that could not be read; they count for nothing."""

    def days(self, stage: str, hours: float) -> list[date]:
        """UTC days on which engines of this stage ran for so many hours, oldest first."""
        spans = [
            (begin, begin + run.end - run.begin)
            for run, begin in self._dated()
            if run.stage == stage
            and run.real_time
            and (run.broker not in PAPER_BROKERS or stage in ("paper", "shadow"))
        ]
        served: dict[date, int] = {}
        counted = 0
        for begin, end in sorted(spans):
            # What runs side by side, or stands in two copies of one journal, is one time.
            for day, span in _by_day(max(begin, counted), end):
                served[day] = served.get(day, 0) + span
            counted = max(counted, end)
        return sorted(day for day, span in served.items() if span >= hours * 3600 * NS and span > 0)

    def _dated(self) -> Iterator[tuple[Run, int]]:
        """The runs, and when each began, UTC ns. Of those within one start of the host the first is dated by
        the host's clock and the others by the time that has passed since, so that a clock set between two of
        them neither makes a day nor takes one away."""
        started: dict[str, int] = {}
        for run in sorted(self.runs, key=lambda run: run.uptime):
            if not run.boot:
                yield run, run.begin
            else:
                yield run, started.setdefault(run.boot, run.begin - run.uptime) + run.uptime


def _by_day(begin: int, end: int) -> Iterator[tuple[date, int]]:
    """How much of a run falls on each day, ns."""
    while begin < end:
        day = datetime.fromtimestamp(begin // NS, UTC).date()
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        stop = min(end, int(midnight.timestamp()) * NS)
        yield day, stop - begin
        begin = stop


def journals(state: Path) -> list[Path]:
    """The journal of a state directory and those that were moved aside."""
    current = journal_path(state)
    return [p for p in (*sorted(state.glob(f"{current.stem}-[0-9]*{current.suffix}")), current) if p.exists()]


def record_of(states: Iterable[Path]) -> Record:
    """The runs of all journals in these state directories."""
    record = Record()
    for state in states:
        for path in journals(state):
            try:
                with open_tape(path) as tape:
                    record.runs.extend(_runs(tape))
            except (StoreRefused, OSError) as error:
                record.unreadable.append(f"{path}: {error}")
    return record


def _runs(tape: Tape) -> Iterator[Run]:
    starts = tape.of_kind("run_started")
    for number, row in enumerate(starts):
        started = decode(row.kind, row.body)
        assert isinstance(started, RunStarted)
        last = tape.row(starts[number + 1].seq - 1 if number + 1 < len(starts) else tape.last)
        end = max(last.ts, row.ts) if last is not None else row.ts
        yield Run(started.stage, started.broker, started.real_time, row.ts, end, started.boot, started.uptime)
