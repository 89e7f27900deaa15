"""Why the journal refuses to open or to write; every message says what to do about it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final


class StoreRefused(Exception):
    """The journal cannot be opened. The text names the remedy."""


class AlreadyRunning(StoreRefused):
    """Another process has the journal. `pid` is what it wrote into the lock file, None if unknown."""

    def __init__(self, path: Path, pid: int | None = None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"{path} is in use by {who}: one engine has one journal. Look with 'breakwater attach', "
            "stop it with 'breakwater ctl shutdown', or choose another state directory."
        )


class ReadOnly(StoreRefused):
    """The journal or its directory cannot be written."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"{path} cannot be written ({detail}): make the directory writable for this user "
            "(owner, mode, mount option rw), or choose another state directory."
        )


class DiskFull(StoreRefused):
    """Too little space to trade on."""

    def __init__(self, path: Path, free: int, wanted: int) -> None:
        self.free = free
        self.wanted = wanted
        super().__init__(
            f"only {free / 1e6:.0f} MB are free for {path}, {wanted / 1e6:.0f} MB are wanted: free some "
            "space, choose another state directory, or lower journal.min_free_mb and journal.ballast_mb."
        )


class NewerSchema(StoreRefused):
    """The file was written by a newer Breakwater."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        self.found = found
        self.known = known
        super().__init__(
            f"{path} has schema version {found}, this Breakwater knows up to {known}: start the newer "
            "version that wrote it, or choose another state directory. It was not touched."
        )


class NotAJournal(StoreRefused):
    """The file is something else."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"{path} is not a Breakwater journal ({detail}): it was not touched. Move it away or choose "
            "another state directory."
        )


class Corrupt(StoreRefused):
    """The rows are not what was written. `first_bad` is the seq of the first wrong or missing row."""

    def __init__(self, path: Path, details: str, first_bad: int | None = None) -> None:
        self.details = details
        self.first_bad = first_bad
        where = "" if first_bad is None else f" from row {first_bad} on"
        super().__init__(
            f"{path} is damaged{where}: {details}. Look at it with 'breakwater journal verify', keep it with "
            "'breakwater journal rotate', then put a backup in its place or start afresh: the broker's own "
            "orders, executions and positions decide."
        )


class Unwell(StoreRefused):
    """The disk or the machine does not let the journal be read or written, which says nothing of its rows."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(
            f"{path} cannot be read and written now ({detail}): the disk or its file system fails, and "
            "nothing shows that the journal is damaged. Look into the kernel's log (dmesg), put the disk in "
            "order and start again; copy the files of the state directory before you replace it."
        )


class StoreFailed(Exception):
    """A row is not stored. While the store is failed no order that opens risk may be sent."""


class Displaced(sqlite3.OperationalError):
    """A file of the running journal was removed, exchanged or cut short by somebody else.

    What is committed now would be gone with the process. An error of SQLite's kind, because it ends a commit
    as one of them does.
    """


def code(error: BaseException) -> int:
    """SQLite's primary result code, 0 for an error that is none of SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


_OUTSIDE: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_AUTH,
    }
)
"""Primary codes that tell of what is around the file."""
_INSIDE: Final = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_DATA})
"""I/O errors that are not the disk's: the file is shorter than it says, a page is not what was written."""


def is_damage(error: BaseException) -> bool:
    """Whether an error of reading is about what stands in the file, rather than about the disk under it,
    another program at it, or the machine (https://www.sqlite.org/rescode.html)."""
    return code(error) not in _OUTSIDE or getattr(error, "sqlite_errorcode", 0) in _INSIDE
