"""The typed line: what stands below it, completion, history, and what it opens."""

from __future__ import annotations

import asyncio
import stat
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from deskpilot import Desk, drive, painted, press, text_of
from entrykit import Gate, checked, confirm

from app.desk.app import DeskApp
from app.desk.entry.form import Form
from app.desk.history import KEPT, History
from app.desk.screen import CommandLine
from engine.control.commands import (
    Answer,
    Pause,
    Submit,
)
from engine.model import OrderType, Side, TimeInForce

D = Decimal


def hint(app: DeskApp) -> str:
    return str(app.desk.query_one("#hint").plain)  # type: ignore[attr-defined]


def test_the_line_below_says_what_the_typed_line_would_do() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "colon")
        assert "Tab completes" in hint(app)
        await press(pilot, *"buy 2 ")
        assert "buy SIZE SYMBOL" in hint(app)
        await press(pilot, *"ESM3 @ 4185 banana ")
        assert "banana is not understood" in hint(app)
        await press(pilot, *["backspace"] * 8)
        await asyncio.sleep(0.4)
        await pilot.pause()
        assert "would pass; position now +2, after this and all working orders 0 to +6 of 10" in hint(app)
        link.verdict = Answer(ok=False, text="price_sanity: 9 is too far")
        await press(pilot, "5")
        await asyncio.sleep(0.4)
        await pilot.pause()
        assert "price_sanity: 9 is too far" in hint(app)
        assert link.sent == []

    drive(test, link=Gate())


def test_what_stands_below_the_line_is_asked_anew_each_second() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.verdict = Answer(ok=False, text="spread: paused for another 29.4 s")
        await press(pilot, "colon", *"buy 2 ESM3 @ 4185")
        await asyncio.sleep(0.4)
        await pilot.pause()
        assert "another 29.4 s" in hint(app) and len(link.previewed) == 1
        link.verdict = Answer(ok=False, text="spread: paused for another 28.4 s")
        app.now = lambda: 101.0  # type: ignore[method-assign]
        await painted(pilot)
        assert "another 28.4 s" in hint(app)
        link.silent = True
        app.now = lambda: 102.0  # type: ignore[method-assign]
        await painted(pilot)
        app.now = lambda: 105.0  # type: ignore[method-assign]
        await painted(pilot)
        assert "has not answered for 3 s" in hint(app)
        await press(pilot, "escape")
        asked = len(link.previewed)
        app.now = lambda: 120.0  # type: ignore[method-assign]
        await painted(pilot)
        assert len(link.previewed) == asked, "nobody reads it any more"

    drive(test, link=Gate())


def test_a_typed_order_is_confirmed_in_the_ticket() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "colon", *"sell 2 esm3 trigger 4100 gtc", "enter", "enter", "y")
        await checked(pilot)
        assert link.sent == [], "typed ahead"
        assert "gtc" in text_of(app)
        form = app.screen
        assert isinstance(form, Form)
        form._confirm._shown = time.monotonic()  # this moment, however long the machine took until here
        await press(pilot, "enter")
        assert link.sent == [], "before it can have been read"
        await asyncio.sleep(0.3)
        await confirm(pilot)
        (sent,) = link.sent
        assert sent == Submit(
            symbol="ESM3", side=Side.SELL, size=D(2), type=OrderType.STOP, stop=D(4100), tif=TimeInForce.GTC
        )

    drive(test, link=Gate())


def test_tab_completes_and_up_recalls() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "colon", *"pau", "tab", *"tr", "tab", "enter")
        assert link.sent == [Pause(strategy="trend")]
        await press(pilot, "colon", *"rel", "up")
        line = app.desk.query_one(CommandLine)
        assert line.value == "pause trend"
        await press(pilot, "down")
        assert line.value == "rel"
        await press(pilot, "escape")

    drive(test, link=Gate())


def test_arm_and_safe_are_words_as_well() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "colon", *"arm", "enter")
        assert app.arming.armed
        await press(pilot, "colon", *"arm", "enter")
        assert app.arming.armed, "said twice it stays"
        await press(pilot, "colon", *"safe", "enter")
        assert not app.arming.armed and link.sent == []

    drive(test, link=Gate())


def test_the_history_is_private_short_and_kept(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number in range(KEPT + 10):
        history.add(f"ack {number}")
        history.add(f"ack {number}")
    history.add("x" * 10_000)
    history.add("two\nlines")
    file = tmp_path / "history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = History(tmp_path)
    assert len(again.lines) == KEPT and again.lines[-1] == f"ack {KEPT + 9}"
    assert again.older("typed") == f"ack {KEPT + 9}"
    assert again.older("") == f"ack {KEPT + 8}"
    assert again.newer() == f"ack {KEPT + 9}" and again.newer() == "typed"
    file.write_bytes(b"\xff\xfe broken")
    assert History(tmp_path).lines == []
    assert History(tmp_path / "nowhere").lines == []
    History(tmp_path / "nowhere").add("ack")
