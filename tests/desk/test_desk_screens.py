"""The screens one by one: what each shows of a snapshot, and what its keys ask of the engine."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from deskpilot import Desk, drive, painted, press, ripen, text_of
from fakelink import FakeLink, change, position, positions, risk, snapshot, strategies

from app.desk.app import DeskApp
from app.desk.entry.form import Form
from app.desk.grid import HOLD
from app.desk.screens import SCREENS, entry
from app.desk.sheet import Sheet
from app.desk.view import breakdown, health
from engine.control.commands import Adopt, Cancel, Kill, Pause, ReloadStrategy, Reset, Resume
from engine.control.snapshot import PositionRow

D = Decimal
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", [screen.name for screen in SCREENS])
def test_a_registered_screen_is_there(name: str) -> None:
    sheet = entry(name).load()
    assert issubclass(sheet, Sheet) and sheet is not Sheet
    assert entry(name).help and entry(name).label


def test_the_desk_loads_nothing_that_it_does_not_need() -> None:
    """Half of the start of a screen was the configuration's models, of which it shows nothing."""
    code = "import sys, app.desk.app; print(*{'pydantic', 'engine.config', 'sqlite3'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == []


def test_only_the_screen_that_is_shown_is_handed_snapshots() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        first = app.desk.sheet
        looked: list[str] = []
        first.look = lambda *_: looked.append("desk")  # type: ignore[method-assign]
        await press(pilot, "f3")
        second = app.desk.sheet
        assert second is not first and not first.display and second.display
        link.snapshot = snapshot(seq=2, orders=())
        await painted(pilot)
        assert looked == [] and app.desk.pane("orders").rows == []
        await press(pilot, "f2")
        assert app.desk.sheet is first and looked, "it sees the newest one as soon as it is shown"

    drive(test)


def test_a_screen_comes_back_as_it_was_left() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "v", "down", "f4", "f3")
        assert app.desk.pane("orders").which == "working"  # type: ignore[attr-defined]
        assert app.desk.pane("orders").cursor == 1

    drive(test)


def test_a_screen_chosen_while_the_picture_is_old_does_not_look_alive() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        link.stale = 2.0
        await painted(pilot)
        await press(pilot, "f5")
        assert app.desk.pane("risk").faded

    drive(test)


def test_keys_typed_ahead_are_for_the_screen_that_they_follow() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "9", "down", "t")
        await ripen(pilot)
        await press(pilot, "y")
        assert link.sent == [Resume(strategy="maker")], "the screen was not even made before"

    drive(test)


@pytest.mark.parametrize("key", [screen.keys[0] for screen in SCREENS])
def test_the_kill_works_from_every_screen(key: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, key, "f12")
        assert [type(command) for command in link.sent] == [Kill]

    drive(test)


# Orders


def test_v_goes_through_the_kinds_of_orders() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        seen = []
        for key in ("f3", "v", "v", "v", "v"):
            await press(pilot, key)
            seen.append((app.desk.pane("orders").which, len(app.desk.pane("orders").rows)))  # type: ignore[attr-defined]
        assert seen == [("all", 14), ("working", 10), ("filled", 3), ("rejected", 1), ("all", 14)]
        assert "[all 14]" in text_of(app)

    drive(test)


# Positions


def test_the_shares_of_the_selected_position_are_shown() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f4", "down", "down", "down")
        rows = [[cell.text for cell in row.cells[:5]] for row in app.desk.pane("breakdown").rows]
        assert rows == [["ESM3", "maker", "+1", "+1", "0"], ["ESM3", "trend", "+2", "+2", "0"]]

    drive(test)


def test_what_no_strategy_holds_is_said() -> None:
    shot = snapshot(positions=(position("ESM3", 3, by_strategy={"trend": D(1)}),))
    rows = [[cell.text for cell in row.cells[:5]] for row in breakdown.table(shot).rows]
    assert rows == [
        ["ESM3", "maker", "+1", "0", "+1"],
        ["ESM3", "trend", "+2", "+1", "+1"],
        ["ESM3", breakdown.NOBODY, "-", "+2", "-"],
    ]
    assert breakdown.table(shot, strategy="trend").rows[0].cells[1].text == "trend"


def test_a_difference_is_adopted_from_the_row_with_the_typed_word() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f4", "down", "d")
        assert "adopt GCM3" in text_of(app)
        await ripen(pilot)
        await press(pilot, "d", "y", "enter", *"ADOPT", "enter")
        assert link.sent == [Adopt(symbol="GCM3")]

    drive(test)


def test_the_cursor_goes_with_what_is_wrong_until_a_row_is_chosen() -> None:
    """An alarm says "F4: d adopts": the key must be about what went wrong, not what stood first."""
    calm = (position("CLM3", 1), position("ESM3", 1), position("NQM3", 1))
    drifting = (*calm[:2], position("NQM3", 1, broker=D(2), diff=D(1), state="drift"))

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        async def shown(rows: tuple[PositionRow, ...], at: float) -> str:
            app.now = lambda: at
            link.snapshot = snapshot(positions=rows)
            await painted(pilot)
            row = app.desk.pane("positions").selected
            return row.key if row is not None else ""

        await press(pilot, "f4")
        assert await shown(calm, 100.0) == "CLM3"
        assert await shown(drifting, 100.0 + HOLD + 1) == "NQM3"
        assert await shown(calm, 100.0 + 2 * HOLD + 2) == "CLM3"
        await press(pilot, "down")
        assert await shown(drifting, 100.0 + 4 * HOLD) == "ESM3", "a row that was chosen stays so"

    drive(test, link=FakeLink(snapshot(positions=calm)))


def test_the_halt_of_an_instrument_is_reset_from_the_row() -> None:
    halted = tuple(change(row, state="halted: drift") if row.symbol == "GCM3" else row for row in positions())

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f4", "down", "R")
        await ripen(pilot)
        await press(pilot, *"RESET", "enter")
        assert link.sent == [Reset(scope="instrument", target="GCM3")]

    drive(test, link=FakeLink(snapshot(positions=halted)))


def test_without_a_selected_row_nothing_is_asked() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f4", "d")
        assert "select one first" in text_of(app) and link.sent == [] and len(app.screen_stack) == 1

    drive(test, link=FakeLink(snapshot(positions=())))


# Risk


def test_a_control_is_reset_from_its_row_and_there_alone() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f5", "R")
        await ripen(pilot)
        await press(pilot, *"RESET", "enter")
        assert link.sent == [Reset(scope="control", target="spread:GCM3")]

    drive(test)


def test_the_days_loss_is_reset_as_the_days_loss() -> None:
    tripped = tuple(row for row in risk() if row.control == "daily_loss")

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f5", "R")
        await ripen(pilot)
        await press(pilot, *"RESET", "enter")
        assert link.sent == [Reset(scope="day_loss")]

    drive(test, link=FakeLink(snapshot(risk=tripped)))


# Health


def test_a_histogram_has_a_bar_wherever_one_duration_was() -> None:
    assert health.histogram((0, 1, 1000, 0, 1)) == " ▁█ ▁"
    assert health.histogram((0, 0)) == health.histogram(()) == ""
    assert health.histogram((5,)) == "▇"


def test_health_tells_of_reconnects_rates_and_memory() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f6")
        await painted(pilot)
        text = text_of(app)
        for said in (
            "never lost",
            "10,412 rows",
            "66 MB, up 2h02",
            "rejected by venue",
            "1.2 %",
            "duplicates",
            "▁▁▃█▃",
        ):
            assert said in text, said

    drive(test)


# Strategies


def test_t_pauses_at_once_and_resumes_after_a_y() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "9", "t")
        assert "runaway is failed" in text_of(app) and link.sent == []
        await press(pilot, "end", "t")
        assert link.sent == [Pause(strategy="trend")]
        shares = [row.symbol for row in app.desk.pane("breakdown").rows]
        assert shares == ["ESM3", "NQM3", "GCM3", "ZNM3"], "what the selected one holds or intends"

    drive(test, link=FakeLink(snapshot(strategies=strategies())))


def test_u_loads_a_strategy_again_after_a_y() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "9", "end", "u")
        assert link.sent == []
        await ripen(pilot)
        await press(pilot, "y")
        assert link.sent == [ReloadStrategy(strategy="trend")]

    drive(test, link=FakeLink(snapshot(strategies=strategies())))


UPGRADED = """
import asyncio, sys
from importlib.abc import MetaPathFinder
sys.path[:0] = {paths!r}
from fakelink import FakeLink, snapshot
from fakeanswers import everything
import app.desk.app
from app.desk.app import DeskApp
app.desk.app.LOAD_EVERY = LOAD_EVERY = 0.01
from app.desk.options import DeskOptions
from app.desk.screens import SCREENS

class Replaced(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("app.", "engine.")):
            raise ImportError(f"{{name}} is of another version now")

async def main():
    link = FakeLink(snapshot())
    link.replies = everything()
    app = DeskApp(link, DeskOptions(frame_rate=20))
    async with app.run_test(size=(120, 40)) as pilot:
        while app.desk._sheet_classes.keys() < {{s.name for s in SCREENS}}:
            await pilot.pause(LOAD_EVERY)
        sys.meta_path.insert(0, Replaced())
        for screen in SCREENS:
            if not screen.modes:
                await pilot.press(screen.keys[0])
                await pilot.pause()
                assert app.desk.sheet.id == screen.name, screen
        await pilot.press("f1", "escape", "f9", "escape", "ctrl+p", "escape", "f12")
        app.finish("quit-screen", "seen")
    print("all there")

asyncio.run(main())
"""


def test_a_desk_whose_program_is_replaced_has_all_its_screens(tmp_path: Path) -> None:
    here = Path(__file__).parent
    script = tmp_path / "desk.py"
    script.write_text(UPGRADED.format(paths=[str(here), str(here.parents[1])]), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout.strip() == "all there", ran.stderr[-2000:]


@pytest.mark.parametrize(("key", "what"), [("m", "m modifies"), ("x", "x cancels")])
def test_an_order_is_changed_from_the_desk_once_it_is_seen_to_be_selected(key: str, what: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, key)
        assert f"{what} the order under the cursor: press it again" in text_of(app)
        assert link.sent == [] and len(app.screen_stack) == 1
        await press(pilot, "down", key)
        if key == "x":
            assert link.sent == [Cancel(order_id="trend-7f3a-0002")]
        else:
            assert isinstance(app.screen, Form) and "trend-7f3a-0002" in text_of(app)
            assert "press it again" not in text_of(app), "a hint does not stand under a form"

    drive(test)


def test_a_hint_about_a_screen_goes_with_it() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f5", "m")
        assert "m modifies the selected order: select it on Desk (F2) or Orders (F3)" in text_of(app)
        await press(pilot, "f3")
        assert "m modifies" not in text_of(app)
        await press(pilot, "A", "f2")
        assert "acknowledge all alarms" in text_of(app), "an answer stays"

    drive(test)
