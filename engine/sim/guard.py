"""Keeps a simulated run inside: threads, sockets, subprocesses, forks and real sleeps raise while it lasts.

Python's own audit events tell of all of them, whichever library reaches out, so nothing can get past by
importing a function under another name. What has an event only in newer versions of Python (threads from
3.12, sleeps from 3.13 on) is replaced as well.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

_FORBIDDEN: Final = frozenset(
    {
        "_thread.start_new_thread",
        "_thread.start_joinable_thread",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "pty.spawn",
        "socket.__new__",
        "socket.connect",
        "socket.bind",
        "subprocess.Popen",
        "time.sleep",
    }
)
_REPLACED: Final[tuple[tuple[object, str], ...]] = ((time, "sleep"), (threading.Thread, "start"))
_guarded: Final[set[int]] = set()
"""Threads that are inside now."""
_hooked: Final[list[bool]] = []


class Outside(RuntimeError):
    """A simulated run reached for the outside; what it needs must be handed in."""


def _hook(event: str, _: object) -> None:
    if event in _FORBIDDEN and threading.get_ident() in _guarded:
        raise Outside(f"{event} inside a simulated run: hand in what is needed through a seam")


def _refuse(*_: object, **__: object) -> None:
    raise Outside("a thread or a real sleep inside a simulated run: use what is handed in")


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """While it lasts, this thread cannot reach the outside. Other threads must not start any meanwhile."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    me = threading.get_ident()
    kept = [(owner, name, getattr(owner, name)) for owner, name in _REPLACED]
    _guarded.add(me)
    for owner, name in _REPLACED:
        setattr(owner, name, _refuse)
    try:
        yield
    finally:
        for owner, name, usual in kept:
            setattr(owner, name, usual)
        _guarded.discard(me)
