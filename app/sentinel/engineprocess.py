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
from engine.sentinel.lease import Holder


class WatchedEngine:
    """One for each sentinel. The engine is whoever has the engine's journal: any program of the same user can
    find the socket and say that it beats."""

    def __init__(self, state: Path, log: Log) -> None:
        self._state = state
        self._log = log
        self._known = 0
        self._handle = -1
        """Of the process `_known`, which no other process can get into by its number; -1: none is known."""

    def is_it(self, pid: int) -> bool:
        """Whether this process is the engine."""
        return self._holder() == pid

    def know(self, pid: int) -> None:
        """Keeps a handle on a process, if it is the engine."""
        if pid == self._known:
            return
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            if not self.is_it(pid):  # asked last, so that the handle is on the one that has the journal
                os.close(handle)
                return
            if self._handle >= 0:
                os.close(self._handle)
            self._known, self._handle = pid, handle

    def end(self) -> str:
        """Kills the engine's process; says what came of it."""
        # One that was not heard yet, by this sentinel or at all: its own lock names it.
        self.know(self._holder() or self._known)
        if self._handle < 0:
            return "no process has the engine's journal"
        try:
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        except ProcessLookupError:
            return f"process {self._known} has ended already"
        except OSError as error:
            return f"process {self._known} cannot be ended: {error.strerror}"
        return f"process {self._known} is ended, because it would go on from there"

    def died_unheard(self) -> bool:
        """For one that was started by an engine and has heard none: whether that engine is dead. The lease is
        an engine's then, which a planned end gives back, and the process that had its journal has ended.
        Takes no lock: an engine that starts must find it free."""
        lease = lease_of(self._state)
        if lease is None or lease.holder is not Holder.ENGINE:
            return False
        try:
            handle = os.pidfd_open(int(beside(journal_path(self._state), ".lock").read_text()))
        except ProcessLookupError:
            return True
        except (OSError, ValueError):
            return False  # who had it is not known
        try:
            return bool(select.select([handle], [], [], 0)[0])
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
