"""A story as rows: when, how long after the step before, and what happened, with long sentences wrapped."""

from __future__ import annotations

import textwrap
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.replies import Declined, StoryLine, StoryTold
from engine.model import NS

Cells = tuple[Cell, ...]

COLUMNS: Final = (
    Column("Time", 12),
    Column("After", 8, number=True),
    Column("What happened", 20, stretch=True),
)
_FIXED: Final = 12 + 8 + 2
"""Cells that the columns before the sentence take."""

_MEANINGS: Final = {
    "refused": "order-rejected",
    "not_sent": "order-rejected",
    "unanswered": "order-unknown",
    "lost": "order-unknown",
    "link_lost": "order-unknown",
    "alert": "alarm-warning",
    "halted": "order-rejected",
    "kill_began": "order-rejected",
    "control_tripped": "order-rejected",
}


def span(ns: int) -> str:
    """A duration: 85µs, 1.25ms, 3.1s, 4m05."""
    return formats.microseconds(ns / 1000) if ns < 60 * NS else formats.age(ns / NS)


def head(told: StoryTold | Declined | None, width: int) -> tuple[Cells, ...]:
    """What is known of it in a few lines: ids, and the times between its steps."""
    if told is None:
        return ((Cell("The story is being read …", "muted"),),)
    if isinstance(told, Declined):
        return tuple((Cell(part, "risk-warn"),) for part in textwrap.wrap(told.text, width))
    lines: list[Cells] = []
    if told.latencies:
        text = " · ".join(f"{at.stage} {span(at.ns)}" for at in told.latencies)
        lines += [(Cell(part, "heading"),) for part in textwrap.wrap(text, width)]
    ids = [f"correlation {', '.join(told.correlations[:3])}"] if told.correlations else []
    if len(told.orders) > 1:
        more = f" and {len(told.orders) - 3} more" if len(told.orders) > 3 else ""
        ids.append(f"orders {', '.join(told.orders[:3])}{more}")
    if told.note:
        ids.append(told.note)
    lines += [(Cell(part, "muted"),) for part in textwrap.wrap(" · ".join(ids), width)]
    return tuple(lines)


def table(told: StoryTold | None, zone: str, width: int) -> Table:
    """The rows in order; a sentence that is longer than its column goes on in further rows."""
    if told is None:
        return Table("Story", COLUMNS, (), "")
    room = max(20, width - _FIXED)
    several = len(told.orders) > 1
    rows: list[Row] = []
    hidden_after = len(told.lines) // 2 if told.left_out else -1
    for index, line in enumerate(told.lines):
        if index == hidden_after:
            rows.append(Row("…", (Cell(""), Cell(""), Cell(f"… {told.left_out} rows left out …", "muted"))))
        rows += _rows(line, zone, room, several)
    return Table(f"Story of {told.ident} · {len(told.lines)} rows", COLUMNS, tuple(rows), "no rows")


def _rows(line: StoryLine, zone: str, room: int, several: bool) -> list[Row]:
    text = line.text + (f" [{line.order_id}]" if several and line.order_id else "")
    parts = textwrap.wrap(text, room) or [""]
    meaning = _MEANINGS.get(line.kind, "text")
    time = f"{formats.clock(line.ts, zone)}.{line.ts % NS // 1_000_000:03d}"
    gap = f"+{span(line.gap)}" if line.gap else ""
    first = Row(str(line.row), (Cell(time, "muted"), Cell(gap, "muted"), Cell(parts[0], meaning)))
    rest = [
        Row(f"{line.row}+{n}", (Cell(""), Cell(""), Cell(part, meaning)))
        for n, part in enumerate(parts[1:], 1)
    ]
    return [first, *rest]
