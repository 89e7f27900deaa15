"""The rows of the risk table: how much of each limit is used, as word, per cent and gauge."""

from __future__ import annotations

from functools import lru_cache

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from app.desk.view.rows import Rows
from engine.control.snapshot import RiskRow, Snapshot

GAUGE = 6
"""Cells of a gauge."""


@lru_cache(maxsize=8)
def columns(gauge: int) -> tuple[Column, ...]:
    """The columns, with a gauge of so many cells."""
    return (
        Column("State", 9),
        Column("Use", 4, 2, number=True),
        # One that takes the place of two figures is worth less: used says nothing without its limit.
        Column("Gauge", gauge, 1 if gauge <= GAUGE else 3, most=gauge),
        Column("Control", 15, most=32),
        Column("Used", 7, 1, number=True),
        Column("Limit", 7, 1, number=True),
        Column("Breach", 7, 5),
        Column("Detail", 10, 4, stretch=True),
    )


COLUMNS = columns(GAUGE)

_STATES = {
    "ACTIVE": ("✓", "risk-active", 3),
    "WARN": ("△", "risk-warn", 2),
    "UNKNOWN": ("?", "risk-unknown", 1),
    "TRIPPED": ("✕", "risk-tripped", 0),
}


def key(control: RiskRow) -> str:
    """What names a control's row."""
    return f"{control.control}/{control.scope}"


def row(control: RiskRow, gauge: int = GAUGE) -> Row:
    """One control as cells."""
    glyph, meaning, _ = _STATES[control.state]
    used, shown = formats.percent(control.ratio), control.ratio
    if control.state == "TRIPPED" and (control.ratio is None or control.ratio < 1):
        # The figure has come back and the trip holds: an empty gauge beside TRIPPED would be misread.
        used, shown = "held", 1.0
    if control.limit == control.used == "-" and control.state == "ACTIVE":
        used, shown = "-", None  # it looks at single orders: there is no share to show
    return Row(
        key(control),
        (
            Cell(f"{glyph} {control.state}", meaning),
            Cell(used),
            Cell(
                "" if used == "-" else formats.bar(shown, gauge),
                "text" if control.state == "ACTIVE" else "heading",
            ),
            Cell(f"{control.scope} {control.title}".lstrip(), "heading"),
            Cell(control.used),
            Cell(control.limit),
            Cell(control.action),
            Cell(control.detail, "muted"),
        ),
    )


def table(snapshot: Snapshot, gauge: int = GAUGE) -> Table:
    """Tripped, unknown and warning ones first; the others as the engine gives them."""
    count = {state: sum(control.state == state for control in snapshot.risk) for state in _STATES}
    said = [f"{count[state]} {state}" for state in ("TRIPPED", "UNKNOWN", "WARN") if count[state]]
    title = " · ".join([f"Risk · limits v{snapshot.limits_version}", *(said or ["all within"])])
    ordered = sorted(snapshot.risk, key=lambda control: _STATES[control.state][2])
    rows = Rows.from_items(ordered, list(map(key, ordered)), lambda control: row(control, gauge))
    return Table(title, columns(gauge), rows, "no controls")
