"""The engine's process as its sentinel knows it: which one it is, whether it died, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from app.paths import journal_path
from app.sentinel.asking import lease_of
from engine.core import Log
from engine.journal import AlreadyRunning, StoreRefused
from engine.journal.files import InstanceLock, beside
from engine.pidfd import hold, unheld
from engine.sentinel.lease import Holder
from engine.sentinel.watch import Ended


class WatchedEngine:
    """One for each sentinel. The engine is whoever has the engine's journal: any program of the same user can
    find the socket and say that it beats."""

    def __init__(self, state: Path, log: Log) -> None:
        self._state = state
        self._log = log
        self._known = 0
        self._unheld = ""
        """Why the last one could not be held."""
        self._handle = -1
        """Of the process `_known`, which no other process can get into by its number; -1: none is known."""

    def is_it(self, pid: int) -> bool:
        """Whether this process is the engine."""
        return self._holder() == pid

    def know(self, pid: int) -> None:
        """Keeps a handle on a process, if it is the engine."""
        if pid == self._known:
            return
        try:
            handle = hold(pid)
        except ProcessLookupError:
            return
        except OSError as error:
            self._unheld = unheld(pid, error)
            return
        with contextlib.suppress(OSError):
            if not self.is_it(pid):  # asked last, so that the handle is on the one that has the journal
                os.close(handle)
                return
            if self._handle >= 0:
                os.close(self._handle)
            self._known, self._handle = pid, handle

    def end(self) -> Ended:
        """Kills the engine's process; says what came of it."""
        # One that was not heard yet, by this sentinel or at all: its own lock names it.
        self._unheld = ""
        self.know(self._holder() or self._known)
        if self._handle < 0:
            return Ended(self._last_ended(), self._unheld or "no process has the engine's journal")
        if _has_ended(self._handle):
            return Ended(True, f"process {self._known} has ended already")
        try:
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        except OSError as error:
            return Ended(False, f"process {self._known} cannot be ended: {error.strerror}")
        text = f"process {self._known} is ended, because it would go on from there"
        return Ended(_has_ended(self._handle), text)

    def died_unheard(self) -> bool:
        """For one that was started by an engine and has heard none: whether that engine is dead. The lease is
        an engine's then, which a planned end gives back, or cannot be read; and the process that had the
        engine's journal has ended."""
        lease = lease_of(self._state)
        return (lease is None or lease.holder is Holder.ENGINE) and self._last_ended()

    def _last_ended(self) -> bool:
        """Whether it is certain that who had the engine's journal last has ended. Takes no lock: an engine
        that starts must find it free."""
        try:
            handle = hold(int(beside(journal_path(self._state), ".lock").read_text()))
        except ProcessLookupError:
            return True
        except (OSError, ValueError):
            return False  # who had it is not known
        try:
            return _has_ended(handle)
        finally:
            os.close(handle)

    def _holder(self) -> int:
        """The process that has the engine's journal; 0: none, or it cannot be known."""
        try:
            InstanceLock.shared(journal_path(self._state)).release()
        except AlreadyRunning as running:
            return running.pid or 0
        except StoreRefused as error:
            self._log("warning", f"whose the engine's journal is: {error}", component="sentinel")
        return 0


def _has_ended(handle: int) -> bool:
    """`handle`: a pidfd, which can be read from when its process has ended."""
    return bool(select.select([handle], [], [], 0)[0])
