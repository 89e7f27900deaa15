"""The highest order number that a client id ever used, kept on disk: TWS hands numbers out a second time.

Orders that were lost with the line make TWS offer the same next number again, and reports then fit two of our
orders. Numbers are reserved in blocks, so that the disk is written seldom and never after a number was used.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from engine.ports import NotSent

BLOCK: Final = 1_000
HIGHEST: Final = 2_000_000_000
"""Numbers are 32-bit; beyond this TWS must be told to begin anew (API settings, reset order ids)."""


class IdMark:
    """Gives out numbers of one client id. `path` None: only in memory, for tests and look-arounds."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._next = 1
        self._reserved = 0
        if path is not None and path.exists():
            try:
                self._next = int(json.loads(path.read_text())["reserved"]) + 1
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise NotSent(
                    f"{path} should hold the highest order number used at IB and cannot be read "
                    f"({error}); put "
                    f'{{"reserved": N}} there with N above every order number that TWS shows'
                ) from error
            self._reserved = self._next - 1

    def at_least(self, number: int) -> None:
        """TWS names its next number; ours is never below it."""
        self._next = max(self._next, number)

    def take(self) -> int:
        """A number that was never used. Raises `NotSent` when none can be reserved."""
        if self._next > self._reserved:
            self._reserve(self._next + BLOCK)
        number, self._next = self._next, self._next + 1
        return number

    def _reserve(self, up_to: int) -> None:
        if up_to > HIGHEST:
            raise NotSent("the order numbers of this client id are used up; reset them in TWS's API settings")
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with fresh.open("w") as file:
                    json.dump({"reserved": up_to}, file)
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(self._path)
            except OSError as error:
                raise NotSent(f"order numbers cannot be reserved in {self._path}: {error}") from error
        self._reserved = up_to
