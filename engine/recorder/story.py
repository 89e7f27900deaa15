"""The rows behind one order, one alarm, one command or one tick: all that share its ids, in their order."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.journal.rows import Row
from engine.recorder.tape import Tape
from engine.records import AlertRaised, AnyRecord, OrderStored, Refused, decode


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
    symbol: str = ""
    """Instrument that it is about, where there is one."""

    @property
    def span(self) -> int:
        """Time from its first row to its last, ns."""
        return self.lines[-1].row.ts - self.lines[0].row.ts if self.lines else 0


def tell(tape: Tape, ident: str) -> Story | None:
    """Gathers the story of an order id, a correlation id, or an alarm's number (`alarm 12`, `#12`).

    From an order it goes to the correlation that caused it and to all rows and orders of that; from an alarm
    to what it was about, or, where it stands alone, to the alarm's own row. None: nothing has that id.
    """
    own: list[Row] = []
    number = ident.removeprefix("alarm").removeprefix("#").strip()
    if number.isdigit():
        own, found = _alarm(tape, int(number))
        if not own:
            return None
        if not found:
            return _story(f"alarm {number}", [], [], own)
        ident = found
    orders: dict[str, None] = {}
    correlations: dict[str, None] = {}
    rows: dict[int, Row] = {row.seq: row for row in own}
    todo = [ident]
    while todo:
        wanted = todo.pop()
        for row in tape.about(wanted):
            if row.seq in rows and wanted in (*orders, *correlations):
                continue
            rows[row.seq] = row
            # A cancel-all or a kill touches many orders: their ids lead on from an order, not from a command.
            if row.correlation and row.correlation not in correlations:
                correlations[row.correlation] = None
                if wanted == ident:
                    todo.append(row.correlation)
            if row.order_id and row.order_id not in orders:
                orders[row.order_id] = None
                if row.correlation == ident or wanted == ident:
                    todo.append(row.order_id)
    if not rows:
        return None
    return _story(ident, list(orders), list(correlations), [rows[seq] for seq in sorted(rows)])


def _alarm(tape: Tape, number: int) -> tuple[list[Row], str]:
    """The row of an alarm and its correlation id."""
    for row in tape.of_kind("alert"):
        record = decode(row.kind, row.body)
        if isinstance(record, AlertRaised) and record.alert.id == number:
            return [row], record.alert.correlation or row.correlation
    return [], ""


def _story(ident: str, orders: list[str], correlations: list[str], rows: list[Row]) -> Story:
    story = Story(ident, orders, correlations)
    begin = before = rows[0].ts
    for row in rows:
        record = decode(row.kind, row.body)
        if isinstance(record, OrderStored | Refused):
            story.symbol = story.symbol or record.order.symbol
        elif isinstance(record, AlertRaised):
            story.symbol = story.symbol or record.alert.symbol
        story.lines.append(Line(row, record, row.ts - begin, row.ts - before))
        before = row.ts
    return story
