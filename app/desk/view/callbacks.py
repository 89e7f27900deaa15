"""The rows of the callbacks table: how long each callback of a strategy takes, beside its deadline."""

from __future__ import annotations

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.snapshot import Snapshot

COLUMNS = (
    Column("Callback", 9, most=12),
    Column("Calls", 8, number=True),
    Column("p50", 6, number=True),
    Column("p99", 6, number=True),
    Column("Max", 6, number=True),
    Column("Deadline", 8, number=True),
    Column("Late", 6, number=True),
)


def table(snapshot: Snapshot, strategy: str) -> Table:
    """Of one strategy, since it was started; the callback that took the most time in all first."""
    found = next((one.callbacks for one in snapshot.strategies if one.name == strategy), ())
    rows = tuple(
        Row(
            one.name,
            (
                Cell(one.name, "heading"),
                Cell(f"{one.count:,}"),
                Cell(formats.microseconds(one.p50)),
                Cell(formats.microseconds(one.p99)),
                Cell(formats.microseconds(one.max)),
                Cell(formats.NONE if one.deadline is None else formats.microseconds(one.deadline), "muted"),
                Cell(f"{one.late:,}", "stale" if one.late else "muted"),
            ),
        )
        for one in found
    )
    title = " · ".join(["Callbacks", *filter(None, (strategy,))])
    return Table(title, COLUMNS, rows, "nothing was called yet")
