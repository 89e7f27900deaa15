"""The log as rows: newest first, level as glyph and word, what happened, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.replies import LogLine

LEVELS: Final = ("debug", "info", "warning", "error")
"""In the order in which one key goes through them."""

COLUMNS: Final = (
    Column("Level", 6),
    Column("Time", 12, 1),
    Column("What happened", 20, stretch=True, most=40),
    Column("From", 8, 2, most=10),
    Column("Order", 8, 3, most=20),
    Column("Correlation", 8, 4, most=14),
)

_WORDS: Final = {
    "debug": Cell("· DBG", "muted"),
    "info": Cell("i INFO", "muted"),
    "warning": Cell("△ WARN", "alarm-warning"),
    "error": Cell("▲ ERR", "order-rejected"),
    "critical": Cell("▲ CRIT", "order-rejected"),
}


def moment(stamp: str, zone: str) -> str:
    """A stamp of the log (UTC) as the exchange's wall clock with milliseconds."""
    try:
        at = datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00")
    except ValueError:
        return stamp[:12]
    return f"{formats.clock(int(at.timestamp()) * 1_000_000_000, zone)}.{at.microsecond // 1000:03d}"


def row(line: LogLine, zone: str) -> Row:
    """One line."""
    return Row(
        str(line.n),
        (
            _WORDS.get(line.level, Cell(line.level)),
            Cell(moment(line.ts, zone), "muted"),
            Cell(said(line, zone), "text" if line.level != "debug" else "muted"),
            Cell(line.component, "muted"),
            Cell(line.order_id, "muted"),
            Cell(line.correlation, "muted"),
        ),
        line.symbol,
    )


def said(line: LogLine, zone: str) -> str:
    """The event with its symbol and its further fields; moments in it by the exchange's clock."""
    symbol = line.symbol if line.symbol and line.symbol not in line.event else ""
    text = f"{symbol} {line.event}".strip()
    return formats.local(f"{text} · {line.rest}" if line.rest else text, zone)


def about(line: LogLine) -> str:
    """The id whose story the line belongs to: its order's, else its correlation; empty: none."""
    return line.order_id or line.correlation


def table(
    lines: Iterable[LogLine],
    zone: str,
    *,
    level: str = "info",
    ident: str = "",
    missed: int = 0,
    newer: int = 0,
) -> Table:
    """`lines` oldest first, shown newest first. `newer`: lines that are held back while somebody reads."""
    title = f"Log · {level} and above"
    if ident:
        title += f" · about {ident}"
    if newer:
        title += f" · {newer} newer, Home follows"
    if missed:
        title += f" · {missed} missed"
    rows = tuple(row(line, zone) for line in reversed(list(lines)))
    empty = "no such line about it" if ident else "no such line yet"
    return Table(title, COLUMNS, rows, empty)
