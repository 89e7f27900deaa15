"""A journal opened for looking: its rows by number, by time and by id, each checked against the chain."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.journal import schema
from engine.journal.errors import AlreadyRunning, Corrupt
from engine.journal.livecopy import copy_live
from engine.journal.rows import Row, row_checksum
from engine.journal.tools import reading
from engine.model import Instrument
from engine.records import RunStarted, decode

_COLUMNS: Final = "seq, ts, kind, correlation, order_id, body, crc"


class Tape:
    """The rows of one journal. `live`: it is a copy of a running engine's, taken when it was opened."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, live: bool) -> None:
        self.path = path
        self.live = live
        self._connection = connection
        first = connection.execute("SELECT min(seq), min(ts) FROM log").fetchone()
        last = connection.execute("SELECT max(seq), max(ts) FROM log").fetchone()
        self.first, self.begins = first[0] or 0, first[1] or 0
        """Number and engine time (UTC ns) of the first row; 0 in an empty journal."""
        self.last, self.ends = last[0] or 0, last[1] or 0

    def rows(self, after: int = 0, upto: int | None = None) -> Iterator[Row]:
        """The rows after number `after`, up to `upto`. Raises `Corrupt` at the first that is not as written:
        the rows before it are good."""
        upto = self.last if upto is None else upto
        previous = self._crc(after)
        expected = after + 1
        query = f"SELECT {_COLUMNS} FROM log WHERE seq > ? AND seq <= ? ORDER BY seq"
        for row in map(Row._make, self._connection.execute(query, (after, upto))):
            if row.seq != expected or row.crc != row_checksum(previous, row):
                raise Corrupt(self.path, f"row {expected} is missing or changed", expected)
            previous, expected = row.crc, expected + 1
            yield row

    def row(self, seq: int) -> Row | None:
        """One row by its number."""
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM log WHERE seq = ?", (seq,)).fetchone()
        return None if found is None else Row._make(found)

    def at(self, ts: int) -> int:
        """The number of the last row with a time stamp up to `ts` (UTC ns); 0 before the first."""
        found = self._connection.execute("SELECT max(seq) FROM log WHERE ts <= ?", (ts,)).fetchone()[0]
        return int(found or 0)

    def about(self, ident: str) -> list[Row]:
        """Rows with this correlation id or this order id, in their order."""
        query = f"SELECT {_COLUMNS} FROM log WHERE correlation = ? OR order_id = ? ORDER BY seq"
        return [Row._make(r) for r in self._connection.execute(query, (ident, ident))]

    def naming(self, text: str, kinds: tuple[str, ...] = ()) -> list[Row]:
        """Rows whose body names `text` anywhere, of these kinds (all with none)."""
        query = f"SELECT {_COLUMNS} FROM log WHERE instr(body, ?) > 0 ORDER BY seq"
        return [
            r
            for r in map(Row._make, self._connection.execute(query, (text,)))
            if not kinds or r.kind in kinds
        ]

    def of_kind(self, *kinds: str) -> list[Row]:
        """All rows of some kinds, in their order."""
        marks = ", ".join("?" * len(kinds))
        query = f"SELECT {_COLUMNS} FROM log WHERE kind IN ({marks}) ORDER BY seq"
        return [Row._make(r) for r in self._connection.execute(query, kinds)]

    def instruments(self) -> tuple[Instrument, ...]:
        """What its runs listed, the newest word on each symbol; empty in a journal that does not say."""
        found: dict[str, Instrument] = {}
        for row in self.of_kind("run_started"):
            record = decode(row.kind, row.body)
            if isinstance(record, RunStarted):
                found.update({i.symbol: i for i in record.instruments})
        return tuple(found.values())

    def account(self) -> str:
        """The account of its last run; empty in an empty journal."""
        rows = self.of_kind("run_started")
        record = decode(rows[-1].kind, rows[-1].body) if rows else None
        return record.account if isinstance(record, RunStarted) else ""

    def _crc(self, seq: int) -> int:
        found = self._connection.execute(schema.SELECT_CRC, (seq,)).fetchone()
        return 0 if found is None else int(found[0])


@contextlib.contextmanager
def open_tape(path: Path) -> Iterator[Tape]:
    """A journal for looking: of a stopped engine, a backup, or (from a copy) of a running engine.

    Raises `FileNotFoundError`, and a `StoreRefused` that names what is in the way and the remedy.
    """
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(reading(path))
            live = False
        except AlreadyRunning:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bw-tape-")))
            connection = stack.enter_context(reading(copy_live(path, folder)))
            live = True
        yield Tape(path, connection, live=live)
