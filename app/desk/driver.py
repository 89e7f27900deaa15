"""The terminal driver: it survives a terminal that is closed or does not read, and sees the kill key first.

Textual's own driver blocks its event loop when the terminal stalls, spins when it is closed and stops the
whole process, engine included, on SIGTSTP. This one hands text to a writer thread without ever waiting,
tells the app to skip frames while the terminal does not keep up (one full repaint follows), and reports a
lost terminal once. Sources: measurements of Textual 8.2.8 on closed and stalled pseudo-terminals.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from textual import constants, events
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from app.desk.keys import KILL_KEYS
from app.desk.plain import to_ascii
from app.desk.typing import KeyStream

if TYPE_CHECKING:
    from textual.app import App

MOST_QUEUED: Final = 8
"""Writes that may wait for the terminal before frames are skipped."""
MOST_KEPT: Final = 4096
"""Writes that may wait at all; only mode switches and bells come here while frames are skipped."""
CLOSING: Final = 0.5
"""Seconds that the end waits for the terminal to take the last bytes."""

KEEP_TITLE: Final = "\x1b[22;2t"
"""Has the terminal remember its title, which the desk changes (XTWINOPS)."""
_OFF: Final = ("?2004l", "?7h", "?1000l", "?1003l", "?1015l", "?1006l", "<u", "?1049l", "?25h", "?1004l")
RESTORE: Final = "\x1b[23;2t" + "".join(f"\x1b[{switch}" for switch in _OFF)
"""Everything that the desk switches on, switched off."""


class Output:
    """Writes to the terminal on a thread of its own; `put` never waits."""

    def __init__(self, fd: int, on_lost: Callable[[str], None], on_drained: Callable[[], None]) -> None:
        self._fd = fd
        self._on_lost = on_lost
        self._on_drained = on_drained
        self._queue: deque[bytes] = deque()
        self._wake = threading.Condition()
        self._stop = False
        self._skipped = False
        self.dead = False
        self.written = 0
        """Bytes so far."""
        self.skipped = 0
        """Frames that were not painted because the terminal did not read."""
        self._thread = threading.Thread(target=self._run, name="desk-output", daemon=True)
        self._thread.start()

    @property
    def congested(self) -> bool:
        """True while more waits than a terminal that reads would leave."""
        return len(self._queue) > MOST_QUEUED

    def skip(self) -> None:
        """A frame is left out; the app is called back once the queue is empty."""
        self.skipped += 1
        with self._wake:
            self._skipped = True
            self._wake.notify()

    def put(self, text: str) -> None:
        """Queues text."""
        if self.dead or len(self._queue) >= MOST_KEPT:
            return
        data = text.encode("utf-8", "replace")
        with self._wake:
            self._queue.append(data)
            self._wake.notify()

    def close(self) -> None:
        """Writes what is left, for at most half a second."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self._thread.join(CLOSING)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._stop and not self._skipped:
                    self._wake.wait()
                if not self._queue and self._stop:
                    return
                drained = self._skipped and not self._queue
                if drained:
                    self._skipped = False
                data = self._queue[0] if self._queue else b""
            if drained:
                self._on_drained()
                continue
            try:
                self._write(data)
            except OSError as error:
                self.dead = True
                with self._wake:
                    self._queue.clear()
                self._on_lost(f"cannot write to it: {error.strerror}")
                return
            # Only now does it count as gone: what the terminal has not taken still waits.
            with self._wake:
                self._queue.popleft()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._stop and not select.select([], [self._fd], [], CLOSING)[1]:
                raise TimeoutError(0, "it did not take the last bytes")
            done = os.write(self._fd, view[:4096])
            self.written += done
            view = view[done:]


class SafeDriver(LinuxDriver):
    """LinuxDriver whose output never blocks, whose input notices the end, with a bypass for the kill key."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        before: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGTSTP, signal.SIGCONT)}
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._handlers_before = before
        # Stopping this process would stop the engine with it.
        for number in (signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN):
            self._handlers_before.setdefault(number, signal.getsignal(number))
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)  # not Textual's; ours comes with the application mode
        # Textual draws on standard error; standard output stays free.
        self._out_fd = self._file.fileno() if self._file is not None else 2
        self._output: Output | None = None
        self._ascii_only = bool(getattr(app, "ascii_only", False))
        self._lost_once = threading.Lock()
        self._event_loop = asyncio.get_running_loop()

    # Output

    @property
    def congested(self) -> bool:
        """True while the terminal does not keep up and frames are better left out."""
        return self._output is not None and self._output.congested

    @property
    def output(self) -> Output | None:
        """The writer; None outside application mode."""
        return self._output

    def skip_frame(self) -> None:
        """A frame was left out."""
        if self._output is not None:
            self._output.skip()

    def write(self, data: str) -> None:
        if self._output is not None:
            self._output.put(to_ascii(data) if self._ascii_only else data)

    def _call_app(self, name: str, *args: object) -> None:
        self._app.on_loop(getattr(self._app, name), *args)  # type: ignore[attr-defined]

    def _lost(self, what: str) -> None:
        if self._lost_once.acquire(blocking=False):
            self._call_app("terminal_lost", what)

    # Application mode

    def _get_terminal_size(self) -> tuple[int, int]:
        try:
            width, height = os.get_terminal_size(self._out_fd)
        except (OSError, ValueError):
            return super()._get_terminal_size()
        return width or 80, height or 24

    def _send_size(self) -> None:
        width, height = self._get_terminal_size()
        size = Size(width, height)
        self._app.post_message(events.Resize(size, size))

    def start_application_mode(self) -> None:
        """Takes the terminal over: alternate screen, raw keys, mouse, own input and output threads."""
        self._output = Output(self._out_fd, self._lost, lambda: self._call_app("repaint_everything"))
        loop = self._event_loop

        def resized(_signal: int, _frame: object) -> None:
            if not self._in_band_window_resize:
                loop.call_soon_threadsafe(self._send_size)

        self._handlers_before.setdefault(signal.SIGWINCH, signal.getsignal(signal.SIGWINCH))
        signal.signal(signal.SIGWINCH, resized)
        signal.signal(signal.SIGCONT, lambda *_: loop.call_soon_threadsafe(self._take_back))
        self._send_size()
        with contextlib.suppress(termios.error):
            self.attrs_before = termios.tcgetattr(self.fileno)
        self.write(KEEP_TITLE)
        self._take_over()
        self._key_thread = threading.Thread(target=self._read_keys, name="desk-input", daemon=True)
        self._key_thread.start()
        self._request_terminal_sync_mode_support()
        self._query_in_band_window_resize()

    def _take_over(self) -> None:
        """Raw keys, alternate screen, pastes marked, mouse."""
        with contextlib.suppress(termios.error):
            raw = termios.tcgetattr(self.fileno)
            # Signals stay off whatever the environment says: ctrl+backslash is the kill key, no SIGQUIT.
            raw[tty.LFLAG] = self._patch_lflag(raw[tty.LFLAG]) & ~termios.ISIG
            raw[tty.IFLAG] = self._patch_iflag(raw[tty.IFLAG])
            raw[tty.CC][termios.VMIN] = 1
            termios.tcsetattr(self.fileno, termios.TCSANOW, raw)
        self.write("\x1b[?1049h\x1b[?25l\x1b[?1004h")
        if not constants.DISABLE_KITTY_KEY:
            # Disambiguate escape codes, report all keys, report the text that belongs to them.
            self.write(f"\x1b[>{0b00001 | 0b01000 | 0b10000}u")
        self._enable_bracketed_paste()
        self._disable_line_wrap()
        self._enable_mouse_support()

    def _take_back(self) -> None:
        """After a SIGSTOP nobody knows what a shell has made of the terminal: everything once more.

        In the background the terminal is somebody else's, and stays so.
        """
        if self.exit_event.is_set():
            return
        with contextlib.suppress(OSError):
            if os.tcgetpgrp(self.fileno) != os.getpgrp():
                return
        if not constants.DISABLE_KITTY_KEY:
            self.write("\x1b[<u")  # one level of keys, as it was; `_take_over` adds it again
        self._take_over()
        self._send_size()
        self._call_app("repaint_everything")

    def stop_application_mode(self) -> None:
        """Gives the terminal back as it was."""
        self._disable_in_band_window_resize()
        self.disable_input()
        if self.attrs_before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        self.write(RESTORE)

    def disable_input(self) -> None:
        """Ends the input thread."""
        if self.exit_event.is_set():
            return
        self.exit_event.set()
        if self._key_thread is not None and self._key_thread is not threading.current_thread():
            self._key_thread.join(1.0)
        with contextlib.suppress(termios.error):
            termios.tcflush(self.fileno, termios.TCIFLUSH)

    def close(self) -> None:
        """Writes the last bytes and gives the signal handlers back."""
        if self._output is not None:
            self._output.close()
        for number, handler in self._handlers_before.items():
            # None: the handler was not set from Python and cannot be put back from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def suspend_application_mode(self) -> None:
        """Not offered: the engine shares this process."""

    @property
    def can_suspend(self) -> bool:
        return False

    # Input

    def _read_keys(self) -> None:
        try:
            self._read_until_end()
        except Exception as error:  # noqa: BLE001 - a dead input thread must end the screen, not hang it
            self._lost(f"reading keys failed: {type(error).__name__}: {error}")

    def _read_until_end(self) -> None:
        stream = KeyStream(debug=self._debug)
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        while not self.exit_event.is_set():
            for _fd, mask in poll.poll(100):
                if not mask & select.POLLIN and mask & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                    self._lost("it was closed")
                    return
                try:
                    data = os.read(self.fileno, 4096)
                except OSError as error:
                    self._lost(f"cannot read from it: {error.strerror}")
                    return
                if not data:
                    self._lost("it was closed")
                    return
                for message in stream.feed(data):
                    self.process_message(message)
            for message in stream.tick():
                self.process_message(message)
            if stream.silent_paste():
                self._call_app("note", "a paste has not ended: nothing typed counts before Esc, but F12 does")

    def process_message(self, message: Message) -> None:
        """On the input thread: the kill goes out from here, even when the app's loop is frozen."""
        if isinstance(message, events.Key) and message.key in KILL_KEYS:
            self._app.kill_ahead()  # type: ignore[attr-defined]
        super().process_message(message)
