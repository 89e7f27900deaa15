"""Alarms: the table of them, and the line or two that the most urgent one gets under the status."""

from __future__ import annotations

from rich.cells import cell_len

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table, clean, fit
from app.desk.view.remedies import remedy
from app.desk.view.rows import Rows
from engine.alarmkinds import about, headline
from engine.control.snapshot import AlertRow, Snapshot

COLUMNS = (
    Column("Level", 6),
    Column("State", 11),
    Column("Time", 8, 1),
    Column("What happened", 20, stretch=True, most=90),
    Column("What to do", 12, 2, most=48),
    Column("Code", 12, 4),
    Column("No", 4, 3, number=True),
)

_LEVELS = {
    "critical": ("▲", "CRIT", "alarm-unack"),
    "warning": ("△", "WARN", "alarm-warning"),
    "info": ("i", "INFO", "muted"),
}


def said(alert: AlertRow) -> str:
    """The text, with the symbol that it is about."""
    return about(alert.symbol, alert.text)


def counted(alert: AlertRow) -> str:
    """How many alarms of one cause it stands for, as a word to put behind it; empty for one alone."""
    return f" ×{alert.count}" if alert.count > 1 else ""


def state_cell(alert: AlertRow, now: int) -> Cell:
    """New, cleared and not yet acknowledged, acknowledged, over, or shelved: each with a sign and a word."""
    if alert.shelved_until is not None:
        return Cell(f"z shelf {formats.age((alert.shelved_until - now) / 1e9)}", "alarm-ack")
    if alert.severity == "info":
        return Cell("", "muted")
    if alert.acknowledged:
        return Cell("· over" if alert.cleared else "· known", "alarm-ack")
    return Cell("!○ cleared", "alarm-warning") if alert.cleared else Cell("! NEW", "alarm-warning")


def row(alert: AlertRow, zone: str, now: int) -> Row:
    """One alert at `now`, UTC ns."""
    glyph, word, meaning = _LEVELS[alert.severity]
    still = alert.acknowledged or alert.shelved_until is not None
    doing = "" if alert.cleared or alert.severity == "info" else remedy(alert.code, alert.text, alert.symbol)
    text = formats.local(said(alert), zone) + counted(alert)
    if alert.others:
        text = f"{text} · {' · '.join(reversed(alert.others))}"
    if alert.shelved_why:
        text = f"{text} (shelved: {alert.shelved_why})"
    return Row(
        str(alert.id),
        (
            Cell(f"{glyph} {word}", "alarm-ack" if still or alert.cleared else meaning),
            state_cell(alert, now),
            Cell(formats.clock(alert.ts, zone), "muted"),
            Cell(text, "muted" if still else "text"),
            Cell(doing, "muted"),
            Cell(alert.code, "muted"),
            Cell(str(alert.id), "muted"),
        ),
        alert.symbol,
    )


def unacknowledged(snapshot: Snapshot) -> list[AlertRow]:
    """Alarms (not mere information) that nobody has acknowledged or shelved: what is not over comes first,
    then the critical ones, each newest first."""
    waiting = [alert for alert in snapshot.alerts if alert.waits]
    return sorted(
        waiting, key=lambda alert: (alert.cleared, alert.severity != "critical", -alert.ts, -alert.id)
    )


def table(snapshot: Snapshot, zone: str) -> Table:
    """All alerts of the snapshot, newest first."""
    waiting = len(unacknowledged(snapshot))
    shelved = sum(alert.shelved_until is not None for alert in snapshot.alerts)
    title = f"Alarms · {waiting} unacknowledged" if waiting else "Alarms"
    title += f" · {shelved} shelved" if shelved else ""
    alerts, ts = snapshot.alerts, snapshot.ts
    rows = Rows.from_items(alerts, [str(alert.id) for alert in alerts], lambda alert: row(alert, zone, ts))
    return Table(title, COLUMNS, rows, "no alarms")


BRIEF = 100
"""Cells below which the line does without the time."""


def alarm_lines(
    snapshot: Snapshot, zone: str, *, lit: bool = True, width: int = 10_000
) -> tuple[tuple[Cell, ...], ...]:
    """The most urgent unacknowledged alarm, what is wrong and what to do: in one line where it fits, else in
    two. `lit` False is the dark half of its flash."""
    waiting = unacknowledged(snapshot)
    if not waiting:
        return ((Cell(" no unacknowledged alarms", "muted"),),)
    first = waiting[0]
    glyph, word, meaning = _LEVELS[first.severity]
    name = "ALARM" if first.severity == "critical" else word
    if first.cleared:
        name, meaning = f"{name} (over)", "alarm-warning"
    head = Cell(f" {glyph} {name} ", meaning if lit or first.cleared else "alarm-ack")
    brief = width < BRIEF
    tail = Cell(f" a: ack 1/{len(waiting)}" if brief else f"  [a] ack, 1 of {len(waiting)}", "muted")
    time = "" if brief else f" {formats.clock(first.ts, zone)}"
    doing = "" if first.cleared else remedy(first.code, first.text, first.symbol)
    todo = Cell(f" ▸ {doing}" if doing else "", "text")
    room = width - cell_len(head.text)
    beside = cell_len(tail.text) + cell_len(todo.text)
    for full in (said(first), headline(first.symbol, first.text)):
        text = formats.local(full, zone)
        text = clean(f"{time} {text}{counted(first)}")
        if cell_len(text) + beside <= room:
            return ((head, Cell(text, "heading"), todo, tail),)
        if text_fits := wrapped(text, room, width - beside):
            above, below = text_fits
            return ((head, Cell(above, "heading")), (Cell(below, "heading"), todo, tail))
    # Too narrow for a line of its own: the text goes before the rest.
    return ((head, Cell(fit(text, max(1, room)), "heading")), (todo, tail))


def wrapped(text: str, first: int, second: int) -> tuple[str, str] | None:
    """The text in a line of `first` cells and a further one of `second`, parted between words; None where it
    does not fit."""
    if cell_len(text) <= first:
        return text, ""
    words = text.split(" ")
    for count in range(len(words) - 1, 1, -1):
        above = " ".join(words[:count])
        if cell_len(above) <= first:
            below = "   " + " ".join(words[count:])
            return (above, below) if cell_len(below) <= second else None
    return None
