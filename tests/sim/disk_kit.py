"""A journal on a simulated disk, in virtual time: what its tests begin with."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from engine.config import JournalConfig
from engine.journal import Journal
from engine.records import EMERGENCY
from engine.sim.schedule import SimClock, SimLoop
from engine.sim.store import Disk, LateStore

T = TypeVar("T")


class DiskWorld:
    """A loop, its clock and a disk that has room for the journal and its reserve and no more: while the
    reserve lies there, a `full` disk has none for a row."""

    def __init__(self, directory: Path, *, ballast_mb: int = 1) -> None:
        self.loop = SimLoop(0, random.Random(1))
        self.clock = SimClock(self.loop, lambda: 0)
        self.disk = Disk(random.Random(1), lambda: self.loop.now_ns)
        self.path = directory / "journal.db"
        self.ballast = self.path.with_name("journal.db.ballast")
        self.config = JournalConfig(ballast_mb=ballast_mb, min_free_mb=0)
        if ballast_mb:
            self.disk.room = lambda: not self.ballast.exists()

    async def open(self, opener: Callable[..., Awaitable[Any]] = LateStore.open) -> Journal:
        """The journal, its store opened by `opener` (by default as in the simulation)."""
        return await Journal.open(
            self.path,
            self.config,
            inline=True,
            clock=self.clock,
            emergency=EMERGENCY,
            opener=partial(opener, clock=self.clock, disk=self.disk),
        )

    def play(self, story: Callable[[], Awaitable[T]]) -> T:
        """Runs `story` to its end, in virtual time."""
        return self.loop.run_until_complete(story())  # type: ignore[arg-type]


async def bodies(journal: Journal) -> list[str]:
    """What the rows say, once all of them are written; the journal is closed after that."""
    found = [row.body async for row in journal.rows()]
    await journal.close()
    return found
