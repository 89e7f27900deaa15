"""The desk alone in a process on a terminal: `python -m tests.bench.screen_child ORDERS CHANGED`.

Its link has the given number of orders, of which CHANGED differ from picture to picture, and a new picture
for every frame; the pictures are made before the screen stands.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "desk"))

from fakeanswers import market
from fakelink import FakeLink, change, order, orders, snapshot

import app.desk  # noqa: F401 - first: it takes Textual's switches out of the environment
from app.collector import tame_collector
from app.desk.options import DeskOptions
from app.desk.running import run_desk_app
from engine.control.questions import MarketOf
from engine.control.replies import MarketSeen
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


BOOKS = 10
"""Books of the market screen, one after the other: as many as frames between two charts."""


def books() -> list[MarketSeen]:
    """One market from look to look: a third of the levels changed, the touch moved, three new prints."""
    found = []
    for look in range(BOOKS):
        seen = market()
        bids, asks = (
            tuple(
                change(level, size=level.size + (look if n % 3 == look % 3 else 0))
                for n, level in enumerate(side)
            )
            for side in (seen.bids, seen.asks)
        )
        found.append(change(seen, bids=bids, asks=asks, bars=(), fills=(), bid_size=seen.bid_size + look))
    return found


class Trading(Moving):
    """A new book, with new prints, each time that the market is asked for."""

    def __init__(self, found: list[Snapshot]) -> None:
        super().__init__(found)
        self._books = books()
        self._looks = 0
        self.replies["market"] = self._market

    def _market(self, question: MarketOf) -> MarketSeen:
        if question.bars:
            return market(question)
        self._looks += 1
        seen = self._books[self._looks % BOOKS]
        fresh = tuple(
            change(made, n=60 + 3 * self._looks + place) for place, made in enumerate(seen.prints[-3:])
        )
        return change(seen, symbol=question.symbol, prints=fresh, last_print=fresh[-1].n)


def main(count: int, changed: int) -> None:
    link = Moving(pictures(count, changed)) if changed else FakeLink(snapshot())
    tame_collector()
    run_desk_app(link, DeskOptions(frame_rate=10.0, bell=False))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
