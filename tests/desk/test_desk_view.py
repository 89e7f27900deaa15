"""Rows, formats and lines of the desk, without a screen library."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal as D
from typing import Any

import pytest
from fakelink import (
    TS,
    alert,
    change,
    halted_snapshot,
    health,
    killing,
    order,
    position,
    positions,
    risk,
    snapshot,
    strategies,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from app.desk.view import alerts, formats, orders, status
from app.desk.view import health as healthview
from app.desk.view import killing as killview
from app.desk.view import log as logview
from app.desk.view import positions as positionview
from app.desk.view import risk as riskview
from app.desk.view import strategies as strategyview
from app.desk.view.cells import Cell, Column, Row, clean, fit, lay, longest
from app.desk.view.meanings import FILLED, MEANINGS
from app.desk.view.rows import stable_order
from engine.control.replies import LogLine
from engine.control.snapshot import NOT_COMPARED, Comparison, Hold, KillView, RiskRow, Snapshot
from engine.risk.words import CONTROLS, HALTS

ACCOUNT_ONLY = {"stopped", "screen_lost", "strategy_failed", "lost_order"}
"""Codes of halts of the account or of a strategy: their words stand elsewhere."""
ZONE = "America/Chicago"


def text(cells: tuple[Cell, ...]) -> str:
    return "".join(cell.text for cell in cells)


def by_title(row: Row, columns: tuple[Column, ...]) -> dict[str, Cell]:
    return {column.title: cell for column, cell in zip(columns, row.cells, strict=True)}


def test_the_view_needs_no_textual() -> None:
    names = [
        "alerts",
        "cells",
        "formats",
        "health",
        "killing",
        "meanings",
        "orders",
        "positions",
        "risk",
        "status",
        "strategies",
    ]
    code = "import sys;" + ";".join(f"import app.desk.view.{name}" for name in names)
    code += ";import app.desk.keys, app.desk.themes, app.grammar.verbs"
    code += ";sys.exit(any(name.split('.')[0] == 'textual' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (D("1204.5"), "+1,204.50"),
        (D("-1204.505"), "−1,204.50"),
        (D(0), "0.00"),
        (D("-0.001"), "0.00"),
        (D("0.001"), "0.00"),
        (D("1e9"), "+1,000,000,000.00"),
        (None, "?"),
        (D("NaN"), "?"),
    ],
)
def test_money(value: D | None, shown: str) -> None:
    assert formats.money(value) == shown


def test_prices_keep_their_decimals_and_may_be_negative() -> None:
    assert formats.price(D("-37.63")) == "−37.63"
    assert formats.price(D("4185.00")) == "4185.00"
    assert formats.price(D("0")) == "0"
    assert formats.price(D("1E+3")) == "1000"
    assert formats.price(None) == "-"


def test_sizes() -> None:
    assert formats.size(D("0.0500"), sign=True) == "+0.05"
    assert formats.size(D("-12000"), sign=True) == "−12,000"
    assert formats.size(D("0"), sign=True) == "0"
    assert formats.size(D("-0.0"), sign=True) == "0"
    assert formats.size(D("100")) == "100"
    assert formats.size(None) == "?"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0s"), (9.94, "9.9s"), (9.96, "9s"), (59.9, "59s"), (185, "3m05"), (8040, "2h14"), (10**6, "11d")],
)
def test_ages(seconds: float, shown: str) -> None:
    assert formats.age(seconds) == shown


@given(st.floats(min_value=0, max_value=8_000_000))
@settings(max_examples=150, deadline=None)
def test_an_age_has_five_characters_at_most(seconds: float) -> None:
    assert len(formats.age(seconds)) <= 5


def test_the_clock_is_the_exchanges() -> None:
    assert formats.clock(TS, ZONE) == "09:30:07"
    assert formats.clock(TS, ZONE, with_zone=True) == "09:30:07 CDT"
    assert formats.clock(TS, "UTC") == "14:30:07"


def test_gauges() -> None:
    assert formats.bar(0.5, 8) == "████····"
    assert formats.bar(0.99, 8) == "███████·", "not full before the limit is reached"
    assert formats.bar(1.0, 8) == formats.bar(7.0, 8) == "████████"
    assert formats.bar(None, 8) == "????????"
    assert formats.bar(-0.2, 4) == "····"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.integers(1, 14))
@settings(max_examples=150, deadline=None)
def test_a_number_is_whole_or_not_there(value: D, width: int) -> None:
    whole = formats.money(value)
    shown = fit(whole, width, number=True)
    assert len(shown) == width
    assert shown.strip() == whole or set(shown) == {"#"}


@given(st.text(max_size=40), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_any_text_fits_exactly_and_harms_no_terminal(raw: str, width: int) -> None:
    shown = fit(raw, width)
    assert cell_len(shown) == width
    assert all(character.isprintable() for character in clean(raw))


def test_escape_sequences_from_outside_lose_their_escape() -> None:
    assert clean("\x1b]2;evil\x07\n[@click=app.kill]x") == "·]2;evil··[@click=app.kill]x"


TABLES = {
    "orders": orders.COLUMNS,
    "positions": positionview.COLUMNS,
    "risk": riskview.COLUMNS,
    "alerts": alerts.COLUMNS,
    "strategies": strategyview.COLUMNS,
    "health": healthview.COLUMNS,
}


@given(
    st.integers(1, 300),
    st.sampled_from(sorted(TABLES)),
    st.lists(st.integers(0, 40), min_size=15, max_size=15),
)
@settings(max_examples=400, deadline=None)
def test_columns_go_by_priority_and_the_rest_fits(width: int, name: str, needs: list[int]) -> None:
    columns = TABLES[name]
    laid = lay(columns, width, needs)
    kept = {at.place for at in laid}
    assert sum(at.width for at in laid) + len(laid) - 1 <= width, "nothing is cut at the right edge"
    lowest_gone = min((c.priority for n, c in enumerate(columns) if n not in kept), default=99)
    highest_kept = max(columns[number].priority for number in kept)
    assert highest_kept <= lowest_gone
    for at in laid:
        if at.column.number and len(kept) > 1:
            assert at.width >= max(at.column.width, needs[at.place]), "a number that stands there has room"


def titles(columns: tuple[Column, ...], width: int, needs: tuple[int, ...] = ()) -> set[str]:
    return {at.column.title for at in lay(columns, width, needs)}


def test_what_must_not_go_stays_at_80_columns() -> None:
    assert {"State", "Left", "Qty", "Symbol", "Side", "Limit", "Stop", "Note"} <= titles(orders.COLUMNS, 77)
    wanted = {"State", "Symbol", "Open P&L", "Intend", "Exec", "Broker", "Diff", "MD"}
    assert wanted <= titles(positionview.COLUMNS, 77)
    assert {"State", "Use", "Gauge", "Control", "Used", "Limit"} <= titles(riskview.COLUMNS, 57)
    assert {"State", "Exec", "Broker", "Diff"} <= titles(positionview.COLUMNS, 37)


def test_long_numbers_take_the_place_of_less_important_columns() -> None:
    row = positionview.row(
        position(
            "BTCUSDT-PERP", 0, executed=D("-12345.678"), broker=D("-12345.678"), intended=D("-12345.678")
        )
    )
    needs = longest(positionview.COLUMNS, [row])
    for width in (77, 70):
        laid = lay(positionview.COLUMNS, width, needs)
        shown = {
            at.column.title: fit(row.cells[at.place].text, at.width, number=at.column.number) for at in laid
        }
        assert shown["Broker"].strip() == shown["Exec"].strip() == "−12,345.678"
        assert shown["Symbol"].strip() == "BTCUSDT-PERP"


def test_why_a_strategy_was_stopped_pushes_its_figures_out() -> None:
    reason = "no answer for 2.0 s (while True)"
    row = strategyview.row(change(strategies()[2], reason=reason))
    needs = longest(strategyview.COLUMNS, [row])
    for width in (57, 56, 77):
        laid = lay(strategyview.COLUMNS, width, needs)
        assert laid[-1].column.title == "Reason" and laid[-1].width >= len(reason)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("6704.000000", "6704.00"),
        ("6704.333333", "6704.333333"),
        ("6704.3333333333", "6704.333333"),
        ("1994.1", "1994.1"),
        ("-37.500000", "−37.50"),
        ("91833", "91833"),
        ("0.00012500", "0.000125"),
    ],
)
def test_an_average_price_has_no_idle_zeros(value: str, shown: str) -> None:
    assert formats.average(D(value)) == shown


def test_stable_order() -> None:
    rows = [Row(key, ()) for key in "cadb"]
    assert [row.key for row in stable_order(["a", "b", "x", "c"], rows)] == ["a", "b", "c", "d"]


def test_every_cell_has_a_known_meaning() -> None:
    shot = halted_snapshot()
    tables = [
        orders.table(shot, ZONE),
        positionview.table(shot),
        riskview.table(shot),
        alerts.table(shot, ZONE),
        strategyview.table(shot),
        healthview.table(shot),
    ]
    for table in tables:
        assert table.rows
        for row in table.rows:
            assert len(row.cells) == len(table.columns)
            assert all(cell.meaning in MEANINGS for cell in row.cells)
    assert set(MEANINGS) >= FILLED


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


def test_the_newest_critical_alarm_comes_before_newer_warnings() -> None:
    line = text(alerts.alarm_lines(snapshot(), ZONE)[0])
    assert "ALARM" in line and "executed -1, broker -2" in line and "1 of 2" in line
    newer = alert(21, "critical", "second one", symbol="NQM3")
    shot = snapshot(alerts=(newer, *snapshot().alerts))
    assert "NQM3: second one" in text(alerts.alarm_lines(shot, ZONE)[0])
    calm = snapshot(alerts=tuple(change(row, acknowledged=True) for row in shot.alerts))
    assert "no unacknowledged" in text(alerts.alarm_lines(calm, ZONE)[0])


def test_information_is_no_alarm() -> None:
    shot = snapshot(alerts=(alert(1, "info", "hello"),))
    assert alerts.unacknowledged(shot) == []


@pytest.mark.parametrize("extra", [{}, {"halted": True, "halt_reason": "x"}, {"paused": True}])
def test_at_80_columns_state_alarms_result_orders_and_clock_are_there(extra: dict[str, Any]) -> None:
    many = tuple(alert(number, "warning", f"x {number}") for number in range(1, 14))
    if "paused" in extra:
        extra = {"paused": (Hold(code="spread", scope="ES", text="the spread of ES is wide", then=""),)}
    line = text(status.line(snapshot(alerts=many, day_pnl=D("-11234.5"), **extra), 0.1, ZONE, 80))
    assert cell_len(line) <= 80
    for word in (" PAPER ", " SAFE ", "ALM 13!", "DAY ▼−11,23", "ORD 10", "09:30:07"):
        assert word in line, line
    assert ("HALTED" in line) == ("halted" in extra) and ("LIMITED" in line) == ("paused" in extra)


@pytest.mark.parametrize("width", [80, 120, 170])
def test_the_status_line_fits_and_keeps_what_matters(width: int) -> None:
    line = text(status.line(snapshot(), 0.1, ZONE, width, True))
    assert cell_len(line) <= width
    for word in (
        " PAPER ",
        " ARMED ",
        "ALM 2!",
        "DAY ▲+1,204",
        "−2,000",
        "BRK ✓",
        "MD ✓ 0.2s",
        *(["11.4ms"] if width > 80 else []),
        "ORD 10",
        "09:30:07",
    ):
        assert word in line
    assert line.index("PAPER") < line.index("ARMED") < line.index("ALM") < line.index("DAY")


@given(st.integers(1, 260))
@settings(max_examples=100, deadline=None)
def test_the_status_line_never_overflows(width: int) -> None:
    shot = snapshot(account="U" * 20, day_pnl=D("-123456789.99"), feed="replay:gc_l5", feed_progress=0.41)
    assert cell_len(text(status.line(shot, 0.1, ZONE, width))) <= width


def hold(
    scope: str = "", *, code: str = "spread", text: str = "No quote: nothing opens", then: str = ""
) -> Hold:
    return Hold(code=code, scope=scope, text=text, then=then)


def words(shot: Snapshot, age: float = 0.1) -> str:
    return text(status.conditions(shot, age))


def test_what_keeps_orders_back_and_whether_this_desk_sends_any_are_two_words() -> None:
    down = health(broker="down")
    for shot, said in (
        (snapshot(), ""),
        (snapshot(paused=(hold(),)), " PAUSED "),
        (snapshot(paused=(hold("GCM3"),)), " LIMITED "),
        (snapshot(trading=False), " NOT READY "),
        (snapshot(trading=False, health=down), " DISCONNECTED "),
        (snapshot(halted=True), " HALTED "),
    ):
        assert words(shot) == said
        for sends, stance in ((True, " ARMED "), (False, " SAFE ")):
            for width in (40, 60, 80, 120, 200):
                assert text(status.line(shot, 0.1, ZONE, width, sends)).startswith(f" PAPER {said}{stance}")
    everything = snapshot(trading=False, paused=(hold(),), halted=True, health=down)
    assert words(everything) == " HALTED  DISCONNECTED  PAUSED ", "the gravest first"
    assert text(status.line(everything, 0.1, ZONE, 40, True)).startswith(" PAPER  HALTED  ARMED ")
    recorded = text(status.line(snapshot(recorded=True), 0.0, ZONE, 80))
    assert " RECORDED " in recorded and " SAFE " not in recorded, "there is nothing to arm"


def test_the_reasons_stand_behind_their_words() -> None:
    assert status.why(snapshot()) == ()
    both = (hold(text="a", code="x"), hold(text="b", code="y"))
    said = text(status.why(snapshot(halted=True, halt_reason="operator", paused=both)))
    assert "operator" in said and " PAUSED  2 reasons: a · b" in said


def test_a_pause_of_one_instrument_is_not_called_a_pause_of_all() -> None:
    one = snapshot(paused=(hold("GCM3", code="nameless"),))
    assert words(one) == " LIMITED "
    assert text(status.why(one)) == " LIMITED  No quote: nothing opens"
    for paused in ((hold(),), (hold("GCM3"), hold()), (hold("GCM3"), hold("ESM3"), hold())):
        assert words(snapshot(paused=paused)) == " PAUSED "


def test_a_halted_instrument_is_said_with_its_reason_and_remedy() -> None:
    told = hold("ESM3", code="manual_trade", text="ESM3 is halted: somebody else traded it")
    one = snapshot(paused=(told,))
    assert words(one) == " LIMITED "
    said = text(status.why(one))
    assert said == " LIMITED  ESM3 is halted: somebody else traded it ▸ F4: d keeps it, F8 closes it"
    assert cell_len(said) <= 80, "with what to do on the smallest screen"
    everything = snapshot(paused=(told,), halted=True, halt_reason="operator")
    assert words(everything) == " HALTED "
    assert text(status.why(everything)).strip() == "HALTED  operator: no order leaves until :reset halt"


def test_one_reason_of_many_instruments_is_said_once() -> None:
    def quiet(symbol: str) -> Hold:
        then = f"nothing opens in {symbol} until quotes come back"
        return hold(symbol, code="stale_data", text=f"No quote for {symbol} for more than 5 s", then=then)

    few = snapshot(paused=tuple(map(quiet, ("CL", "ES", "NQ"))))
    wrong, do = "No quote for CL, ES, NQ for more than 5 s", "▸ F6: look at the feed"
    assert text(status.why(few)) == f" LIMITED  {wrong}: nothing opens in them until quotes come back {do}"
    assert text(status.why(few, width=80)) == f" LIMITED  {wrong} {do}", (
        "what to do has room on a small screen"
    )
    many = snapshot(paused=tuple(map(quiet, "ABCDEFG")))
    assert "No quote for A, B, C, D and 3 more for more" in text(status.why(many))
    other = hold("ES", code="manual_trade", text="ES is halted: somebody else traded it")
    both = text(status.why(snapshot(paused=(other, *few.paused))))
    assert (
        both.startswith(" LIMITED  2 reasons: ES is halted: somebody else traded it ▸ F4") and wrong in both
    )
    two = (other, hold("NQ", code="manual_trade", text="NQ is halted: somebody else traded it"))
    assert " ES, NQ are halted: somebody else" in text(status.why(snapshot(paused=two)))


def test_an_old_snapshot_shows_its_age_instead_of_the_loop() -> None:
    line = text(status.line(snapshot(), 3.2, ZONE, 120))
    assert "ENG ✕ 3.2s" in line and "11.4ms" not in line


def test_with_an_old_snapshot_nobody_knows_whether_an_order_would_leave() -> None:
    assert text(status.line(snapshot(), 0.5, ZONE, 120, True)).startswith(" PAPER  ARMED ")
    assert text(status.line(snapshot(), 3.0, ZONE, 120, True)).startswith(" PAPER  STALE  ARMED ")
    halted = text(status.line(snapshot(halted=True, halt_reason="x"), 3.0, ZONE, 120, True))
    assert halted.startswith(" PAPER  STALE  HALTED  ARMED "), "it was halted when last heard"


def test_links_that_are_down_say_so() -> None:
    line = text(
        status.line(snapshot(health=health(broker="down", data="warn", data_age=7.0)), 0.1, ZONE, 120)
    )
    assert "BRK ✕ DOWN" in line and "MD △ 7.0s" in line
    assert "✕ broker DOWN" in text(healthview.line(snapshot(health=health(broker="down"))))


def test_replay_progress_is_shown() -> None:
    shot = snapshot(mode="REPLAY", feed="replay:gc", feed_progress=0.41)
    assert "replay:gc 41%" in text(status.line(shot, 0.1, ZONE, 170))


def test_kill_scope_names_the_account_and_counts_what_is_not_known() -> None:
    said = killview.scope_all(snapshot())
    assert said.startswith("PAPER account PAPER-1: 5 positions, 10 working orders")
    assert "ZNM3 +1 (broker's view not known)" in said and "GCM3 −2" in said
    assert "no picture" in killview.scope_all(None)
    assert "ESM3 +3" in killview.scope_symbol(snapshot(), "ESM3")
    assert "no position known" in killview.scope_symbol(snapshot(), "XYZ")
    assert killview.scope_symbol(None, "ESM3") == "ESM3"
    flat = snapshot(positions=(positions()[5],), orders=())
    assert "1 position, 0 working orders" in killview.scope_all(flat)


def test_kill_scope_counts_what_is_held_alone() -> None:
    flat = position("NQM3", 0)
    unread = position("ZNM3", 0, broker=None, diff=None)
    late = position("GCM3", 1, broker=D(0), diff=None, state="in flight")
    closed = position("CLM3", 0, broker=D(1), diff=None, state="in flight")
    held = (position("ESM3", -2), flat, late, closed, unread)
    said = killview.scope_all(snapshot(positions=held, orders=()))
    assert "2 positions, 0 working orders: ESM3 −2, GCM3 +1 (the broker's view is older" in said
    assert "NQM3" not in said and "CLM3" not in said
    assert said.endswith("the broker's view of 1 more is not known")


def test_kill_steps_and_verdicts() -> None:
    lines = killview.lines(killing(), 4, 118, ZONE)
    assert [text(line)[:6] for line in lines[:-1]] == [" · 4. ", " · 5. ", " ▸ 6. "]
    assert "RUNNING" in text(lines[-1])
    assert len(killview.lines(killing(), 1, 118, ZONE)) == 1


@pytest.mark.parametrize(
    ("verdict", "sign", "meaning"),
    [
        ("flat, confirmed twice by the broker at 2026-11-21 03:29:20Z", "✓", "armed"),
        ("halted, no orders working, confirmed by the broker at 2026-11-21 03:29:17Z", "✓", "armed"),
        ("reduced to target, confirmed twice by the broker at 2026-11-21 03:29:17Z", "✓", "armed"),
        ("NOT FLAT: ESM3 +1", "✕", "halted"),
        ("flatten was given up", "✕", "halted"),
        ("halted, and 2 orders are still working", "✕", "halted"),
    ],
)
def test_only_what_was_asked_for_is_a_good_end(verdict: str, sign: str, meaning: str) -> None:
    cell = killview.verdict_cell(killing(running=False, verdict=verdict))
    assert (cell.text, cell.meaning) == (f" {sign} {verdict} ", meaning)


@pytest.mark.parametrize("width", [70, 78, 118])
def test_the_verdict_stands_whole_and_narrow_lines_have_no_date(width: int) -> None:
    verdict = "halted, no orders working, confirmed by the broker at 2026-11-21 03:29:17Z; positions kept"
    steps = ("2026-11-21 03:29:16Z cancel trend-1", f"2026-11-21 03:29:17Z {verdict}")
    view = KillView(running=False, scope="everything", steps=steps, verdict=verdict)
    lines = killview.lines(view, 4, width, ZONE)
    assert all(len(text(line)) <= width for line in lines)
    shown = " ".join(" ".join(text(line).split()) for line in lines)
    assert ("2026-11-20" in shown) == (width >= killview.WITH_DATE), "the exchange's date and clock"
    assert shown.endswith("21:29:17; positions kept") and "Z" not in shown
    assert shown.count("no orders working") == 1, "the verdict is no step as well"
    assert "1. " in shown and "21:29:16 cancel trend-1" in shown


def test_every_moment_on_the_screen_is_by_the_exchanges_clock() -> None:
    said = "flat at 2026-07-21 03:29:17Z, asked at 2026-01-21 03:29:18Z"
    assert formats.local(said, ZONE) == "flat at 2026-07-20 22:29:17, asked at 2026-01-20 21:29:18"
    assert formats.local(said, ZONE, dated=False) == "flat at 22:29:17, asked at 21:29:18"
    assert formats.local("12:30:07Z, ES 2026-13-01x", ZONE) == "12:30:07Z, ES 2026-13-01x", "no moment of it"
    told = alert(1, "critical", said, symbol="")
    shot = snapshot(alerts=(told,), halted=True, halt_reason=said)
    for shown in (
        text(alerts.alarm_lines(shot, ZONE)[0]),
        " ".join(cell.text for cell in alerts.row(told, ZONE, 0).cells),
        logview.said(LogLine(n=1, ts="", level="info", component="", event=said), ZONE),
    ):
        assert "22:29:17" in shown and "03:29" not in shown


def test_a_verdict_longer_than_its_place_is_cut_at_its_end() -> None:
    view = killing(running=False, verdict="NOT FLAT: " + "ESM3 +1 " * 60)
    assert len(killview.lines(view, 4, 78, ZONE)) == 4
    assert text(killview.lines(view, 4, 78, ZONE)[0]).startswith(" · 6. ")


def test_a_screen_that_does_not_command_says_so_before_everything_else() -> None:
    looking = text(status.why(snapshot(halted=True, halt_reason="operator"), "view"))
    assert (
        looking.startswith(" LOOKING ON ") and ":take control" in looking and " HALTED  operator" in looking
    )
    assert "not even a kill" in text(status.why(snapshot(), "read-only"))
    assert status.why(snapshot(), "control") == ()


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


def test_several_reasons_on_a_small_screen_leave_what_to_do_to_their_screens() -> None:
    halted = hold(
        "ES", code="manual_trade", text="ES is halted: somebody else traded it", then="nothing opens"
    )
    paused = hold("NQ", code="max_position", text="NQ could reach a position of 8 lots", then="nothing opens")
    said = text(status.why(snapshot(paused=(halted, paused)), width=80))
    assert said == (
        " LIMITED  2 reasons: ES is halted: somebody else traded it · NQ could reach a position of 8 lots"
    )


@pytest.mark.parametrize("code", [*CONTROLS, *sorted(set(HALTS) - ACCOUNT_ONLY)])
def test_whatever_holds_orders_back_says_what_to_do(code: str) -> None:
    doing = status.what_to_do(hold("ES", code=code))
    assert doing and cell_len(doing) <= 32
    assert f"▸ {doing}" in text(status.why(snapshot(paused=(hold("ES", code=code),))))


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


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_shadow_is_never_taken_for_live(width: int) -> None:
    head, *_ = status.line(snapshot(mode="SHADOW"), 0.1, ZONE, width, True)
    live, *_ = status.line(snapshot(mode="LIVE"), 0.1, ZONE, width, True)
    assert (head.text.strip(), live.text.strip()) == ("SHADOW", "LIVE")
    assert head.meaning == "mode-replay" != live.meaning, "its colour is that of what trades nothing"
