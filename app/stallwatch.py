"""A thread that notices when the engine's loop does not turn: it writes down where it stands, and says so.

The engine's thread beats by a timer of its own loop. When the beat stays away, the stacks of all threads go
into a file that only its owner can read, the log is told at once, and the engine raises the alarm as soon as
it turns again. Where the process was stopped, or something held the interpreter, no thread of ours ran and
there are no stacks: that is said. The watchdog of `faulthandler` could write them, but it reads the frames of
threads that run on after a stop, and such a read has ended a live engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.core import Log

KEPT: Final = 20
"""Files of stacks that are kept; the oldest go."""


class StallWatch:
    """Made and started on the engine's thread, in its running loop. `late`: seconds without a beat that count
    as a stall. `back` is called on the engine's thread, with what to say, once it turns again."""

    def __init__(self, folder: Path, late: float, log: Log, back: Callable[[str], None]) -> None:
        self._folder = folder
        self._late = late
        self._log = log
        self._back = back
        self._loop = asyncio.get_running_loop()
        self._engine = threading.get_ident()
        self._beat = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall-watch", daemon=True)

    def start(self) -> None:
        self._turn()
        self._thread.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._ended.set()
        self._thread.join(2.0)

    def _turn(self) -> None:
        self._beat = time.monotonic()
        self._timer = self._loop.call_later(min(0.1, self._late / 5), self._turn)

    # -- on the watch's own thread

    def _watch(self) -> None:
        pause = self._late / 4
        last = time.monotonic()
        stalled: tuple[float, str] | None = None
        while not self._ended.is_set():
            self._ended.wait(pause)
            now, beat = time.monotonic(), self._beat
            gone = now - last - pause
            last = now
            if gone > self._late:
                self._stood_still(gone)
            elif stalled is None and now - beat > self._late:
                stalled = (beat, self._write_down(now - beat))
            elif stalled is not None and beat > stalled[0]:
                self._tell_back(f"the engine stood still for {beat - stalled[0]:.1f} s{stalled[1]}")
                stalled = None

    def _write_down(self, seconds: float) -> str:
        """Keeps the stacks as they are now and tells the log, whether or not they can be kept. Returns where
        the engine stands and where the stacks are."""
        frames = sys._current_frames()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        parts = []
        for ident in sorted(frames, key=lambda one: one != self._engine):
            name = "the engine" if ident == self._engine else names.get(ident, "?")
            parts.append(f"thread {name}:\n{''.join(traceback.format_stack(frames[ident]))}")
        engine = frames.get(self._engine)
        where = ""
        if engine is not None:
            code = engine.f_code
            where = f" in {code.co_name}, {Path(code.co_filename).name} line {engine.f_lineno}"
        text = "\n".join(parts)
        place = f"{where}{_see(self._keep(text))}"
        self._log(
            "error",
            f"the engine has not turned for {seconds:.1f} s and stands{place}",
            component="stall",
            status="STALL",
        )
        return place

    def _stood_still(self, seconds: float) -> None:
        """Not even this thread ran: the process was stopped, or something held the interpreter."""
        said = f"nothing in this process ran for {seconds:.1f} s: it was stopped, or the interpreter was held"
        self._log("error", said, component="stall", status="STALL")
        self._tell_back(said)

    def _tell_back(self, text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the run has ended meanwhile
            self._loop.call_soon_threadsafe(self._back, text)

    # -- files

    def _keep(self, text: str) -> Path | None:
        moment = datetime.now(UTC)
        path = self._folder / f"stall-{moment:%Y%m%dT%H%M%S.%f}Z.txt"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(f"{moment.isoformat()}\n{text}")
            for old in sorted(self._folder.glob("stall-*.txt"))[:-KEPT]:
                old.unlink()
        except OSError:
            return None
        return path


def _see(path: Path | None) -> str:
    return "; its stacks could not be kept" if path is None else f"; the stacks are in {path}"
