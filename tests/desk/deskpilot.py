"""Runs the desk without a terminal, paints when told, and reads its screen as text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fakeanswers import everything
from fakelink import FakeLink, snapshot
from textual import events
from textual.pilot import Pilot

from app.desk.app import DeskApp
from app.desk.dialogs import GUARD, Ask
from app.desk.options import DeskOptions
from app.desk.screen import DeskScreen

Desk = Pilot[Any]
NAMES = {" ": "space", ":": "colon", "?": "question_mark"}


def drive(
    test: Callable[[DeskApp, FakeLink, Desk], Awaitable[None]],
    *,
    link: FakeLink | None = None,
    size: tuple[int, int] = (120, 40),
    report_dir: Path | None = None,
) -> DeskApp:
    """Runs `test` against a painted desk."""
    link = link if link is not None else FakeLink(snapshot())
    link.replies = everything() | link.replies
    app = DeskApp(link, DeskOptions(frame_rate=0, now=lambda: 100.0, who="tester", report_dir=report_dir))

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await painted(pilot)
            await test(app, link, pilot)

    asyncio.run(run())
    return app


async def painted(pilot: Desk) -> None:
    """Paints twice, because lines that come or go move the panes."""
    for _ in range(2):
        pilot.app.paint()  # type: ignore[attr-defined]
        await pilot.pause()


async def ripen(pilot: Desk) -> None:
    """As if the question on screen had been there for a while."""
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, Ask), f"no question on screen but {screen}"
    assert screen.painted is not None
    screen.painted -= GUARD


async def press(pilot: Desk, *keys: str) -> None:
    """Presses keys one right after the other, as a fast typist or a held key does, and waits once."""
    for name in keys:
        key = NAMES.get(name, name)
        event = events.Key(key, name if len(name) == 1 else None)
        event.set_sender(pilot.app)
        pilot.app.post_message(event)
    await pilot.pause()
    await pilot.pause()


async def press_at(pilot: Desk, key: str, moment: float, character: str | None = None) -> None:
    """A key that was pressed at a moment of the monotonic clock."""
    event = events.Key(key, character or (key if len(key) == 1 else None))
    event.time = moment
    event.set_sender(pilot.app)
    pilot.app.post_message(event)
    await pilot.pause()


def text_of(app: DeskApp) -> str:
    """The screen as text, dialogs included."""
    compositor = app.screen._compositor
    # The first call tells the compositor what lies beneath a dialog.
    compositor.render_update(full=True, screen_stack=app._background_screens)
    return "\n".join(strip.text for strip in compositor.render_strips())


def frame_of(app: DeskApp) -> str:
    """The lines that every screen has: what stands over its panes, and the keys below."""
    lines = text_of(app).splitlines()
    top, bottom = _body_rows(app)
    return "\n".join((*lines[:top], *lines[bottom:]))


def body_of(app: DeskApp) -> str:
    """What is a screen's own: its panes and the lines between them and the footer; of a dialog, its box."""
    lines = text_of(app).splitlines()
    if isinstance(app.screen, DeskScreen):
        top, bottom = _body_rows(app)
        return "\n".join(lines[top:bottom])
    box = app.screen.query_one(".box").region
    return "\n".join(line[box.x : box.right] for line in lines[box.y : box.bottom])


def _body_rows(app: DeskApp) -> tuple[int, int]:
    return app.desk.query_one("#body").region.y, app.desk.query_one("#footer").region.y
