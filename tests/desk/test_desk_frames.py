"""What a frame costs beside its changed lines: nothing is laid out, and few objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from deskpilot import Desk, drive
from fakelink import FakeLink, order, snapshot
from rich.segment import Segment
from test_desk_grid import GridApp, row, run, shown, table
from textual._compositor import Compositor
from textual.cache import FIFOCache
from textual.pilot import Pilot
from textual.strip import Strip

from app.desk import strips
from app.desk.app import DeskApp
from app.desk.grid import Grid


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each time that a whole screen was laid out."""
    found: list[None] = []
    reflow = Compositor.reflow

    def counted(compositor: Compositor, *arguments: object) -> object:
        found.append(None)
        return reflow(compositor, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Compositor, "reflow", counted)
    return found


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_a_table_that_grows_lays_nothing_out_and_paints_no_row_anew(layouts: list[None]) -> None:
    async def test(app: GridApp, grid: Grid, pilot: Pilot[None]) -> None:
        grid.styles.border = ("round", "white")
        grid.hint = (("[", "a key"),)
        grid.show(table([row(key) for key in range(30)]))
        await pilot.pause()
        layouts.clear()
        painted = grid.painted_rows
        grid.show(table([row(key) for key in range(40)], "40 [rows]"))
        await pilot.pause()
        assert not layouts and grid.painted_rows == painted
        assert "40 (rows)" in shown(app)[0] and "[ a key" in shown(app)[-1]
        assert grid.vertical_scrollbar.window_virtual_size == 41
        grid.move_to(39)
        await pilot.pause()
        assert str(39 * 7) in shown(app)[-2]
        grid.show(table([row(key) for key in range(3)]))
        await pilot.pause()
        assert grid.scroll_offset.y == 0 and not layouts

    run(test)


def test_a_frame_in_which_all_orders_move_makes_few_objects(uncollected: None, layouts: list[None]) -> None:
    rows = [order(number) for number in range(200)]
    shots = [snapshot(seq=n + 1, orders=tuple(rows[180 - 15 * n :])) for n in range(8)]

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        made = []
        for shot in shots:
            link.snapshot = shot
            gc.collect(1)
            layouts.clear()
            app.paint()
            await pilot.pause()
            made.append(len(gc.get_objects(generation=0)))
        print(f"{made} objects of which the collector takes note, frame by frame")
        assert sorted(made)[len(made) // 2] < 1_800  # 3,000 before strips were light
        assert not layouts

    drive(test)


def test_a_strip_has_no_cache_before_it_is_used_and_keeps_it_then() -> None:
    strips.install()
    strip = Strip([Segment("abc"), Segment("def")])
    assert not [thing for thing in gc.get_referents(strip) if isinstance(thing, FIFOCache)]
    assert strip.crop(1, 4).text == "bcd" and strip.crop(1, 4) is strip.crop(1, 4)
    assert strip.divide([2, 6]) is strip.divide([2, 6])
    assert len([thing for thing in gc.get_referents(strip) if isinstance(thing, FIFOCache)]) == 2
    strips.install()
    assert strip.crop(1, 4) is strip.crop(1, 4), "a second call changes nothing"
