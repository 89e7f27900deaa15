"""Health: the table of latencies, rates and counters, and the one line that sums it up."""

from __future__ import annotations

from collections.abc import Sequence
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
    Column("Note", 10, 6, stretch=True, most=40),
    Column("1µs to 8s", 24, 7),
)
LATENCY_COLUMNS = (
    Column("Stage", 12, most=24),
    Column("p50", 8, 1, number=True),
    Column("p95", 8, 3, number=True),
    Column("p99", 8, number=True),
    Column("max", 8, 2, number=True),
    Column("Count", 8, 4, number=True),
    Column("1µs to 8s, twice as long from bar to bar", 24, stretch=True),
)
FIGURE_COLUMNS = (Column("What", 16, most=30), Column("Figure", 10, number=True), Column("", 1, stretch=True))
LINK_COLUMNS = (
    Column("State", 6),
    Column("Link", 12, most=16),
    Column("p50", 8, 2, number=True),
    Column("p99", 8, 1, number=True),
    Column("max", 8, 3, number=True),
    Column("What it says", 20, stretch=True, most=120),
)
BARS = "▁▂▃▄▅▆▇█"

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


def _row(
    name: str, state: Cell, figures: tuple[str, str, str, str, str], note: str = "", bars: str = ""
) -> Row:
    cells = (
        state,
        Cell(name, "heading"),
        *(Cell(figure) for figure in figures),
        Cell(note, "muted"),
        Cell(bars),
    )
    return Row(name, cells)


def histogram(spread: Sequence[int]) -> str:
    """A distribution as bars of text, one a power of two of a µs; a bar stands wherever one duration was."""
    most = max(spread, default=0)
    if not most:
        return ""
    return "".join(
        " " if not count else BARS[min(len(BARS) - 1, count * len(BARS) // (most + 1))] for count in spread
    )


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
    if health.sentinel.policy != "off":
        found.append(_row("sentinel", word_cell(health.sentinel.state), nothing, _sentinel(health)))
    if health.sentinel.venue != "OFF":
        said = f"{health.sentinel.venue} · {health.sentinel.venue_text}"
        found.append(_row("venue's switch", _switch(health), nothing, said))
    for stage in health.latencies:
        figures = [formats.microseconds(value) for value in (stage.p50, stage.p95, stage.p99, stage.max)]
        found.append(
            _row(
                stage.stage,
                _BLANK,
                (figures[0], figures[1], figures[2], figures[3], f"{stage.count:,}"),
                bars=histogram(stage.spread),
            )
        )
    for name, rate in sorted(health.rates.items()):
        found.append(_row(figure_name(name), _BLANK, ("", "", "", "", _rate(name, rate))))
    for name, count in sorted(health.counters.items()):
        found.append(_row(figure_name(name), _BLANK, ("", "", "", "", f"{count:,}")))
    memory = f"{health.rss_mb:,.0f} MB, up {formats.age(health.uptime)}"
    found.append(_row("process", _BLANK, nothing, memory))
    return tuple(found)


def _switch(health: HealthRow) -> Cell:
    """The venue's own dead-man's switch. That a venue has none is no fault of ours."""
    if health.sentinel.venue == "NOT AVAILABLE":
        return _BLANK
    return word_cell("ok" if health.sentinel.venue == "ARMED" else "warn")


def _sentinel(health: HealthRow) -> str:
    return f"{health.sentinel.policy} · {health.sentinel.text}"


def table(snapshot: Snapshot) -> Table:
    """All of it in one table, for where there is room for one."""
    return Table("Health", COLUMNS, rows(snapshot.health), "no figures")


def links(snapshot: Snapshot) -> Table:
    """Broker, data, risk loop, journal, process: each with its word, its figures and what it says."""
    health = snapshot.health
    link = health.link
    reconnects = f"lost {link.losses} times" if link.losses else "never lost"
    if link.last_loss:
        reconnects += f", last: {link.last_loss}"
    if not link.up and link.next_try is not None:
        reconnects += f"; next try in {formats.age(link.next_try)}"
    broker = " · ".join(filter(None, (health.broker_text, reconnects)))
    data = f"age {formats.age(health.data_age)} · {snapshot.feed}"
    journal = f"{health.journal_seq:,} rows {health.journal_text}".strip()
    process = f"{health.rss_mb:,.0f} MB, up {formats.age(health.uptime)}"
    loop = tuple(map(_milliseconds, (health.risk_p50_ms, health.risk_p99_ms, health.risk_max_ms)))
    commit = (formats.microseconds(health.commit_p50_us), formats.microseconds(health.commit_p99_us), "")
    nothing = ("", "", "")
    found = [
        ("broker", word_cell(health.broker), nothing, broker),
        ("market data", word_cell(health.data), nothing, data),
        ("risk loop", word_cell(health.engine), loop, "period between two rounds"),
        ("journal", word_cell(health.journal), commit, journal),
        ("process", _BLANK, nothing, process),
    ]
    if health.sentinel.policy != "off":
        found.insert(4, ("sentinel", word_cell(health.sentinel.state), nothing, _sentinel(health)))
    if health.sentinel.venue != "OFF":
        text = f"{health.sentinel.venue} · {health.sentinel.venue_text}"
        found.insert(-1, ("venue's switch", _switch(health), nothing, text))
    rows = tuple(
        Row(name, (state, Cell(name, "heading"), *map(Cell, figures), Cell(text, "muted")))
        for name, state, figures, text in found
    )
    return Table("Health · links, loop, journal", LINK_COLUMNS, rows, "")


def latencies(snapshot: Snapshot) -> Table:
    """The stages of an order's life, each with its distribution."""
    rows = tuple(
        Row(
            stage.stage,
            (
                Cell(stage.stage, "heading"),
                *(Cell(formats.microseconds(v)) for v in (stage.p50, stage.p95, stage.p99, stage.max)),
                Cell(f"{stage.count:,}", "muted"),
                Cell(histogram(stage.spread)),
            ),
        )
        for stage in snapshot.health.latencies
    )
    return Table("Latency", LATENCY_COLUMNS, rows, "nothing measured yet")


_SHARES: Final = ("reject_rate", "refuse_rate", "fill_rate")


_NAMES: Final = {
    "refuse_rate": "refused by our gate",
    "reject_rate": "rejected by venue",
    "fill_rate": "filled, of",
    "slippage": "slippage",
    "doubt": "unsure:",
    "tripped": "tripped:",
    "refused": "refused by",
    "finding": "comparison:",
    "anomaly": "surprise:",
    "sent": "sent,",
    "filled": "filled,",
    "rejects": "rejected by venue",
    "reconciliations": "comparisons",
    "query_failed": "questions failed",
}
"""How counters and rates begin, as they are said; the others as they are, without underscores."""


def figure_name(name: str) -> str:
    """A counter or rate in words: `doubt.daily_loss` is `unsure: daily loss`."""
    head, _, about = name.partition(".")
    said = _NAMES.get(head, head.replace("_", " ")) if about or head in _NAMES else head.replace("_", " ")
    if not about:
        said = said.rstrip(":,")
    return f"{said} {about.replace('_', ' ')}".rstrip()


def _rate(name: str, value: float) -> str:
    return f"{value * 100:.1f} %" if name.partition(".")[0] in _SHARES else f"{value:,.3g}"


def rates(snapshot: Snapshot) -> Table:
    """Shares of orders rejected and filled, slippage in ticks a lot, drift in lots."""
    found = [(figure_name(name), _rate(name, value)) for name, value in sorted(snapshot.health.rates.items())]
    title = "Rates of orders · slippage in ticks a lot"
    return Table(title, FIGURE_COLUMNS, _figures(found), "nothing sent yet")


def counters(snapshot: Snapshot) -> Table:
    """What has been counted since the start: reconciliations, reconnects, errors and so on."""
    found = [(figure_name(name), f"{count:,}") for name, count in sorted(snapshot.health.counters.items())]
    return Table("Counts since the start", FIGURE_COLUMNS, _figures(found), "nothing counted yet")


def _figures(found: Sequence[tuple[str, str]]) -> tuple[Row, ...]:
    return tuple(Row(name, (Cell(name, "heading"), Cell(figure), _BLANK)) for name, figure in found)


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
    if health.sentinel.policy != "off" and health.sentinel.state == "down":
        glyph, meaning = WORDS["warn"]
        cells.append(Cell(f" {glyph} sentinel DOWN {health.sentinel.text} ", meaning))
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
