"""Formats, columns and cells of the desk, without a screen library."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal as D

import pytest
from fakelink import (
    TS,
    change,
    halted_snapshot,
    position,
    strategies,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from viewkit import ZONE

from app.desk.view import alerts, formats, orders
from app.desk.view import health as healthview
from app.desk.view import positions as positionview
from app.desk.view import risk as riskview
from app.desk.view import strategies as strategyview
from app.desk.view.cells import Column, Row, clean, fit, lay, longest
from app.desk.view.meanings import FILLED, MEANINGS
from app.desk.view.rows import stable_order


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
