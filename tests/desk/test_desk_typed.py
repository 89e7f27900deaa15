"""What may be typed into a form and what not, and that a key which counts for nothing is said to."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest
from deskpilot import Desk, drive, press, press_at, ripen, text_of
from entrykit import Gate, checked, confirm, to_ticket
from hypothesis import given
from hypothesis import strategies as st

from app.desk.app import DeskApp
from app.desk.dialogs import Ask
from app.desk.entry.confirm import GUARD
from app.desk.entry.fields import LONGEST, Field, stepped
from app.desk.entry.form import Form


def values(app: DeskApp) -> dict[str, str]:
    form = app.screen
    assert isinstance(form, Form)
    return {name: field.value for name, field in form.fields.items()}


@pytest.mark.parametrize(
    ("kind", "typed", "stands"),
    [
        ("number", "1x2,.5.-", "12.5"),
        ("number", "-3+", "3"),
        ("price", "-12.2.5-e", "-12.25"),
        ("price", "1-2", "12"),
        ("number", "٣²7", "7"),
        ("text", "ESZ6", "ESZ6"),
        ("text", "x" * 40, "x" * LONGEST),
    ],
)
def test_a_number_takes_digits_a_point_and_where_it_may_be_a_sign(kind: Any, typed: str, stands: str) -> None:
    field = Field("f", "Size", kind=kind)
    for character in typed:
        if not (why := field.refuses(character, field.value)):
            field.value += character
        else:
            assert why.startswith("Size")
    assert field.value == stands


def test_a_letter_in_a_number_is_refused_as_it_is_typed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, "x")
        assert values(app)["size"] == "1"
        assert "Size takes digits and one '.': 'x' is not entered" in text_of(app)
        await press(pilot, "2")
        assert values(app)["size"] == "2" and "is not entered" not in text_of(app)

    drive(test, link=Gate(), size=(80, 24))


def test_a_command_line_does_not_flow_into_a_form_and_says_how_to_leave() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        assert "Enter again does it" in text_of(app)
        before = values(app)
        await press(pilot, ":")
        assert "Esc leaves, then ':'" in text_of(app).replace("┃", "")
        assert "Enter again does it" not in text_of(app), "whoever types a command does not confirm an order"
        await press(pilot, *"buy 2 gc mkt", "enter")
        assert values(app) == before
        assert "that line was not run" in text_of(app) and "Enter again does it" not in text_of(app)
        await asyncio.sleep(0.3)
        assert link.sent == []
        await press(pilot, ":", "9", "backspace")
        assert values(app) == before, "the backspace takes the ':' back, not what stood there"
        await press(pilot, "2")
        assert values(app)["size"] == "2"
        await press(pilot, ":", "x", "tab", "tab", "7")
        assert values(app)["price"].endswith("7"), "in another field it goes on"

    drive(test, link=Gate(), size=(80, 24))


def test_a_line_that_follows_in_the_same_burst_is_not_entered_into_the_ticket_of_the_first() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await press(pilot, "colon", *"buy 1 ESM3 @ 4185", "enter", ":", *"buy 22 GCM3 mkt", "enter")
        await checked(pilot)
        found = values(app)
        assert (found["size"], found["symbol"], found["price"]) == ("1", "ESM3", "4185")
        await asyncio.sleep(0.3)
        assert link.sent == [] and "Enter again does it" not in text_of(app)

    drive(test, link=Gate())


def test_f1_says_what_a_form_takes_and_takes_the_confirmation_back() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        assert "Enter again does it" in text_of(app) and "F1 help" not in text_of(app)
        await press(pilot, "f1")
        shown = text_of(app)
        assert "gtc: until cancelled" in shown and "asks the engine; Enter again" in shown
        assert "with this one as well" in shown, "all of it fits"
        await press(pilot, "enter", "enter")
        assert isinstance(app.screen, Form) and "F1 help" in text_of(app)
        await asyncio.sleep(0.3)
        assert link.sent == []

    async def limit(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "f5", "down", "l", "f1")
        assert "the next field" in text_of(app) and "Target" not in text_of(app)

    drive(test, link=Gate(), size=(80, 24))
    drive(limit, link=Gate())


def test_a_time_takes_its_colon() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, *["tab"] * 5, "g", "g", "tab", *"14:30")
        assert values(app)["tif"] == "gtd" and values(app)["until"] == "14:30"

    drive(test, link=Gate())


def test_a_letter_chooses_the_next_that_begins_with_it() -> None:
    field = Field("type", "Type", "limit", ("limit", "market", "stop", "stop-limit"))
    seen = []
    for letter in "SSSmx":
        field.value = field.choice_of(letter) or field.value
        seen.append(field.value)
    assert seen == ["stop", "stop-limit", "stop", "market", "market"]


@given(
    st.integers(-(10**6), 10**6),
    st.sampled_from(["0.25", "0.005", "1", "12.5"]),
    st.integers(0, 99),
    st.sampled_from([1, -1]),
)
def test_a_step_lands_on_the_grid_within_one_tick(count: int, tick: str, off: int, direction: int) -> None:
    unit = Decimal(tick)
    value = unit * count + unit * off / 100
    there = stepped(value, unit, direction)
    assert there % unit == 0
    assert 0 < (there - value) * direction <= unit


# -- keys that come too early


def test_a_second_enter_that_comes_too_early_is_said_to() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        form = app.screen
        assert isinstance(form, Form)
        now = time.monotonic()
        form._confirm._last, form._confirm._shown = now - 0.2, now - 0.1
        await press_at(pilot, "enter", now)
        assert "too quick: Enter once more, by itself, does it" in text_of(app), "at once"
        await asyncio.sleep(0.2)
        assert link.sent == []
        await confirm(pilot)
        assert len(link.sent) == 1

    drive(test, link=Gate(), size=(80, 24))


def test_an_enter_right_after_a_question_that_lay_over_the_ticket_confirms_nothing() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        form = app.screen
        assert isinstance(form, Form) and form._confirm._shown is not None
        form._confirm._shown = form._confirm._last = time.monotonic() - 10
        await press(pilot, "ctrl+q")
        assert isinstance(app.screen, Ask)
        await press(pilot, "escape")
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        assert link.sent == [] and "too quick" in text_of(app)

    drive(test, link=Gate())


def test_what_is_said_of_an_early_enter_is_gone_when_one_is_accepted() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter", "enter")
        form = app.screen
        assert isinstance(form, Form)
        assert "Enter once more, by itself" in text_of(app)
        form._confirm._shown = form._confirm._last = time.monotonic() - 1
        await press(pilot, "enter")
        assert "Enter once more, by itself" not in text_of(app)

    drive(test, link=Gate())


def test_keys_from_before_a_question_are_said_to_count_for_nothing() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        # All in one burst, as a slow line brings it.
        await press(pilot, "colon", *"reset halt", "enter", *"RESET", "enter")
        assert isinstance(app.screen, Ask)
        assert "too quick" in text_of(app) and "type the word from its beginning" in text_of(app)
        await ripen(pilot)
        await press(pilot, "r")
        assert "too quick" not in text_of(app)
        await press(pilot, *"eset", "enter")
        assert len(link.sent) == 1

    async def one_key(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "X")
        await press(pilot, "y")
        assert "too quick" in text_of(app) and "press it once more" in text_of(app)
        screen = app.screen
        assert isinstance(screen, Ask) and screen.painted is not None
        await press_at(pilot, "y", screen.painted + GUARD)
        await pilot.pause()
        assert len(link.sent) == 1

    drive(test, link=Gate(), size=(80, 24))
    drive(one_key, link=Gate())


def test_what_is_typed_takes_the_place_of_what_stood_there_when_the_field_was_come_to() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        assert "[1]" in text_of(app)
        await press(pilot, "2")
        assert values(app)["size"] == "2", "never 12"
        await press(pilot, "5")
        assert values(app)["size"] == "25"
        await press(pilot, "tab", "shift+tab", "backspace", "7")
        assert values(app)["size"] == "27", "who takes a character back means the rest"
        await press(pilot, "tab", "shift+tab", "end", "1")
        assert values(app)["size"] == "271"
        await press(pilot, "tab", "shift+tab", "x")
        assert values(app)["size"] == "271", "a character that is not taken takes nothing away"
        await press(pilot, "up", "4")
        assert values(app)["size"] == "4"

    drive(test, link=Gate())
