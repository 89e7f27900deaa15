"""The ticket: filled in, judged and confirmed; nothing is sent by a key that was typed ahead or is held, nor
on a verdict that has changed.
"""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

from deskpilot import Desk, drive, press, press_at, text_of
from entrykit import Gate, checked, confirm, to_ticket
from fakelink import recorded_snapshot

from app.desk.app import DeskApp
from app.desk.entry.confirm import GUARD, Confirm
from app.desk.entry.form import Form
from engine.control.commands import (
    Answer,
    Submit,
)

D = Decimal


def test_the_ticket_starts_with_the_selected_symbol_and_is_judged_as_it_stands() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        (asked,) = link.previewed
        assert isinstance(asked, Submit) and asked.preview and asked.size == 1
        assert "✓ the gate would let it pass" in text_of(app)
        assert "Position  now +2 · with all working orders 0 to +4" in text_of(app)
        assert "after this order 0 to +6 of 10" in text_of(app) and "39,600.00" in text_of(app)
        assert link.sent == []

    drive(test, link=Gate())


def test_a_safe_desk_only_previews() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        assert "SAFE: previewed only. Ctrl+O arms this desk" in text_of(app)
        assert link.sent == []

    drive(test, link=Gate())


def test_armed_enter_previews_and_enter_again_sends() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "backspace", "3", "tab", "tab", *["backspace"] * 9, *"4185.25")
        await press(pilot, "tab", *"4180", "tab", *"4200.5")
        await checked(pilot)
        await press(pilot, "enter")
        assert "▶ buy 3" in text_of(app) and "Enter again does it" in text_of(app)
        assert link.sent == []
        await confirm(pilot)
        (sent,) = link.sent
        assert isinstance(sent, Submit)
        assert (sent.size, sent.limit, sent.stop_loss, sent.take_profit) == (
            3,
            D("4185.25"),
            4180,
            D("4200.5"),
        )
        assert not isinstance(app.screen, Form)

    drive(test, link=Gate())


def test_enter_typed_ahead_confirms_nothing() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f4", "down", "f9", "enter", "enter", "enter")
        await checked(pilot)
        await press(pilot, "enter")
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        assert isinstance(app.screen, Form) and link.sent == []

    drive(test, link=Gate())


def test_a_held_enter_confirms_nothing_however_late_its_first_repeat() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        await asyncio.sleep(0.6)
        for _ in range(20):
            await press_at(pilot, "enter", time.monotonic())
            await asyncio.sleep(0.03)
        await asyncio.sleep(0.3)
        assert isinstance(app.screen, Form) and link.sent == []
        assert "Enter is held" in text_of(app)
        await confirm(pilot)
        assert len(link.sent) == 1, "let go and pressed once, it counts"

    drive(test, link=Gate())


def test_a_change_takes_the_confirmation_back() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        await press(pilot, "5")
        assert "Enter again" not in text_of(app)
        await asyncio.sleep(0.5)
        await press(pilot, "enter")
        assert link.sent == []

    drive(test, link=Gate())


def test_what_the_gate_refuses_cannot_be_confirmed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        reasons = "max_position: worst case +60 lots, the limit is 50\norder_qty: 60 lots, the limit is 20"
        link.verdict = Answer(ok=False, text=reasons.replace("\n", "; "), data={"refusals": reasons})
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        assert "✕ max_position: worst case +60 lots" in text_of(app) and "✕ order_qty" in text_of(app)
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        await press(pilot, "enter")
        assert "it would be refused" in text_of(app) and link.sent == []

    drive(test, link=Gate())


def test_a_field_that_is_wrong_says_what_would_be_right() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, "backspace", "0")
        await checked(pilot)
        assert "size 0 is not above zero" in text_of(app)
        await press(pilot, "enter")
        assert link.sent == [] and len(link.previewed) == 1

    drive(test, link=Gate())


def test_a_side_that_is_not_chosen_and_a_symbol_that_is_none_are_said_to_be() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "f4", "down", "f9")
        assert "choose the side: b buys, s sells" in text_of(app)
        await press(pilot, "s", "shift+tab", "end", "x")
        assert "no symbol GCM3x; did you mean GCM3?" in text_of(app)
        await press(pilot, "enter")
        assert link.sent == [] and not link.previewed

    drive(test, link=Gate())


def test_a_recording_takes_no_order() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.snapshot = recorded_snapshot()
        await press(pilot, "f9")
        assert not isinstance(app.screen, Form) and "this is a recording" in text_of(app)

    drive(test, link=Gate())


def test_an_empty_field_is_named_and_not_read_as_its_neighbour() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, "backspace")
        await checked(pilot)
        assert "fill in size" in text_of(app)
        await press(pilot, "enter")
        assert link.sent == []

    drive(test, link=Gate())


def test_losing_the_arms_takes_a_confirmation_back() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        assert "Enter again" in text_of(app)
        await press(pilot, "ctrl+o")
        assert "Enter again" not in text_of(app) and "SAFE" in text_of(app)
        await asyncio.sleep(0.3)
        await press(pilot, "enter")
        assert link.sent == []

    drive(test, link=Gate())


def test_a_press_counts_only_alone_and_after_the_question_could_be_read() -> None:
    ask = Confirm()
    assert not ask.pressed(1.0), "nothing is asked"
    ask.show(2.0)
    assert not ask.pressed(2.0 + GUARD - 0.01)
    assert not ask.pressed(2.0 + GUARD + 0.1), "too soon after the last one"
    assert ask.pressed(3.0) and ask.stands(3.0)
    ask.pressed(3.03)
    assert not ask.stands(3.0), "a held key"
    assert ask.pressed(4.0)
    ask.hide()
    assert not ask.stands(4.0)


def test_what_enter_does_stands_there_on_the_lowest_screen() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "colon", *"buy 2 ESM3 trigger 4190 @ 4191 gtd 14:30", "enter")
        await checked(pilot)
        await pilot.pause()
        assert "Enter again does it" in text_of(app) and "▶ buy 2 ESM3" in text_of(app)

    drive(test, link=Gate(), size=(80, 20))
