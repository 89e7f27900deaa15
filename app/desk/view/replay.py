"""The flight recorder as rows: where it stands in the journal, and the rows around that."""

from __future__ import annotations

import textwrap
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from app.desk.view.story import span
from engine.control.replies import RowsTold
from engine.model import NS

Cells = tuple[Cell, ...]

COLUMNS: Final = (
    Column("At", 2),
    Column("Row", 6, number=True),
    Column("Time", 12),
    Column("After", 7, 2, number=True),
    Column("What happened", 20, stretch=True, most=60),
    Column("Order", 8, 1, most=20),
    Column("Correlation", 8, 3, most=14),
)

_MARKS: Final = {
    "fill": ("·", "muted"),
    "alarm": ("△", "alarm-warning"),
    "halt": ("■", "order-rejected"),
    "kill": ("✕", "order-rejected"),
}
_RANK: Final = ("fill", "alarm", "halt", "kill")


def head(told: RowsTold, zone: str, width: int) -> tuple[Cells, ...]:
    """Where it stands: row and time of all, how it plays, and what is wrong with the journal."""
    date = formats.day(told.ts, zone)
    first = (
        Cell(f" row {told.at:,d} of {told.last:,d} ", "heading"),
        Cell(f" {date} {formats.clock(told.ts, zone)}.{told.ts % NS // 1_000_000:03d} ", "heading"),
        Cell(f" plays at {told.speed:g}× " if told.speed else " stands ", "armed" if told.speed else "muted"),
        Cell(f"  {told.path}", "muted"),
    )
    keys = ", . a row  { } a hundred  ( ) to an event  P plays  J to a time  Enter: its story"
    lines: list[Cells] = [first, (Cell(f" {keys}"[: max(0, width)], "muted"),)]
    lines += [(Cell(f" {part}", "risk-warn"),) for part in textwrap.wrap(told.note, max(20, width - 1))]
    return tuple(lines)


def timeline(told: RowsTold, zone: str, width: int) -> tuple[Cells, ...]:
    """The journal from its first to its last moment in one line, with its events and where it stands."""
    begin, end = formats.clock(told.begins, zone), formats.clock(told.ends, zone)
    room = width - len(begin) - len(end) - 4
    if room < 10:
        return ((Cell(f" {begin} to {end}", "muted"),),)
    length = max(1, told.ends - told.begins)

    def column(ts: int) -> int:
        return max(0, min(room - 1, (ts - told.begins) * (room - 1) // length))

    line = [Cell("─", "muted")] * room
    ranks = [-1] * room
    for ts, kind in told.events:
        at, rank = column(ts), _RANK.index(kind) if kind in _RANK else -1
        if rank > ranks[at]:
            ranks[at], line[at] = rank, Cell(*_MARKS[kind])
    line[column(told.ts)] = Cell("▲", "heading")
    return ((Cell(f" {begin} ", "muted"), *line, Cell(f" {end} ", "muted")),)


def table(told: RowsTold, zone: str) -> Table:
    """The rows around; the one where it stands carries a mark."""
    rows = tuple(
        Row(
            str(line.row),
            (
                Cell("▶" if line.row == told.at else "", "heading"),
                Cell(str(line.row), "muted"),
                Cell(f"{formats.clock(line.ts, zone)}.{line.ts % NS // 1_000_000:03d}", "muted"),
                Cell(f"+{span(line.gap)}" if line.gap else "", "muted"),
                Cell(line.text, "heading" if line.row == told.at else _tone(line.row, told.at)),
                Cell(line.order_id, "muted"),
                Cell(line.correlation, "muted"),
            ),
        )
        for line in told.rows
    )
    return Table("Rows of the journal", COLUMNS, rows, "no rows")


def _tone(row: int, at: int) -> str:
    """What lies after the moment is not yet."""
    return "text" if row < at else "muted"
