"""News as rows: newest first, the stream as sign and word, what happened, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.news import Event
from engine.recorder.words import Words
from engine.records import AlertRaised

STREAMS: Final = ("all", "fill", "reject", "alarm", "audit")
"""In the order in which one key goes through them."""

COLUMNS: Final = (
    Column("Stream", 8),
    Column("Time", 8, 1),
    Column("What happened", 20, stretch=True, most=40),
    Column("Order", 8, 3, most=20),
    Column("Correlation", 8, 2, most=14),
    Column("No", 4, 4, number=True),
)

_WORDS: Final = {
    "fill": Cell("● FILL", "order-filled"),
    "reject": Cell("✕ REJECT", "order-rejected"),
    "alarm": Cell("! ALARM", "alarm-warning"),
    "audit": Cell("· AUDIT", "muted"),
}


def about(event: Event) -> str:
    """The id whose story it belongs to: its order's, else its correlation, else the alarm's own number."""
    own = f"#{event.record.alert.id}" if isinstance(event.record, AlertRaised) else ""
    return event.order_id or event.correlation or own


def fits(event: Event, stream: str, ident: str) -> bool:
    """Whether it is of that stream (`all`: any) and about that id (empty: any)."""
    return stream in ("all", event.stream) and ident in ("", event.order_id, event.correlation, about(event))


def row(event: Event, words: Words, zone: str) -> Row:
    """One event."""
    return Row(
        str(event.seq),
        (
            _WORDS[event.stream],
            Cell(formats.clock(event.ts, zone), "muted"),
            Cell(words.record(event.record), "muted" if event.stream == "audit" else "text"),
            Cell(event.order_id, "muted"),
            Cell(event.correlation, "muted"),
            Cell(str(event.seq), "muted"),
        ),
    )


def table(
    events: Iterable[Event],
    words: Words,
    zone: str,
    *,
    stream: str = "all",
    ident: str = "",
    missed: int = 0,
    newer: int = 0,
) -> Table:
    """`events` oldest first, shown newest first. `newer`: events that are held back while somebody reads."""
    title = "News" if stream == "all" else f"News · {stream} alone"
    if ident:
        title += f" · about {ident}"
    if newer:
        title += f" · {newer} newer, Home follows"
    if missed:
        title += f" · {missed} missed, the journal has them"
    rows = tuple(row(event, words, zone) for event in reversed(list(events)))
    return Table(title, COLUMNS, rows, "no such news about it" if ident else "no such news yet")
