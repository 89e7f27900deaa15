"""The first start: what it says, that any key begins, that it is said once, and that the kill works in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from deskpilot import Desk, painted, press, text_of
from fakelink import FakeLink, snapshot
from textual import events

from app.desk.app import DeskApp
from app.desk.dialogs import KillAsk
from app.desk.options import DeskOptions
from app.desk.screen import DeskScreen
from app.desk.welcome import KEYS, WelcomePage, lines, venue
from engine.control.commands import Kill

Test = Callable[[DeskApp, FakeLink, Desk], Awaitable[None]]


def first_start(state: Path, test: Test, size: tuple[int, int] = (80, 24)) -> None:
    link = FakeLink(snapshot())
    app = DeskApp(
        link,
        DeskOptions(frame_rate=0, now=lambda: 100.0, state_dir=state, welcome=venue("synthetic")),
    )

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await painted(pilot)
            await test(app, link, pilot)

    asyncio.run(run())


def test_it_explains_in_five_lines_and_three_keys() -> None:
    assert len(lines(venue("synthetic"), snapshot())) == 5 and len(KEYS) == 3


@pytest.mark.parametrize(
    ("feed", "says"),
    [
        ("synthetic", "A simulated exchange and market, in this process"),
        ("synthetic:ES", "A simulated exchange and market, in this process"),
        ("replay:/data/gc.csv.gz", "The recording gc.csv.gz, over a simulated exchange"),
        ("exchange:/run/x.sock", "the exchange process at /run/x.sock"),
        ("ib-loopback", "A practice gateway of Interactive Brokers' protocol"),
        ("ib", "Interactive Brokers: the account"),
    ],
)
def test_it_says_where_it_trades_and_who_trades(feed: str, says: str) -> None:
    picture = snapshot()
    first, second, *_ = lines(venue(feed), picture)
    assert first.startswith("PAPER. ") and says in first
    assert "The strategies trend, maker and runaway trade on it" in second
    _, alone, *_ = lines(venue(feed), snapshot(strategies=picture.strategies[:1]))
    assert "The strategy trend trades on it" in alone
    _, nobody, *_ = lines(venue(feed), snapshot(strategies=()))
    assert "No strategy trades" in nobody


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_it_is_whole_at_80_by_24_and_any_key_begins(tmp_path: Path, size: tuple[int, int]) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        assert isinstance(app.screen, WelcomePage)
        text = text_of(app)
        for word in (
            "A simulated exchange",
            "trend, maker",
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
        assert not any(isinstance(screen, WelcomePage) for screen in app.screen_stack)
        await press(pilot, "escape")
        assert len(app.screen_stack) == 1, "nobody is welcomed after a kill"

    first_start(tmp_path, test)


def test_keys_that_come_before_the_desk_stands_break_nothing_and_the_kill_key_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stands = DeskScreen.on_mount
    mounts, may = asyncio.Event(), asyncio.Event()

    async def late(screen: DeskScreen) -> None:
        mounts.set()
        await may.wait()
        stands(screen)

    monkeypatch.setattr(DeskScreen, "on_mount", late)
    link = FakeLink(snapshot())
    app = DeskApp(link, DeskOptions(frame_rate=0, now=lambda: 100.0))

    async def types() -> None:
        await mounts.wait()
        for key in ("f4", "f9", "ctrl+o", "colon", "f12"):
            event = events.Key(key, None)
            event.set_sender(app)
            app.post_message(event)
        for _ in range(50):
            if link.sent:
                break
            await asyncio.sleep(0.02)
        may.set()

    async def run() -> None:
        typist = asyncio.create_task(types())
        async with app.run_test(size=(80, 24)) as pilot:
            await typist
            await painted(pilot)
            assert [type(command) for command in link.sent] == [Kill]
            assert app.desk.standing and not app.arming.armed
            assert isinstance(app.screen, KillAsk)

    asyncio.run(run())
    assert app.desk_result is None


def test_a_shadow_says_that_it_only_looks() -> None:
    first, *_ = lines(venue("ib"), snapshot(mode="SHADOW"))
    assert first.startswith("SHADOW. ") and "only looked at: orders stay in this process" in first
