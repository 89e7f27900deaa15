"""A copy of a running engine's journal, taken from outside without touching it.

The engine holds the database exclusively, so nobody can ask SQLite for it; but the files can be read. What
SQLite has committed is in the database or in its WAL, and a page is taken out of the WAL only after it stands
in the database. So database first, then WAL, gives every committed row as long as the WAL was not begun anew
in between, which its header shows. The last transaction may be half there; SQLite drops it by its checksums.
The copy's chain of rows is checked by whoever reads it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from engine.journal.errors import StoreRefused
from engine.journal.files import beside

TRIES: Final = 20
"""Copies that are begun before it is given up; each fails only when a checkpoint falls into it."""
_WAL_HEADER: Final = 32
"""Bytes of the WAL's header; it changes whenever the WAL is begun anew."""


class NoCopy(StoreRefused):
    """The journal of a running engine could not be copied."""


def copy_live(path: Path, folder: Path) -> Path:
    """Copies journal and WAL into `folder`; returns the copy's path. Not for the engine's own process:
    closing a file of the database there would drop the engine's locks on it.

    Raises `NoCopy` with the remedy, `FileNotFoundError`.
    """
    target = folder / path.name
    wal = beside(path, "-wal")
    for _ in range(TRIES):
        before = _header(wal)
        shutil.copyfile(path, target)
        if wal.exists():
            shutil.copyfile(wal, beside(target, "-wal"))
        if _header(wal) == before and _header(beside(target, "-wal")) == before:
            return target
        beside(target, "-wal").unlink(missing_ok=True)
    raise NoCopy(
        f"the journal {path} changes too fast to be copied: stop the engine, or look at a backup of it"
    )


def _header(wal: Path) -> bytes:
    try:
        with wal.open("rb") as file:
            return file.read(_WAL_HEADER)
    except FileNotFoundError:
        return b""
