"""The engine's way to its sentinel: starts the process, keeps a connection to it, and gets the lease back.

Everything happens on the engine's loop and without waiting, but for the reading of the sentinel's journal,
which takes a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from app.options import RunOptions
from app.paths import sentinel_journal_path, sentinel_lease_path, sentinel_socket
from app.sentinel.build import build_mark
from engine.control.peer import peer_of
from engine.control.wire import reachable
from engine.core import Log
from engine.journal import AlreadyRunning, Row, StoreRefused, schema
from engine.journal.checking import looking
from engine.journal.files import InstanceLock
from engine.journal.livecopy import copy_live
from engine.pidfd import hold, unheld
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
from engine.sentinel.messages import Lines, Said, ToSentinel, line, said
from engine.sentinel.takeover import Regained, journal_of

PROGRAM: Final = (sys.executable, "-m", "app.cli")
"""What is started; the words of the command line follow."""
_BACKOFF: Final = (0.5, 60.0)
"""First and longest wait between two starts of the process, seconds; it doubles in between."""
_SETTLED: Final = 30.0
"""Seconds that a connection must have stood for the wait to be short again."""
_BETWEEN: Final = 0.1
"""Seconds between two attempts to connect to a process that was just started."""


class SentinelPost(asyncio.Protocol):
    """Implements `engine.sentinel.keeper.Post`."""

    def __init__(self, options: RunOptions, policy: str, after: float, log: Log) -> None:
        """Opens the lease. Raises `OSError`."""
        self.policy, self.after = policy, after
        self.problem = "it has not been started yet"
        self.build = build_mark()
        self._options = options
        self._log = log
        self._journal = sentinel_journal_path(options.state_dir)
        self._socket = sentinel_socket(options.state_dir)
        self._lease = LeaseFile(sentinel_lease_path(options.state_dir))
        self.hold = Leasehold(self._lease, Holder.ENGINE)
        self._take: Callable[[Said], None] = lambda _: None
        self._unread: Callable[[str], None] = lambda _: None
        self._lines = Lines()
        self._transport: asyncio.Transport | None = None
        self._reaching: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._wait = _BACKOFF[0]
        self._due = 0.0
        self._since = 0.0
        self._closed = False

    def bind(self, take: Callable[[Said], None], unread: Callable[[str], None]) -> None:
        self._take, self._unread = take, unread

    # -- process and connection

    def tend(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self.problem = f"its process ended with {self._process.returncode}"
            self._process, self._due = None, max(self._due, self._next)
        idle = self._reaching is None or self._reaching.done()
        if self._closed or self._transport is not None or not idle or time.monotonic() < self._due:
            return
        self._reaching = asyncio.get_running_loop().create_task(self._reach(), name="reach the sentinel")

    async def _reach(self) -> None:
        """One attempt: to whoever listens, else to a process that is started for it."""
        try:
            with reachable(self._socket) as address:
                await asyncio.get_running_loop().create_unix_connection(lambda: self, address)
        except OSError:
            if self._process is None and self.policy != "off":
                self._start()
            self._due = max(self._due, time.monotonic() + _BETWEEN)

    def _start(self) -> None:
        now = time.monotonic()
        if self._since and now - self._since > _SETTLED:
            self._wait = _BACKOFF[0]
        if now < self._due:
            return
        options = self._options
        command = [*PROGRAM, "sentinel", "--spawned"]
        command += ["--state-dir", str(options.state_dir), "--feed", options.feed]
        if options.config is not None:
            command += ["--config", str(options.config)]
        try:
            # A session of its own: what ends the engine's terminal or process group does not reach it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self.problem = "it is starting"
        except OSError as error:
            self.problem = f"its process cannot be started: {error}"
        self._since = now
        self._next = now + self._wait
        self._wait = min(2 * self._wait, _BACKOFF[1])
        if self._process is None:
            self._due = self._next

    _next = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._closed:
            transport.abort()
            return
        self._transport, self._lines, self.problem = transport, Lines(), ""
        self._since = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.problem = f"the connection to it broke{f': {exc}' if exc else ''}"
        self._due = max(self._next, time.monotonic() + _BETWEEN)
        if not self._closed:
            self._log("warning", self.problem, component="sentinel", status="LOST")

    def data_received(self, data: bytes) -> None:
        try:
            for text in self._lines.feed(data):
                self._take(said(text))
        except (ValueError, msgspec.MsgspecError) as error:
            self._log("warning", f"the sentinel says what is not known here: {error}", component="sentinel")
            self._unread(str(error))
            if self._transport is not None:
                self._transport.close()

    def send(self, message: ToSentinel) -> None:
        # One that does not read is stopped: what it has not heard is of no use to it later.
        if self._transport is not None and self._transport.get_write_buffer_size() == 0:
            self._transport.write(line(message))

    def end(self, *, by_force: bool) -> str:
        """Ends the process that answers, if it is this state's sentinel: who has the sentinel's journal is.
        It keeps the lease, which is then taken from a dead one."""
        if self._transport is None:
            return "nobody answers any more"
        pid, _ = peer_of(self._transport.get_extra_info("socket"))
        try:
            handle = hold(pid)  # from here on no other process can get into it by its number
        except ProcessLookupError:
            return f"process {pid} has ended already"
        except OSError as error:
            return unheld(pid, error)
        try:
            InstanceLock.shared(self._journal).release()
        except AlreadyRunning as running:
            if running.pid != pid:
                return f"process {pid} answers, and the sentinel's journal is another's ({running.pid})"
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL if by_force else signal.SIGTERM)
            return f"process {pid} is ended"
        except StoreRefused as error:
            return f"it is not known to be the sentinel: {error}"
        finally:
            os.close(handle)
        return f"process {pid} answers and has no sentinel's journal"

    async def close(self) -> None:
        self._closed = True
        if self._reaching is not None:
            self._reaching.cancel()
        if self._transport is not None:
            self._transport.close()
        self._lease.close()

    # -- the lease

    async def regain(self) -> Regained | None:
        try:
            taken = self._claim()
        except OSError as error:
            raise StoreRefused(f"{error}; look after the disk and what lies there") from error
        if not taken:
            return None
        rows = await asyncio.to_thread(rows_of, self._journal)
        return Regained(journal_of(rows), rows)

    def _claim(self) -> bool:
        """Takes the lease from nobody, from an earlier engine, or from a sentinel that is dead."""
        lease = self.hold.look()
        if lease is None:
            return False
        if lease.holder is not Holder.SENTINEL:
            return self.hold.claim(but=Holder.SENTINEL)
        try:
            # Whoever has the sentinel's journal is the sentinel: while its lock is free, none lives.
            with InstanceLock.exclusive(self._journal):
                return self.hold.claim()
        except AlreadyRunning:
            return False


def rows_of(path: Path) -> tuple[Row, ...]:
    """All committed rows of a sentinel's journal, also of one that runs. Raises `StoreRefused`."""
    if not path.exists():
        return ()
    with tempfile.TemporaryDirectory() as folder:
        try:
            copied = copy_live(path, Path(folder))
        except FileNotFoundError:
            return ()
        with looking(copied) as connection:
            found: list[Any] = []
            # A journal that is being made has no table yet.
            with contextlib.suppress(sqlite3.OperationalError):
                found = connection.execute(schema.SELECT_ROWS, (0, -1)).fetchall()
    return tuple(Row(*line) for line in found)
