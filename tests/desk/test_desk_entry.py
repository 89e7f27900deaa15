"""Changes of orders and limits, the kill key from every form, and pictures of all that is entered."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from deskpilot import Desk, body_of, drive, painted, press, ripen, text_of
from entrykit import PASS, Gate, checked, confirm, limits
from fakelink import change, order

from app.desk.app import DeskApp
from app.desk.dialogs import Ask
from app.desk.entry.form import Form
from engine.control.commands import (
    Answer,
    Kill,
    Modify,
    Resume,
    ScreenSaid,
    SetLimit,
    StopStrategy,
)

D = Decimal


@pytest.mark.parametrize("key", ["f12", "ctrl+backslash"])
@pytest.mark.parametrize(
    "opened", [("f4", "down", "f9"), ("f3", "down", "m"), ("f5", "down", "l"), ("colon", "b")]
)
def test_the_kill_key_works_from_every_form_and_input(key: str, opened: tuple[str, ...]) -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, *opened)
        await press(pilot, key)
        assert [type(c) for c in link.sent] == [Kill]
        assert "KILL" in text_of(app)

    drive(test, link=Gate())


def test_m_changes_the_selected_order_by_what_differs() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f3", "down", "m")
        await pilot.pause()
        assert "nothing is changed yet" in text_of(app) and "MODIFY trend-7f3a" in text_of(app)
        await press(pilot, *["backspace"] * 9, *"4100.25")
        await checked(pilot)
        await press(pilot, "enter")
        await confirm(pilot)
        (sent,) = link.sent
        assert isinstance(sent, Modify) and (sent.size, sent.limit, sent.stop) == (None, D("4100.25"), None)

    drive(test, link=Gate())


def test_an_order_that_is_over_cannot_be_changed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.snapshot = change(link.snapshot, seq=9, orders=(order(11, "FILLED"),))
        await painted(pilot)
        await press(pilot, "f3", "down", "m")
        assert "nothing is left to modify" in text_of(app) and not isinstance(app.screen, Form)

    drive(test, link=Gate())


def test_a_limit_is_tightened_from_its_row_on_a_safe_desk() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.verdict = limits("tighter")
        await press(pilot, "f5", "down", "l", "3")
        await checked(pilot)
        assert "10 lots → 3 lots" in text_of(app) and "by trend-7f3a-0001" in text_of(app)
        assert "from the file" in text_of(app) and "set at run time by test" in text_of(app)
        assert "not given" not in text_of(app)
        await press(pilot, "enter")
        await confirm(pilot)
        (sent,) = link.sent
        assert isinstance(sent, SetLimit) and sent.value == "3"

    drive(test, link=Gate())


def test_a_limit_that_lets_more_through_takes_a_typed_word() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.verdict = limits("wider")
        await press(pilot, "colon", *"limit daily_loss 3%", "enter")
        await checked(pilot)
        await pilot.pause()
        assert "Enter again asks for WIDEN." in text_of(app)
        await confirm(pilot)
        assert isinstance(app.screen, Ask) and link.sent == []
        assert "Max position: 10 lots → 90 lots." in text_of(app)
        assert "Enter again" not in text_of(app), "one question at a time"
        await ripen(pilot)
        await press(pilot, *"WIDEN", "enter")
        assert link.sent == [SetLimit(name="daily_loss", value="3%")]

    drive(test, link=Gate())


def test_what_a_word_was_typed_for_must_still_be_so() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.verdict = limits("wider")
        await press(pilot, "colon", *"limit daily_loss 3%", "enter")
        await checked(pilot)
        await pilot.pause()
        await confirm(pilot)
        form = app.screen_stack[-2]
        assert isinstance(form, Form)
        link.verdict = limits("wider", before="2 lots")
        form._judge.ask()
        await pilot.pause()
        await ripen(pilot)
        await press(pilot, *"WIDEN", "enter")
        assert link.sent == [] and app.screen is form
        assert "Taken back: the limit in force has changed, 10 lots → 2 lots" in text_of(app)

    drive(test, link=Gate())


def test_a_limit_that_does_not_take_effect_says_so_before_and_while_it_asks() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        note = "no effect now: 20,000.00 USD (2 % of the opening equity, default) is tighter"
        same = {"before": "20,000.00 USD", "after": "20,000.00 USD", "after_from": "from the file"}
        link.verdict = limits("wider", note=note, asked="90,000 USD", **same)
        await press(pilot, "colon", *"limit daily_loss 90000", "enter")
        await checked(pilot)
        await pilot.pause()
        assert "20,000.00 USD stays in force" in text_of(app) and "no effect now" in text_of(app)
        await confirm(pilot)
        assert "90,000 USD; 20,000.00 USD stays in force." in text_of(app)

    drive(test, link=Gate())


SCENES: dict[str, tuple[tuple[str, ...], Answer]] = {
    "ticket": (("f4", "down", "f9", "b", "tab"), Answer(ok=True, text="", data=PASS)),
    "ticket-refused": (
        ("f4", "down", "f9", "b", "tab"),
        Answer(
            ok=False,
            text="refused",
            data={
                **PASS,
                "refusals": "max_position: worst case +60, the limit is 50\norder_qty: 60 of 20",
            },
        ),
    ),
    "ticket-confirm": (
        ("ctrl+o", "colon", *"buy 2 ESM3 @ 4185 stop 4180 target 4200 gtd 14:30", "enter"),
        Answer(ok=True, text="", data=PASS),
    ),
    "modify": (("f3", "down", "m", *["backspace"] * 9, *"4100.25"), Answer(ok=True, text="", data=PASS)),
    "limit": (("f5", "down", "l", "3"), limits("tighter")),
    "limit-wider": (("f5", "down", "l", "3"), limits("wider")),
    "command-preview": (("colon", *"buy 2 ESM3 @ 4185"), Answer(ok=True, text="", data=PASS)),
    "command-wrong": (("colon", *"buy 2 ESM3 4185 "), Answer(ok=True, text="", data=PASS)),
}


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("scene", SCENES)
def test_pictures(scene: str, size: tuple[int, int], text_picture: Any) -> None:
    keys, answer = SCENES[scene]
    link = Gate()
    link.verdict = answer

    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, *keys)
        if isinstance(app.screen, Form):
            await checked(pilot)
        else:
            await asyncio.sleep(0.4)
        await painted(pilot)
        text_picture(body_of(app))

    drive(test, link=link, size=size)


def test_a_strategy_is_stopped_and_started_from_its_row() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "9", "S")
        await ripen(pilot)
        await press(pilot, "y")
        (sent,) = link.sent
        states = {row.name: row.state for row in link.snapshot.strategies}
        live = states[sent.strategy] in ("starting", "running", "paused")
        assert isinstance(sent, StopStrategy if live else Resume)

    drive(test, link=Gate())


def test_why_it_is_safe_again_stands_until_something_else_is_said_and_is_logged() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        now = [100.0]
        app._now = app.arming._now = lambda: now[0]
        await press(pilot, "ctrl+o")
        now[0] += 601
        app.paint()
        now[0] += 4 * 3600
        app.paint()
        await pilot.pause()
        assert "SAFE again: nobody pressed a key. Ctrl+O arms" in text_of(app)
        assert link.sent == [ScreenSaid(text="SAFE again: nobody pressed a key")]

    drive(test, link=Gate())
