"""What the desk remembers of its operator between two starts: chosen columns, sorting, that it said welcome.

Looks only, in one small private file of the state directory; nothing of it reaches the engine. A file that
cannot be read is as good as none, and one that cannot be written is not worth a word while money is at stake.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "desk.json"
_LARGEST: Final = 256 * 1024


class Looks(msgspec.Struct):
    """The contents of the file."""

    welcomed: bool = False
    columns: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    """By table, then by title: `always` or `never`."""
    sort: dict[str, tuple[str, bool]] = msgspec.field(default_factory=dict)
    """By table: title of the column, and whether descending."""


class Remembered:
    """Reads once, writes at each change; without a directory it forgets at the end."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / FILE if directory is not None else None
        self.looks = Looks()
        if self._path is not None:
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                if self._path.stat().st_size <= _LARGEST:
                    self.looks = msgspec.json.decode(self._path.read_bytes(), type=Looks)

    def keep(self) -> None:
        """Writes what has changed: whole or not at all, readable by the owner alone."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            number, name = tempfile.mkstemp(prefix=".desk-", dir=self._path.parent)
            with os.fdopen(number, "wb") as file:
                file.write(msgspec.json.encode(self.looks))
            Path(name).replace(self._path)
