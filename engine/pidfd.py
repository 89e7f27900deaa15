"""A handle on a process that, unlike its number, does not go over to another (Linux 5.3)."""

from __future__ import annotations

import errno
import os


def hold(pid: int) -> int:
    """A descriptor that can be read from when the process has ended, to be closed. Raises
    `ProcessLookupError` where the process is gone, `OSError` where the system gives none."""
    try:
        return os.pidfd_open(pid)
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None


def handle(pid: int) -> int | None:
    """The same; None where there is none for whatever reason."""
    try:
        return hold(pid)
    except OSError:
        return None


def unheld(pid: int, error: OSError) -> str:
    """What to say of a process that is to be ended and cannot be held: by its number alone another could be
    ended in its place."""
    why = "the kernel is older than Linux 5.3" if error.errno == errno.ENOSYS else error.strerror
    return f"process {pid} cannot be ended from here, because {why}; end it by hand: kill {pid}"
