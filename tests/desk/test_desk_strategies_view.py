"""A strategy that does not keep up is seen on every width, in words where its columns have no room."""

from __future__ import annotations

from decimal import Decimal

from app.desk.view import strategies as view
from app.desk.view.cells import fit, lay, longest
from engine.control.snapshot import CallbackRow, StrategyRow


def running(**changes: object) -> StrategyRow:
    fields = {
        "name": "trend",
        "state": "running",
        "reason": "",
        "intended": {},
        "orders": 12,
        "fills": 3,
        "pnl": Decimal("1.50"),
        "lag_ms": 0.0,
        "rss_mb": 31.0,
    }
    return StrategyRow(**{**fields, **changes})  # type: ignore[arg-type]


def at_80(row: StrategyRow) -> str:
    cells = view.row(row)
    laid = lay(view.COLUMNS, 77, longest(view.COLUMNS, [cells]))
    return " ".join(fit(cells.cells[at.place].text, at.width) for at in laid)


def late(calls: int) -> CallbackRow:
    return CallbackRow(
        name="on_quote",
        count=500,
        p50=252_000.0,
        p99=257_000.0,
        max=257_000.0,
        deadline=50_000.0,
        late=calls,
    )


def test_one_that_keeps_up_says_nothing() -> None:
    assert view.behind(running()) == ""
    assert view.behind(running(lag_ms=240.0, queue=100)) == ""
    assert "behind" not in at_80(running())


def test_lag_queue_and_late_calls_are_said_at_80_columns() -> None:
    shown = at_80(running(lag_ms=1_449.0, queue=1_200, callbacks=(late(180),)))
    assert "behind by 1.4 s, 1,200 events wait, 180 late calls" in shown


def test_a_pause_and_the_lag_are_both_said() -> None:
    shown = at_80(running(state="paused", reason="paused by the operator", lag_ms=500.0))
    assert "paused by the operator; behind by 0.5 s" in shown


def test_one_that_ended_is_behind_nothing() -> None:
    cells = view.row(running(state="failed", reason="hung", lag_ms=9_000.0, queue=5_000))
    assert cells.cells[-1].text == "hung"
