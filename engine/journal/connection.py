"""The one connection to the database: opening it with every check, and committing a batch.

All here is synchronous and runs on the thread that owns the connection.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.journal import schema
from engine.journal.errors import (
    AlreadyRunning,
    Corrupt,
    DiskFull,
    NewerSchema,
    NotAJournal,
    ReadOnly,
    StoreRefused,
)
from engine.journal.files import MB, Tail, beside, check_writable, free_bytes, write_anew
from engine.journal.rows import Row, checksum, key_checksum

_HEADER: Final = b"SQLite format 3\0"
_BUSY_TIMEOUT: Final = 0.250
"""Seconds. There is one writer, so waiting longer would only hide that somebody else is there."""

UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError, TypeError)
"""What reading a damaged file raises; SQLite's own messages quote its text, which may be no text any more."""

KeyLine = tuple[str, str, str, str, int, int]
"""A line of the execution table."""


class Batch(NamedTuple):
    """What one commit writes, and who is told."""

    rows: Sequence[Row]
    keys: Sequence[KeyLine]
    meta: Sequence[tuple[str, str]] = ()


class JournalConnection(sqlite3.Connection):
    """A connection whose `commit` does the next job that was handed over, on the connection's own thread.

    aiosqlite forwards `commit()` in one hop to its thread; a whole batch from BEGIN to COMMIT thus costs one
    hop instead of four, and nothing can come between its statements.
    """

    jobs: deque[Callable[[JournalConnection], None]]
    tail: Tail | None = None

    def commit(self) -> None:
        self.jobs.popleft()(self)

    def write(self, batch: Batch) -> int:
        """Commits a batch, all or nothing; returns how many execution keys were there already."""
        ignored = 0
        self.execute("BEGIN IMMEDIATE")
        try:
            self.executemany(schema.INSERT_LOG, batch.rows)
            if batch.keys:
                ignored = len(batch.keys) - self.executemany(schema.INSERT_EXECUTION, batch.keys).rowcount
            if batch.meta:
                self.executemany(schema.PUT_META, batch.meta)
            self.execute("COMMIT")
        except BaseException:
            self.back_out()
            raise
        if batch.rows and self.tail is not None:
            last = batch.rows[-1]
            self.tail.write(last.seq, last.crc)
        return ignored

    def back_out(self) -> None:
        """Ends a transaction that failed; SQLite has often done so by itself (disk full does)."""
        if self.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the error that led here is the one that counts
                self.execute("ROLLBACK")

    def last_row(self) -> tuple[int, int]:
        """(seq, crc) of the last row, (0, 0) in an empty journal."""
        found = self.execute(schema.SELECT_TAIL).fetchone()
        return (0, 0) if found is None else (int(found[0]), int(found[1]))

    def finish(self) -> None:
        """Moves everything from the WAL into the database and closes."""
        try:
            self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self.shut()

    def shut(self) -> None:
        """Closes, whatever state it is in."""
        if self.tail is not None:
            self.tail.close(sync=True)
        self.close()


def code(error: BaseException) -> int:
    """SQLite's primary result code, 0 for an error that is none of SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_full(error: BaseException) -> bool:
    """True where space is what is missing."""
    return code(error) == sqlite3.SQLITE_FULL


def open_connection(
    path: Path,
    *,
    durability: str,
    min_free_mb: int,
    now: int,
    migrations: Sequence[schema.Migration] = schema.MIGRATIONS,
) -> JournalConnection:
    """Opens, checks, migrates and verifies a journal, and proves with a write that it can be written.

    The caller holds the instance lock. `now`: UTC ns. Raises a `StoreRefused`.
    """
    check_writable(path)
    free = free_bytes(path)
    if free < min_free_mb * MB:
        raise DiskFull(path, free, min_free_mb * MB)
    _check_header(path)
    write_anew(beside(path, "-wal"))
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT, isolation_level=None, factory=JournalConnection, check_same_thread=False
    )
    connection.jobs = deque()
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        version = _check_identity(path, connection, len(migrations))
        for statement in schema.settings(durability):
            connection.execute(statement).fetchall()
        _migrate(path, connection, version, migrations)
        verify(path, connection)
        connection.write(Batch((), (), (("opened", str(now)),)))
        connection.tail = Tail(path)
        connection.tail.write(*connection.last_row())
    except BaseException as error:
        connection.shut()
        if isinstance(error, UNREADABLE):
            raise refusal(path, error) from error
        raise
    return connection


def refusal(path: Path, error: BaseException) -> StoreRefused:
    """What an error of SQLite at opening means, with the remedy."""
    match code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return AlreadyRunning(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return ReadOnly(path, str(error))
        case sqlite3.SQLITE_FULL:
            return DiskFull(path, free_bytes(path), MB)
        case sqlite3.SQLITE_NOTADB:
            return NotAJournal(path, str(error))
        case _:
            return Corrupt(path, str(error))


def _check_header(path: Path) -> None:
    if beside(path, "-journal").exists():
        return  # a first start that was cut off: SQLite takes the half-written page back, or says what it is
    with path.open("rb") as file:
        head = file.read(len(_HEADER))
    if head and head != _HEADER:
        raise NotAJournal(path, "no SQLite database")


def _check_identity(path: Path, connection: sqlite3.Connection, known: int) -> int:
    """The schema version found, 0 for a new file. Touches nothing."""
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application != schema.APPLICATION_ID:
        if application or version or not is_empty(connection):
            raise NotAJournal(path, f"its application id is {application:#x}")
        return 0
    if version > known:
        raise NewerSchema(path, version, known)
    return version


def _migrate(
    path: Path, connection: JournalConnection, version: int, migrations: Sequence[schema.Migration]
) -> None:
    """Runs the steps that are missing, each in a transaction; keeps a copy of an existing file first."""
    if 0 < version < len(migrations):
        kept = beside(path, f".v{version}")
        kept.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(kept),))
    for number in range(version + 1, len(migrations) + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[number - 1]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.back_out()
            raise


class Checked(NamedTuple):
    """What a verification found. `first_bad`: seq of the first wrong or missing row."""

    rows: int
    """Rows in good order, counted from the first; also the seq of the last of them."""
    problems: tuple[str, ...]
    first_bad: int | None


def check(path: Path, connection: sqlite3.Connection) -> Checked:
    """Everything that can be known without the broker: pages, chain of rows, executions, the tail marker."""
    problems: list[str] = []
    try:
        for (line,) in connection.execute("PRAGMA quick_check(5)"):
            if line != "ok":
                problems.append(f"quick_check: {line}")
    except UNREADABLE as error:
        problems.append(f"quick_check: {error}")
    # A database with nothing in it is a journal whose first commits never reached it, or one without rows.
    empty = is_empty(connection)
    rows, complaint = (0, "") if empty else _walk(connection)
    first_bad = rows + 1 if complaint else None
    if complaint:
        problems.append(complaint)
    else:
        if not empty:
            problems += _check_keys(connection, rows)
        late = _check_tail(path, connection, rows)
        if late is not None:
            first_bad, complaint = late
            problems.append(complaint)
    return Checked(rows, tuple(problems), first_bad)


def is_empty(connection: sqlite3.Connection) -> bool:
    """True where the database has no tables at all."""
    try:
        return int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]) == 0
    except UNREADABLE:  # something is there, and it is damaged
        return False


def _walk(connection: sqlite3.Connection) -> tuple[int, str]:
    """Follows the chain; rows in order, and the complaint about the row after them."""
    expected = crc = 0
    # As bytes: a flipped bit may have made text that cannot be decoded.
    connection.text_factory = bytes
    try:
        for seq, ts, kind, correlation, order_id, body, stored in connection.execute(schema.SELECT_CHAIN):
            if seq != expected + 1:
                return expected, f"row {expected + 1} is missing, the next one is {seq}"
            computed = checksum(crc, seq, ts, kind, correlation, order_id, body)
            if computed != stored:
                return expected, f"row {seq} does not match its checksum"
            expected, crc = seq, computed
    except UNREADABLE as error:
        return expected, f"row {expected + 1} cannot be read ({error})"
    finally:
        connection.text_factory = str
    return expected, ""


def _check_tail(path: Path, connection: sqlite3.Connection, rows: int) -> tuple[int, str] | None:
    """What the tail marker knows better: first bad row and complaint."""
    marked = Tail.read(path)
    if marked is None or marked[0] == 0:
        return None
    seq, crc = marked
    if seq > rows:
        return rows + 1, (
            f"it ends at row {rows} but row {seq} had been committed (its WAL was cut off or removed, or an "
            f"older copy was put in its place; if you put a backup here, remove {path.name}.tail)"
        )
    if connection.execute(schema.SELECT_CRC, (seq,)).fetchone()[0] != crc:
        return seq, (
            f"row {seq} is not the one that was committed (another copy was put in its place; if you put a "
            f"backup here, remove {path.name}.tail)"
        )
    return None


def _check_keys(connection: sqlite3.Connection, rows: int) -> Iterable[str]:
    try:
        lines = connection.execute(schema.SELECT_KEYS, (-1, 1 << 62))
        for venue, account, day, exec_id, seq, crc in lines:
            if seq > rows or key_checksum(venue, account, day, exec_id, seq) != crc:
                return [f"execution {exec_id!r} of row {seq} does not match its checksum"]
    except UNREADABLE as error:
        return [f"the executions cannot be read ({error})"]
    return []


def verify(path: Path, connection: sqlite3.Connection) -> None:
    """Raises `Corrupt` with the first problem and where it is."""
    found = check(path, connection)
    if found.problems:
        raise Corrupt(path, "; ".join(found.problems), found.first_bad)


def read_keys(connection: sqlite3.Connection) -> list[Any]:
    """All lines of the execution table in order of their rows."""
    return connection.execute(schema.SELECT_KEYS, (-1, 1 << 62)).fetchall()
