"""A page of memory between a strategy's process and the engine: which callback runs, and since when.

The process writes two numbers before and after each callback; the engine reads them whenever it likes, also
while the process hangs in a C call, holds its interpreter or was stopped by a signal. Nothing is believed of
it but what concerns the strategy itself.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

_LAYOUT: Final = struct.Struct("=qB")
_SIZE: Final = 4_096

STACK_SIGNAL: Final = signal.SIGUSR1
"""Has a strategy's process write the stacks of its threads to stderr."""

CALLBACKS: Final = {
    "s": "on_start",
    "q": "on_quote",
    "t": "on_trade",
    "b": "on_bar",
    "f": "on_fill",
    "o": "on_order",
    "w": "on_timer",
    "e": "on_stop",
}
"""Callbacks by the letter that stands for them here and in a batch."""


class Running(NamedTuple):
    """A callback under way. `since`: the host's monotonic clock, ns."""

    callback: str
    since: int


class Board:
    """One end of the page. `fd` is handed to the process, which opens its own end by it."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, _SIZE)

    def begin(self, letter: str, now: int) -> None:
        _LAYOUT.pack_into(self._page, 0, now, ord(letter))

    def end(self) -> None:
        _LAYOUT.pack_into(self._page, 0, 0, 0)

    def running(self) -> Running | None:
        """The callback under way; None between two of them, or while it is just being written."""
        first, letter = _LAYOUT.unpack_from(self._page)
        second, _ = _LAYOUT.unpack_from(self._page)
        name = CALLBACKS.get(chr(letter))
        return Running(name, first) if name is not None and 0 < first == second else None

    def close(self) -> None:
        self._page.close()


def new_page() -> int:
    """A file descriptor of an empty page that no path leads to. Raises `OSError`."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("strategy")
    else:
        import tempfile  # only where it is needed: every strategy's process loads this module

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    try:
        os.ftruncate(fd, _SIZE)
    except OSError:
        os.close(fd)
        raise
    return fd


class Stopwatch:
    """In the strategy's process: tells the board what runs, and measures it."""

    def __init__(self, board: Board | None, clock: Callable[[], int]) -> None:
        """`clock`: the host's monotonic time, ns."""
        self._board = board
        self._clock = clock
        self._began = 0
        self._spent: list[int] = []

    def begin(self, letter: str) -> None:
        self._began = self._clock()
        if self._board is not None:
            self._board.begin(letter, self._began)

    def end(self) -> None:
        """The event is taken, whether it called anything back or not."""
        self._spent.append(self._clock() - self._began)

    def rest(self) -> tuple[int, ...]:
        """Nothing runs any more. Returns what each event took since the last rest, ns."""
        if self._board is not None:
            self._board.end()
        spent = tuple(self._spent)
        self._spent.clear()
        return spent
