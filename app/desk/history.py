"""What was typed on the command line: kept across runs in a private file of the state directory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

FILE: Final = "history"
KEPT: Final = 500
_LONGEST: Final = 400


class History:
    """A file that cannot be read or written is as good as none: it must never be in the way of a command."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / FILE if directory is not None else None
        self.lines: list[str] = []
        self._at = 0
        self._draft = ""
        if self._path is not None:
            with contextlib.suppress(OSError, UnicodeError):
                found = self._path.read_text(encoding="utf-8").splitlines()
                self.lines = [line for line in found if 0 < len(line) <= _LONGEST][-KEPT:]
        self.rest()

    def rest(self) -> None:
        """Nothing is being looked up."""
        self._at, self._draft = len(self.lines), ""

    def add(self, line: str) -> None:
        """A line was entered; the same one twice in a row is kept once."""
        if len(line) <= _LONGEST and line.isprintable() and line not in self.lines[-1:]:
            self.lines = [*self.lines, line][-KEPT:]
            self._keep()
        self.rest()

    def older(self, typed: str) -> str:
        """The line before the one that is shown; what was typed is remembered."""
        if self._at == len(self.lines):
            self._draft = typed
        self._at = max(0, self._at - 1)
        return self._shown()

    def newer(self) -> str:
        """The line after it, at the end what had been typed."""
        self._at = min(len(self.lines), self._at + 1)
        return self._shown()

    def _shown(self) -> str:
        return self.lines[self._at] if self._at < len(self.lines) else self._draft

    def _keep(self) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError, UnicodeError):
            number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(number, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write("\n".join(self.lines) + "\n")
