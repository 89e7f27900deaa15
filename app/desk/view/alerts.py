"""Alarms: the table of them, and the one line that the most urgent one gets under the status."""

from __future__ import annotations

from rich.cells import cell_len

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table, clean, fit
from app.desk.view.remedies import remedy
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
    return f"{alert.symbol}: {alert.text}" if alert.symbol and alert.symbol not in alert.text else alert.text


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
    doing = "" if alert.cleared or alert.severity == "info" else remedy(alert.code, alert.text)
    text = said(alert)
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
    waiting = [
        alert
        for alert in snapshot.alerts
        if not alert.acknowledged and alert.severity != "info" and alert.shelved_until is None
    ]
    return sorted(
        waiting, key=lambda alert: (alert.cleared, alert.severity != "critical", -alert.ts, -alert.id)
    )


def table(snapshot: Snapshot, zone: str) -> Table:
    """All alerts of the snapshot, newest first."""
    waiting = len(unacknowledged(snapshot))
    shelved = sum(alert.shelved_until is not None for alert in snapshot.alerts)
    title = f"Alarms · {waiting} unacknowledged" if waiting else "Alarms"
    title += f" · {shelved} shelved" if shelved else ""
    rows = tuple(row(alert, zone, snapshot.ts) for alert in snapshot.alerts)
    return Table(title, COLUMNS, rows, "no alarms")


LEAST_TEXT = 24
"""Cells that what happened has before what to do gets any."""
BRIEF = 100
"""Cells below which the line does without the time."""


def alarm_line(snapshot: Snapshot, zone: str, *, lit: bool = True, width: int = 10_000) -> tuple[Cell, ...]:
    """The most urgent unacknowledged alarm: what is wrong and what to do. `lit` False is the dark half of its
    flash."""
    waiting = unacknowledged(snapshot)
    if not waiting:
        return (Cell(" no unacknowledged alarms", "muted"),)
    first = waiting[0]
    glyph, word, meaning = _LEVELS[first.severity]
    name = "ALARM" if first.severity == "critical" else word
    if first.cleared:
        name, meaning = f"{name} (over)", "alarm-warning"
    head = Cell(f" {glyph} {name} ", meaning if lit or first.cleared else "alarm-ack")
    brief = width < BRIEF
    tail = f" a: ack 1/{len(waiting)}" if brief else f"  [a] ack, 1 of {len(waiting)}"
    text = f" {said(first)}" if brief else f" {formats.clock(first.ts, zone)} {said(first)}"
    doing = "" if first.cleared else remedy(first.code, first.text)
    doing = f" ▸ {doing}" if doing else ""
    room = width - cell_len(head.text) - cell_len(tail) - cell_len(doing)
    if cell_len(clean(text)) > room:
        if room < LEAST_TEXT:
            doing = ""
            room = width - cell_len(head.text) - cell_len(tail)
        text = fit(text, max(1, room))
    return (head, Cell(text, "heading"), Cell(doing, "text"), Cell(tail, "muted"))
