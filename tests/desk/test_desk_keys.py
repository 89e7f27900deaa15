"""The one table of keys, and the command line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from app.desk import keys
from app.desk.app import DeskApp
from app.desk.footer import VITAL, footer
from app.desk.grid import Grid
from app.desk.screens import SCREENS, ScreenEntry, entry

SHEETS = [screen.name for screen in SCREENS]


def test_no_key_is_given_twice() -> None:
    shared = [name for key in keys.KEYS if key.group not in SHEETS for name in key.keys]
    for sheet in SHEETS:
        own = [name for key in keys.KEYS if key.group == sheet for name in key.keys]
        count = Counter([*shared, *own])
        assert [name for name, times in count.items() if times > 1] == [], sheet
    assert len({key.id for key in keys.KEYS}) == len(keys.KEYS)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_screen_names_its_own_keys_and_others_that_exist(screen: ScreenEntry) -> None:
    named = [key.id for key in keys.hints(screen.name)]
    assert set(screen.hints) <= {key.id for key in keys.KEYS}
    assert named[len(named) - len(screen.hints) :] == list(screen.hints)
    assert {key.id for key in keys.KEYS if key.group == screen.name} <= set(named)


def test_every_action_exists() -> None:
    owners = {"table": Grid, "everywhere": DeskApp, "screen": DeskApp}
    for key in keys.KEYS:
        owner = owners.get(key.group) or entry(key.group).load()
        assert hasattr(owner, f"action_{key.action.split('(')[0]}"), key


def test_no_key_that_terminals_lose_or_merge() -> None:
    lost = {"ctrl+b", "ctrl+a", "ctrl+s", "ctrl+z", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m"}
    for key in keys.KEYS:
        for name in key.keys:
            assert name not in lost and not name.startswith(("alt+", "ctrl+shift+")), key
            assert name not in ("f10", "f11"), "taken by terminal emulators"


def test_bindings_have_id_help_and_priority_where_they_must() -> None:
    groups = {key.group for key in keys.KEYS}
    assert groups <= {"everywhere", "screen", "table", *SHEETS}
    found = {binding.id: binding for binding in keys.bindings(*groups)}
    assert len(found) == len(keys.KEYS)
    assert all(binding.tooltip for binding in found.values())
    assert found["breakwater.kill"].priority and found["breakwater.flatten_symbol"].priority
    assert not found["breakwater.ack"].priority
    assert {"f12", "ctrl+backslash"} == keys.KILL_KEYS <= keys.RESERVED


@pytest.mark.parametrize("width", [10, 40, 60, 80, 100, 108, 109, 120, 300])
def test_the_footer_begins_with_kill_fits_and_keeps_what_saves(width: int) -> None:
    shown = footer(width)
    assert sum(one.width for one in shown) <= width
    assert (shown[0].first, shown[0].label) == ("F12", "KILL")
    named = {one.key.id for one in shown}
    if width >= 40:
        assert named >= {"kill", "flatten_symbol", "arm"}
    if width >= 80:
        assert named >= set(VITAL) - {"show_health", "quit"}
    assert width < 109 or [one.label for one in shown][-2:] != ["Flat", "Arm"], (
        "there is room for whole words"
    )


def test_the_table_for_the_readme_has_every_key() -> None:
    table = keys.markdown_table()
    assert table.count("\n") == len(keys.KEYS) + 2
    assert all(key.help in table for key in keys.KEYS)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert table in readme, "the README's table is made by keys.markdown_table()"
