"""Health: the table of latencies, rates and counters, and the one line that sums it up."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table, clean
from engine.control.snapshot import HealthRow, HealthWord, Snapshot

COLUMNS = (
    Column("State", 6),
    Column("What", 12, most=24),
    Column("p50", 8, 2, number=True),
    Column("p95", 8, 4, number=True),
    Column("p99", 8, 1, number=True),
    Column("max", 8, 3, number=True),
    Column("Count", 10, 5, number=True),
    Column("Note", 10, 6, stretch=True),
)

WORDS: dict[HealthWord, tuple[str, str]] = {
    "ok": ("✓", "health-ok"),
    "warn": ("△", "health-warn"),
    "down": ("✕", "health-down"),
    "unknown": ("?", "health-warn"),
}

_BLANK = Cell("")


def word_cell(word: HealthWord) -> Cell:
    """✓ OK, △ WARN, ✕ DOWN, ? with its word."""
    glyph, meaning = WORDS[word]
    return Cell(f"{glyph} {'UNKN' if word == 'unknown' else word.upper()}", meaning)


def _row(name: str, state: Cell, figures: tuple[str, str, str, str, str], note: str = "") -> Row:
    cells = (state, Cell(name, "heading"), *(Cell(figure) for figure in figures), Cell(note, "muted"))
    return Row(name, cells)


def _milliseconds(value: float) -> str:
    return formats.microseconds(value * 1000)


def rows(health: HealthRow) -> tuple[Row, ...]:
    """Links first, then the stages of an order's life, then rates and counters."""
    risk = (
        _milliseconds(health.risk_p50_ms),
        "",
        _milliseconds(health.risk_p99_ms),
        _milliseconds(health.risk_max_ms),
        "",
    )
    commits = (
        formats.microseconds(health.commit_p50_us),
        "",
        formats.microseconds(health.commit_p99_us),
        "",
        f"{health.journal_seq:,}",
    )
    nothing = ("", "", "", "", "")
    found = [
        _row("broker", word_cell(health.broker), nothing, health.broker_text),
        _row("market data", word_cell(health.data), nothing, f"age {formats.age(health.data_age)}"),
        _row("risk loop", word_cell(health.engine), risk),
        _row("journal", word_cell(health.journal), commits, health.journal_text),
    ]
    for stage in health.latencies:
        figures = [formats.microseconds(value) for value in (stage.p50, stage.p95, stage.p99, stage.max)]
        found.append(
            _row(stage.stage, _BLANK, (figures[0], figures[1], figures[2], figures[3], f"{stage.count:,}"))
        )
    for name, rate in sorted(health.rates.items()):
        found.append(_row(name, _BLANK, ("", "", "", "", f"{rate:,.3g}")))
    for name, count in sorted(health.counters.items()):
        found.append(_row(name, _BLANK, ("", "", "", "", f"{count:,}")))
    memory = f"{health.rss_mb:,.0f} MB, up {formats.age(health.uptime)}"
    found.append(_row("process", _BLANK, nothing, memory))
    return tuple(found)


def table(snapshot: Snapshot) -> Table:
    """The health table."""
    return Table("Health", COLUMNS, rows(snapshot.health), "no figures")


STAGES: Final = ("tick→sent", "sent→acknowledged", "sent→first fill")
"""The stages of an order's life that the one line tells of."""


def line(snapshot: Snapshot, width: int = 10_000) -> tuple[Cell, ...]:
    """The compact form: what is wrong first, then loop, journal, memory and stages; as many as fit whole."""
    health = snapshot.health
    cells = [Cell(" HEALTH ", "heading")]
    for name, word, text in (
        ("broker", health.broker, health.broker_text),
        ("data", health.data, formats.age(health.data_age)),
        ("engine", health.engine, ""),
        ("journal", health.journal, health.journal_text),
    ):
        if word != "ok":
            glyph, meaning = WORDS[word]
            cells.append(Cell(f" {glyph} {name} {word.upper()} {text}".rstrip() + " ", meaning))
    said = [
        f"loop p50 {_milliseconds(health.risk_p50_ms)} p99 {_milliseconds(health.risk_p99_ms)}"
        f" max {_milliseconds(health.risk_max_ms)}",
        f"journal {health.journal_seq:,} commit p99 {formats.microseconds(health.commit_p99_us)}",
        f"{health.rss_mb:,.0f} MB",
        f"up {formats.age(health.uptime)}",
        *(
            f"{stage.stage} p99 {formats.microseconds(stage.p99)}"
            for stage in health.latencies
            if stage.stage in STAGES
        ),
    ]
    used = sum(cell_len(clean(cell.text)) for cell in cells)
    for text in said:
        mark = " │ " if cells[-1].meaning == "text" else " "
        if used + cell_len(mark + text) > width:
            break
        cells.append(Cell(mark + text))
        used += cell_len(mark + text)
    return tuple(cells)
