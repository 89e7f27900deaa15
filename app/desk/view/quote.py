"""The touch of one market in a line, with its age in words: for forms in which prices are entered."""

from __future__ import annotations

from app.desk.view import formats
from app.desk.view.cells import Cell
from app.desk.view.status import STALE_AFTER
from engine.control.snapshot import PositionRow

Line = tuple[Cell, ...]


def line(row: PositionRow, age: float) -> Line:
    """Bid, ask and last trade. `age`: of the snapshot that the row is from, in seconds."""
    old = age > STALE_AFTER or row.data_state not in ("live", "closed")
    meaning = "muted" if old else "heading"
    cells = [Cell(row.symbol, "heading")]
    for word, value in (("bid", row.bid), ("ask", row.ask), ("last", row.last)):
        cells += [Cell(f"  {word} ", "muted"), Cell(formats.price(value), meaning)]
    return (*cells, Cell("  "), _worth(row, age))


def _worth(row: PositionRow, age: float) -> Cell:
    """What these prices are worth now."""
    if age > STALE_AFTER:
        # Nobody knows what it is now; that the engine is silent stands over everything.
        return Cell(f" STALE {formats.age(age)} ", "stale")
    data = None if row.data_age is None else row.data_age + age
    if row.data_state == "live":
        return Cell(f"{formats.age(data)} ago" if data is not None else "", "health-ok")
    if row.data_state == "closed":
        return Cell("market closed", "muted")
    if row.data_state == "none" or data is None:
        return Cell(" NO DATA ", "stale")
    return Cell(f" {row.data_state.upper()} {formats.age(data)} ", "stale")
