"""Alerts: the table of them, and the one line that the newest unacknowledged alarm gets under the status."""

from __future__ import annotations

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.snapshot import AlertRow, Snapshot

COLUMNS = (
    Column("Level", 7),
    Column("Time", 8),
    Column("What happened", 20, stretch=True, most=70),
    Column("Code", 12, 1),
)

_LEVELS = {
    "critical": ("▲", "CRIT", "alarm-unack"),
    "warning": ("△", "WARN", "alarm-warning"),
    "info": ("i", "INFO", "muted"),
}


def said(alert: AlertRow) -> str:
    """The text, with the symbol that it is about."""
    return f"{alert.symbol}: {alert.text}" if alert.symbol and alert.symbol not in alert.text else alert.text


def row(alert: AlertRow, zone: str) -> Row:
    """One alert; unacknowledged ones carry an exclamation mark."""
    glyph, word, meaning = _LEVELS[alert.severity]
    if alert.acknowledged:
        meaning = "alarm-ack"
    mark = "!" if not alert.acknowledged and alert.severity != "info" else " "
    return Row(
        str(alert.id),
        (
            Cell(f"{glyph} {word}{mark}".rstrip(), meaning),
            Cell(formats.clock(alert.ts, zone), "muted"),
            Cell(said(alert), "muted" if alert.acknowledged else "text"),
            Cell(alert.code, "muted"),
        ),
        alert.symbol,
    )


def unacknowledged(snapshot: Snapshot) -> list[AlertRow]:
    """Alarms (not mere information) that nobody has acknowledged: critical ones first, each newest first."""
    waiting = [alert for alert in snapshot.alerts if not alert.acknowledged and alert.severity != "info"]
    return sorted(waiting, key=lambda alert: (alert.severity != "critical", -alert.ts, -alert.id))


def table(snapshot: Snapshot, zone: str) -> Table:
    """All alerts of the snapshot, newest first."""
    waiting = len(unacknowledged(snapshot))
    title = f"Alerts · {waiting} unacknowledged" if waiting else "Alerts"
    return Table(title, COLUMNS, tuple(row(alert, zone) for alert in snapshot.alerts), "no alerts")


def alarm_line(snapshot: Snapshot, zone: str, *, lit: bool = True) -> tuple[Cell, ...]:
    """The newest unacknowledged alarm. `lit` False is the dark half of its flash."""
    waiting = unacknowledged(snapshot)
    if not waiting:
        return (Cell(" no unacknowledged alarms", "muted"),)
    first = waiting[0]
    glyph, word, meaning = _LEVELS[first.severity]
    head = f" {glyph} {'ALARM' if first.severity == 'critical' else word} "
    tail = f"  [a] ack, 1 of {len(waiting)}"
    return (
        Cell(head, meaning if lit else "alarm-ack"),
        Cell(f" {formats.clock(first.ts, zone)} {said(first)}", "heading"),
        Cell(tail, "muted"),
    )
