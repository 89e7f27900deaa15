"""How a screen ended, for whoever ran it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Reason = Literal["quit-screen", "stop-engine", "engine-ended", "terminal-lost", "signal", "crash"]


@dataclass(frozen=True)
class DeskResult:
    """Why the screen ended. Only `stop-engine` asks for the engine to stop as well; with `engine-ended` it
    has done so in order. `signal`: the process was told to end, and its engine is another one."""

    reason: Reason
    detail: str = ""
    """A sentence for the log or the shell."""
    report: Path | None = None
    """The crash report, where one could be written."""

    @property
    def return_code(self) -> int:
        """0, or 1 after a crash."""
        return 1 if self.reason == "crash" else 0
