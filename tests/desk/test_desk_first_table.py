"""The desk where no table has the focus: keys of tables find the first one, and none falls through."""

from __future__ import annotations

from typing import Any

import pytest
from deskpilot import Desk, drive, press, text_of
from entrykit import Gate

from app.desk.app import DeskApp
from app.desk.finding import FindLine
from app.desk.panes.orders import OrdersPane
from engine.control.commands import Acknowledge


def test_what_is_typed_after_a_slash_is_searched_for_and_is_no_key_of_the_desk() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "f4", "f2", "slash", *"NQmapX")
        line = app.desk.focused
        assert isinstance(line, FindLine) and line.value == "NQmapX"
        assert [c for c in link.sent if isinstance(c, Acknowledge)] == []
        await press(pilot, "escape")
        assert isinstance(app.desk.focused, OrdersPane)

    drive(test, link=Gate())


@pytest.mark.parametrize("key", ["down", "up", "home", "enter", "j"])
def test_a_key_that_moves_selects_the_first_row_first(key: str) -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "f2", key)
        pane = app.desk.focused
        assert isinstance(pane, OrdersPane)
        assert pane.selected is not None and pane.cursor == 0
        assert "Esc closes" not in text_of(app), "nothing is opened before a row was chosen"

    drive(test, link=Gate())


def test_without_such_a_key_no_row_is_selected() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "f2", "p")
        assert app.desk.focused is app.desk.sheet

    drive(test, link=Gate())
