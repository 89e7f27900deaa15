"""Keys and words that send commands: flatten, cancel, acknowledge, quit, reload, and the command line."""

from __future__ import annotations

import pytest
from deskpilot import Desk, drive, painted, press, press_at, ripen, text_of
from fakelink import FakeLink, alert, halted_snapshot, orders, snapshot
from textual.widgets import Input

from app.desk.app import DeskApp
from app.desk.dialogs import Ask
from engine.control.commands import (
    Acknowledge,
    Answer,
    Cancel,
    CancelAll,
    Flatten,
    Pause,
    Reload,
    Reset,
)


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
