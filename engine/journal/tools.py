"""Looking at a stopped journal: verify, export, back up, compare. Nothing here changes the journal."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Container, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from engine.journal import schema
from engine.journal.checking import UNREADABLE, check, is_empty, looking
from engine.journal.connection import refusal
from engine.journal.errors import Corrupt, NewerSchema, NotAJournal
from engine.journal.files import InstanceLock, Tail, beside, publish, rotate
from engine.journal.rows import Row
from engine.model import Value

__all__ = ["Difference", "Report", "backup", "compare", "describe", "export", "reading", "rotate", "verify"]


class Report(Value, frozen=True, kw_only=True):
    """What `verify` found. `rows` are in good order; `first_bad` is the first wrong or missing row."""

    path: str
    ok: bool
    rows: int
    executions: int
    schema: int
    bytes: int
    """Size of the database and its WAL."""
    tail_marker: int | None
    """Row that the independent marker names; None where there is no readable marker."""
    first_bad: int | None = None
    problems: tuple[str, ...] = ()


class Difference(NamedTuple):
    """The first place where two journals differ; None where one has ended."""

    seq: int
    column: str
    a: Row | None
    b: Row | None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to a stopped journal.

    Raises `AlreadyRunning` while an engine has it, `NotAJournal`, `NewerSchema`, `FileNotFoundError`.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no journal at {path}")
    with InstanceLock.shared(path), looking(path) as connection:
        try:
            _identify(path, connection)
            yield connection
        except UNREADABLE as error:
            raise refusal(path, error) from error


def _identify(path: Path, connection: sqlite3.Connection) -> None:
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    lost = application == 0 and Tail.read(path) is not None and is_empty(connection)
    if application != schema.APPLICATION_ID and not lost:
        raise NotAJournal(path, "another application id")
    version = _version(connection)
    if version > len(schema.MIGRATIONS):
        raise NewerSchema(path, version, len(schema.MIGRATIONS))


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _rows(connection: sqlite3.Connection) -> Iterator[Row]:
    return map(Row._make, connection.execute(schema.SELECT_CHAIN))


def verify(path: Path) -> Report:
    """Checks pages, checksums, order, executions and the tail marker. Damage is reported, not raised."""
    size = sum(file.stat().st_size for file in (path, beside(path, "-wal")) if file.exists())
    marker = Tail.read(path)
    try:
        with reading(path) as connection:
            found = check(path, connection)
            return Report(
                path=str(path),
                ok=not found.problems,
                rows=found.rows,
                executions=_count_executions(connection),
                schema=_version(connection),
                bytes=size,
                tail_marker=None if marker is None else marker[0],
                first_bad=found.first_bad,
                problems=found.problems,
            )
    except Corrupt as error:
        return Report(
            path=str(path),
            ok=False,
            rows=0,
            executions=0,
            schema=0,
            bytes=size,
            tail_marker=None if marker is None else marker[0],
            first_bad=error.first_bad,
            problems=(error.details,),
        )


def _count_executions(connection: sqlite3.Connection) -> int:
    try:
        return int(connection.execute("SELECT count(*) FROM execution").fetchone()[0])
    except UNREADABLE:  # the report says already what is wrong with the pages
        return 0


def export(path: Path, out: Path, fmt: Literal["jsonl"] = "jsonl") -> int:
    """Writes all rows to a new file, one JSON object a line, and returns their number.

    A body that is JSON stands there as JSON, any other as a string. Raises `FileExistsError`.
    """
    if fmt != "jsonl":
        raise ValueError(f"format {fmt!r} is not known: use jsonl")
    count = 0
    with reading(path) as connection, out.open("x", encoding="utf-8") as file:
        for row in _rows(connection):
            file.write(json.dumps({**row._asdict(), "body": _parsed(row.body)}, ensure_ascii=False))
            file.write("\n")
            count += 1
    return count


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def backup(path: Path, dest: Path) -> int:
    """Copies a stopped journal with SQLite's backup, verifies the copy, and returns its rows.

    A running engine is asked instead (`Journal.backup_to`). Raises `FileExistsError`, or `Corrupt` where the
    journal is damaged (no backup is made of it: `rotate` keeps it as it is).
    """
    if dest.exists():
        raise FileExistsError(f"{dest} exists already: choose another name for the backup")
    part = beside(dest, ".part")
    part.unlink(missing_ok=True)
    try:
        with reading(path) as source:
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as target:
                source.backup(target)
                target.execute("PRAGMA journal_mode=DELETE")
                copied = check(part, target)
            original = check(path, source)
        if original.problems or copied.problems:
            raise Corrupt(path, "; ".join(original.problems or copied.problems), original.first_bad)
        publish(part, dest)
    finally:
        part.unlink(missing_ok=True)
    return copied.rows


def compare(
    path_a: Path, path_b: Path, *, ignore_ts: bool = False, wall_fields: Container[str] = frozenset({"wall"})
) -> Difference | None:
    """The first row in which two stopped journals differ, None where they are the same row for row.

    In virtual time the time stamps are part of the result; `ignore_ts` leaves them out for runs against the
    wall clock. `wall_fields` are names of fields in bodies that hold times of the wall clock. Checksums
    follow from the rest and are not compared.
    """
    with reading(path_a) as a, reading(path_b) as b:
        for row_a, row_b in zip_longest(_rows(a), _rows(b)):
            if row_a is None or row_b is None:
                present: Row = row_a or row_b
                return Difference(present.seq, "seq", row_a, row_b)
            for column in Row._fields[:-1]:
                if column == "ts" and ignore_ts:
                    continue
                left, right = getattr(row_a, column), getattr(row_b, column)
                if left != right and not (column == "body" and _same_body(left, right, wall_fields)):
                    return Difference(row_a.seq, column, row_a, row_b)
    return None


def _same_body(a: str, b: str, wall_fields: Container[str]) -> bool:
    try:
        return bool(
            _without(msgspec.json.decode(a), wall_fields) == _without(msgspec.json.decode(b), wall_fields)
        )
    except msgspec.DecodeError:
        return False


def _without(value: Any, names: Container[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, names) for key, inner in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(inner, names) for inner in value]
    return value


def describe(difference: Difference) -> str:
    """One line that says where and how two journals differ."""
    if difference.a is None or difference.b is None:
        longer = "first" if difference.b is None else "second"
        return f"row {difference.seq}: only the {longer} journal goes on"
    left, right = (getattr(row, difference.column) for row in (difference.a, difference.b))
    return f"row {difference.seq}: {difference.column} is {left!r} in the first and {right!r} in the second"
