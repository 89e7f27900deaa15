"""A copy of a journal, made row by row beside a running one; it gets its name only when it is whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.journal import schema
from engine.journal.checking import check
from engine.journal.connection import JournalConnection
from engine.journal.errors import Corrupt
from engine.journal.files import beside, publish

_STEP = 500
"""Rows per step: a few milliseconds, which is what a commit may have to wait for."""


class Copy:
    """Rows are only ever added, so a copy up to a given row is consistent however long it takes."""

    def __init__(self, dest: Path) -> None:
        self._dest = dest
        self._part = beside(dest, ".part")
        if dest.exists():
            raise FileExistsError(f"{dest} exists already: choose another name for the backup")
        self._part.unlink(missing_ok=True)
        # The thread of the journal's connection fills it.
        self._target = sqlite3.connect(self._part, isolation_level=None, check_same_thread=False)
        self._target.execute("PRAGMA synchronous=OFF")
        self._target.execute("PRAGMA journal_mode=MEMORY")
        for statement in (statement for step in schema.MIGRATIONS for statement in step):
            self._target.execute(statement)
        self._target.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        self._target.execute(f"PRAGMA user_version={len(schema.MIGRATIONS)}")

    def take(self, source: JournalConnection, after: int, upto: int) -> int:
        """Copies the next rows; returns the last one copied."""
        rows = source.execute(schema.SELECT_ROWS, (after, min(_STEP, upto - after))).fetchall()
        last: int = rows[-1][0]
        keys = source.execute(schema.SELECT_KEYS, (after, last)).fetchall()
        self._target.execute("BEGIN")
        self._target.executemany(schema.INSERT_LOG, rows)
        self._target.executemany(schema.INSERT_EXECUTION, keys)
        self._target.execute("COMMIT")
        return last

    def finish(self, rows: int) -> None:
        """Verifies, syncs and names the copy. Raises `Corrupt` where it is not what it should be."""
        found = check(self._part, self._target)
        if found.problems or found.rows != rows:
            raise Corrupt(self._part, "; ".join(found.problems) or f"it has {found.rows} rows of {rows}")
        self._target.close()
        publish(self._part, self._dest)

    def discard(self) -> None:
        """Removes what is unfinished; does nothing after `finish`."""
        self._target.close()
        self._part.unlink(missing_ok=True)
