"""A pseudo-terminal with a process on it, read by a thread into a screen unless it is stalled."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

PATIENCE = 60.0
"""Seconds after which a test gives up; nothing is asserted about how fast things are."""

SWITCHES = {
    b"\x1b[?1049h": b"\x1b[?1049l",
    b"\x1b[?25l": b"\x1b[?25h",
    b"\x1b[?1000h": b"\x1b[?1000l",
    b"\x1b[?1003h": b"\x1b[?1003l",
    b"\x1b[?1006h": b"\x1b[?1006l",
    b"\x1b[?2004h": b"\x1b[?2004l",
    b"\x1b[?1004h": b"\x1b[?1004l",
    b"\x1b[?7l": b"\x1b[?7h",
    b"\x1b[>25u": b"\x1b[<u",
    b"\x1b[22;2t": b"\x1b[23;2t",
}
"""What the desk switches, and what switches it back."""


class PseudoTerminal:
    """The master's side. The process leads a session of its own and has the slave as its terminal."""

    def __init__(
        self, argv: Sequence[str], environ: Mapping[str, str], size: tuple[int, int] = (100, 30)
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.screen = pyte.Screen(*size)
        self.stream = pyte.ByteStream(self.screen)
        self.output = bytearray()
        self._shown: str | None = None
        """What `text` found last; nothing, once the terminal has got something since."""
        self.reading = threading.Event()
        """Cleared: the terminal stalls."""
        self.reading.set()
        self.closing = False
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=environ,
        )
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while not self.closing:
            if not self.reading.wait(0.05):
                continue
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if not ready or not self.reading.is_set():
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self.lock:
                self.output += data
                # pyte does not know the kitty protocol's private sequences and would print them.
                self.stream.feed(data.replace(b"\x1b[>25u", b"").replace(b"\x1b[<u", b""))
                self._shown = None

    def text(self) -> str:
        """What stands on the terminal."""
        with self.lock:
            if self._shown is None:  # pyte takes milliseconds to tell it, and who waits looks every 20
                self._shown = "\n".join(line.rstrip() for line in self.screen.display)
            return self._shown

    def told(self) -> str:
        """What a failed test says of the process."""
        return self.text()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what}; {self.told()}")
            time.sleep(0.02)

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wipe(self) -> None:
        """What stands on the terminal is gone, as after another program has used it."""
        with self.lock:
            self.screen.reset()
            self._shown = None

    def stop(self) -> None:
        """SIGSTOP; waits until no thread of the process runs any more."""
        self.signal(signal.SIGSTOP)
        self.until(self._stands_still, "the process to stop")

    def _stands_still(self) -> bool:
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        return all(t.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "T" for t in threads)

    def resize(self, width: int, height: int) -> None:
        """The terminal gets another size."""
        with self.lock:
            self.screen.resize(height, width)
            self._shown = None
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def hang_up(self) -> None:
        """The terminal emulator dies."""
        self.closing = True
        self.reading.set()
        self.thread.join(PATIENCE)
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1

    def ended(self) -> int:
        return self.process.wait(PATIENCE)

    def restored(self, last: bytes) -> None:
        """Waits until the terminal has `last` behind everything else, and looks whether all is as before."""
        self.until(lambda: self.output.endswith(last), "the last bytes")
        for on, off in SWITCHES.items():
            assert 0 <= self.output.rfind(on) < self.output.rfind(off), (on, off)
        assert termios.tcgetattr(self.slave)[:4] == self.before[:4]

    def close(self) -> None:
        self.closing = True
        self.reading.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.thread.join(PATIENCE)
        for number in (self.slave, self.master):
            with contextlib.suppress(OSError):
                os.close(number)
