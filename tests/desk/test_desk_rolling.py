"""Rolling from the desk: the question says what would happen, and takes its word only while that holds."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from deskpilot import Desk, drive, press, ripen, text_of
from entrykit import Gate

from app.desk.app import DeskApp
from app.desk.entry.rolling import RollAsk
from engine.control.commands import Answer, Kill, Roll

SAYS = (
    "Close 3 ESM3 long at about 4185.25, then open 3 ESU3 long at about 4195.50, each within 2 ticks; only "
    "what is closed is opened.",
    "It costs 1 tick each (half of both spreads), 37.50 USD, and fees of 13.50; ESU3 is +10.25 from ESM3.",
    "Orders of brackets that protect ESM3 (manual-1) shrink to what is left of it.",
    "NO stop or target is made for ESU3: place them yourself once it is open.",
)
WOULD = Answer(ok=True, text="it may begin: ESM3 → ESU3", data={"meaning": "\n".join(SAYS)})
LINE = ("colon", *"roll ESM3 NQM3 3 within 4", "enter")
MEANT = Roll(source="ESM3", target="NQM3", size=Decimal(3), within=4)


def spoken(app: DeskApp) -> str:
    return " ".join(text_of(app).replace("┃", " ").replace("│", " ").split())


def said(ask: RollAsk) -> str:
    """The question's paragraphs, whatever lies beside its box."""
    return " ".join(cell.text for line in ask.body() for cell in line)


async def asked(pilot: Desk) -> RollAsk:
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, RollAsk), screen
    return screen


def gate(verdict: Answer = WOULD) -> Gate:
    link = Gate()
    link.verdict = verdict
    return link


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_it_says_what_it_would_do_and_takes_a_typed_word(size: tuple[int, int]) -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        app.action_arm()
        await press(pilot, *LINE)
        question = said(await asked(pilot))
        for part in SAYS:
            assert part in question, question
        assert "only what is closed is opened." in spoken(app) and "once it is" in spoken(app), "it has room"
        assert "Type ROLL and Enter" in spoken(app)
        await ripen(pilot)
        await press(pilot, *"yes", "enter")
        assert not link.sent
        await press(pilot, *"ROLL", "enter")
        assert link.sent == [MEANT]
        assert not isinstance(app.screen, RollAsk)

    drive(test, link=gate(), size=size)


def test_on_a_safe_desk_it_only_shows() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, *LINE)
        assert SAYS[0] in said(await asked(pilot)) and "SAFE: this desk only shows it" in spoken(app)
        await ripen(pilot)
        await press(pilot, *"ROLL", "enter")
        assert [type(c) for c in link.sent] == [] and isinstance(app.screen, RollAsk)

    drive(test, link=gate())


def test_what_would_not_begin_cannot_be_confirmed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        app.action_arm()
        await press(pilot, *LINE)
        await asked(pilot)
        assert "✕ the quotes of ESU3 are stale" in spoken(app) and "It does not begin." in spoken(app)
        await press(pilot, *"ROLL", "enter")
        await press(pilot, "escape")
        assert not link.sent

    drive(test, link=gate(Answer(ok=False, text="the quotes of ESU3 are stale: a roll needs both sides")))


def test_a_word_that_was_begun_falls_when_it_would_not_begin_any_more() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        app.action_arm()
        await press(pilot, *LINE)
        ask = await asked(pilot)
        await ripen(pilot)
        await press(pilot, *"ROL")
        link.verdict = Answer(ok=False, text="ESM3 is halted: test")
        ask._ask_engine()
        await press(pilot, "L", "enter")
        assert not link.sent and "ESM3 is halted" in spoken(app)
        # It is asked again each second, and what holds by then counts.
        link.verdict = WOULD
        ask._ask_engine()
        await press(pilot, *"ROLL", "enter")
        assert link.sent == [MEANT]

    drive(test, link=gate())


def test_an_engine_that_does_not_answer_gets_nothing() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        now = [100.0]
        app.now = lambda: now[0]  # type: ignore[method-assign]
        app.action_arm()
        await press(pilot, *LINE)
        ask = await asked(pilot)
        await ripen(pilot)
        link.silent = True
        now[0] += 4
        ask._ask_engine()
        await press(pilot, *"ROLL", "enter")
        assert not link.sent and "The engine does not answer: nothing is sent." in spoken(app)

    drive(test, link=gate())


def test_it_asks_by_itself_each_second_and_the_kill_key_passes() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        app.action_arm()
        await press(pilot, *LINE)
        await asked(pilot)
        before = len(link.previewed)
        for _ in range(100):
            if len(link.previewed) > before:
                break
            await asyncio.sleep(0.05)
        assert len(link.previewed) > before
        await press(pilot, "f12")
        assert [type(c) for c in link.sent] == [Kill]

    drive(test, link=gate())
