"""Reading a journal without changing it: everything that can be known of its soundness without the broker."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from engine.journal import schema
from engine.journal.errors import Corrupt, is_damage
from engine.journal.files import Tail, beside
from engine.journal.rows import checksum, key_checksum

BUSY_TIMEOUT: Final = 0.250
"""Seconds. There is one writer, so waiting longer would only hide that somebody else is there."""

UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError, TypeError)
"""What reading a damaged file raises; SQLite's own messages quote its text, which may be no text any more."""


def _told(error: BaseException) -> str:
    """What an error says of the file. Raises it again where it is not about the file."""
    if not is_damage(error):
        raise error
    return str(error)


@contextlib.contextmanager
def looking(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, to a journal that no engine has open. The caller holds the lock.

    Neither the database nor its WAL is changed by it, nor by closing it: what is damaged stays as it was
    found. It sees what the WAL holds.
    """
    wal, index = beside(path, "-wal"), beside(path, "-shm")
    stale = index.exists()
    # Without a WAL nothing is pending, and then even a read-only medium can be read.
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{mode}", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None
    )
    try:
        yield connection
    finally:
        connection.close()
        if not stale:  # an index of the WAL that only this reading made
            index.unlink(missing_ok=True)


class Checked(NamedTuple):
    """What a verification found. `first_bad`: seq of the first wrong or missing row."""

    rows: int
    """Rows in good order, counted from the first; also the seq of the last of them."""
    problems: tuple[str, ...]
    first_bad: int | None


def check(path: Path, connection: sqlite3.Connection) -> Checked:
    """Everything that can be known without the broker: pages, chain of rows, executions, the tail marker.

    Raises the error of SQLite where it is the disk that cannot be read, which says nothing of the journal.
    """
    problems: list[str] = []
    try:
        for (line,) in connection.execute("PRAGMA quick_check(5)"):
            if line != "ok":
                problems.append(f"quick_check: {line}")
    except UNREADABLE as error:
        problems.append(f"quick_check: {_told(error)}")
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
    except UNREADABLE as error:  # something is there, and it is damaged
        _told(error)
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
        return expected, f"row {expected + 1} cannot be read ({_told(error)})"
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
        return [f"the executions cannot be read ({_told(error)})"]
    return []


def verify(path: Path, connection: sqlite3.Connection) -> None:
    """Raises `Corrupt` with the first problem and where it is."""
    found = check(path, connection)
    if found.problems:
        raise Corrupt(path, "; ".join(found.problems), found.first_bad)
