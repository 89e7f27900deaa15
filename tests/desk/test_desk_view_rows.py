"""The tables of the desk, row by row, without a screen library."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from fakelink import (
    change,
    order,
    position,
    risk,
    snapshot,
    strategies,
)
from viewkit import ZONE, text

from app.desk.view import health as healthview
from app.desk.view import killing as killview
from app.desk.view import orders, status
from app.desk.view import positions as positionview
from app.desk.view import risk as riskview
from app.desk.view import strategies as strategyview
from app.desk.view.cells import Cell, Column, Row
from engine.control.snapshot import NOT_COMPARED, Comparison, RiskRow


def by_title(row: Row, columns: tuple[Column, ...]) -> dict[str, Cell]:
    return {column.title: cell for column, cell in zip(columns, row.cells, strict=True)}


def test_order_states_are_words() -> None:
    shown = [by_title(row, orders.COLUMNS) for row in orders.table(snapshot(), ZONE).rows]
    states = [cells["State"].text for cells in shown]
    assert "◐ PARTIAL" in states and "? UNKNOWN" in states and "✕ REJECTED" in states
    assert shown[3]["Note"].text == "cancel?"
    assert shown[5]["Note"].text.startswith("FOREIGN")
    assert shown[6]["Stop"].text == "1990.5" and shown[6]["Note"].text == "protect"
    assert {cells["Side"].text for cells in shown} == {"BUY", "SELL"}


def test_an_unheard_of_status_is_unknown_and_open() -> None:
    strange = order(1, "PENDING_COFFEE")
    assert orders.row(strange, ZONE, "1s").cells[0] == Cell("? PENDING_COFFEE", "order-unknown")
    assert orders.is_working(strange)


@pytest.mark.parametrize(
    ("state", "diff", "broker", "shown"),
    [
        ("agree", D(0), D(1), "= AGREE"),
        ("drift", D(-1), D(0), "≠ DRIFT"),
        ("in flight", D(1), D(2), "~ IN FLIGHT"),
        ("unknown", None, None, "? UNKNOWN"),
        ("halted", D(0), D(1), "■ HALTED"),
        ("halted: kill", D(0), D(1), "■ HALTED"),
        ("halted: position_drift", D(-1), D(1), "≠ HALTED"),
        ("recovering", D(0), None, "? RECOVERING"),
    ],
)
def test_position_states_have_sign_and_word(state: str, diff: D | None, broker: D | None, shown: str) -> None:
    row = position("ESM3", 1, state=state, diff=diff, broker=broker)
    assert positionview.state_cell(row).text == shown


def test_positions_in_doubt_stand_first() -> None:
    table = positionview.table(snapshot())
    assert [row.key for row in table.rows][:2] == ["ZNM3", "GCM3"]
    assert "2 IN DOUBT" in table.title
    drift = by_title(table.rows[1], positionview.COLUMNS)
    assert (drift["Exec"].text, drift["Broker"].text, drift["Diff"].text) == ("−1", "−2", "−1")
    unknown = by_title(table.rows[0], positionview.COLUMNS)
    assert unknown["Broker"].text == "?" and unknown["Open P&L"].text == "?"


def test_a_halted_instrument_is_in_doubt_only_where_positions_differ() -> None:
    rows = (
        position("ESM3", 1),
        position("GCM3", 0, state="halted: kill"),
        position("NQM3", 1, state="halted: position_drift", broker=D(2), diff=D(1)),
    )
    table = positionview.table(snapshot(positions=rows))
    assert table.title.endswith(" · 1 IN DOUBT · 1 HALTED")
    assert [row.key for row in table.rows] == ["NQM3", "GCM3", "ESM3"]


def test_stale_data_is_a_word() -> None:
    rows = {row.key: by_title(row, positionview.COLUMNS) for row in positionview.table(snapshot()).rows}
    assert rows["CLM3"]["MD"] == Cell("STALE", "stale")
    assert rows["CLM3"]["Market"].text == "HALTED"


def test_risk_words_and_unknown_limits() -> None:
    table = riskview.table(snapshot())
    first = by_title(table.rows[0], riskview.COLUMNS)
    assert first["State"].text == "✕ TRIPPED" and first["Control"].text == "GCM3 Spread breaker"
    second = by_title(table.rows[1], riskview.COLUMNS)
    assert second["Use"].text == "?" and second["Gauge"].text == "??????"
    assert table.title == "Risk · limits v3 · 1 TRIPPED · 1 UNKNOWN · 2 WARN"
    calm = snapshot(risk=tuple(change(row, state="ACTIVE") for row in risk()))
    assert riskview.table(calm).title.endswith("all within")


def test_a_stopped_strategy_says_why() -> None:
    table = strategyview.table(snapshot())
    cells = by_title(table.rows[0], strategyview.COLUMNS)
    assert cells["State"].text == "✕ FAILED" and cells["Strategy"].text == "runaway"
    assert "while True" in cells["Reason"].text
    silent = change(strategies()[2], reason="")
    assert strategyview.row(silent).cells[-1].text == "no reason given"


def test_what_was_not_compared_since_the_link_broke_does_not_look_known() -> None:
    last = Comparison(at=snapshot().ts - 14_000_000_000, holds=False, orders=False, why="the link is down")
    seen = snapshot(
        comparison=last,
        positions=(position("ESM3", 3, diff=None, state=NOT_COMPARED),),
        orders=(order(1, last_known=True), order(2, "PARTIAL_FILL", last_known=True), order(11, "FILLED")),
    )
    table = positionview.table(seen)
    (row,) = table.rows
    cells = dict(zip((c.title for c in table.columns), row.cells, strict=True))
    assert cells["State"].text == "? NOT COMPARED" and cells["Broker"].text == "+3?"
    assert cells["Diff"].text == "?" and cells["Exec"].text == "+3"
    assert table.title.endswith(" · NOT COMPARED for 14s")
    never = positionview.table(change(seen, comparison=change(last, at=None)))
    assert never.title.endswith(" · NOT COMPARED yet")
    shown = orders.table(seen, ZONE)
    assert [row.cells[0].text for row in shown.rows] == ["▶ WORKING?", "◐ PARTIAL?", "● FILLED"]
    assert shown.title == "Orders · 2 working as last known · 1 closed"
    assert "│ ORD 2? " in text(status.line(seen, 0.1, ZONE, 120))
    assert "ESM3 +3 (not compared; the broker said +3 last)" in killview.scope_all(seen)
    stranger = change(seen, positions=(position("ESM3", 0, broker=D(2), diff=None, state=NOT_COMPARED),))
    assert "ESM3 0 (not compared; the broker said +2 last)" in killview.scope_all(stranger)


@pytest.mark.parametrize("state", ["stale", "crossed", "none"])
def test_an_open_profit_at_an_old_price_does_not_look_like_one_of_now(state: str) -> None:
    def shown(**fields: object) -> Cell:
        return positionview.row(position("ESM3", 3, **fields)).cells[2]

    assert shown(data_state=state) == Cell("▲+712.50?", "muted")
    assert shown(data_state="closed").text == shown().text == "▲+712.50"
    assert shown(data_state=state, executed=D(0), open_pnl=D(0)).text == "0.00"
    assert shown(data_state=state, open_pnl=None).text == "?"


def test_a_trip_that_holds_has_no_empty_gauge_when_its_figure_has_come_back() -> None:
    (row,) = [r for r in risk() if r.control == "spread"]
    held = riskview.row(change(row, ratio=0.0, used="0", limit="3"))
    assert [cell.text for cell in held.cells[:3]] == ["✕ TRIPPED", "held", "█" * riskview.GAUGE]
    beyond = riskview.row(row)
    assert [cell.text for cell in beyond.cells[:3]] == ["✕ TRIPPED", "150%", "█" * riskview.GAUGE]


def test_the_days_result_adds_up_on_the_positions_screen() -> None:
    rows = (
        position("ESM3", 1, open_pnl=D("100.50"), realised_pnl=D("-20.25"), fees=D("4.20")),
        position("NQM3", 0, open_pnl=D(0), realised_pnl=D("50"), fees=D("2.10")),
    )
    said = text(positionview.day_sum(snapshot(positions=rows, day_pnl=D("123.95"))))
    assert said == " DAY ▲+123.95 = open +100.50  realised +29.75  fees −6.30"
    carried = text(positionview.day_sum(snapshot(positions=rows, day_pnl=D("100.00"))))
    assert carried.endswith("of earlier days, or by exchange rates −23.95")
    assert "not known" in text(positionview.day_sum(snapshot(positions=rows, day_pnl=None)))


def test_counters_and_controls_are_named_in_words() -> None:
    assert healthview.figure_name("doubt.daily_loss") == "unsure: daily loss"
    assert healthview.figure_name("refuse_rate") == "refused by our gate"
    assert healthview.figure_name("fill_rate.LMT") == "filled, of LMT"
    assert healthview.figure_name("query_failed") == "questions failed"
    assert healthview.figure_name("order_polls") == "order polls"
    (only,) = [
        riskview.row(
            RiskRow(
                control="validity",
                title="Order validity",
                scope="",
                used="-",
                limit="-",
                ratio=0.0,
                state="ACTIVE",
                action="refuse",
                detail="3 orders refused so far",
            )
        )
    ]
    assert [cell.text for cell in only.cells][1:3] == ["-", ""], "no share of a limit that it has not"
