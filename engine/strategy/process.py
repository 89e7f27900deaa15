"""One strategy's operating system process: how it is started, watched, killed and what it died of."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from engine.pidfd import handle
from engine.strategy.board import STACK_SIGNAL, Board, new_page
from engine.strategy.cgroups.base import Group

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""All that a strategy sees of the environment; secrets may stand in the rest."""
_ERRORS_KEPT: Final = 4_000
_KILLED_WITHIN: Final = 5.0
"""Seconds that the end of a killed process may take."""
OUT_OF_MEMORY: Final = "memory limit: it and what it started used more than its control group may"
_PAGE: Final = resource.getpagesize()
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Use(NamedTuple):
    """What a process is doing and has used. `state`: a letter of proc(5), T is stopped by a signal."""

    state: str
    cpu: float
    """Seconds of processor time so far, of all its threads."""
    threads: int


class Process:
    """A started child with its three ends: the socket, the lifeline and what it writes to stderr."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        link: socket.socket,
        lifeline: int,
        errors: int,
        board: Board,
    ) -> None:
        self._popen = popen
        self.link = link
        self.board = board
        self.group: Group | None = None
        """Its control group, which whoever closes this removes afterwards."""
        self._lifeline = lifeline
        self._errors = errors
        self._tail = b""
        self._ended: Use | None = None
        """What it had used when it had ended."""

    @property
    def pid(self) -> int:
        return self._popen.pid

    def poll(self) -> int | None:
        """Exit code, −signal, or None while it lives."""
        if self._popen.returncode is None and self._ended is None and self._waits():
            self._ended = self.use()  # asked for before it is reaped: nobody knows it afterwards
        return self._popen.poll()

    def _waits(self) -> bool:
        """It has ended and is not reaped."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return False

    def kill(self) -> None:
        """SIGKILL to it and to what it started; it leads a process group of its own."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.kill()

    def wait(self, timeout: float) -> bool:
        """Blocks until it has ended; False after `timeout` seconds."""
        # It is not reaped yet: the number is still its own.
        ended = handle(self.pid) if self.poll() is None else None
        if ended is not None:
            try:
                select.select([ended], [], [], timeout)
            finally:
                os.close(ended)
            timeout = 0
            self.poll()
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Kills it, waits a moment until it has ended, and closes."""
        self.kill()
        self.wait(_KILLED_WITHIN)
        self.close()

    def drain_errors(self) -> None:
        """Empties the pipe behind stderr, so that a chatty library cannot block, and keeps the last of it."""
        with contextlib.suppress(BlockingIOError, OSError):
            for _ in range(4):
                data = os.read(self._errors, 1 << 16)
                if not data:
                    return
                self._tail = (self._tail + data)[-_ERRORS_KEPT:]

    def last_words(self) -> str:
        """The last that it wrote to stderr below Python: crashes of the interpreter or of a library."""
        self.drain_errors()
        return self._tail.decode("utf-8", "replace").strip()

    def used_up(self, cpu_seconds: int | None) -> str:
        """What to say where it ended because it had used all of its seconds of processor; else empty."""
        code = self.poll()
        if not cpu_seconds or code not in (-signal.SIGXCPU, -signal.SIGKILL):
            return ""
        spent = code == -signal.SIGXCPU or (self._ended is not None and self._ended.cpu >= cpu_seconds)
        return f"used up its {cpu_seconds:,} s of processor" if spent else ""

    def death(self, cpu_seconds: int | None = None) -> str:
        """How it ended, in words, and in which callback. `cpu_seconds`: what it might use in all."""
        running = self.board.running()
        place = f" (in {running.callback})" if running is not None else ""
        return f"{self.used_up(cpu_seconds) or self._end()}{place}"

    def _end(self) -> str:
        code = self.poll()
        if code is None:
            return "closed its connection"
        if code >= 0:
            return f"ended by itself with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        if name == "SIGKILL" and self.out_of_memory(killed=True):
            return OUT_OF_MEMORY
        hint = " (not by the engine; the system does that when memory runs out)" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}"

    def out_of_memory(self, killed: bool = False) -> bool:
        """Whether the kernel has killed in its control group, it or what it started, for want of memory.
        `killed`: it has died by SIGKILL."""
        return self.group is not None and self.group.out_of_memory(killed)

    def processor(self, own: float) -> float:
        """Seconds of processor, at the least, of it and what it has started; without a control group its
        `own` are all that is known."""
        return own if self.group is None else max(own, self.group.processor())

    def tasks_refused(self) -> int:
        """Processes and threads that its control group has refused it and what it started."""
        return 0 if self.group is None else self.group.tasks_refused()

    def ask_stack(self) -> None:
        """Has it say, among its last words, where it is."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self._popen.pid, STACK_SIGNAL)

    def use(self) -> Use | None:
        """What the system says of it; None where it does not tell."""
        try:
            with open(f"/proc/{self._popen.pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123 - pseudo file
                fields = stat.read().rpartition(")")[2].split()
            return Use(fields[0], (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[17]))
        except (OSError, IndexError, ValueError):
            return None

    def rss(self) -> int | None:
        """Bytes of resident memory; None where the system does not tell."""
        try:
            with open(f"/proc/{self._popen.pid}/statm", encoding="ascii") as statm:  # noqa: PTH123 - pseudo file
                return int(statm.read().split()[1]) * _PAGE
        except (OSError, IndexError, ValueError):
            return None

    def close(self) -> None:
        """Lets go of all its ends; closing the lifeline kills it if it still lives.

        What it started and left behind goes as well: as long as its group has members, the system gives its
        number to no other.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self.link.close()
        self.board.close()
        for fd in (self._lifeline, self._errors):
            if fd >= 0:
                os.close(fd)
        self._lifeline = self._errors = -1


Spawn = Callable[[Sequence[str]], Process]


def spawn(import_paths: Sequence[str]) -> Process:
    """Starts a child; takes some milliseconds, the child needs about a third of a second to get ready.

    `import_paths`: folders in which the strategy's module is looked for; the first is its working directory.
    """
    page = new_page()
    ours, theirs = socket.socketpair()
    life_read, life_write = os.pipe()
    err_read, err_write = os.pipe()
    handed = (theirs.fileno(), life_read, page)
    try:
        board = Board(page)
        popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.strategy.child", *map(str, handed)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err_write,
            pass_fds=handed,
            start_new_session=True,
            env=environment(),
            cwd=import_paths[0] if import_paths else None,
        )
    except OSError:
        ours.close()
        os.close(life_write)
        os.close(err_read)
        raise
    finally:
        theirs.close()
        os.close(life_read)
        os.close(err_write)
        os.close(page)
    os.set_blocking(err_read, False)
    return Process(popen, ours, life_write, err_read, board)


def environment() -> dict[str, str]:
    """A small environment: the engine's code, no secrets, one core, and hashes that repeat."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    root = str(Path(__file__).resolve().parents[2])
    return passed | {
        "PYTHONPATH": root,
        "PYTHONHASHSEED": "0",
        # Numerical libraries start a thread for each core; a strategy gets one core and so one thread.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
