"""The one connection to the database: opening it with every check, and committing a batch.

All here is synchronous and runs on the thread that owns the connection.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.journal import schema
from engine.journal.checking import BUSY_TIMEOUT, UNREADABLE, is_empty, looking, verify
from engine.journal.errors import (
    AlreadyRunning,
    Corrupt,
    DiskFull,
    Displaced,
    NewerSchema,
    NotAJournal,
    ReadOnly,
    StoreRefused,
    Unwell,
    code,
    is_damage,
)
from engine.journal.files import (
    MB,
    Tail,
    Watch,
    beside,
    check_writable,
    free_bytes,
    make_directory,
    os_refusal,
    publish,
    write_anew,
)
from engine.journal.rows import Row

_HEADER: Final = b"SQLite format 3\0"
_IN_ONE: Final = 64
"""Most rows of one statement; those of all sizes stay compiled."""
KeyLine = tuple[str, str, str, str, int, int]
"""A line of the execution table."""


class Batch(msgspec.Struct, frozen=True):
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
    watch: Watch | None = None

    def commit(self) -> None:
        self.jobs.popleft()(self)

    def write(self, batch: Batch) -> int:
        """Commits a batch, all or nothing; returns how many execution keys were there already."""
        ignored = self.put(batch)
        self.witness(batch)
        return ignored

    def put(self, batch: Batch) -> int:
        """`write` as far as COMMIT. The batch is on disk when it returns, and `witness` is owed."""
        ignored, rows = 0, batch.rows
        if self.watch is not None:  # here too: what was cut off grows again by writing
            self.watch.look()
        if 0 < len(rows) <= _IN_ONE and not batch.keys and not batch.meta:
            self._insert(rows)  # a statement by itself is all or nothing, and on disk when it ends
            return 0
        self.execute("BEGIN IMMEDIATE")
        try:
            self._insert(rows)
            if batch.keys:
                ignored = len(batch.keys) - self.executemany(schema.INSERT_EXECUTION, batch.keys).rowcount
            if batch.meta:
                self.executemany(schema.PUT_META, batch.meta)
            self.execute("COMMIT")
        except BaseException:
            self.back_out()
            raise
        return ignored

    def _insert(self, rows: Sequence[Row]) -> None:
        """Many rows to a statement: for each statement the interpreter is let go, and to get it back from a
        thread that works takes up to its switch interval."""
        if len(rows) == 1:  # by far the most frequent; SQLite's values are fetched fastest from a plain tuple
            self.execute(schema.INSERT_LOG, tuple(rows[0]))
            return
        for done in range(0, len(rows), _IN_ONE):
            some = rows[done : done + _IN_ONE]
            self.execute(schema.insert_log(len(some)), tuple(chain.from_iterable(some)))

    def witness(self, batch: Batch) -> None:
        """Notes what was committed beside the database. Nobody need wait for it: the marker may be behind,
        and files that were taken away meanwhile are found so again before the next commit."""
        if self.watch is not None:
            with contextlib.suppress(Displaced):
                self.watch.look()
        if batch.rows and self.tail is not None:
            last = batch.rows[-1]
            self.tail.write(last.seq, last.crc)

    def back_out(self) -> None:
        """Ends a transaction that failed; SQLite has often done so by itself (disk full does)."""
        if self.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the error that led here is the one that counts
                self.execute("ROLLBACK")

    def last_row(self) -> tuple[int, int]:
        """(seq, crc) of the last row, (0, 0) in an empty journal."""
        found = self.execute(schema.SELECT_TAIL).fetchone()
        return (0, 0) if found is None else (int(found[0]), int(found[1]))

    def save(self, path: Path) -> Callable[[], None]:
        """Copies all that the connection has, to be put in the place of files that were taken away.

        Returns what puts it there, for when the connection is closed. Raises an error of SQLite, or a
        `StoreRefused`, where there is nothing whole to be had or another journal stands in the place.
        """
        if path.exists() and self.watch is not None and not self.watch.is_ours(path):
            raise Displaced(
                f"another file stands at {path}: move it away, and the running engine puts its own back"
            )
        make_directory(path)
        part = beside(path, ".part")
        part.unlink(missing_ok=True)
        self.execute("VACUUM INTO ?", (str(part),))
        with contextlib.closing(sqlite3.connect(part)) as copy:
            verify(part, copy)

        def put() -> None:
            beside(path, "-wal").unlink(missing_ok=True)
            publish(part, path)

        return put

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


def remedy(error: BaseException) -> str:
    """What a person can do about an error of a running journal; empty where the text says it already."""
    match code(error):
        case sqlite3.SQLITE_FULL:
            return ": the disk is full: free some space"
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return (
                ": the disk fails, or its file system has become read-only: see the kernel's log (dmesg) and "
                "make it writable again, which is noticed within seconds; or flatten and stop"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return ": another program holds the file: close it"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return ": the file is damaged: flatten, stop, and look at it with 'breakwater journal verify'"
        case _:
            return ""


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
    again: bool = False,
) -> JournalConnection:
    """Opens, checks, migrates and verifies a journal, and proves with a write that it can be written.

    A journal that is refused as damaged is left byte for byte as it was found. The caller holds the instance
    lock. `now`: UTC ns; `again`: this process has had it open before. Raises a `StoreRefused`.
    """
    check_writable(path)
    free = free_bytes(path)
    if free < min_free_mb * MB:
        raise DiskFull(path, free, min_free_mb * MB)
    _check_header(path)
    try:
        write_anew(beside(path, "-wal"))
        verified = not again and _look(path, len(migrations))
    except OSError as error:
        raise os_refusal(path, error) from error
    except UNREADABLE as error:
        raise refusal(path, error) from error
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, factory=JournalConnection, check_same_thread=False
    )
    connection.jobs = deque()
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        version = _check_identity(path, connection, len(migrations))
        for statement in schema.settings(durability):
            connection.execute(statement).fetchall()
        _migrate(path, connection, version, migrations)
        if not verified:
            verify(path, connection)
        connection.write(Batch((), (), (("opened", str(now)),)))
        connection.watch = Watch(path)
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
        case sqlite3.SQLITE_IOERR if free_bytes(path) < MB:
            # Not every write of SQLite's tells what its error is: setting a length aside does not.
            return DiskFull(path, free_bytes(path), MB)
        case sqlite3.SQLITE_NOTADB:
            return NotAJournal(path, str(error))
        case _ if is_damage(error):
            return Corrupt(path, str(error))
        case _:
            return Unwell(path, str(error))


def _check_header(path: Path) -> None:
    if beside(path, "-journal").exists():
        return  # a first start that was cut off: SQLite takes the half-written page back, or says what it is
    with path.open("rb") as file:
        head = file.read(len(_HEADER))
    if head and head != _HEADER:
        raise NotAJournal(path, "no SQLite database")


def _look(path: Path, known: int) -> bool:
    """Checks a journal before it is opened for writing, which would take the WAL over; True where that was
    all there is to check. Raises `Corrupt`, `NotAJournal` or `NewerSchema`."""
    if beside(path, "-journal").exists():
        return False
    if not path.stat().st_size:
        # SQLite would remove a WAL without a database. A marker says that there was one.
        with contextlib.closing(sqlite3.connect(":memory:")) as nothing:
            verify(path, nothing)
        return False
    with looking(path) as connection:
        version = _check_identity(path, connection, known)
        if version not in (0, known):
            return False
        verify(path, connection)
    return version == known


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


def read_keys(connection: sqlite3.Connection) -> list[Any]:
    """All lines of the execution table in order of their rows."""
    return connection.execute(schema.SELECT_KEYS, (-1, 1 << 62)).fetchall()
