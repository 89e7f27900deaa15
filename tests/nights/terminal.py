"""A terminal as an operator has it: a tmux server of its own, keys typed into it, the screen read as text."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from app.desk.dialogs import GUARD

PATIENCE = 60.0
"""Seconds after which something on the screen is given up; a bound, never a judgement of speed."""
LOOK_EVERY = 0.05
"""Seconds between two looks at the screen."""

T = TypeVar("T")


class NeverShown(AssertionError):
    """The screen did not say it in time; the text has the screen as it was."""


class Terminal:
    """One program in one tmux server of `size` (columns, rows)."""

    def __init__(self, name: str, folder: Path, size: tuple[int, int]) -> None:
        program = shutil.which("tmux")
        assert program is not None, "the fixture skips without tmux"
        settings = folder / "tmux.conf"
        settings.write_text("set -g status off\nset -g remain-on-exit on\nset -s escape-time 0\n")
        self._tmux = (program, "-L", name, "-f", str(settings))
        self._environ = {**os.environ, "TMUX": "", "TMUX_TMPDIR": str(folder)}
        """The server's socket lies in the night's folder, and goes with it."""
        self._size = size
        self._up = False

    def run(self, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        """Runs a program in the terminal; one after another, when the one before has ended."""
        # env -i: tmux would otherwise hand on what the suite itself was started with.
        words = ["env", "-i", *(f"{name}={value}" for name, value in environ.items()), *command]
        if self._up:
            self._do("respawn-pane", "-k", "-c", str(folder), *words)
            return
        columns, rows = map(str, self._size)
        self._do("new-session", "-d", "-x", columns, "-y", rows, "-c", str(folder), *words)
        self._up = True

    def screen(self) -> str:
        """What stands on it now."""
        return self._do("capture-pane", "-p")

    def keys(self, *names: str) -> None:
        """Presses keys by tmux's names: `F12`, `Enter`, `C-o`, `d`."""
        self._do("send-keys", *names)

    def type(self, text: str) -> None:
        """Types a text, letter by letter."""
        self._do("send-keys", "-l", text)

    def until(self, look: Callable[[str], T | None], what: str, patience: float = PATIENCE) -> T:
        """The first true answer of `look`, asked of one screen after another."""
        end = time.monotonic() + patience
        while True:
            shown = self.screen()
            if found := look(shown):
                return found
            if time.monotonic() >= end:
                raise NeverShown(f"never shown within {patience:g} s: {what}\n{shown}")
            time.sleep(LOOK_EVERY)

    def shows(self, *words: str, lacks: Sequence[str] = ()) -> str:
        """Waits until all of these words stand on the screen at once, and none of `lacks`; the screen."""

        def there(shown: str) -> str:
            good = all(w in shown for w in words) and not any(w in shown for w in lacks)
            return shown if good else ""

        return self.until(there, f"{words}" + (f" without {tuple(lacks)}" if lacks else ""))

    def row(self, *words: str) -> str:
        """Waits for one line with all of these words, whatever stands between them; the line."""
        pattern = ".*".join(map(re.escape, words))

        def there(shown: str) -> str:
            return next((line for line in shown.splitlines() if re.search(pattern, line)), "")

        return self.until(there, f"a line with {words}")

    def alarm(self, *words: str) -> str:
        """Waits for the alarm line with all of these words; what does not fit stands on the line below it."""
        pattern = ".*".join(map(re.escape, words))

        def there(shown: str) -> str:
            top = shown.splitlines()[:5]
            pairs = (f"{line} {after.strip()}" for line, after in itertools.pairwise(top))
            return next((pair for pair in pairs if re.search(pattern, pair)), "")

        return self.until(there, f"an alarm with {words}")

    def answer(self, question: str, *keys: str) -> None:
        """Answers a question once it has stood as long as the desk wants a question to be read.

        That is real time, and nothing on the screen tells of it; the product's own figure is waited for.
        """
        self.shows(question)
        time.sleep(1.5 * GUARD)
        self.keys(*keys)

    def pid(self) -> int:
        """The program's process."""
        return int(self._do("display-message", "-p", "#{pane_pid}"))

    def close(self) -> None:
        """Ends the program, and then its terminal: an engine would outlive the loss of that alone."""
        if not self._up:
            return
        try:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid(), signal.SIGKILL)
        finally:
            subprocess.run([*self._tmux, "kill-server"], env=self._environ, capture_output=True, check=False)

    def _do(self, *words: str) -> str:
        ran = subprocess.run(
            [*self._tmux, *words], env=self._environ, capture_output=True, text=True, check=False, timeout=20
        )
        assert ran.returncode == 0, f"tmux {' '.join(words)}: {ran.stderr}"
        return ran.stdout
