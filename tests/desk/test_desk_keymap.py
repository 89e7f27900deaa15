"""Keymaps of the operator's own, the page of help, and the palette."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from deskpilot import Desk, drive, painted, press, ripen, text_of
from fakelink import FakeLink, snapshot
from textual.widgets import Input

from app.desk import keymap
from app.desk.app import DeskApp
from app.desk.help import HelpPage, Palette
from app.desk.keys import KEYS, KILL_KEYS
from app.desk.options import DeskOptions
from engine.control.commands import Adopt, Cancel, Kill, Reload


def drive_with(keys: str | Path, test: object, size: tuple[int, int] = (120, 40)) -> None:
    link = FakeLink(snapshot())
    app = DeskApp(link, DeskOptions(frame_rate=0, now=lambda: 100.0, who="tester", keymap=keys))

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await painted(pilot)
            await test(app, link, pilot)  # type: ignore[operator]

    asyncio.run(run())


def mine(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(["[keys]", *lines]), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", keymap.BUILT_IN)
def test_the_keymaps_that_come_with_the_desk_have_no_conflicts(name: str) -> None:
    found = keymap.load(name)
    assert [key.id for key in found] == [key.id for key in KEYS]
    assert found != KEYS and keymap.for_textual(found)


def test_without_a_keymap_nothing_changes() -> None:
    assert keymap.load("") is KEYS and keymap.for_textual(KEYS) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('copy = ["f12"]', "copy cannot have f12: it is reserved for kill"),
        ('copy = ["ctrl+backslash"]', "it is reserved for kill"),
        ('copy = ["f8"]', "it is reserved for flatten_symbol"),
        ('copy = ["ctrl+c"]', "it is reserved for quit"),
        ('kill = ["k"]', "kill keeps its keys (F12, Ctrl+\\)"),
        ('copy = ["x"]', "cancel and copy would both have x"),
        ('cancel = ["v"]', "cancel and kind would both have v"),
        ('adopt = ["j"]', "adopt and down would both have j"),
        ('copi = ["y"]', "there is nothing called copi; did you mean copy?"),
        ('copy = "y"', "copy must be a list of keys"),
        ("copy = []", "copy must be a list of keys"),
        ("copy = [7]", "copy must be a list of keys"),
        ('copy = ["ctrl+i"]', "terminals send it as Tab, Enter or Backspace"),
        ('copy = ["ctrl+b"]', "tmux keeps it"),
        ('copy = ["alt+x"]', "is no key"),
        ('copy = ["y,f12"]', "is no key"),
        ('copy = ["y"', "not valid TOML"),
        ("[more]", "unknown entries more"),
    ],
)
def test_a_bad_keymap_is_refused_by_file_and_key(tmp_path: Path, line: str, said: str) -> None:
    path = mine(tmp_path, line)
    with pytest.raises(keymap.BadKeymap, match=re.escape(said)) as error:
        keymap.load(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(keymap.BadKeymap, match="give one of vim, or a file's path"):
        keymap.load(tmp_path / "nosuch.toml")


def test_keys_of_two_screens_may_be_the_same(tmp_path: Path) -> None:
    found = {key.id: key for key in keymap.load(mine(tmp_path, 'adopt = ["t"]', 'reset_control = ["t"]'))}
    assert found["adopt"].keys == found["reset_control"].keys == ("t",)


def test_two_keys_may_change_places(tmp_path: Path) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "down", "r")
        assert link.sent == [Cancel(order_id="trend-7f3a-0002")]
        await press(pilot, "x")
        assert link.sent[1:] == [Reload()]

    drive_with(mine(tmp_path, 'cancel = ["r"]', 'reload = ["x"]'), test)


def test_the_operators_keys_act_and_are_shown(tmp_path: Path) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f3", "x")
        assert link.sent == [], "the old key does nothing any more"
        await press(pilot, "ctrl+d", "down")
        assert len(link.sent) == 1
        await press(pilot, "f1")
        text = text_of(app)
        assert "Ctrl+D" in text and "Cancel the selected order" in text
        await press(pilot, "escape")
        await press(pilot, *KILL_KEYS)
        assert Kill in [type(command) for command in link.sent], "the kill is where it always is"

    drive_with(mine(tmp_path, 'cancel = ["ctrl+d"]'), test, size=(120, 60))


def test_keys_are_written_as_a_person_writes_them() -> None:
    assert [keymap.written(name) for name in ("ctrl+d", "pagedown", "f3", "question_mark", "G", "x")] == [
        "Ctrl+D",
        "PgDn",
        "F3",
        "?",
        "G",
        "x",
    ]


# Help


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        (("f3",), "ORDERS SCREEN"),
        (("f4",), "POS SCREEN"),
        (("f2",), "EVERYWHERE"),
        (("f5",), "RISK SCREEN"),
    ],
)
def test_help_begins_with_where_the_operator_is(keys: tuple[str, ...], first: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, *keys, "f1")
        page = app.screen
        assert isinstance(page, HelpPage)
        rows = list(page.rows())
        assert rows[0].cells[1].text.startswith(first)
        assert {row.key for row in rows} >= {key.id for key in KEYS}, "and leaves nothing out"
        assert first in text_of(app)

    drive(test)


# Palette


def test_the_palette_does_what_a_key_does() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f4", "down", "ctrl+p", *"adopt take", "enter")
        await ripen(pilot)
        await press(pilot, *"ADOPT", "enter")
        assert link.sent == [Adopt(symbol="GCM3")]
        await press(pilot, "ctrl+p", *"read limits", "down", "up", "enter")
        assert link.sent[1:] == [Reload()]

    drive(test)


def test_the_palette_goes_to_screens_and_begins_commands() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "ctrl+p", *"latencies", "enter")
        assert app.desk.sheet.id == "health"
        await press(pilot, "ctrl+p", *"resume strat", "enter")
        line = app.desk.query_one("#command", Input)
        assert app.focused is line and line.value == "resume "

    drive(test)


def test_the_palette_offers_what_tables_do_only_in_a_table() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "ctrl+p", *"osc 52", "enter")
        assert isinstance(app.screen, Palette), "there is no row to copy"
        await press(pilot, "escape", "f3", "ctrl+p", *"osc 52", "enter")
        assert "copied trend-7f3a-0001" in text_of(app)

    drive(test)


@pytest.mark.parametrize("key", sorted(KILL_KEYS))
def test_the_kill_key_works_in_the_palette(key: str) -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "ctrl+p", "a", key)
        assert [type(command) for command in link.sent] == [Kill]

    drive(test)
