"""Terminals that cannot show everything: ASCII, sixteen colours, none."""

from __future__ import annotations

import io
from typing import Any

import pytest
from deskpilot import Desk, drive, painted, press, text_of
from fakelink import FakeLink, halted_snapshot, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color, ColorSystem

from app.desk import themes
from app.desk.app import DeskApp
from app.desk.options import DeskOptions
from app.desk.plain import to_ascii, wants_ascii
from app.desk.view.meanings import FILLED, MEANINGS


@pytest.mark.parametrize("keys", [(), ("f12",), ("f6",), ("f1",), ("ctrl+q",)])
def test_every_glyph_of_the_desk_has_a_counterpart_in_ascii(keys: tuple[str, ...]) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *keys)
        await painted(pilot)
        for line in text_of(app).splitlines():
            shown = to_ascii(line)
            assert shown.isascii() and len(shown) == cell_len(line)
            assert shown.count("?") == line.count("?"), f"no counterpart: {line}"

    drive(test, link=FakeLink(halted_snapshot()), size=(170, 50))


@given(st.text(st.characters(exclude_categories=["C", "M", "Z"]), max_size=40))
@settings(max_examples=200, deadline=None)
def test_ascii_keeps_every_cell_where_it_was(text: str) -> None:
    assert to_ascii(text).isascii()
    assert len(to_ascii(text)) == cell_len(text)


@pytest.mark.parametrize(
    ("glyphs", "environ", "ascii_only"),
    [
        ("ascii", {"LANG": "en_US.UTF-8"}, True),
        ("unicode", {"LC_ALL": "C"}, False),
        ("auto", {}, False),
        ("auto", {"LC_CTYPE": "C.UTF-8"}, False),
        ("auto", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ("auto", {"LANG": "en_US.UTF-8"}, False),
        ("auto", {"LANG": "de_DE.utf8"}, False),
        ("auto", {"LANG": "de_DE.ISO-8859-1"}, True),
        ("auto", {"LANG": "de_DE@euro"}, False),
        ("auto", {"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, True),
        ("auto", {"LANG": "en_US.UTF-8", "TERM": "linux"}, True),
        ("auto", {"LANG": "en_US.UTF-8", "TERM": "xterm-256color"}, False),
    ],
)
def test_who_gets_ascii(glyphs: Any, environ: dict[str, str], ascii_only: bool) -> None:
    assert wants_ascii(glyphs, environ) is ascii_only


def standard(colour: str) -> int | None:
    return Color.parse(colour).downgrade(ColorSystem.STANDARD).number


@pytest.mark.parametrize("name", themes.BUILT_IN)
def test_nothing_vanishes_in_sixteen_colours(name: str) -> None:
    theme = themes.load(name)
    for ground in ("background", "panel"):
        for meaning in set(MEANINGS) - {"cursor"}:
            assert standard(theme.meanings[meaning]) != standard(theme.colours[ground]), meaning
    for up, down in (
        ("pnl-up", "pnl-down"),
        ("side-buy", "side-sell"),
        ("armed", "halted"),
        ("agree", "drift"),
    ):
        assert standard(theme.meanings[up]) != standard(theme.meanings[down]), (up, down)
    for meaning in FILLED:
        assert standard(theme.meanings[meaning]) != standard(theme.colours["background"]), meaning


@pytest.mark.parametrize("plain", [True, False])
def test_the_selected_row_is_seen_without_its_colour(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "down")
        style = app.desk.pane("orders").style_of("text", cursor=True)
        assert bool(style.reverse) is plain and style.bold

    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    drive(test)


def test_plain_colours_send_no_others() -> None:
    app = DeskApp(FakeLink(snapshot()), DeskOptions(frame_rate=0, plain=True))
    console = app.console
    console.file = io.StringIO()
    console.print("x", style="#5CC8FF on #0B0F14", end="")
    assert "38;2;" not in console.file.getvalue() and "38;5;" not in console.file.getvalue()
