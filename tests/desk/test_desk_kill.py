"""The kill key of the desk: it halts from everywhere, and its question is answered by no accident."""

from __future__ import annotations

import time

import pytest
from deskpilot import Desk, drive, painted, press, press_at, ripen, text_of
from fakelink import FakeLink, change, halted_snapshot, killing, position

from app.desk.app import DeskApp
from app.desk.dialogs import GUARD, Ask, KillAsk
from app.desk.panes.kill import KillPanel
from engine.control.commands import (
    Answer,
    Kill,
)

STAGE_ONE = Kill(flatten=False, reason="operator: kill key")
STAGE_TWO = Kill(flatten=True, reason="operator: kill key, FLATTEN typed")


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


def test_kill_on_the_command_line_is_the_kill_key() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "colon", *"kill", "enter")
        assert link.sent == [STAGE_ONE]
        assert isinstance(app.screen, KillAsk)

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
