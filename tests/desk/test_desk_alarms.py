"""Alarms on the screen: their states in signs and words, the one line, keys, notifications of the desktop."""

from __future__ import annotations

import dataclasses

import pytest
from deskpilot import Desk, drive, painted, press, text_of
from fakelink import TS, FakeLink, alert, change, snapshot
from rich.cells import cell_len
from textual.widgets import Input

from app.desk.app import DeskApp
from app.desk.notifying import notification
from app.desk.view import alerts as view
from app.desk.view.remedies import REMEDIES, remedy
from engine.control.commands import Acknowledge, Shelve

ZONE = "America/Chicago"
MINUTE = 60 * 1_000_000_000


def test_every_state_has_a_sign_and_a_word() -> None:
    standing = alert(1, "critical", "x")
    found = [
        view.state_cell(row, TS).text
        for row in (
            standing,
            change(standing, cleared=True),
            change(standing, acknowledged=True),
            change(standing, acknowledged=True, cleared=True),
            change(standing, shelved_until=TS + 12 * MINUTE, shelved_why="broker knows"),
            alert(2, "info", "y"),
        )
    ]
    assert found == ["! NEW", "!○ cleared", "· known", "· over", "z shelf 12m00", ""]


def test_what_is_over_waits_behind_what_is_not_and_what_is_shelved_does_not_wait() -> None:
    rows = (
        alert(5, "critical", "over", cleared=True),
        alert(4, "warning", "stands"),
        alert(3, "critical", "shelved", shelved_until=TS + MINUTE),
        alert(2, "critical", "known", acknowledged=True),
    )
    assert [row.text for row in view.unacknowledged(snapshot(alerts=rows))] == ["stands", "over"]
    title = view.table(snapshot(alerts=rows), ZONE).title
    assert title == "Alarms · 2 unacknowledged · 1 shelved"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_the_line_says_what_is_wrong_and_what_to_do(width: int) -> None:
    shot = snapshot(alerts=(alert(1, "critical", "executed -1, broker -2", code="drift", symbol="GCM3"),))
    lines = ["".join(cell.text for cell in line) for line in view.alarm_lines(shot, ZONE, width=width)]
    assert len(lines) == (2 if width < 80 else 1) and max(map(cell_len, lines)) <= width
    text = " ".join(lines)
    assert ("ALARM" in text and "GCM3: executed -1, broker -2" in text and "1/1" in text) or "1 of 1" in text
    assert "F4: d adopts, F8 flattens" in text
    over = snapshot(alerts=(alert(1, "critical", "x", code="drift", cleared=True),))
    (line,) = view.alarm_lines(over, ZONE)
    text = "".join(cell.text for cell in line)
    assert "(over)" in text and "F8" not in text, "nothing is left to do but to know it"


def test_the_longest_line_and_its_remedy_stand_at_80_columns() -> None:
    """The text of an alarm of 80 columns, the longest remedy, the count of those that wait."""
    words = "ES: " + "considerable " * 5 + "x" * 11
    assert len(words) == 80
    code = max(REMEDIES, key=lambda name: len(REMEDIES[name]))
    rows = tuple(alert(n, "critical", words, code=code) for n in range(1, 100))
    lines = view.alarm_lines(snapshot(alerts=rows), ZONE, width=80)
    text = " ".join("".join(cell.text for cell in line).strip() for line in lines)
    assert max(cell_len("".join(cell.text for cell in line)) for line in lines) <= 80
    assert text.count("considerable") == 5 and "x" * 11 in text
    assert REMEDIES[code] in text and "a: ack 1/99" in text


def test_a_text_too_long_for_two_lines_loses_whole_clauses() -> None:
    what = "sold 2 by hand or by another program (execution E000002)"
    row = alert(1, "critical", f"{what}; 'adopt ES' accepts it, {'z' * 60}", code="manual_trade", symbol="ES")
    text = " ".join(
        "".join(cell.text for cell in line)
        for line in view.alarm_lines(snapshot(alerts=(row,)), ZONE, width=80)
    )
    assert "program" in text and "E000002)" in text and "zz" not in text
    assert "F4: d keeps it, F8 closes it" in text


def test_alarms_of_one_cause_are_counted_and_the_others_are_told_in_the_table() -> None:
    row = alert(3, "critical", "a3 rejected", code="rejected", count=3, newest=9, others=("a1 x", "a2 y"))
    (line,) = view.alarm_lines(snapshot(alerts=(row,)), ZONE)
    assert "a3 rejected ×3" in "".join(cell.text for cell in line)
    cells = [cell.text for cell in view.row(row, ZONE, TS).cells]
    assert "a3 rejected ×3 · a2 y · a1 x" in cells


def test_the_second_line_takes_its_place_and_gives_it_back() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        strip = app.desk.query_one("#alarm")
        assert strip.size.height == 1
        body = app.desk.query_one("#body").size.height
        link.snapshot = snapshot(
            alerts=(alert(1, "critical", f"executed -1, broker {'-2 ' * 15}", code="drift", symbol="GCM3"),)
        )
        await painted(pilot)
        await pilot.pause()
        assert strip.size.height == 2 and app.desk.query_one("#body").size.height == body - 1
        assert "F4: d adopts, F8 flattens" in text_of(app)
        link.snapshot = snapshot(alerts=())
        await painted(pilot)
        await pilot.pause()
        assert strip.size.height == 1 and app.desk.query_one("#body").size.height == body

    drive(test, link=FakeLink(snapshot(alerts=())), size=(80, 24))


def test_remedies_are_those_of_what_is_halted() -> None:
    assert remedy("whatever", "account halted: x") == "find the cause, then :reset halt"
    assert remedy("whatever", "ES halted: x", "ES") == "F4: R lets it trade again"
    assert remedy("operator_halt", "account halted: x") == "when ready, :reset halt"
    assert remedy("whatever", "x") == ""


def test_a_shelved_alarm_neither_rings_nor_stands_in_the_line() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        assert "no unacknowledged alarms" in text_of(app) and "ALM 0" in text_of(app)
        await press(pilot, "f7")
        await painted(pilot)
        assert "(shelved: broker knows)" in text_of(app)

    row = alert(1, "critical", "x", shelved_until=TS + MINUTE, shelved_why="broker knows")
    drive(test, link=FakeLink(snapshot(alerts=(row,))))


def test_z_begins_the_command_that_shelves() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f7", "down", "z")
        line = app.desk.query_one("#command", Input)
        assert app.focused is line and line.value == "shelve 17 30 "
        await press(pilot, *"broker knows", "enter")
        assert link.sent == [Shelve(alert_id=17, minutes=30, reason="broker knows")]
        await press(pilot, "colon", *"shelve 17 30", "enter")
        assert "say why" in text_of(app) and len(link.sent) == 1
        await press(pilot, "colon", *"unshelve 17", "enter")
        assert link.sent[1:] == [Shelve(alert_id=17, minutes=0)]

    drive(test)


def test_k_acknowledges_the_selected_alarm() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        await press(pilot, "f7", "K")
        assert link.sent == [Acknowledge(alert_id=19)]

    drive(test)


def test_notifications_in_both_languages_and_through_tmux() -> None:
    assert notification("no", "x") == ""
    assert notification("osc9", "ES halted", {}) == "\x1b]9;ES halted\x07"
    assert notification("osc777", "a;b", {}) == "\x1b]777;notify;Breakwater;a,b\x07"
    assert notification("osc9", "x", {"TMUX": "1"}) == "\x1bPtmux;\x1b\x1b]9;x\x07\x1b\\"
    evil = notification("osc9", "x\x07\x1b]2;gotcha\x07", {})
    assert evil.count("\x1b") == 1 and evil.count("\x07") == 1


def test_a_new_alarm_notifies_once() -> None:
    async def test(app: DeskApp, link: FakeLink, pilot: Desk) -> None:
        written: list[str] = []
        assert app._driver is not None
        app._driver.write = written.append  # type: ignore[method-assign]
        app.options = dataclasses.replace(app.options, notify="osc9")
        app._bell_at = float("-inf")
        link.snapshot = snapshot(alerts=(alert(50, "critical", "new"), *snapshot().alerts))
        await painted(pilot)
        assert [text for text in written if "]9;" in text] == ["\x1b]9;PAPER new\x07"]

    drive(test)
