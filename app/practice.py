"""The loopback gateway that `--feed ib-loopback` starts beside a run, or finds there and takes over.

It outlives an engine that is killed, as a broker does; the next run of the same state that ends in good order
ends it. How a run knows it: the process holds an flock on a file in the state's folder that also has its
number, and the kernel lets go of the lock however the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from engine.feeds.errors import FeedError

END_WITHIN: Final = 5.0
"""Seconds that the gateway has to end by itself."""
_LOOK: Final = 0.02
"""Seconds between looks at a lock that another process holds; the kernel tells nobody when it is free."""


class LoopbackGateway:
    """The gateway's process. `close` ends it, unless somebody else had started it: by hand, or a run with
    another state. Raises `FeedError` with the remedy where none can be had."""

    def __init__(
        self, state: Path, port: int, cash: Decimal, seed: int, account: str, symbols: Sequence[str]
    ) -> None:
        self.started = False
        """Whether this object has started it."""
        self._process: subprocess.Popen[str] | None = None
        self._left = 0
        self._lock = state / "tws" / "beside.lock"
        if listens(port):
            return
        if left := _holder(self._lock):
            raise FeedError(
                f"process {left} is the gateway of an earlier run and has this state's orders, but it does "
                f"not serve port {port}: set ib.port back to its port, or end it with 'kill {left}'"
            )
        self._start(port, cash, seed, account, symbols)

    def take_over(self) -> None:
        """What an earlier run of this state has left running is this run's to end from now on. To be called
        once the journal is held: until then that run may be alive."""
        if not self.started:
            self._left = _holder(self._lock)

    def _start(self, port: int, cash: Decimal, seed: int, account: str, symbols: Sequence[str]) -> None:
        folder = self._lock.parent
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, "-m", "brokers.loopback.tws", "--port", str(port), "--seed", str(seed)),
            *("--feed", f"synthetic:{','.join(symbols)}", "--account", account, "--cash", str(cash)),
            *("--directory", str(folder)),
        ]
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The child has the same open file, so the lock stays with it when this process has let go.
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
            lock.write(str(process.pid))
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            self.started = bool(json.loads(line)["ready"])
        except (ValueError, KeyError) as error:
            self.close()
            raise FeedError(
                f"the loopback gateway did not start on port {port}: {line.strip() or 'it ended at once'}; "
                f"try 'breakwater venue tws --port {port}'"
            ) from error

    def close(self) -> None:
        """Ends the gateway if it is this state's. May be called twice."""
        process, self._process = self._process, None
        left, self._left = self._left, 0
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        elif left:
            _end(left, self._lock)


def listens(port: int) -> bool:
    """Whether somebody answers on this machine's port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _holder(lock: Path) -> int:
    """The process that lives with the lock; 0: nobody has it."""
    try:
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
    except (FileNotFoundError, ValueError):
        return 0
    return 0


def _end(process: int, lock: Path) -> None:
    """Ends the lock's holder, which need not be a child of ours."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + END_WITHIN
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, how)
        while _holder(lock) == process:
            if time.monotonic() >= end:
                break
            time.sleep(_LOOK)
        else:
            return
