"""The first start: what it says, that any key begins, that it is said once, and that the kill works in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from deskpilot import Desk, painted, press, text_of
from fakelink import FakeLink, snapshot

from app.desk.app import DeskApp
from app.desk.dialogs import KillAsk
from app.desk.welcome import KEYS, LINES, WelcomePage
from engine.control.commands import Kill

Test = Callable[[DeskApp, FakeLink, Desk], Awaitable[None]]


def first_start(state: Path, test: Test, size: tuple[int, int] = (80, 24)) -> None:
    link = FakeLink(snapshot())
    app = DeskApp(link, frame_rate=0, now=lambda: 100.0, state_dir=state, welcome=True)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await painted(pilot)
            await test(app, link, pilot)

    asyncio.run(run())


def test_it_explains_in_five_lines_and_three_keys() -> None:
    assert len(LINES) == 5 and len(KEYS) == 3


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_it_is_whole_at_80_by_24_and_any_key_begins(tmp_path: Path, size: tuple[int, int]) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        assert isinstance(app.screen, WelcomePage)
        text = text_of(app)
        for word in (
            "paper desk",
            "Gate, journal",
            "top line",
            "breakwater attach",
            "breakwater init",
            "Ctrl+Q",
        ):
            assert word in text, word
        await press(pilot, "X")
        assert len(app.screen_stack) == 1 and link.sent == [], "the key that closes it does nothing else"

    first_start(tmp_path, test, size)


def test_it_is_not_said_again(tmp_path: Path) -> None:
    async def nothing(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        return None

    async def second(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        assert len(app.screen_stack) == 1

    first_start(tmp_path, nothing)
    first_start(tmp_path, second)


def test_the_kill_key_kills_before_anything_was_read(tmp_path: Path) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f12")
        assert [type(command) for command in link.sent] == [Kill]
        assert isinstance(app.screen, KillAsk)

    first_start(tmp_path, test)
