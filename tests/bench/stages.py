"""Section `stages`: where the time of one durable order goes, from the strategy's callback to the adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from engine.intake import Intake
from engine.journal import Journal
from engine.journal.connection import JournalConnection
from engine.journal.store import AioStore
from engine.journal.writer import Writer
from engine.sending import Recorded
from engine.strategy.realtime import RealtimeHost
from engine.strategy_orders import StrategyOrders
from tests.bench.figures import Figures, spread, table, workplace
from tests.bench.orders import one_by_one
from tests.bench.venue import InstantVenue

STAGES = (
    "callback, answer sent; the engine wakes",
    "read, decoded, believed",
    "order made, its first line logged",
    "gate, books",
    "encoded, queued",
    "next turn of the loop",
    "row and checksum made",
    "the journal's thread wakes",
    "files looked at, BEGIN, INSERT",
    "COMMIT, with its sync",
    "the loop wakes",
    "proof made, told",
    "looked at again, handed over",
)
"""In order; each ends where the next begins, the last in the adapter's `submit`."""


class Marks:
    """When each stage of the order under way began, ns. A stage counts only behind the one before it."""

    def __init__(self) -> None:
        self.orders: dict[str, list[int]] = {}
        """By order: when it entered each stage but the first, and when the adapter had it."""
        self._now: list[int] = []

    def enter(self, stage: int) -> None:
        """Stage 1 may begin more than once: not every answer of a strategy brings an order."""
        if stage == 1 and len(self._now) <= 1:
            self._now = [time.perf_counter_ns()]
        elif len(self._now) == stage - 1:
            self._now.append(time.perf_counter_ns())

    def handed(self, order_id: str) -> None:
        self.enter(len(STAGES))
        self.orders[order_id], self._now = self._now, []

    def before(self, cls: type, name: str, stage: int) -> None:
        """The stage begins when the method is called."""
        self._wrap(cls, name, lambda *_: self.enter(stage), lambda *_: None)

    def after(self, cls: type, name: str, stage: int) -> None:
        """The stage begins when the method returns."""
        self._wrap(cls, name, lambda *_: None, lambda *_: self.enter(stage))

    def around_commit(self, stage: int) -> None:
        """COMMIT is this stage; the next begins when it returns."""

        def mark(stage: int) -> Callable[..., None]:
            return lambda _connection, sql, *_: self.enter(stage) if sql == "COMMIT" else None

        self._wrap(JournalConnection, "execute", mark(stage), mark(stage + 1))

    @staticmethod
    def _wrap(cls: Any, name: str, before: Callable[..., None], after: Callable[..., None]) -> None:
        method = getattr(cls, name)

        def marked(*args: Any, **more: Any) -> Any:
            before(*args)
            found = method(*args, **more)
            after(*args)
            return found

        setattr(cls, name, marked)


def run(quick: bool) -> Figures:
    """In a process of its own: what it puts in the place of the engine's methods stays there."""
    marks = Marks()
    marks.before(RealtimeHost, "_readable", 1)
    marks.before(StrategyOrders, "carry_out", 2)
    marks.before(Intake, "submit", 3)
    marks.before(Journal, "record", 4)
    marks.after(Journal, "record", 5)
    marks.before(Writer, "_commit_next", 6)
    marks.before(AioStore, "write", 7)
    marks.before(JournalConnection, "put", 8)
    marks.around_commit(9)
    marks.before(Writer, "_committed", 11)
    marks.before(Intake, "_send_one", 12)
    submit = InstantVenue.submit

    def handed(venue: InstantVenue, order: Recorded[Any]) -> None:
        marks.handed(order.request.id)
        submit(venue, order)

    InstantVenue.submit = handed  # type: ignore[method-assign]
    with workplace() as folder:
        figures, callbacks = asyncio.run(one_by_one(folder / "a", "power", 60 if quick else 600, log=True))
    ways = [[called, *marks.orders[order_id]] for order_id, called in callbacks.items()]
    spent = {stage: spread(way[n + 1] - way[n] for way in ways) for n, stage in enumerate(STAGES)}
    whole = spread(way[-1] - way[0] for way in ways)
    rows = [(stage, one["p10"], one["p50"], one["p99"]) for stage, one in (*spent.items(), ("in all", whole))]
    floor = figures["floor"]
    rows.append(("floor: append and fdatasync", floor["p10"], floor["p50"], floor["p99"]))
    table("Stages of one durable order, the log's thread at work, µs", ("", "p10", "p50", "p99"), rows)
    return {"stages": spent, "all": whole, "floor": floor}
