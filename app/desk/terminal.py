"""What a process says to a terminal that may be gone, and how it lets go of one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Final

FROM_TERMINAL: Final = (signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""Signals that a terminal, or a shell's job control at it, sends; each would end or stop a process."""


def say(text: str) -> None:
    """Prints. A terminal that is gone is let go of, so that nothing that comes later fails on it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        leave_terminal()


def leave_terminal() -> None:
    """Points standard input, output and error at /dev/null, for a process that outlives its terminal."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        # What is still buffered for the dead terminal cannot be written any more.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)


def outlive_terminal() -> None:
    """From here on no signal that a terminal or a shell's job control sends ends or stops the process."""
    for number in FROM_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
