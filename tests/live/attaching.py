"""Screens on terminals, attached to an engine; the ticks of that engine are counted from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tests.desk.pseudoterminal import PATIENCE
from tests.live.workstation import Headless, Start, Workstation

Engines = Callable[..., Headless]
STALL = 3.0
"""Seconds for which nobody reads the terminal."""
LEAST = 1.5
"""Seconds for which ticks are counted at the least."""
REST = 0.05
"""Seconds between two looks at the count."""


class Ticks:
    """Counts the rounds of the risk loop from outside, and the longest time in which there were none.

    A busy machine holds up who counts as well: by how much is known, and not laid at the engine's door.
    """

    def __init__(self, desk: Workstation) -> None:
        self._desk = desk
        self._ended = threading.Event()
        self.longest = 0.0
        self.late: list[float] = []
        """By how much each rest of the one who counts was too long, in seconds."""
        self.first = self.last = self._rounds()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _rounds(self) -> int:
        rows = self._desk.health().latencies
        return next((row.count for row in rows if row.stage == "risk period"), 0)

    def _watch(self) -> None:
        moved = rested = time.monotonic()
        while not self._ended.wait(REST):
            self.late.append(time.monotonic() - rested - REST)
            rounds = self._rounds()
            now = time.monotonic()
            if rounds > self.last:
                self.longest = max(self.longest, now - moved)
                moved, self.last = now, rounds
            rested = time.monotonic()
        self.longest = max(self.longest, time.monotonic() - moved)

    def went_on(self) -> None:
        """A hundred a second are due; a machine that is shared makes fewer, an engine that waits none."""
        time.sleep(max(0.0, LEAST - (time.monotonic() - self._began)))
        lasted = time.monotonic() - self._began
        self._ended.set()
        self._thread.join(PATIENCE)
        made = self.last - self.first
        late, latest = sum(self.late), max(self.late, default=0.0)
        print(
            f"{made} rounds of the risk loop in {lasted:.1f} s, longest gap {self.longest:.2f} s; "
            f"who counts was late by {late:.2f} s, once by {latest:.2f} s"
        )
        assert made > 30 * (lasted - late)
        assert self.longest < 1.5 + latest, "a snapshot is due every 0.1 s"


def attach(start: Start, *options: str) -> Workstation:
    """One more screen of an engine that listens; waits until it shows the engine."""
    desk = start(*options, word="attach")
    desk.until(lambda: "KILL" in desk.text() or desk.process.poll() is not None, "the screen")
    assert desk.process.poll() is None, desk.told()
    return desk


def screens(desk: Workstation) -> dict[str, int]:
    """How many screens there are of each role."""
    found: dict[str, int] = {}
    for row in desk.ask("snapshot").screens:
        found[row.role] = found.get(row.role, 0) + 1
    return found
