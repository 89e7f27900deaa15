"""What the desk shows: panes at every size, what is stale, help, themes, the bell, what a frame leaves."""

from __future__ import annotations

import gc
from decimal import Decimal

import pytest
from deskpilot import Desk, drive, painted, press, text_of
from fakelink import FakeLink, alert, change, halted_snapshot, orders, snapshot
from textual.strip import Strip

from app.desk import themes
from app.desk.app import DeskApp
from app.desk.dialogs import DetailPage
from app.desk.help import HelpPage
from app.desk.panes.kill import KillPanel
from app.desk.panes.lines import AlarmLine, Banner, StatusLine
from engine.control.commands import Kill


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (180, 50)])
def test_every_pane_can_be_reached_at_every_size(size: tuple[int, int]) -> None:
    panes = {
        "f3": "orders",
        "3": "positions",
        "f5": "risk",
        "5": "latency",
        "f7": "alerts",
        "9": "strategies",
    }

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        for key, pane in panes.items():
            await press(pilot, key)
            await painted(pilot)
            grid = app.desk.pane(pane)
            assert grid.has_focus and grid.display and grid.size.height >= 3 and grid.size.width >= 40
            assert grid.rows[0].cells[0].text in text_of(app)
        await press(pilot, "f2")
        assert app.focused is app.desk.sheet, "no row is selected"

    drive(test, size=size)


def test_a_resize_across_breakpoints_repaints_everything() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        for size in ((80, 24), (180, 50), (120, 40)):
            await pilot.resize_terminal(*size)
            await painted(pilot)
            text = text_of(app)
            assert {len(line) for line in text.splitlines()} == {size[0]}
            assert "≠ DRIFT" in text and "▶ WORKING" in text

    drive(test, size=(120, 40))


def test_a_stale_picture_never_looks_live() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        banner = app.desk.query_one(Banner)
        assert not banner.display
        link.stale = 1.34
        await painted(pilot)
        assert "STALE 1.3 s" in banner.plain and banner.display
        assert app.desk.pane("orders").faded and app.desk.query_one(StatusLine).faded
        link.stale = 0.1
        await painted(pilot)
        assert not banner.display and not app.desk.pane("orders").faded
        link.living = False
        await painted(pilot)
        assert "ENGINE GONE" in text_of(app)

    drive(test)


def test_before_the_first_picture() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        assert "waiting for the engine" in text_of(app)
        await press(pilot, "f8", "a", "f12")
        assert [type(command) for command in link.sent] == [Kill], "the kill needs no picture"
        link.snapshot = snapshot()
        await painted(pilot)
        assert "waiting for the engine" not in text_of(app)

    drive(test, link=FakeLink(None))


def test_a_pause_of_painting_hides_no_alarm() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "p")
        assert "FROZEN: the panes stand still" in text_of(app)
        link.snapshot = change(
            halted_snapshot(), orders=(), alerts=(alert(40, "critical", "loss limit"), *snapshot().alerts)
        )
        await painted(pilot)
        assert len(app.desk.pane("orders").rows) == 14, "the panes stand still"
        assert "loss limit" in app.desk.query_one(AlarmLine).plain
        assert "HALTED" in app.desk.query_one(StatusLine).plain
        assert app.desk.query_one(KillPanel).display
        await press(pilot, "p")
        await painted(pilot)
        assert app.desk.pane("orders").rows == []

    drive(test)


def test_text_from_outside_is_text() -> None:
    evil = "[@click=app.kill]boo[/] \x1b[31m[bold]"
    rows = (change(orders()[4], reason=evil, symbol="[b]ES"), *orders()[:3])

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        text = text_of(app)
        assert "[b]ES" in text and "[@click=app" in text
        assert "[@click=app.kill]boo[/] ·[31m[bold]" in text, "in the alarm line, whole"
        await press(pilot, "f3", "enter")
        assert "[@click=app.kill]boo[/]" in text_of(app)

    shot = snapshot(orders=rows, alerts=(alert(1, "critical", evil),))
    drive(test, link=FakeLink(shot))


def test_help_has_every_key_and_detail_cuts_nothing() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "question_mark")
        assert isinstance(app.screen, HelpPage) and "F12, Ctrl+\\" in text_of(app)
        await press(pilot, "x", "escape")
        await press(pilot, "9", "enter")
        assert isinstance(app.screen, DetailPage)
        assert "no answer for 2.0 s (while True), process ended" in text_of(app)
        await press(pilot, "escape")
        assert len(app.screen_stack) == 1 and link.sent == []

    drive(test)


def test_the_bell_rings_once_for_new_alarms() -> None:
    rung: list[int] = []

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.bell = lambda: rung.append(1)  # type: ignore[method-assign]
        app._bell_at = float("-inf")
        link.snapshot = snapshot(alerts=(alert(50, "critical", "new"), *snapshot().alerts))
        await painted(pilot)
        assert len(rung) == 1
        link.snapshot = snapshot(alerts=(alert(51, "info", "mere news"), *link.snapshot.alerts))
        await painted(pilot)
        assert len(rung) == 1

    drive(test)


@pytest.mark.parametrize("name", themes.BUILT_IN)
def test_every_theme_paints(name: str) -> None:
    from app.desk.picture import svg

    picture = svg(FakeLink(snapshot()), theme=name, size=(80, 24))
    ground = themes.load(name).colours["background"]
    assert ground.lower() in picture.lower()
    assert themes.load(name).meanings["pnl-down"].lower() in picture.lower()
    assert "http" not in picture.replace("http://www.w3.org/", "")


def test_a_frame_leaves_nothing_for_the_collector() -> None:
    """Textual's strips refer to themselves; the collector that frees them stops the risk loop meanwhile."""

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        shots = [
            snapshot(
                seq=number,
                day_pnl=Decimal(number),
                orders=tuple(change(row, created=row.created - number * 10**9) for row in orders()),
            )
            for number in range(40)
        ]
        for shot in shots[:3]:
            link.snapshot = shot
            await painted(pilot)
        gc.collect()
        for shot in shots[3:]:
            link.snapshot = shot
            app.paint()
            await pilot.pause()
        counted: list[int] = []

        def left(phase: str, info: dict[str, int]) -> None:
            if phase == "stop":
                counted.append(info["collected"])

        before = sum(isinstance(thing, Strip) for thing in gc.get_objects())
        gc.callbacks.append(left)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(left)
        after = sum(isinstance(thing, Strip) for thing in gc.get_objects())
        print(f"{before - after} strips and {counted} objects in all were left to the collector")
        assert before - after < 20

    gc.disable()
    try:
        drive(test)
    finally:
        gc.enable()
