"""Tables as the operator arranges them: sorting, filter, search, pins, columns, copies."""

from __future__ import annotations

import base64
import stat
from decimal import Decimal
from pathlib import Path

import pytest
from deskpilot import Desk, drive, painted, press, text_of
from fakelink import FakeLink, change, order, orders, snapshot
from hypothesis import given
from hypothesis import strategies as st

from app.desk.app import DeskApp
from app.desk.columns import ColumnsPage
from app.desk.finding import FindLine
from app.desk.grid import LARGE, SETTLE
from app.desk.remembered import FILE, Remembered
from app.desk.view import formats
from app.desk.view import orders as orderview
from app.desk.view.arranging import Arrangement, arrange, choose, find, sort_value
from app.desk.view.cells import Cell, Column, Row, lay
from engine.control.snapshot import OrderRow

COLUMNS = (Column("Name", 4), Column("Size", 6, 1, number=True))


def rows(*pairs: tuple[str, str]) -> list[Row]:
    return [Row(name, (Cell(name), Cell(size))) for name, size in pairs]


def names(found: list[Row]) -> list[str]:
    return [row.key for row in found]


@pytest.mark.parametrize(
    "ascending",
    [
        ("▼−1,204.50", "▼−37.50", "0.00", "▲+112.50", "▲+1,000.00"),
        ("85µs", "1.25ms", "740ms", "3.1s", "12s", "1m05", "3m05", "2h14", "5d"),
        ("0.1 %", "5 %", "80%", "150%"),
        ("6 ticks", "12 ticks"),
        ("−2", "−1", "0", "+0.125", "+3"),
        ("9/s", "12/s"),
        ("10,412", "412,000"),
    ],
)
def test_texts_are_sorted_by_what_they_mean(ascending: tuple[str, ...]) -> None:
    values = [sort_value(text) for text in ascending]
    assert values == sorted(values) and len(set(values)) == len(values)


def test_words_and_clocks_are_no_numbers() -> None:
    assert sort_value("3rd leg")[0] == 1, "a word that begins with a digit"
    assert sort_value("09:30:07")[0] == 1 and sort_value("09:30:07") < sort_value("10:00:00")
    assert sort_value("?") == sort_value("-"), "not known, and last"
    assert sort_value("▶ WORKING") > sort_value("● FILLED")


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=2, max_size=20))
def test_money_is_sorted_exactly(values: list[Decimal]) -> None:
    found = arrange(
        COLUMNS, rows(*((str(at), formats.money(v)) for at, v in enumerate(values))), Arrangement("Size")
    )
    assert [values[int(row.key)] for row in found] == sorted(values)


def test_what_is_not_known_stands_last_either_way() -> None:
    table = rows(("a", "?"), ("b", "2"), ("c", "1"), ("d", "-"))
    assert names(arrange(COLUMNS, table, Arrangement("Size"))) == ["c", "b", "a", "d"]
    assert names(arrange(COLUMNS, table, Arrangement("Size", True))) == ["b", "c", "a", "d"]


def test_filter_pins_and_an_unknown_column() -> None:
    table = rows(("ESM3", "1"), ("NQM3", "2"), ("ESU3", "3"))
    assert names(arrange(COLUMNS, table, Arrangement(wanted="es"))) == ["ESM3", "ESU3"]
    assert names(arrange(COLUMNS, table, Arrangement(wanted="es 3", sort="Size", descending=True))) == [
        "ESU3",
        "ESM3",
    ]
    assert names(arrange(COLUMNS, table, Arrangement(wanted="es", pinned=("NQM3",)))) == [
        "NQM3",
        "ESM3",
        "ESU3",
    ]
    assert names(arrange(COLUMNS, table, Arrangement(sort="gone"))) == ["ESM3", "NQM3", "ESU3"]


def test_search_goes_round() -> None:
    table = rows(("ESM3", "1"), ("NQM3", "2"), ("ESU3", "3"))
    assert find(table, "es", 1, 1) == 2 and find(table, "es", 3, 1) == 0 and find(table, "es", -1, -1) == 2
    assert find(table, "cl", 0, 1) is None and find(table, " ", 0, 1) is None and find([], "x", 0, 1) is None


def test_columns_by_wish() -> None:
    columns = (Column("A", 8), Column("B", 8, 9), Column("C", 8, 1))
    assert [at.column.title for at in lay(columns, 17)] == ["A", "C"]
    wished, hidden = choose(columns, {"B": "always", "C": "never"})
    assert [at.column.title for at in lay(wished, 17, hidden=hidden)] == ["A", "B"]
    assert choose(columns, dict.fromkeys("ABC", "never"))[1] == frozenset(), "never all of them"  # type: ignore[arg-type]


def heading(app: DeskApp) -> str:
    """The line of the column titles."""
    return next(line for line in text_of(app).splitlines() if line.startswith("│State"))


def keys_of(app: DeskApp) -> list[str]:
    grid = app.desk.last_pane
    assert grid is not None
    return [row.key[-2:] for row in grid.rows]


def test_filter_follows_the_letters_and_escape_takes_it_back() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "f", *"xes")
        assert "no row has xes; Esc shows all" in text_of(app)
        await press(pilot, "backspace", "backspace", "backspace", *"esm3")
        await pilot.pause()
        await pilot.pause()
        assert keys_of(app) == ["04", "08", "12"]
        assert isinstance(app.focused, FindLine) and link.sent == [], "letters are no keys of the desk"
        await press(pilot, "enter")
        assert app.focused is app.desk.pane("orders") and "filter esm3: 3 of 14" in text_of(app)
        link.snapshot = snapshot(
            seq=2, orders=tuple(change(row, created=row.created - 10**9) for row in orders())
        )
        await painted(pilot)
        assert keys_of(app) == ["04", "08", "12"], "it holds for the next picture as well"
        await press(pilot, "f", "x", "escape")
        assert keys_of(app) == ["04", "08", "12"], "the line was left: as it was before"
        await press(pilot, "escape")
        assert len(keys_of(app)) == 14

    drive(test)


def test_search_moves_the_cursor_and_n_goes_on() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "slash", *"btc", "enter")
        grid = app.desk.pane("orders")
        assert grid.selected is not None and grid.selected.key.endswith("0003")
        await press(pilot, "n")
        assert grid.selected is not None and grid.selected.key.endswith("0007")
        await press(pilot, "N", "N")
        assert grid.selected is not None and grid.selected.key.endswith("0011"), "around the end"
        await press(pilot, "slash", *"zzz", "enter")
        assert "no row has 'zzz'" in text_of(app)

    drive(test)


@pytest.mark.parametrize("key", ["f12", "ctrl+backslash"])
def test_the_kill_key_works_while_a_filter_is_typed(key: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "f", "e", key)
        assert [type(command).__name__ for command in link.sent] == ["Kill"]

    drive(test)


def test_sorting_by_key_and_by_click() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        grid = app.desk.pane("orders")
        await press(pilot, "f3")
        grid = app.desk.pane("orders")
        await press(pilot, "greater_than_sign", "greater_than_sign", "greater_than_sign")
        assert grid.arrangement.sort == "Left" and "Left▲" in text_of(app).replace(" ▲", "▲")
        left = [row.cells[2].text for row in grid.rows]
        assert left == sorted(left, key=int)
        await press(pilot, "i")
        assert [row.cells[2].text for row in grid.rows] == sorted(left, key=int, reverse=True)
        at = heading(app).index("Symbol")
        for wanted in (("Symbol", False), ("Symbol", True), ("", False)):
            await pilot.click(grid, offset=(at + 1, 1))
            assert (grid.arrangement.sort, grid.arrangement.descending) == wanted
        assert [row.key for row in grid.rows] == [row.id for row in orders()]

    drive(test)


def test_a_large_sorted_table_is_sorted_anew_once_a_second_and_is_never_wrong() -> None:
    clock = [100.0]

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.now = lambda: clock[0]
        await press(pilot, "f3")
        grid = app.desk.pane("orders")
        app.desk.set_focus(app.desk.sheet)
        await pilot.pause()
        grid.sort_by("Left")
        first = [row.key for row in grid.rows]
        many[5] = change(many[5], leaves=Decimal(0))
        gone = many.pop()
        link.snapshot = snapshot(seq=2, orders=(*many, order(7_000)))
        await painted(pilot)
        assert [row.key for row in grid.rows] == [key for key in first if key != gone.id]
        shown = next(row for row in grid.rows if row.key == many[5].id)
        assert shown.cells[2].text == "0", "what a row says is never old, only where it stands"
        clock[0] += SETTLE
        link.snapshot = snapshot(seq=3, orders=(*many, order(7_000)))
        await painted(pilot)
        left = [int(row.cells[2].text) for row in grid.rows]
        assert left == sorted(left) and len(left) == len(many) + 1

    many = [order(number) for number in range(LARGE + 100)]
    drive(test, link=FakeLink(snapshot(orders=tuple(many))))


def test_of_many_orders_only_what_is_seen_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = orderview.row

    def counted(row: OrderRow, zone: str, age: str) -> Row:
        made.append(row.id)
        return real(row, zone, age)

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3")
        monkeypatch.setattr(orderview, "row", counted)
        link.snapshot = snapshot(seq=2, orders=tuple(order(number, "CANCELED") for number in range(5_000)))
        await painted(pilot)
        assert 10 < len(made) < 200 and len(app.desk.pane("orders").rows) == 5_000
        made.clear()
        await press(pilot, "end")
        await painted(pilot)
        assert app.desk.pane("orders").selected is not None
        assert order(4_999).id in made and len(made) < 200

    drive(test)


def test_a_pinned_row_stays_on_top() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "down", "down", "space")
        assert keys_of(app)[:2] == ["03", "01"] and "1 pinned" in text_of(app)
        link.snapshot = snapshot(seq=2, orders=tuple(reversed(orders())))
        await painted(pilot)
        assert keys_of(app)[0] == "03"
        selected = app.desk.pane("orders").selected
        assert selected is not None and selected.key.endswith("03"), "the cursor went with its row"
        await press(pilot, "space")
        assert "pinned" not in text_of(app)

    drive(test)


def test_a_row_is_copied_whole() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        written: list[str] = []
        assert app._driver is not None
        app._driver.write = written.append  # type: ignore[method-assign]
        await press(pilot, "f3", "c")
        (sent,) = [text for text in written if text.startswith("\x1b]52;c;")]
        text = base64.b64decode(sent[7:-1]).decode()
        assert text.split("\t")[0] == "▶ WORKING" and text.split("\t")[-2] == "trend-7f3a-0001"

    drive(test)


def test_columns_are_chosen_and_remembered(tmp_path: Path) -> None:
    async def choose_some(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.remembered = Remembered(tmp_path)
        await press(pilot, "f3", "C")
        assert isinstance(app.screen, ColumnsPage)
        await press(pilot, *["down"] * 10, "enter")  # TIF: always
        await press(pilot, "down", "enter", "enter")  # Strategy: never
        await press(pilot, "escape", "greater_than_sign")
        await painted(pilot)
        head = heading(app)
        assert " TIF " in head and "Strategy" not in head

    async def come_back(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.remembered = Remembered(tmp_path)
        await press(pilot, "f3")
        await painted(pilot)
        head = heading(app)
        assert (
            " TIF " in head and "Strategy" not in head and app.desk.pane("orders").arrangement.sort == "State"
        )

    drive(choose_some, size=(80, 24))
    drive(come_back, size=(80, 24))
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", '{"columns": 7}', "x" * 300_000])
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    known = Remembered(tmp_path)
    assert known.looks.columns == {}
    known.looks.welcomed = True
    known.keep()
    assert Remembered(tmp_path).looks.welcomed


def test_a_memory_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    known = Remembered(tmp_path / "gone")
    known.keep()
    assert not (tmp_path / "gone").exists()
