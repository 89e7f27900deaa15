"""The desk alone in a process on a terminal: `python -m tests.bench.screen_child ORDERS CHANGED`.

Its link has the given number of orders, of which CHANGED differ from picture to picture, and a new picture
for every frame; the pictures are made before the screen stands.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "desk"))

from fakelink import FakeLink, change, order, orders, snapshot

import app.desk  # noqa: F401 - first: it takes Textual's switches out of the environment
from app.collector import tame_collector
from app.desk.app import run_desk_app
from engine.control.snapshot import Snapshot

PICTURES = 20


def pictures(count: int, changed: int) -> list[Snapshot]:
    """Snapshots in which other orders have changed each time; half of those are among the first fifty."""
    rows = list(orders()) if count <= 14 else [order(number) for number in range(count)]
    found = []
    for picture in range(PICTURES):
        for number in range(changed):
            place = number // 2 if number % 2 else (picture * 97 + number * 101) % len(rows)
            rows[place] = change(rows[place], leaves=Decimal(1 + (picture * 7 + number) % 900))
        found.append(snapshot(seq=picture + 1, orders=tuple(rows)))
    return found


class Moving(FakeLink):
    """A new picture each time it is asked."""

    def __init__(self, found: list[Snapshot]) -> None:
        super().__init__(found[0])
        self._found = found
        self._asked = 0

    def latest(self) -> Snapshot | None:
        self._asked += 1
        self.snapshot = self._found[self._asked % len(self._found)]
        return self.snapshot


def main(count: int, changed: int) -> None:
    link = Moving(pictures(count, changed)) if changed else FakeLink(snapshot())
    tame_collector()
    run_desk_app(link, frame_rate=10.0, bell=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
