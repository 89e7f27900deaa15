"""The story of an order, a correlation or an alarm: from the rows at hand, else by the journal's thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import Final

from engine.control.questions import ReplySink
from engine.control.replies import Declined, Latency, StoryLine, StoryTold
from engine.core import Core
from engine.facts import Acknowledged, Executed
from engine.journal import StoreFailed
from engine.journal.errors import StoreRefused
from engine.journal.rows import Row
from engine.model import ExecutionKey
from engine.positions import PositionBook
from engine.recorder.recent import RecentRows
from engine.recorder.story import Line, Story, alarm_rows, drive, gather
from engine.recorder.words import Words
from engine.records import AlertRaised, CommandTaken, FactTaken, Intended, OrderStored, Refused, Sent
from engine.records_sentinel import OrderImported

GATHERED: Final = 500
"""Rows after which a story is looked no further for."""
EFFECTS: Final = 5_000
"""Newest executions of an instrument among which those of a story are looked for."""
LINES: Final = 200
"""Lines of a story in one answer: each costs the engine's thread some 10 µs."""
_BEGINNINGS: Final = (OrderStored, OrderImported, Refused, CommandTaken, Intended, AlertRaised)
"""What a story that is all at hand begins with."""


class Stories:
    """Tells stories of one running engine."""

    def __init__(self, core: Core, recent: RecentRows | None) -> None:
        self._core = core
        if recent is None:
            recent = RecentRows()
            recent.forgotten = core.journal.seq
        self.recent = recent
        self._reading: asyncio.Task[None] | None = None

    def tell(self, ident: str, sink: ReplySink) -> None:
        """Answers at once from memory; what is older is read by the journal's thread."""
        story = drive(gather(ident, GATHERED), self.recent.about)
        whole = not self.recent.forgotten
        if story is not None and (whole or isinstance(story.lines[0].record, _BEGINNINGS)):
            sink(self._told(story))
        elif whole:
            sink(_nobody(ident))
        elif self._reading is not None and not self._reading.done():
            sink(Declined(text="another story is being read from the journal; ask again when it is there"))
        else:
            loop = asyncio.get_running_loop()
            self._reading = loop.create_task(self._read(ident, sink), name="story")

    async def _read(self, ident: str, sink: ReplySink) -> None:
        gathering = gather(ident, GATHERED)
        try:
            wanted = next(gathering)
            while True:
                wanted = gathering.send(await self._rows(wanted))
        except StopIteration as done:
            sink(_nobody(ident) if done.value is None else self._told(done.value))
        except (StoreFailed, StoreRefused, sqlite3.Error) as error:
            sink(Declined(text=f"the journal cannot be read now: {error}"))

    async def _rows(self, ident: str) -> list[Row]:
        journal = self._core.journal
        if not ident.startswith("#"):
            return await journal.about(ident)
        return alarm_rows(await journal.about("", kind="alert"), int(ident[1:]))

    def _told(self, story: Story) -> StoryTold:
        words = Words(self._core.books.instruments.values())
        return story_told(story, words, effects_of(story, self._core.books.positions, words))


def story_told(story: Story, words: Words, effects: Mapping[ExecutionKey, str]) -> StoryTold:
    """A story in words; of one that is too long the middle is left out."""
    lines, left_out = story.lines, 0
    if len(lines) > LINES:
        left_out = len(lines) - LINES
        lines = [*lines[: LINES // 2], *lines[-(LINES // 2) :]]
    return StoryTold(
        ident=story.ident,
        symbol=story.symbol,
        orders=tuple(story.orders[:LINES]),
        correlations=tuple(story.correlations[:LINES]),
        lines=tuple(_line(line, words, story.symbol, effects) for line in lines),
        latencies=latencies(story),
        left_out=left_out,
        note="there is more of it than is gathered here" if story.cut else "",
    )


def effects_of(story: Story, positions: PositionBook, words: Words) -> dict[ExecutionKey, str]:
    """What each fill did to the position, as far as it is among the newest of its instrument."""
    wanted = {line.record.fact.fill.key for line in story.lines if _executed(line)}  # type: ignore[union-attr]
    found: dict[ExecutionKey, str] = {}
    if not wanted or not story.symbol:
        return found
    position = positions.get(story.symbol)
    after = position.held.qty
    for seen, (key, legs) in enumerate(position.booked.newest_first()):
        if not wanted or seen >= EFFECTS:
            break
        before = after - sum(leg[1] for leg in legs)
        if isinstance(key, ExecutionKey) and key in wanted:
            wanted.discard(key)
            whose = ", ".join(leg[0] for leg in legs)
            size = [words.size(story.symbol, lots) for lots in (before, after)]
            found[key] = f"; position {size[0]} → {size[1]}, booked to {whose}"
        after = before
    return found


def _executed(line: Line) -> bool:
    return isinstance(line.record, FactTaken) and isinstance(line.record.fact, Executed)


def _line(line: Line, words: Words, symbol: str, effects: Mapping[ExecutionKey, str]) -> StoryLine:
    row = line.row
    text = words.record(line.record, symbol)
    if isinstance(line.record, OrderStored) and line.record.order.arrival is not None:
        text += f"; its maker saw {words.price(symbol, line.record.order.arrival)}"
    elif _executed(line):
        text += effects.get(line.record.fact.fill.key, "")  # type: ignore[union-attr]
    return StoryLine(
        row=row.seq,
        ts=row.ts,
        since=line.since,
        gap=line.gap,
        kind=row.kind,
        order_id=row.order_id,
        correlation=row.correlation,
        text=text,
    )


def latencies(story: Story) -> tuple[Latency, ...]:
    """Times between the steps of the story's first order that was approved, engine time."""
    order = next((line for line in story.lines if isinstance(line.record, OrderStored)), None)
    if order is None:
        return ()
    assert isinstance(order.record, OrderStored)
    wanted, stored = order.record.order, order.row.ts
    sent = acknowledged = filled = 0
    for line in story.lines:
        if line.row.order_id != wanted.id:
            continue
        record = line.record
        if isinstance(record, Sent) and record.what == "submit":
            sent = sent or line.row.ts
        elif isinstance(record, FactTaken) and isinstance(record.fact, Acknowledged):
            acknowledged = acknowledged or line.row.ts
        elif isinstance(record, FactTaken) and isinstance(record.fact, Executed):
            filled = filled or line.row.ts
    steps = (
        ("made→approved", wanted.created, stored),
        ("approved→on disk and sent", stored, sent),
        ("sent→acknowledged", sent, acknowledged),
        ("sent→first fill", sent, filled),
        ("made→first fill", wanted.created, filled),
    )
    return tuple(Latency(stage=name, ns=end - begin) for name, begin, end in steps if begin and end)


def _nobody(ident: str) -> Declined:
    return Declined(
        text=f"nothing in the journal has the id '{ident}'; it may be an order id, a correlation id, "
        "or an alarm as '#12'"
    )
