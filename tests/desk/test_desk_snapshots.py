"""Stored pictures of the desk: as text for every pane and size, as SVG for what colours must show.

They are made anew with `python -m pytest tests/desk/test_desk_snapshots.py --snapshot-update`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deskpilot import Desk, drive, painted, press, text_of
from fakelink import FakeLink, change, halted_snapshot, killing, snapshot
from textual.strip import Strip

from app.desk import themes
from app.desk.app import DeskApp
from engine.control.snapshot import Snapshot

Compare = Callable[[str], None]
PICTURES = Path(__file__).parent / "__snapshots__" / "test_desk_snapshots"


def ended() -> Snapshot:
    verdict = "NOT FLAT: GCM3 −1 left, market halted; repeat with F12"
    return change(halted_snapshot(), kill=killing(running=False, verdict=verdict))


SCENES: dict[str, tuple[Callable[[], Snapshot | None], tuple[str, ...], float]] = {
    "desk": (snapshot, (), 0.1),
    "halted": (halted_snapshot, (), 0.1),
    "notflat": (ended, (), 0.1),
    "stale": (snapshot, (), 1.3),
    "waiting": (lambda: None, (), 0.0),
    "paused": (snapshot, ("space",), 0.1),
    "kill": (snapshot, ("f12",), 0.1),
    "flatten": (snapshot, ("f4", "down", "f8"), 0.1),
    "quit": (snapshot, ("ctrl+q",), 0.1),
    "help": (snapshot, ("f1",), 0.1),
    "detail": (snapshot, ("f3", "down", "enter"), 0.1),
    "command": (snapshot, ("colon", *"pause tr"), 0.1),
    "orders": (snapshot, ("f3", "down", "down"), 0.1),
    "positions": (snapshot, ("f4",), 0.1),
    "risk": (snapshot, ("f5",), 0.1),
    "health": (snapshot, ("f6",), 0.1),
    "alerts": (snapshot, ("f7",), 0.1),
    "strategies": (snapshot, ("s",), 0.1),
}


PANES = ("orders", "positions", "risk", "health", "alerts", "strategies")
SMALL, MEDIUM, WIDE = (80, 24), (120, 40), (170, 50)
CASES = [
    *((scene, SMALL) for scene in SCENES),
    *((scene, MEDIUM) for scene in ("desk", "halted", "notflat", "stale", "kill", "help", "flatten", *PANES)),
    *((scene, WIDE) for scene in ("desk", "halted", *PANES)),
    *((scene, (60, 15)) for scene in ("desk", "halted", "kill", *PANES)),
    *((scene, (200, 60)) for scene in ("desk", "halted")),
    ("desk", (40, 10)),
]


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
        text = text_of(app)
        assert {len(line) for line in text.splitlines()} == {size[0]}
        text_picture(text)

    drive(test, link=link, size=size)


@pytest.mark.parametrize("size", [SMALL, MEDIUM, WIDE], ids=["80x24", "120x40", "170x50"])
@pytest.mark.parametrize("pane", PANES)
def test_a_blank_pane_is_no_stored_picture(
    pane: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures above are worth something: each of them fails when its pane shows nothing."""
    stored = PICTURES / f"test_text[{pane}-{size[0]}x{size[1]}].txt"

    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        grid = app.desk.pane(pane)
        await press(pilot, *SCENES[pane][1])
        await painted(pilot)
        wanted = stored.read_text(encoding="utf-8").splitlines()
        assert [line.rstrip() for line in text_of(app).splitlines()] == wanted
        monkeypatch.setattr(grid, "render_line", lambda y: Strip.blank(grid.size.width))
        grid.refresh()
        await pilot.pause()
        assert [line.rstrip() for line in text_of(app).splitlines()] != wanted

    drive(test, size=size)


def app_for(scene: str, theme: str = themes.DEFAULT) -> tuple[DeskApp, tuple[str, ...]]:
    make, keys, age = SCENES[scene]
    link = FakeLink(make())
    link.stale = age
    return DeskApp(link, theme=theme, frame_rate=0, now=lambda: 100.0), keys


@pytest.mark.parametrize(
    ("scene", "size", "theme"),
    [
        ("desk", (80, 24), "cvd"),
        ("desk", (120, 40), "cvd"),
        ("desk", (170, 50), "cvd"),
        ("desk", (80, 24), "greenred"),
        ("desk", (80, 24), "daylight"),
        ("desk", (80, 24), "contrast"),
        ("halted", (120, 40), "cvd"),
        ("notflat", (80, 24), "cvd"),
        ("stale", (80, 24), "cvd"),
        ("kill", (80, 24), "cvd"),
        ("orders", (80, 24), "cvd"),
        ("risk", (80, 24), "cvd"),
        ("alerts", (80, 24), "cvd"),
        ("strategies", (80, 24), "cvd"),
        ("health", (80, 24), "cvd"),
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
