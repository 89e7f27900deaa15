"""What every case of one drill gets: the trader's settings, the seed, a folder, recorded data where given."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings


@dataclass(frozen=True, slots=True)
class DrillContext:
    """Made once for a drill."""

    settings: Settings
    """The trader's own; cases widen what they do not test."""
    seed: int
    folder: Path
    """Where the cases' state directories are made."""
    data: Path | None = None
    """Folder with recorded days; None: cases that want one use a seeded synthetic shock."""
    against: str = ""
    """Name of the paper account that is drilled; empty: the drill's own exchange."""

    def rng(self, case_id: str) -> random.Random:
        """A generator of the case's own: the others' draws do not change it."""
        return random.Random(f"drill {self.seed} {case_id}")

    def place(self, case_id: str) -> Path:
        """A fresh folder for the case."""
        folder = self.folder / f"case-{case_id}"
        folder.mkdir(mode=0o700, parents=True)
        return folder
