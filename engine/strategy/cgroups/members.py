"""The processes in control groups, by directory: who they are, and how they are killed and waited for."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final

from engine.pidfd import handle

_AT_ONCE: Final = 64
"""Processes that are held at once; open files are not many."""


def members(paths: Iterable[Path]) -> list[int]:
    """The processes in any of these directories."""
    found: set[int] = set()
    for path in paths:
        # 0 stands for a process that this one cannot see; a directory that is gone has none.
        with contextlib.suppress(OSError, ValueError):
            found |= {int(line) for line in (path / "cgroup.procs").read_text().split()}
    return sorted(pid for pid in found if pid > 1 and pid != os.getpid())


def kill(paths: Sequence[Path]) -> None:
    """SIGKILL to the processes in these directories, and to no other that has got the number of one."""
    waiting = iter(members(paths))
    while some := list(islice(waiting, _AT_ONCE)):
        with ExitStack() as held:
            handles = {pid: handle(pid) for pid in some}
            for fd in handles.values():
                if fd is not None:
                    held.callback(os.close, fd)
            still = set(members(paths))  # read after they are held: the number is its own as long as it is in
            for pid, fd in handles.items():
                if pid in still:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        if fd is None:
                            os.kill(pid, signal.SIGKILL)
                        else:
                            signal.pidfd_send_signal(fd, signal.SIGKILL)


def wait(paths: Sequence[Path], timeout_ms: int) -> None:
    """Until the next process in these directories has ended, or so many ms have passed."""
    told = select.poll()
    with ExitStack() as held:
        for pid in islice(members(paths), _AT_ONCE):
            fd = handle(pid)
            if fd is not None:
                held.callback(os.close, fd)
                told.register(fd, select.POLLIN)
        told.poll(timeout_ms)


def write(path: Path, value: str) -> None:
    """Raises `OSError` with the file's name."""
    # Never O_CREAT: in a directory that is no control group nothing must come into being.
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        os.close(fd)
