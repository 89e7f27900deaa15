"""The desk driven by keys: kill from everywhere, questions that no accident answers, panes, banners, ends."""

from __future__ import annotations

import asyncio
import gc
import stat
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deskpilot import Desk, drive, painted, press, press_at, ripen, text_of
from fakelink import FakeLink, alert, change, halted_snapshot, killing, orders, position, snapshot
from textual.strip import Strip
from textual.widgets import Input

from app.desk import themes
from app.desk.app import DeskApp
from app.desk.dialogs import GUARD, Ask, DetailPage, KillAsk
from app.desk.help import HelpPage
from app.desk.options import DeskOptions
from app.desk.panes.kill import KillPanel
from app.desk.panes.lines import AlarmLine, Banner, StatusLine
from app.desk.result import DeskResult
from app.desk.running import run_desk_app
from app.logsink import Renderer
from engine.control.commands import (
    Acknowledge,
    Answer,
    Cancel,
    CancelAll,
    Flatten,
    Kill,
    Pause,
    Reload,
    Reset,
)

STAGE_ONE = Kill(flatten=False, reason="operator: kill key")
STAGE_TWO = Kill(flatten=True, reason="operator: kill key, FLATTEN typed")


# The kill key


SITUATIONS: dict[str, tuple[str, ...]] = {
    "desk": (),
    "table": ("f3",),
    "other table": ("f5", "end"),
    "command line": ("colon", "p", "a", "u"),
    "help": ("f1",),
    "detail": ("f3", "enter"),
    "quit dialog": ("ctrl+q",),
    "confirmation": ("X",),
    "typed confirmation": ("shift+f8", "F", "L"),
    "flatten dialog": ("f4", "f8"),
    "painting paused": ("p",),
}


@pytest.mark.parametrize(
    ("situation", "key"),
    [
        *((situation, "f12") for situation in SITUATIONS),
        *((situation, "ctrl+backslash") for situation in ("desk", "command line", "quit dialog")),
    ],
)
def test_the_kill_key_halts_at_once_from_everywhere(situation: str, key: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *SITUATIONS[situation])
        assert link.sent == []
        await press(pilot, key)
        assert link.sent == [STAGE_ONE]
        assert link.who == ["tester"]
        assert isinstance(app.screen, KillAsk)

    drive(test)


def test_stage_two_takes_the_typed_word() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12")
        await ripen(pilot)
        await press(pilot, "f", "l", "x", "backspace", "a", "t", "t", "e", "n")
        assert link.sent == [STAGE_ONE], "not before Enter"
        await press(pilot, "enter")
        assert link.sent == [STAGE_ONE, STAGE_TWO]
        assert not isinstance(app.screen, Ask)

    drive(test)


def test_another_word_or_escape_leaves_it_halted_with_positions_open() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12")
        await ripen(pilot)
        await press(pilot, "f", "l", "a", "t", "enter")
        assert isinstance(app.screen, KillAsk) and app.screen.typed == ""
        assert "positions stay open" in text_of(app)
        await press(pilot, "escape")
        assert link.sent == [STAGE_ONE]
        assert "kill sent; the engine has not said that it is halted" in text_of(app)
        link.snapshot = halted_snapshot()
        await press(pilot, "f12")
        await ripen(pilot)
        await press(pilot, "escape")
        assert "halted; 5 positions stay open" in text_of(app)

    drive(test)


def test_a_kill_with_nothing_open_offers_to_close_nothing_and_says_so() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12")
        link.snapshot = flat = change(halted_snapshot(), orders=(), positions=(position("ESM3", 0),))
        await ripen(pilot)
        app.paint()
        await pilot.pause()
        assert "Nothing is open, there is nothing to close" in text_of(app)
        assert "Esc leaves it halted." in text_of(app) and "stay open" not in text_of(app)
        await press(pilot, "escape")
        assert "halted; nothing is open. When you are ready, ':reset halt'" in text_of(app)
        # What the broker has not shown is not called nothing.
        unread = position("ESM3", 0, broker=None, diff=None)
        link.snapshot = change(flat, positions=(unread,))
        app.paint()
        await press(pilot, "f12")
        await ripen(pilot)
        assert "Nothing is open" not in text_of(app)
        await press(pilot, "escape")
        assert "halted; the broker's view of 1 is not known" in text_of(app)

    drive(test)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_kill_that_was_refused_is_not_called_a_halt(ahead: bool) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        link.answer = Answer(ok=False, text="this screen is read-only")
        if ahead:  # as the input thread sends it: the answer is there before the question
            app.kill_ahead()
            await pilot.pause()
        await press(pilot, "f12")
        assert "NOT DONE: this screen is read-only" in text_of(app)
        await ripen(pilot)
        assert "NOT halted" in text_of(app)
        await press(pilot, "escape")
        assert "NOT halted, as far as is known: this screen is read-only" in text_of(app)

    drive(test)


def test_a_word_that_is_not_the_answer_is_said_to_be_none() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12")
        await ripen(pilot)
        await press(pilot, *"atten", "enter")  # the first letters came before the question
        assert "ATTEN is not FLATTEN: nothing done, type it again" in text_of(app)
        await press(pilot, *"flatten", "enter")
        assert link.sent == [STAGE_ONE, STAGE_TWO]

    drive(test)


def test_keys_typed_ahead_do_not_answer() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12", *"flatten", "enter")
        assert link.sent == [STAGE_ONE]
        screen = app.screen
        assert isinstance(screen, KillAsk) and screen.typed == ""
        assert screen.painted is not None
        await press_at(pilot, "f", screen.painted + GUARD * 0.9)
        assert screen.typed == ""
        await press_at(pilot, "f", screen.painted + GUARD)
        assert screen.typed == "F"

    drive(test)


def test_nothing_answers_a_question_that_was_never_painted() -> None:
    ask = Ask("t", [], single={"y": "yes"}, hint="")
    assert not ask.ripe(time.monotonic() + 3600)


def test_a_held_kill_key_opens_one_question_and_answers_none() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12")
        await ripen(pilot)
        await press(pilot, *["f12"] * 8)
        assert set(link.sent) == {STAGE_ONE}, "idempotent, and never stage two"
        assert sum(isinstance(screen, KillAsk) for screen in app.screen_stack) == 1

    drive(test)


def test_a_paste_is_no_confirmation() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        from textual.events import Paste

        await press(pilot, "f12")
        await ripen(pilot)
        app.post_message(Paste("FLATTEN\n"))
        await pilot.pause()
        await press(pilot, "enter")
        assert link.sent == [STAGE_ONE]

    drive(test)


def test_the_question_names_scope_and_follows_the_engine() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12")
        assert "PAPER account PAPER-1: 5 positions, 10 working orders" in text_of(app)
        link.snapshot = halted_snapshot()
        await painted(pilot)
        assert "09:30:06 ESM3: sell 3 at 4184.75 (try 1)" in text_of(app)

    drive(test)


def test_a_kill_that_does_not_leave_is_said_loudly_and_sent_again() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        link.broken = ConnectionError("engine socket gone")
        await press(pilot, "f12")
        await pilot.pause()
        assert "KILL NOT SENT: ConnectionError: engine socket gone" in text_of(app)
        link.broken = None
        await press(pilot, "f12")
        assert link.sent == [STAGE_ONE]

    drive(test)


def test_a_refused_kill_is_shown_in_the_question() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        link.answer = Answer(ok=False, text="store refused, halted in memory")
        await press(pilot, "f12")
        await pilot.pause()
        assert "NOT DONE: store refused" in text_of(app)

    drive(test)


def test_the_input_threads_kill_is_not_sent_twice() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.kill_ahead()
        assert link.sent == [STAGE_ONE]
        await press(pilot, "f12")
        assert link.sent == [STAGE_ONE]
        assert isinstance(app.screen, KillAsk)
        await press(pilot, "escape", "f12")
        assert link.sent == [STAGE_ONE, STAGE_ONE]

    drive(test)


# Flatten, cancel, quit


def test_f8_flattens_the_selected_symbol_after_y() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f8")
        assert "select a position" in text_of(app), "nothing selected, nothing asked"
        await press(pilot, "f4", "down", "f8")
        assert "FLATTEN GCM3" in text_of(app) and "GCM3 −2" in text_of(app)
        assert isinstance(app.screen, Ask) and app.screen.painted is not None
        await press_at(pilot, "y", app.screen.painted)
        assert link.sent == [], "typed ahead"
        await ripen(pilot)
        await press(pilot, "f8", "n", "enter")
        assert link.sent == [], "only y"
        await press(pilot, "y")
        assert link.sent == [Flatten(symbol="GCM3")]

    drive(test)


def test_f8_works_from_the_command_line_on_what_was_selected() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f4", "down", "colon", "x", "f8")
        await ripen(pilot)
        await press(pilot, "y")
        assert link.sent == [Flatten(symbol="GCM3")]

    drive(test)


@pytest.mark.parametrize("key", ["shift+f8", "f20"])
def test_flatten_all_takes_the_typed_word(key: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, key)
        await ripen(pilot)
        await press(pilot, "y", "enter")
        assert link.sent == []
        await press(pilot, *"FLATTEN", "enter")
        assert link.sent == [Flatten()]

    drive(test)


def test_x_cancels_the_selected_order_only_in_the_orders_pane() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "x")
        await press(pilot, "f4", "x")
        assert link.sent == []
        await press(pilot, "f3", "down", "x")
        assert link.sent == [Cancel(order_id="trend-7f3a-0002")]

    drive(test)


@pytest.mark.parametrize("keys", [("f3", *["down"] * 6, "x"), ("colon", *"cancel trend-7f3a-0007", "enter")])
def test_an_order_that_protects_is_cancelled_only_after_a_y(keys: tuple[str, ...]) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *keys)
        assert link.sent == []
        assert "trend-7f3a-0007 protects BTCUSDT" in text_of(app)
        await ripen(pilot)
        await press(pilot, "x", "enter", "y")
        assert link.sent == [Cancel(order_id="trend-7f3a-0007")]

    drive(test)


def test_a_reset_says_what_is_taken_back() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "colon", *"reset halt", "enter")
        assert "Halted: daily loss 2,004.25" in text_of(app)
        await press(pilot, "escape")
        assert link.sent == []

    drive(test, link=FakeLink(halted_snapshot()))


def test_no_order_slides_under_the_cursor() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "down")
        link.snapshot = snapshot(orders=tuple(row for row in orders() if not row.id.endswith("0002")))
        await painted(pilot)
        await press(pilot, "x")
        assert link.sent == [], "the order is gone, its neighbour was not chosen"
        await press(pilot, "down", "x")
        assert len(link.sent) == 1

    drive(test)


def test_cancel_all_asks() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "X")
        assert "Cancel all 10 working orders of PAPER account PAPER-1" in text_of(app)
        await ripen(pilot)
        await press(pilot, "X", "escape")
        assert link.sent == []
        await press(pilot, "X")
        await ripen(pilot)
        await press(pilot, "y")
        assert link.sent == [CancelAll()]

    drive(test)


def test_acknowledge_takes_the_alarm_that_is_shown() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        link.snapshot = snapshot(alerts=(alert(30, "critical", "just came"), *snapshot().alerts))
        await press(pilot, "a")
        assert link.sent == [Acknowledge(alert_id=17)], "30 has not been painted yet"
        await press(pilot, "A", "r")
        assert link.sent[1:] == [Acknowledge(), Reload()]

    drive(test)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [(("c",), "quit-screen"), (("s", "t", "o", "p", "enter"), "stop-engine")],
)
@pytest.mark.parametrize("opening", ["ctrl+q", "ctrl+c"])
def test_quit_asks_what_is_to_end(opening: str, keys: tuple[str, ...], reason: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, opening, opening)
        assert app.desk_result is None
        assert len(app.screen_stack) == 2
        await ripen(pilot)
        await press(pilot, *keys)
        assert app.desk_result is not None and app.desk_result.reason == reason

    app = drive(test)
    assert app.desk_result is not None and app.desk_result.return_code == 0


def test_escape_quits_nothing() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "ctrl+q", "escape")
        assert app.desk_result is None and len(app.screen_stack) == 1

    drive(test)


# Command line


def test_the_command_line_sends_and_explains() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "colon", *"pause trend", "enter")
        assert link.sent == [Pause(strategy="trend")]
        assert "✓ pause trend: done" in text_of(app)
        await press(pilot, "colon", *"fly", "enter")
        assert "no command 'fly'" in text_of(app)
        await press(pilot, "colon", "a", "x", "escape")
        assert not isinstance(app.focused, Input)
        assert len(link.sent) == 1, "letters in the command line are no keys of the desk"

    drive(test)


def test_what_is_typed_in_a_burst_keeps_its_order() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        line = app.desk.query_one("#command", Input)
        await press(pilot, "colon", *"ab", "backspace", "backspace", *"pausex", "backspace", *" trend")
        assert line.value == "pause trend", "on a slow line many keys arrive at once"

    drive(test)


def test_no_letter_of_a_command_becomes_a_key_of_the_desk() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        line = app.desk.query_one("#command", Input)
        await press(pilot, "f3", "down", "colon", *"ca", "tab", "shift+tab", *"xXrA")
        assert app.focused is line and line.value == "cancelxXrA"
        await pilot.click("#orders", offset=(5, 5))
        assert not line.display, "who goes elsewhere has left the command line"
        await press(pilot, "colon", "a")
        assert app.focused is line
        assert link.sent == []

    drive(test)


def test_dangerous_commands_ask() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "colon", *"reset halt", "enter")
        await ripen(pilot)
        await press(pilot, "y", "enter")
        assert link.sent == []
        await press(pilot, *"reset", "enter")
        assert link.sent == [Reset(scope="halt")]
        await press(pilot, "colon", *"flatten all", "enter")
        await ripen(pilot)
        await press(pilot, *"flatten", "enter")
        assert link.sent[-1] == Flatten()
        await press(pilot, "colon", *"shutdown", "enter")
        await ripen(pilot)
        await press(pilot, *"stop", "enter")
        assert app.desk_result is not None and app.desk_result.reason == "stop-engine"

    drive(test)


def test_kill_on_the_command_line_is_the_kill_key() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "colon", *"kill", "enter")
        assert link.sent == [STAGE_ONE]
        assert isinstance(app.screen, KillAsk)

    drive(test)


def test_a_link_that_fails_is_said() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        link.broken = OSError("gone")
        await press(pilot, "r")
        assert "NOT SENT: reload risk limits: OSError: gone" in text_of(app)
        link.broken = None
        link.answer = Answer(ok=False, text="daily_loss: 0.9 is above 0.5")
        await press(pilot, "r")
        await pilot.pause()
        assert "REFUSED reload risk limits: daily_loss" in text_of(app)

    drive(test)


# What is shown


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
        assert link.sent == [STAGE_ONE], "the kill needs no picture"
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


def test_the_kill_report_stays_until_it_is_finished_and_dismissed() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        panel = app.desk.query_one(KillPanel)
        assert not panel.display
        link.snapshot = halted_snapshot()
        await painted(pilot)
        await press(pilot, "escape")
        assert panel.display, "a running kill cannot be hidden"
        done = change(
            halted_snapshot(), kill=killing(running=False, verdict="flat, confirmed twice by the broker")
        )
        link.snapshot = done
        await painted(pilot)
        assert "flat, confirmed twice" in text_of(app)
        await press(pilot, "escape")
        await painted(pilot)
        assert not panel.display
        link.snapshot = change(done, kill=killing())
        await painted(pilot)
        assert panel.display, "the next one shows itself again"

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


# Ends


def test_a_failing_widget_ends_the_screen_with_a_private_report(tmp_path: Path) -> None:
    secret = "hunter2-very-secret"

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        def broken(*_args: Any) -> None:
            password = secret
            raise ValueError(f"cannot draw {len(password)}")

        app.desk.pane("orders").look = broken  # type: ignore[attr-defined]
        link.snapshot = snapshot(seq=2)
        app.on_loop(app.paint)
        await pilot.pause()

    with pytest.raises(ValueError, match="cannot draw"):
        drive(test, report_dir=tmp_path)
    (report,) = tmp_path.glob("desk-crash-*.txt")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text(encoding="utf-8")
    assert "ValueError: cannot draw" in text and "test_desk_pilot.py" in text
    assert secret not in text


def test_a_report_quotes_no_secret_that_the_error_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "hunter2-very-secret"

    def failing(app: DeskApp, **_options: Any) -> None:
        raise RuntimeError(f"cannot log in with {secret}")

    monkeypatch.setattr(DeskApp, "run", failing)
    redact = Renderer([secret]).blank
    result = run_desk_app(FakeLink(snapshot()), DeskOptions(report_dir=tmp_path, redact=redact, restarts=0))
    assert result.report is not None
    text = result.report.read_text(encoding="utf-8")
    assert "RuntimeError: cannot log in with" in text and secret not in text + result.detail


def test_a_desk_that_cannot_even_be_made_is_a_crash_and_no_exception(tmp_path: Path) -> None:
    result = run_desk_app(FakeLink(snapshot()), DeskOptions(theme="nosuch", report_dir=tmp_path))
    assert result.reason == "crash" and "there was no screen: BadTheme: theme nosuch" in result.detail


def test_a_pane_that_cannot_draw_ends_the_screen_in_order(tmp_path: Path) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        def broken(_y: int) -> Any:
            raise ValueError("cannot draw")

        grid = app.desk.pane("orders")
        grid.render_line = broken  # type: ignore[method-assign]
        grid.refresh()
        await pilot.pause()

    with pytest.raises(ValueError, match="cannot draw"):
        drive(test, report_dir=tmp_path)
    assert len(list(tmp_path.glob("desk-crash-*.txt"))) == 1


def test_a_crash_is_reported_and_tried_again_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[DeskApp] = []

    def failing(app: DeskApp, **_options: Any) -> None:
        runs.append(app)
        raise RuntimeError("no terminal here")

    monkeypatch.setattr(DeskApp, "run", failing)
    heard: list[DeskResult] = []
    result = run_desk_app(FakeLink(snapshot()), DeskOptions(report_dir=tmp_path, on_crash=heard.append))
    assert result.reason == "crash" and result.return_code == 1 and result.report is not None
    assert len(runs) == 2 and len(heard) == 2
    assert "RuntimeError" in result.detail and str(result.report) in result.detail


def test_the_first_reason_counts() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        app.terminal_lost("it was closed")
        app.finish("stop-engine", "SIGTERM")

    app = drive(test)
    assert app.desk_result == DeskResult("terminal-lost", "terminal lost: it was closed")


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


def test_answers_after_the_end_disturb_nobody() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        return None

    app = drive(test)
    app.on_loop(app.note, "late")
    asyncio.run(asyncio.sleep(0))


@pytest.mark.parametrize(("outcome", "word"), [("unknown", "? NOT KNOWN"), ("not sent", "✕ NOT SENT")])
def test_what_the_engine_has_not_refused_is_not_called_so(outcome: str, word: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        link.answer = Answer(ok=False, text="the connection broke", data={"outcome": outcome})
        await press(pilot, "r")
        await pilot.pause()
        assert f"{word} reload risk limits: the connection broke" in text_of(app)
        assert "REFUSED" not in text_of(app)

    drive(test)


def test_a_reload_that_widens_takes_over_only_what_was_shown() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        def wider(digest: str, change: str, **more: str) -> Answer:
            data = {"effect": "wider", "digest": digest, "changes": change, **more}
            return Answer(ok=False, text="it would", data=data)

        link.answer = wider("d1", "ES Max position 1 contract → 50 contracts")
        await press(pilot, "r")
        assert isinstance(app.screen, Ask) and app.screen.kind == "widen"
        assert "MORE through" in text_of(app) and "1 contract → 50 contracts" in text_of(app)
        await ripen(pilot)
        await press(pilot, "enter", "escape")
        await press(pilot, "r")
        assert link.sent == [Reload()] * 2, "asked, and left"
        # In between the file is saved once more: that is another question, and takes the word again.
        link.answer = wider("d2", "ES Max position 1 contract → 90 contracts", again="yes")
        await ripen(pilot)
        await press(pilot, *"WIDEN", "enter")
        await pilot.pause()
        assert link.sent[2:] == [Reload(shown="d1")]
        assert isinstance(app.screen, Ask) and app.screen.kind == "widen"
        assert "has CHANGED since it was shown" in text_of(app) and "90 contracts" in text_of(app)
        link.answer = Answer(ok=True, text="limits are version 2")
        await ripen(pilot)
        await press(pilot, *"WIDEN", "enter")
        assert link.sent[3:] == [Reload(shown="d2")]

    drive(test)
