"""A handle on a process that, unlike its number, does not go over to another (Linux 5.3)."""

from __future__ import annotations

import os


def handle(pid: int) -> int | None:
    """A descriptor that can be read from when the process has ended, to be closed; None where the process
    is gone or the system has no such thing."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None
