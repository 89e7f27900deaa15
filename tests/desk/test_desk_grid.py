"""The table paints what changed and nothing else, keeps its order under the cursor, and cuts no number."""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from app.desk import themes
from app.desk.grid import HOLD, Grid
from app.desk.view.cells import Cell, Column, Row, Table

COLUMNS = (
    Column("State", 8),
    Column("Value", 8, number=True),
    *(Column(f"c{number}", 6, number=True) for number in range(10)),
    Column("Note", 6, stretch=True),
)


def row(key: int, value: str = "0", note: str = "") -> Row:
    filler = tuple(Cell(f"{key * 7 + place}") for place in range(10))
    return Row(f"r{key}", (Cell("▶ OK"), Cell(value, "pnl-up"), *filler, Cell(note)))


def table(rows: list[Row], title: str = "T") -> Table:
    return Table(title, COLUMNS, tuple(rows), "nothing here")


class GridApp(App[None]):
    """One grid, and a count of what would go to the terminal."""

    CSS = "Grid { width: 1fr; height: 1fr; overflow-y: scroll; overflow-x: hidden; }"

    def __init__(self) -> None:
        self._desk_theme = themes.load(themes.DEFAULT).to_textual()
        super().__init__()
        self.register_theme(self._desk_theme)
        self.theme = self._desk_theme.name
        self.animation_level = "none"
        self.bytes_out = 0
        self.counting = False

    def compose(self) -> ComposeResult:
        yield Grid(id="grid")

    @property
    def grid(self) -> Grid:
        return self.query_one(Grid)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if self.counting and hasattr(renderable, "render_segments"):
            self.bytes_out += len(renderable.render_segments(self.console).encode())
        super()._display(screen, renderable)


def run(
    test: Callable[[GridApp, Grid, Pilot[None]], Awaitable[None]], size: tuple[int, int] = (100, 20)
) -> None:
    async def go() -> None:
        app = GridApp()
        async with app.run_test(size=size) as pilot:
            await test(app, app.grid, pilot)

    asyncio.run(go())


def shown(app: GridApp) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


def test_one_changed_cell_paints_one_row() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        rows = [row(key) for key in range(200)]
        grid.show(table(rows))
        await pilot.pause()
        before = grid.painted_rows
        assert before == 19, "only what is visible is painted"
        rows[5] = row(5, "42")
        grid.show(table(rows))
        await pilot.pause()
        assert grid.painted_rows == before + 1
        assert "42" in shown(app)[6]
        rows[150] = row(150, "43")
        grid.show(table(rows))
        await pilot.pause()
        assert grid.painted_rows == before + 1, "what cannot be seen is not painted"
        grid.show(table(list(rows)))
        await pilot.pause()
        assert grid.painted_rows == before + 1, "nothing changed, nothing painted"

    run(test)


def test_the_dirty_region_ends_with_the_last_changed_cell() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        rows = [row(key) for key in range(10)]
        grid.show(table(rows))
        await pilot.pause()
        app.counting = True
        rows[3] = row(3, "42")
        grid.show(table(rows))
        await pilot.pause()
        left, app.bytes_out = app.bytes_out, 0
        rows[3] = row(3, "42", "x")
        grid.show(table(rows))
        await pilot.pause()
        right = app.bytes_out
        print(f"bytes for one cell: {left} on the left, {right} on the right")
        assert 0 < left < right

    run(test)


def test_order_stands_still_under_the_cursor_and_the_cursor_follows_its_row() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        grid.show(table([row(key) for key in (1, 2, 3)]))
        grid.focus()
        await pilot.pause()
        await pilot.press("down")
        grid.show(table([row(key) for key in (4, 3, 2, 1)]))
        assert [line.key for line in grid.rows] == ["r1", "r2", "r3", "r4"]
        assert grid.selected is not None and grid.selected.key == "r2"
        app.set_focus(None)
        await pilot.pause()
        assert [line.key for line in grid.rows] == ["r4", "r3", "r2", "r1"]
        assert grid.selected is not None and grid.selected.key == "r2"

    run(test)


def test_the_order_is_not_held_for_ever() -> None:
    moment = [0.0]

    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        app.now = lambda: moment[0]  # type: ignore[attr-defined]
        old = [row(key) for key in range(60)]
        grid.show(table(old))
        grid.focus()
        await pilot.pause()
        await pilot.press("down", "down")
        moment[0] = HOLD - 1
        fresh = [row(key) for key in range(100, 140)]
        grid.show(table([*fresh, *old]))
        assert grid.rows[0].key == "r0" and grid.selected is not None
        moment[0] = HOLD + 1
        grid.show(table([*fresh[:1], *old]))
        assert grid.rows[0].key == "r100", "what is new is seen again"
        assert grid.selected is not None and grid.selected.key == "r2", "in sight, so still selected"
        grid.show(table([*fresh, *old]))
        assert grid.rows[0].key == "r100"
        assert grid.selected is None, "no key acts on a row that has left the view"
        await pilot.press("down")
        assert grid.selected is not None and grid.selected.key == "r101"

    run(test)


def test_a_row_that_goes_takes_the_selection_with_it() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        grid.show(table([row(key) for key in (1, 2, 3)]))
        grid.focus()
        await pilot.press("down")
        grid.show(table([row(key) for key in (1, 3)]))
        assert grid.selected is None
        grid.show(table([]))
        assert grid.selected is None
        await pilot.pause()
        assert "nothing here" in shown(app)[1]
        await pilot.press("down", "enter")
        grid.show(table([row(1)]))
        assert grid.selected is None

    run(test)


def test_scrolling_by_keys_reaches_both_ends() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        grid.show(table([row(key, str(key)) for key in range(500)]))
        grid.focus()
        await pilot.pause()
        for key, selected in (
            ("G", 499),
            ("pageup", 481),
            ("k", 480),
            ("home", 0),
            ("pagedown", 18),
            ("j", 19),
        ):
            await pilot.press(key)
            assert grid.selected is not None and grid.selected.key == f"r{selected}", key
        await pilot.press("end")
        await pilot.pause()
        assert "499" in shown(app)[-1]
        assert shown(app)[0].startswith("State"), "titles do not scroll"

    run(test)


def test_a_number_that_does_not_fit_is_not_shown() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        grid.show(table([row(1, "−1,125,000.00")]))
        await pilot.pause()
        assert shown(app)[1].strip() == "▶ OK"

    run(test, size=(9, 20))


def test_a_column_grows_to_its_numbers_and_never_shrinks_under_the_eye() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        rows = [row(key, str(key)) for key in range(40)]
        rows[30] = row(30, "−1,125,000,000.00")
        grid.show(table(rows))
        await pilot.pause()
        narrow = shown(app)[0].index("c0")
        rows[2] = row(2, "−1,125,000.00")
        grid.show(table(rows))
        await pilot.pause()
        grown = shown(app)[0].index("c0")
        assert "−1,125,000.00" in shown(app)[3] and grown > narrow
        rows[2] = row(2, "5")
        grid.show(table(rows))
        await pilot.pause()
        assert shown(app)[0].index("c0") == grown
        grid.focus()
        await pilot.press("end")
        await pilot.pause()
        assert any("−1,125,000,000.00" in line for line in shown(app)), "also what is scrolled to"

    run(test)


def test_a_click_selects_and_does_no_more() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        grid.show(table([row(key) for key in range(5)]))
        await pilot.pause()
        await pilot.click(Grid, offset=(3, 3))
        assert grid.selected is not None and grid.selected.key == "r2"
        await pilot.click(Grid, offset=(3, 0))
        assert grid.selected is not None and grid.selected.key == "r2", "the titles are no row"

    run(test)


def test_a_resize_lays_the_columns_out_anew() -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        grid.show(table([row(1, "7")]))
        await pilot.pause()
        await pilot.resize_terminal(160, 10)
        await pilot.pause()
        assert len(shown(app)[1]) == 160 and "Note" in shown(app)[0]

    run(test)


def test_what_a_frame_costs() -> None:
    """Measures; what is asserted is only that the table did not paint more than it had to."""

    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        rows = [row(key) for key in range(5000)]
        grid.show(table(rows))
        await pilot.pause()
        app.counting = True
        before = grid.painted_rows
        frames = 20
        started = time.thread_time()
        for frame in range(1, frames + 1):
            for number in range(50):
                place = (frame * 97 + number * 101) % 5000 if number >= 25 else number
                rows[place] = row(place, f"{frame}.{number}")
            grid.show(table(rows))
            await pilot.pause()
        spent = (time.thread_time() - started) / frames
        print(f"5,000 rows, 50 cells a frame: {spent * 1000:.1f} ms CPU, {app.bytes_out / frames:.0f} bytes")
        assert grid.painted_rows - before <= frames * 50
        await pilot.pause()

    run(test, size=(200, 50))


def test_no_pane_is_a_data_table() -> None:
    folder = Path(str(resources.files("app") / "desk"))
    for path in folder.rglob("*.py"):
        names = [
            alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ]
        assert not any("DataTable" in name or "data_table" in name for name in names), path
