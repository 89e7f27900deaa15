"""The rows behind one order, one alarm, one command or one tick: all that share its ids, in their order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Final

from engine.journal.rows import Row
from engine.recorder.tape import Tape
from engine.records import KINDS, AlertRaised, AnyRecord, OrderStored, Refused, decode
from engine.records_sentinel import OrderImported


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a story. `since`: ns since the story's first row; `gap`: ns since the row before."""

    row: Row
    record: AnyRecord
    since: int
    gap: int


@dataclass(slots=True)
class Story:
    """What belongs together. `orders` and `correlations` are the ids by which it was gathered."""

    ident: str
    orders: list[str] = field(default_factory=list)
    correlations: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    cut: bool = False
    """There is more of it than was gathered."""
    symbol: str = ""
    """Instrument that it is about, where there is one."""

    @property
    def span(self) -> int:
        """Time from its first row to its last, ns."""
        return self.lines[-1].row.ts - self.lines[0].row.ts if self.lines else 0


_BIRTHS: Final = tuple(KINDS[kind] for kind in (OrderStored, OrderImported, Refused))
"""Kinds of row with which an order begins."""

Gathering = Generator[str, list[Row], "Story | None"]
"""Yields an id, takes the rows with that id, and returns the story."""


def gather(ident: str, most: int | None = None) -> Gathering:
    """Gathers the story of an order id, a correlation id, or an alarm's number (`alarm 12`, `#12`).

    From an order it goes to the correlation that caused it and to all rows and orders of that, and of what
    else reached it later (a cancel-all, a kill) to what concerns it and no other order; from a command or a
    kill to the orders that it made, and to others from the moment on at which it reached them; from an alarm
    to what it was about, or, where it stands alone, to the alarm's own row. None: nothing has that id. With
    `most` it looks no further once it has so many rows.
    """
    rows: dict[int, Row] = {}
    number = ident.removeprefix("alarm").removeprefix("#").strip()
    if number.isdecimal():
        own = yield f"#{number}"
        if not own:
            return None
        record = decode(own[0].kind, own[0].body)
        assert isinstance(record, AlertRaised)
        rows.update((row.seq, row) for row in own)
        ident = record.alert.correlation or own[0].correlation
        if not ident:
            return _story(f"alarm {number}", [], [], own)
    orders: dict[str, None] = {}
    correlations: dict[str, None] = {}
    todo = [ident]
    cut, lead = False, ""
    """`lead`: of a story that begins with an order, the correlation that caused it."""
    reached: dict[str, int] = {}
    """Orders that were there before, with the row that reached each."""
    while todo:
        if most is not None and len(rows) >= most:
            cut = True
            break
        wanted = todo.pop()
        found = yield wanted
        if wanted == ident and found and found[0].order_id == ident:
            lead = found[0].correlation
        elsewhere = bool(lead) and wanted in correlations and wanted != lead
        for row in found:
            if elsewhere and row.order_id not in ("", ident):
                continue
            if row.seq < reached.get(wanted, 0):
                continue
            if row.seq in rows and wanted in (*orders, *correlations):
                continue
            rows[row.seq] = row
            # Another cause of an order leads on from the order, not from a command that touches many.
            if row.correlation and row.correlation not in correlations:
                correlations[row.correlation] = None
                if wanted == ident:
                    todo.append(row.correlation)
            if row.order_id and row.order_id not in orders:
                orders[row.order_id] = None
                if not lead and row.kind not in _BIRTHS:
                    reached[row.order_id] = row.seq
                if row.correlation == ident or wanted == ident:
                    todo.append(row.order_id)
    if not rows:
        return None
    story = _story(ident, list(orders), list(correlations), [rows[seq] for seq in sorted(rows)])
    story.cut = cut
    return story


def drive(gathering: Gathering, about: Callable[[str], list[Row]]) -> Story | None:
    """Runs a gathering over rows that are at hand."""
    try:
        wanted = next(gathering)
        while True:
            wanted = gathering.send(about(wanted))
    except StopIteration as done:
        story: Story | None = done.value
        return story


def tell(tape: Tape, ident: str) -> Story | None:
    """The story of an id in a journal that is open for looking; see `gather`."""

    def about(wanted: str) -> list[Row]:
        if wanted.startswith("#"):
            return alarm_rows(tape.of_kind("alert"), int(wanted[1:]))
        return tape.about(wanted)

    return drive(gather(ident), about)


def alarm_rows(rows: Iterable[Row], number: int) -> list[Row]:
    """The rows of an alarm, and of those that are counted in it, among rows of alarms."""
    found: list[Row] = []
    for row in rows:
        record = decode(row.kind, row.body)
        if isinstance(record, AlertRaised) and number in (record.alert.id, record.alert.part_of):
            found.append(row)
    return found


def _story(ident: str, orders: list[str], correlations: list[str], rows: list[Row]) -> Story:
    story = Story(ident, orders, correlations)
    begin = before = rows[0].ts
    for row in rows:
        record = decode(row.kind, row.body)
        if isinstance(record, OrderStored | OrderImported | Refused):
            story.symbol = story.symbol or record.order.symbol
        elif isinstance(record, AlertRaised):
            story.symbol = story.symbol or record.alert.symbol
        story.lines.append(Line(row, record, row.ts - begin, row.ts - before))
        before = row.ts
    return story
