"""The rows of the strategies table: who runs, who was stopped, and why."""

from __future__ import annotations

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.snapshot import Snapshot, StrategyRow

COLUMNS = (
    Column("State", 10),
    Column("Strategy", 8, most=14),
    Column("P&L", 9, 1, number=True),
    Column("Lag", 6, 4, number=True),
    Column("Orders", 6, 6, number=True),
    Column("Fills", 5, 5, number=True),
    Column("Queue", 5, 4, number=True),
    Column("Skipped", 7, 8, number=True),
    Column("p99", 6, 5, number=True),
    Column("Late", 4, 5, number=True),
    Column("CPU", 4, 6, number=True),
    Column("Memory", 6, 7, number=True),
    Column("Again", 5, 6, number=True),
    Column("Intends", 10, 3),
    # Why one was stopped pushes its figures out.
    Column("Reason", 10, stretch=True, most=60),
)

CROWDED = 100
"""Events that wait beyond which a strategy is shown as falling behind."""
BEHIND = 250.0
"""Milliseconds that its oldest event may wait before that is said."""

_STATES = {
    "starting": ("◌", "strategy-idle"),
    "running": ("▶", "strategy-running"),
    "paused": ("‖", "paused"),
    "stopped": ("■", "strategy-stopped"),
    "failed": ("✕", "strategy-stopped"),
}


def behind(strategy: StrategyRow) -> str:
    """How one that runs does not keep up, in words: on a narrow screen the columns of it are not there."""
    late = sum(callback.late for callback in strategy.callbacks)
    said = []
    if strategy.lag_ms is not None and strategy.lag_ms > BEHIND:
        said.append(f"behind by {strategy.lag_ms / 1000:.1f} s")
    if strategy.queue > CROWDED:
        said.append(f"{strategy.queue:,} events wait")
    if late:
        said.append(f"{late:,} late calls")
    return ", ".join(said)


def row(strategy: StrategyRow) -> Row:
    """One strategy as cells."""
    glyph, meaning = _STATES[strategy.state]
    intends = " ".join(
        f"{symbol} {formats.size(want, sign=True)}" for symbol, want in sorted(strategy.intended.items())
    )
    ended = strategy.state in ("stopped", "failed")
    lag = formats.NONE if strategy.lag_ms is None else formats.microseconds(strategy.lag_ms * 1000)
    memory = formats.NONE if strategy.rss_mb is None else f"{strategy.rss_mb:,.0f}MB"
    late = sum(callback.late for callback in strategy.callbacks)
    reason = Cell(strategy.reason or ("no reason given" if ended else ""), "heading" if ended else "muted")
    if not ended and (slow := behind(strategy)):
        reason = Cell("; ".join(filter(None, (strategy.reason, slow))), "stale")
    slowest = formats.NONE
    if strategy.callbacks:
        slowest = formats.microseconds(max(callback.p99 for callback in strategy.callbacks))
    return Row(
        strategy.name,
        (
            Cell(f"{glyph} {strategy.state.upper()}", meaning),
            Cell(strategy.name, "heading"),
            formats.pnl(strategy.pnl),
            Cell(lag, "muted"),
            Cell(f"{strategy.orders:,}"),
            Cell(f"{strategy.fills:,}"),
            Cell(f"{strategy.queue:,}", "stale" if strategy.queue > CROWDED else "muted"),
            Cell(f"{strategy.conflated + strategy.dropped:,}", "muted"),
            Cell(slowest, "muted"),
            Cell(f"{late:,}", "stale" if late else "muted"),
            Cell(formats.NONE if strategy.cpu is None else formats.percent(strategy.cpu), "muted"),
            Cell(memory, "muted"),
            Cell(f"{strategy.restarts:,}", "stale" if strategy.restarts else "muted"),
            Cell(intends or "-"),
            reason,
        ),
    )


def table(snapshot: Snapshot) -> Table:
    """Failed and stopped ones first, so that they are seen."""
    rank = ("failed", "stopped", "paused", "starting", "running")
    ended = sum(strategy.state in ("failed", "stopped") for strategy in snapshot.strategies)
    title = "Strategies" + (f" · {ended} STOPPED" if ended else "")
    ordered = sorted(snapshot.strategies, key=lambda strategy: rank.index(strategy.state))
    return Table(title, COLUMNS, tuple(map(row, ordered)), "no strategies")
