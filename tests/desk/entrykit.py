"""What the tests of order entry share: a gate that answers previews, and a person who reads."""

from __future__ import annotations

import asyncio
from typing import Any

from deskpilot import Desk, press, text_of
from fakelink import FakeLink, snapshot

from app.desk.entry.form import Form
from engine.control.commands import Answer, AnyCommand
from engine.control.link import AnswerSink

PASS = {
    "currency": "USD",
    "position": "+2",
    "worst_now": "0 … +4",
    "worst_then": "0 … +6",
    "limit": "10",
    "reduces": "no",
    "notional": "418500.00",
    "margin_now": "26400.00",
    "margin_then": "39600.00",
    "margin_used": "13200.00",
    "equity": "250000.00",
}


class Gate(FakeLink):
    """Answers previews with `verdict`, and keeps apart what is only asked from what is sent."""

    def __init__(self, mode: str = "PAPER") -> None:
        super().__init__(snapshot(mode=mode))
        self.previewed: list[AnyCommand] = []
        self.silent = False
        """Whether previews are left unanswered; their sinks are in `waiting`."""
        self.waiting: list[AnswerSink] = []
        self.verdict = Answer(ok=True, text="the gate would let it pass", data=PASS)

    def send(self, command: AnyCommand, who: str, answer: Any = None) -> None:
        if getattr(command, "preview", False):
            self.previewed.append(command)
            if self.silent:
                self.waiting.append(answer)
            else:
                answer(self.verdict)
        else:
            super().send(command, who, answer)


async def checked(pilot: Desk) -> None:
    """Until the form has heard what the engine thinks."""
    for _ in range(40):
        screen = pilot.app.screen
        if isinstance(screen, Form) and (screen._answer is not None or screen._problem is not None):
            await pilot.pause()
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no preview came")


async def confirm(pilot: Desk) -> None:
    """One Enter, as a person who has read presses it, and the time in which a held key would repeat."""
    form = pilot.app.screen
    assert isinstance(form, Form)
    assert form._confirming, text_of(pilot.app)  # type: ignore[arg-type]
    assert form._confirm._shown is not None
    form._confirm._shown -= 1
    form._confirm._last -= 1
    await press(pilot, "enter")
    await asyncio.sleep(0.2)
    await pilot.pause()


async def to_ticket(pilot: Desk) -> None:
    """A ticket for the second position, to buy; the cursor stands in the size."""
    await press(pilot, "f4", "down", "f9", "b", "tab")
    await checked(pilot)


def limits(effect: str, **more: str) -> Answer:
    wider = effect == "wider"
    data = {
        "key": "max_position",
        "title": "Max position",
        "asked": "90 lots" if wider else "3 lots",
        "before": "10 lots",
        "before_from": "from the file",
        "after": "90 lots" if wider else "3 lots",
        "after_from": "set at run time by test",
        "file": "10 lots",
        "effect": effect,
        "used": "5 lots",
        "state": "ACTIVE",
        "exceeding": "trend-7f3a-0001",
    }
    return Answer(ok=True, text="Max position: 10 lots → 3 lots", data={**data, **more})
