"""Stored pictures of the desk: as text for every pane and size, as SVG for what colours must show.

A picture of one screen holds that screen's own: panes and notes, or a question's box. What all screens have
in common (status, reason, alarm, kill panel, footer) has pictures of its own, one a status, at all widths.
The desk and some whole situations are stored with everything, as they stand on a terminal.

They are made anew with `python -m pytest tests/desk/test_desk_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deskpilot import Desk, body_of, drive, frame_of, painted, press, text_of
from fakeanswers import everything
from fakelink import (
    TS,
    FakeLink,
    alert,
    change,
    halted_snapshot,
    health,
    killing,
    recorded_snapshot,
    snapshot,
)
from textual.strip import Strip

from app.desk import themes
from app.desk.app import DeskApp
from app.desk.grid import Grid
from app.desk.options import DeskOptions
from app.desk.screens import SCREENS
from app.desk.view.orders import is_working
from engine.control.snapshot import NOT_COMPARED, Comparison, LinkRow, ScreenRole, Snapshot

Compare = Callable[[str], None]
PICTURES = Path(__file__).parent / "__snapshots__" / "test_desk_snapshots"


def ended() -> Snapshot:
    verdict = "NOT FLAT: GCM3 −1 left, market halted; repeat with F12"
    return change(halted_snapshot(), kill=killing(running=False, verdict=verdict))


def proven_flat() -> Snapshot:
    verdict = "flat, confirmed twice by the broker at 2023-05-01 14:30:09Z"
    rows = tuple(
        change(row, executed=Decimal(0), broker=Decimal(0), diff=Decimal(0), state="agree", by_strategy={})
        for row in snapshot().positions
    )
    shut = tuple(row for row in snapshot().orders if not is_working(row))
    return change(
        halted_snapshot(), positions=rows, orders=shut, kill=killing(running=False, verdict=verdict)
    )


def disconnected() -> Snapshot:
    """The broker is gone: nothing opens, positions are what they were when it was last asked."""
    text = "link to paper is down: connection reset by peer"
    unseen = tuple(change(row, diff=None, state=NOT_COMPARED) for row in snapshot().positions)
    orders = tuple(change(row, last_known=is_working(row)) for row in snapshot().orders)
    last = Comparison(at=TS - 14_000_000_000, holds=False, orders=False, why="the link to the broker is down")
    link = LinkRow(text=text, up=False, attempts=3, next_try=2.0, last_loss="connection reset", losses=1)
    return snapshot(
        trading=False,
        trading_text=text,
        positions=unseen,
        orders=orders,
        comparison=last,
        alerts=(alert(30, "critical", text, code="link_down"),),
        health=health(broker="down", broker_text=text, link=link),
    )


def alarmed() -> Snapshot:
    """Three trades by hand are one alarm, whose text is too long for one line at 80 columns."""
    row = alert(
        31,
        "critical",
        "ESM3 halted: sold 2 by hand or by another program (execution E000002); 'adopt ESM3' accepts it",
        code="manual_trade",
        symbol="ESM3",
        count=3,
        newest=33,
        others=("sold 1 by hand or by another program (execution E000001)",),
    )
    return snapshot(alerts=(row, *snapshot().alerts))


SCENES: dict[str, tuple[Callable[[], Snapshot | None], tuple[str, ...], float]] = {
    "desk": (snapshot, (), 0.1),
    "halted": (halted_snapshot, (), 0.1),
    "notflat": (ended, (), 0.1),
    "flat": (proven_flat, (), 0.1),
    "disconnected": (disconnected, (), 0.1),
    "stale": (snapshot, (), 1.3),
    "waiting": (lambda: None, (), 0.0),
    "paused": (snapshot, ("p",), 0.1),
    "kill": (snapshot, ("f12",), 0.1),
    "flatten": (snapshot, ("f4", "down", "f8"), 0.1),
    "alarm": (alarmed, (), 0.1),
    "drift": (snapshot, ("f4", "down"), 0.1),
    "ticket": (snapshot, ("f9",), 0.1),
    "quit": (snapshot, ("ctrl+q",), 0.1),
    "help": (snapshot, ("f1",), 0.1),
    "detail": (snapshot, ("f3", "down", "enter"), 0.1),
    "command": (snapshot, ("colon", *"pause tr"), 0.1),
    **{screen.name: (snapshot, (screen.keys[0],), 0.1) for screen in SCREENS if not screen.modes},
    "replay": (recorded_snapshot, ("0",), 0.0),
    "alarm story": (snapshot, ("f7", "down", "enter"), 0.1),
    "chosen": (snapshot, ("f3", "down", "down"), 0.1),
}


NAMES = [screen.name for screen in SCREENS if not screen.modes]
SMALL, MEDIUM, WIDE = (80, 24), (120, 40), (200, 50)
CASES = [
    *((scene, SMALL) for scene in SCENES),
    *(
        (scene, MEDIUM)
        for scene in (
            "replay",
            "disconnected",
            "halted",
            "notflat",
            "stale",
            "kill",
            "help",
            "flatten",
            *NAMES,
        )
    ),
    *((scene, WIDE) for scene in ("replay", "halted", *NAMES)),
    *((scene, (60, 15)) for scene in ("halted", "kill", *NAMES)),
    ("desk", (170, 50)),
    ("desk", (40, 10)),
]


WHOLE = {
    ("desk", SMALL),
    ("desk", MEDIUM),
    ("desk", WIDE),
    ("desk", (40, 10)),
    ("halted", (60, 15)),
    ("kill", (60, 15)),
    *(
        (scene, SMALL)
        for scene in ("halted", "disconnected", "stale", "waiting", "paused", "kill", "quit", "alarm")
    ),
    ("notflat", MEDIUM),
    ("replay", MEDIUM),
}
"""Whole situations, frame and all."""


@pytest.mark.parametrize(
    ("scene", "size"), CASES, ids=[f"{scene}-{size[0]}x{size[1]}" for scene, size in CASES]
)
def test_text(scene: str, size: tuple[int, int], text_picture: Compare) -> None:
    make, keys, age = SCENES[scene]
    link = FakeLink(make())
    link.stale = age

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *keys)
        await painted(pilot)
        assert {len(line) for line in text_of(app).splitlines()} == {size[0]}
        text_picture(text_of(app) if (scene, size) in WHOLE else body_of(app))

    drive(test, link=link, size=size)


STATUSES: dict[str, tuple[Callable[[], Snapshot], tuple[str, ...], float, ScreenRole]] = {
    "safe": (snapshot, (), 0.1, "control"),
    "armed": (snapshot, ("ctrl+o",), 0.1, "control"),
    "halted": (halted_snapshot, (), 0.1, "control"),
    "notflat": (ended, (), 0.1, "control"),
    "flat": (proven_flat, (), 0.1, "control"),
    "disconnected": (disconnected, (), 0.1, "control"),
    "stale": (snapshot, (), 1.3, "control"),
    "recorded": (recorded_snapshot, (), 0.0, "control"),
    "looking on": (snapshot, (), 0.1, "view"),
    "read only": (snapshot, (), 0.1, "read-only"),
}
WIDTHS = (40, 60, 80, 100, 120, 170, 200)


@pytest.mark.parametrize("status", STATUSES)
def test_frame(status: str, text_picture: Compare) -> None:
    """All that stands on every screen, at every width."""
    make, keys, age, role = STATUSES[status]
    link = FakeLink(make())
    link.stale, link.part = age, role

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *keys)
        found = []
        for width in WIDTHS:
            await pilot.resize_terminal(width, 24)
            await painted(pilot)
            frame = frame_of(app)
            assert {len(line) for line in frame.splitlines()} == {width}
            found.append(f"{width} columns\n{frame}")
        text_picture("\n\n".join(found))

    drive(test, link=link, size=(WIDTHS[0], 24))


@pytest.mark.parametrize("size", [MEDIUM], ids=["120x40"])
@pytest.mark.parametrize("name", [screen.name for screen in SCREENS if not screen.modes])
def test_a_blank_screen_is_no_stored_picture(
    name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures above are worth something: each of them fails when one of its panes shows nothing."""
    stored = PICTURES / f"test_text[{name}-{size[0]}x{size[1]}].txt"

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *SCENES[name][1])
        await painted(pilot)
        wanted = stored.read_text(encoding="utf-8").splitlines()
        picture = text_of if (name, size) in WHOLE else body_of
        assert [line.rstrip() for line in picture(app).splitlines()] == wanted
        panes = [pane for pane in app.desk.sheet.query(Grid) if pane.size]
        assert panes
        for pane in panes:
            with monkeypatch.context() as patch:
                patch.setattr(pane, "render_line", lambda y, pane=pane: Strip.blank(pane.size.width))
                pane.refresh()
                await pilot.pause()
                assert [line.rstrip() for line in picture(app).splitlines()] != wanted, pane

    drive(test, size=size)


COLOURFUL = (
    "alarm",
    "drift",
    "ticket",
    "halted",
    "kill",
    "flat",
    "notflat",
    "stale",
    "disconnected",
    "positions",
    "risk",
    "log",
    "health",
    "help",
)
"""Scenes in which colours say something."""


def app_for(scene: str, theme: str = themes.DEFAULT) -> tuple[DeskApp, tuple[str, ...]]:
    make, keys, age = SCENES[scene]
    link = FakeLink(make())
    link.stale = age
    link.replies = everything()
    return DeskApp(link, DeskOptions(theme=theme, frame_rate=0, now=lambda: 100.0)), keys


@pytest.mark.parametrize(
    ("scene", "size", "theme"),
    [
        *(("desk", (80, 24), name) for name in themes.BUILT_IN),
        ("desk", (120, 40), "cvd"),
        ("desk", (200, 50), "cvd"),
        *((scene, (80, 24), "cvd") for scene in COLOURFUL),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}x{value[1]}",
)
def test_svg(scene: str, size: tuple[int, int], theme: str, snap_compare: Any) -> None:
    app, keys = app_for(scene, theme)

    async def before(pilot: Desk) -> None:
        await pilot.pause()
        await painted(pilot)
        await press(pilot, *keys)
        await painted(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
