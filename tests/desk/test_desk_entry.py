"""Order entry on the desk: ticket, change, limit, ARMED and SAFE, the typed line; and that nothing is sent by
accident: not by a key that was typed ahead, not by one that is held, not while SAFE.
"""

from __future__ import annotations

import asyncio
import stat
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deskpilot import Desk, body_of, drive, painted, press, press_at, ripen, text_of
from fakelink import FakeLink, change, order, snapshot

from app.desk.app import DeskApp
from app.desk.dialogs import Ask
from app.desk.entry.arming import Arming
from app.desk.entry.confirm import GUARD, Confirm
from app.desk.entry.form import Form
from app.desk.history import KEPT, History
from app.desk.panes.market import Ladder
from app.desk.screen import CommandLine
from engine.control.commands import (
    Answer,
    AnyCommand,
    Cancel,
    Flatten,
    Kill,
    Modify,
    Pause,
    Resume,
    SetLimit,
    StopStrategy,
    Submit,
)
from engine.model import OrderType, Side, TimeInForce

D = Decimal
PASS = {
    "currency": "USD",
    "position": "+2",
    "worst_now": "0 … +4",
    "worst_then": "0 … +6",
    "limit": "10",
    "reduces": "no",
    "notional": "418500.00",
    "margin_now": "26400.00",
    "margin_then": "39600.00",
    "margin_used": "13200.00",
    "equity": "250000.00",
}


class Gate(FakeLink):
    """Answers previews with `verdict`, and keeps apart what is only asked from what is sent."""

    def __init__(self, mode: str = "PAPER") -> None:
        super().__init__(snapshot(mode=mode))
        self.asked: list[AnyCommand] = []
        self.verdict = Answer(ok=True, text="the gate would let it pass", data=PASS)

    def send(self, command: AnyCommand, who: str, answer: Any = None) -> None:
        if getattr(command, "preview", False):
            self.asked.append(command)
            answer(self.verdict)
        else:
            super().send(command, who, answer)


async def checked(pilot: Desk) -> None:
    """Until the form has heard what the engine thinks."""
    for _ in range(40):
        screen = pilot.app.screen
        if isinstance(screen, Form) and (screen._answer is not None or screen._problem is not None):
            await pilot.pause()
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no preview came")


async def confirm(pilot: Desk) -> None:
    """One Enter, as a person who has read presses it, and the time in which a held key would repeat."""
    form = pilot.app.screen
    assert isinstance(form, Form)
    assert form._confirming, text_of(pilot.app)  # type: ignore[arg-type]
    assert form._confirm._shown is not None
    form._confirm._shown -= 1
    form._confirm._last -= 1
    await press(pilot, "enter")
    await asyncio.sleep(0.2)
    await pilot.pause()


async def to_ticket(pilot: Desk) -> None:
    await press(pilot, "f4", "down", "f9")
    await checked(pilot)


def test_the_ticket_starts_with_the_selected_symbol_and_is_judged_as_it_stands() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        (asked,) = link.asked
        assert isinstance(asked, Submit) and asked.preview and asked.size == 1
        assert "✓ the gate would let it pass" in text_of(app)
        assert "0 … +4 → 0 … +6" in text_of(app) and "39,600.00" in text_of(app)
        assert link.sent == []

    drive(test, link=Gate())


def test_a_safe_desk_only_previews() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        assert "SAFE: previewed only. Ctrl+O arms this desk" in text_of(app)
        assert link.sent == []

    drive(test, link=Gate())


def test_armed_enter_previews_and_enter_again_sends() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "backspace", "3", "tab", "tab", "tab", *["backspace"] * 9, *"4185.25")
        await press(pilot, "tab", *"4180", "tab", *"4200.5")
        await checked(pilot)
        await press(pilot, "enter")
        assert "▶ buy 3" in text_of(app) and "Enter again does it" in text_of(app)
        assert link.sent == []
        await confirm(pilot)
        (sent,) = link.sent
        assert isinstance(sent, Submit)
        assert (sent.size, sent.limit, sent.stop_loss, sent.take_profit) == (
            3,
            D("4185.25"),
            4180,
            D("4200.5"),
        )
        assert not isinstance(app.screen, Form)

    drive(test, link=Gate())


def test_enter_typed_ahead_confirms_nothing() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f4", "down", "f9", "enter", "enter", "enter")
        await checked(pilot)
        await press(pilot, "enter")
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        assert isinstance(app.screen, Form) and link.sent == []

    drive(test, link=Gate())


def test_a_held_enter_confirms_nothing_however_late_its_first_repeat() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        await asyncio.sleep(0.6)
        for _ in range(20):
            await press_at(pilot, "enter", time.monotonic())
            await asyncio.sleep(0.03)
        await asyncio.sleep(0.3)
        assert isinstance(app.screen, Form) and link.sent == []
        assert "Enter is held" in text_of(app)
        await confirm(pilot)
        assert len(link.sent) == 1, "let go and pressed once, it counts"

    drive(test, link=Gate())


def test_a_change_takes_the_confirmation_back() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        await press(pilot, "5")
        assert "Enter again" not in text_of(app)
        await asyncio.sleep(0.5)
        await press(pilot, "enter")
        assert link.sent == []

    drive(test, link=Gate())


def test_what_the_gate_refuses_cannot_be_confirmed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        reasons = "max_position: worst case +60 lots, the limit is 50\norder_qty: 60 lots, the limit is 20"
        link.verdict = Answer(ok=False, text=reasons.replace("\n", "; "), data={"refusals": reasons})
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        assert "✕ max_position: worst case +60 lots" in text_of(app) and "✕ order_qty" in text_of(app)
        await press(pilot, "enter")
        await asyncio.sleep(0.3)
        await press(pilot, "enter")
        assert "it would be refused" in text_of(app) and link.sent == []

    drive(test, link=Gate())


def test_a_field_that_is_wrong_says_what_would_be_right() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, "backspace", "x")
        await checked(pilot)
        assert "x is no size" in text_of(app)
        await press(pilot, "enter")
        assert link.sent == [] and len(link.asked) == 1

    drive(test, link=Gate())


def test_an_empty_field_is_named_and_not_read_as_its_neighbour() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ticket(pilot)
        await press(pilot, "backspace")
        await checked(pilot)
        assert "fill in size" in text_of(app)
        await press(pilot, "enter")
        assert link.sent == []

    drive(test, link=Gate())


@pytest.mark.parametrize("key", ["f12", "ctrl+backslash"])
@pytest.mark.parametrize(
    "opened", [("f4", "down", "f9"), ("f3", "down", "m"), ("f5", "down", "l"), ("colon", "b")]
)
def test_the_kill_key_works_from_every_form_and_input(key: str, opened: tuple[str, ...]) -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, *opened)
        await press(pilot, key)
        assert [type(c) for c in link.sent] == [Kill]
        assert "KILL" in text_of(app)

    drive(test, link=Gate())


def test_losing_the_arms_takes_a_confirmation_back() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await to_ticket(pilot)
        await press(pilot, "enter")
        assert "Enter again" in text_of(app)
        await press(pilot, "ctrl+o")
        assert "Enter again" not in text_of(app) and "SAFE" in text_of(app)
        await asyncio.sleep(0.3)
        await press(pilot, "enter")
        assert link.sent == []

    drive(test, link=Gate())


def test_arming_takes_one_key_on_paper_and_a_word_on_live() -> None:
    async def paper(app: DeskApp, link: Any, pilot: Desk) -> None:
        assert "SAFE" in text_of(app).split("\n")[0]
        await press(pilot, "ctrl+o")
        assert "ARMED" in text_of(app).split("\n")[0]
        await press(pilot, "ctrl+o")
        assert "SAFE" in text_of(app).split("\n")[0]

    async def live(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", *"ARM", "enter")
        assert not app.arming.armed, "typed ahead"
        await ripen(pilot)
        await press(pilot, *"arm", "enter")
        assert app.arming.armed
        await press(pilot, "ctrl+o")
        assert not app.arming.armed, "SAFE at once"

    drive(paper, link=Gate())
    drive(live, link=Gate("LIVE"))


def test_kill_cancel_and_flatten_work_on_a_safe_desk() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "f3", "down", "x")
        await press(pilot, "f4", "down", "f8")
        await ripen(pilot)
        await press(pilot, "y")
        await press(pilot, "f12")
        assert not app.arming.armed
        assert [type(c) for c in link.sent] == [Cancel, Flatten, Kill]

    drive(test, link=Gate())


def test_an_idle_desk_is_safe_again() -> None:
    now = [100.0]
    arming = Arming(lambda: now[0], 600)
    shot = snapshot(stops=4)

    def fell(one: Arming) -> str:
        return one.fell_safe(shot, "control", True)

    assert not arming.armed and not fell(arming)
    arming.arm(4)
    now[0] += 599
    arming.touch()
    now[0] += 599
    assert not fell(arming)
    now[0] += 2
    assert fell(arming) and not arming.armed and not fell(arming)
    never = Arming(lambda: now[0], 0)
    never.arm(4)
    now[0] += 10**6
    assert not fell(never)


def test_what_makes_a_desk_safe_without_its_operator_is_said() -> None:
    halted = snapshot(halted=True, halt_reason="daily loss 2,004 of 2,000", stops=1)
    for seen, role, alive, why in (
        (halted, "control", True, "halted: daily loss 2,004 of 2,000"),
        (snapshot(stops=2), "control", True, "there was a kill or a halt"),  # reset between two pictures
        (snapshot(), "view", True, "another screen is in control"),
        (snapshot(), "control", False, "the engine is gone"),
    ):
        arming = Arming(lambda: 0.0, 600)
        arming.arm(0)
        assert arming.fell_safe(seen, role, alive) == why  # type: ignore[arg-type]
        assert not arming.armed and not arming.fell_safe(snapshot(stops=seen.stops), "control", True)


def test_who_armed_under_a_halt_is_safe_once_it_is_lifted() -> None:
    arming = Arming(lambda: 0.0, 600)
    arming.arm(1)
    halted = snapshot(halted=True, halt_reason="by hand", stops=1)
    assert not arming.fell_safe(halted, "control", True) and arming.armed
    assert arming.fell_safe(snapshot(stops=1), "control", True).startswith("the halt is lifted")
    assert not arming.armed
    arming = Arming(lambda: 0.0, 600)
    assert not arming.fell_safe(halted, "control", True)
    arming.arm(1)  # and it is lifted before the next picture
    assert arming.fell_safe(snapshot(stops=1), "control", True) and not arming.armed


def test_a_halt_makes_every_desk_safe_and_its_reset_arms_none() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        def line() -> str:
            return text_of(app).split("\n")[0]

        await press(pilot, "ctrl+o")
        assert " ARMED " in line()
        link.snapshot = change(link.snapshot, seq=2, halted=True, halt_reason="by ctl (ann)", stops=1)
        await painted(pilot)
        assert " HALTED  SAFE " in line() and "SAFE again: halted: by ctl (ann)" in text_of(app)
        link.snapshot = change(link.snapshot, seq=3, halted=False, halt_reason="")
        await painted(pilot)
        assert " SAFE " in line() and " HALTED " not in line() and not app.arming.armed
        # Armed on purpose while halted, to reduce: it says both, and a second kill takes that back.
        link.snapshot = change(link.snapshot, seq=4, halted=True, halt_reason="x", stops=2)
        await press(pilot, "ctrl+o")
        await painted(pilot)
        assert " HALTED  ARMED " in line()
        link.snapshot = change(link.snapshot, seq=5, stops=3)
        await painted(pilot)
        assert " HALTED  SAFE " in line()

    drive(test, link=Gate(), size=(80, 24))


def test_a_kill_while_the_question_stands_is_not_armed_over() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o")
        await ripen(pilot)
        link.snapshot = change(link.snapshot, seq=2, stops=1)
        await press(pilot, *"arm", "enter")
        await painted(pilot)
        assert not app.arming.armed and "SAFE again: there was a kill or a halt" in text_of(app)

    drive(test, link=Gate("LIVE"))


def test_a_press_counts_only_alone_and_after_the_question_could_be_read() -> None:
    ask = Confirm()
    assert not ask.pressed(1.0), "nothing is asked"
    ask.show(2.0)
    assert not ask.pressed(2.0 + GUARD - 0.01)
    assert not ask.pressed(2.0 + GUARD + 0.1), "too soon after the last one"
    assert ask.pressed(3.0) and ask.stands(3.0)
    ask.pressed(3.03)
    assert not ask.stands(3.0), "a held key"
    assert ask.pressed(4.0)
    ask.hide()
    assert not ask.stands(4.0)


# -- changes


def test_m_changes_the_selected_order_by_what_differs() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f3", "down", "m")
        await pilot.pause()
        assert "nothing is changed yet" in text_of(app) and "MODIFY trend-7f3a" in text_of(app)
        await press(pilot, *["backspace"] * 9, *"4100.25")
        await checked(pilot)
        await press(pilot, "enter")
        await confirm(pilot)
        (sent,) = link.sent
        assert isinstance(sent, Modify) and (sent.size, sent.limit, sent.stop) == (None, D("4100.25"), None)

    drive(test, link=Gate())


def test_an_order_that_is_over_cannot_be_changed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.snapshot = change(link.snapshot, seq=9, orders=(order(11, "FILLED"),))
        await painted(pilot)
        await press(pilot, "f3", "down", "m")
        assert "nothing is left to modify" in text_of(app) and not isinstance(app.screen, Form)

    drive(test, link=Gate())


# -- limits


def limits(effect: str, **more: str) -> Answer:
    wider = effect == "wider"
    data = {
        "key": "max_position",
        "title": "Max position",
        "asked": "90 lots" if wider else "3 lots",
        "before": "10 lots",
        "before_from": "from the file",
        "after": "90 lots" if wider else "3 lots",
        "after_from": "set at run time by test",
        "file": "10 lots",
        "effect": effect,
        "used": "5 lots",
        "state": "ACTIVE",
        "exceeding": "trend-7f3a-0001",
    }
    return Answer(ok=True, text="Max position: 10 lots → 3 lots", data={**data, **more})


def test_a_limit_is_tightened_from_its_row_on_a_safe_desk() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.verdict = limits("tighter")
        await press(pilot, "f5", "down", "l", "3")
        await checked(pilot)
        assert "10 lots → 3 lots" in text_of(app) and "by trend-7f3a-0001" in text_of(app)
        assert "from the file" in text_of(app) and "set at run time by test" in text_of(app)
        assert "not given" not in text_of(app)
        await press(pilot, "enter")
        await confirm(pilot)
        (sent,) = link.sent
        assert isinstance(sent, SetLimit) and sent.value == "3"

    drive(test, link=Gate())


def test_a_limit_that_lets_more_through_takes_a_typed_word() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.verdict = limits("wider")
        await press(pilot, "colon", *"limit daily_loss 3%", "enter")
        await checked(pilot)
        await pilot.pause()
        assert "Enter again asks for WIDEN." in text_of(app)
        await confirm(pilot)
        assert isinstance(app.screen, Ask) and link.sent == []
        assert "Max position: 10 lots → 90 lots." in text_of(app)
        await ripen(pilot)
        await press(pilot, *"WIDEN", "enter")
        assert link.sent == [SetLimit(name="daily_loss", value="3%")]

    drive(test, link=Gate())


def test_a_limit_that_does_not_take_effect_says_so_before_and_while_it_asks() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        note = "no effect now: 20,000.00 USD (2 % of the opening equity, default) is tighter"
        same = {"before": "20,000.00 USD", "after": "20,000.00 USD", "after_from": "from the file"}
        link.verdict = limits("wider", note=note, asked="90,000 USD", **same)
        await press(pilot, "colon", *"limit daily_loss 90000", "enter")
        await checked(pilot)
        await pilot.pause()
        assert "20,000.00 USD stays in force" in text_of(app) and "no effect now" in text_of(app)
        await confirm(pilot)
        assert "90,000 USD; 20,000.00 USD stays in force." in text_of(app)

    drive(test, link=Gate())


# -- the ladder's keys


async def to_ladder(app: DeskApp, pilot: Desk) -> Ladder:
    """The cursor stands on the best bid, where an order of ours is."""
    await press(pilot, "7")
    await painted(pilot)
    ladder = app.desk.query_one(Ladder)
    for _ in range(40):
        if any(own.price == ladder.price for own in ladder.orders_here):
            return ladder
        await press(pilot, "down")
    raise AssertionError("no order of ours on the ladder")


def test_one_key_on_the_ladder_trades_where_it_is_armed_and_previews_where_it_is_not() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        ladder = await to_ladder(app, pilot)
        await press(pilot, "s")
        assert isinstance(app.screen, Form) and link.sent == []
        await press(pilot, "escape")
        await press(pilot, "ctrl+o", "b")
        (sent,) = link.sent
        assert isinstance(sent, Submit)
        assert (sent.symbol, sent.side, sent.size) == (ladder.symbol, Side.BUY, 1)
        assert (sent.limit, sent.type, sent.tif) == (ladder.price, OrderType.LIMIT, TimeInForce.DAY)
        assert not isinstance(app.screen, Form)

    drive(test, link=Gate())


def test_a_held_key_on_the_ladder_sends_one_order() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ladder(app, pilot)
        await press(pilot, "ctrl+o", "b")
        await asyncio.sleep(0.6)
        for _ in range(15):
            await press(pilot, "b")
            await asyncio.sleep(0.03)
        await asyncio.sleep(0.3)
        assert len(link.sent) == 1
        assert "the key is held" in text_of(app)
        await asyncio.sleep(1.0)
        await press(pilot, "b")
        assert len(link.sent) == 2, "let go and pressed anew"
        await asyncio.sleep(0.4)
        await press(pilot, "b")
        await asyncio.sleep(0.3)
        assert len(link.sent) == 3, "a second deliberate press waits until it stands alone"

    drive(test, link=Gate())


def test_x_on_the_ladder_cancels_ours_at_that_price_on_a_safe_desk_as_well() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        ladder = await to_ladder(app, pilot)
        ours = [own.id for own in ladder.orders_here]
        await press(pilot, "x")
        assert [c.order_id for c in link.sent] == ours
        await press(pilot, "home", "x")
        assert len(link.sent) == len(ours) and "no order of ours" in text_of(app)

    drive(test, link=Gate())


def test_an_old_price_is_not_traded_on() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ladder(app, pilot)
        await press(pilot, "ctrl+o")
        link.stale = 1.5
        await press(pilot, "b")
        assert link.sent == [] and "NOT SENT" in text_of(app)

    drive(test, link=Gate())


# -- the command line


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
        assert "would pass; position +2, if all fills 0 … +6" in hint(app)
        link.verdict = Answer(ok=False, text="price_sanity: 9 is too far")
        await press(pilot, "5")
        await asyncio.sleep(0.4)
        await pilot.pause()
        assert "price_sanity: 9 is too far" in hint(app)
        assert link.sent == []

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


def test_whoever_kills_is_safe_afterwards() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f12")
        assert not app.arming.armed and [type(c) for c in link.sent] == [Kill]

    drive(test, link=Gate())


# -- pictures

SCENES: dict[str, tuple[tuple[str, ...], Answer]] = {
    "ticket": (("f4", "down", "f9"), Answer(ok=True, text="", data=PASS)),
    "ticket-refused": (
        ("f4", "down", "f9"),
        Answer(
            ok=False,
            text="refused",
            data={
                **PASS,
                "refusals": "max_position: worst case +60, the limit is 50\norder_qty: 60 of 20",
            },
        ),
    ),
    "ticket-confirm": (
        ("ctrl+o", "colon", *"buy 2 ESM3 @ 4185 stop 4180 target 4200 gtd 14:30", "enter"),
        Answer(ok=True, text="", data=PASS),
    ),
    "modify": (("f3", "down", "m", *["backspace"] * 9, *"4100.25"), Answer(ok=True, text="", data=PASS)),
    "limit": (("f5", "down", "l", "3"), limits("tighter")),
    "limit-wider": (("f5", "down", "l", "3"), limits("wider")),
    "command-preview": (("colon", *"buy 2 ESM3 @ 4185"), Answer(ok=True, text="", data=PASS)),
    "command-wrong": (("colon", *"buy 2 ESM3 4185 "), Answer(ok=True, text="", data=PASS)),
}


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("scene", SCENES)
def test_pictures(scene: str, size: tuple[int, int], text_picture: Any) -> None:
    keys, answer = SCENES[scene]
    link = Gate()
    link.verdict = answer

    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, *keys)
        if isinstance(app.screen, Form):
            await checked(pilot)
        else:
            await asyncio.sleep(0.4)
        await painted(pilot)
        text_picture(body_of(app))

    drive(test, link=link, size=size)


def test_what_enter_does_stands_there_on_the_lowest_screen() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "colon", *"buy 2 ESM3 trigger 4190 @ 4191 gtd 14:30", "enter")
        await checked(pilot)
        await pilot.pause()
        assert "Enter again does it" in text_of(app) and "▶ buy 2 ESM3" in text_of(app)

    drive(test, link=Gate(), size=(80, 20))


def test_a_screen_that_looks_on_cannot_be_armed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.part = "view"
        await press(pilot, "ctrl+o")
        assert not app.arming.armed and "take control" in text_of(app)

    drive(test, link=Gate())


def test_a_strategy_is_stopped_and_started_from_its_row() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "9", "S")
        await ripen(pilot)
        await press(pilot, "y")
        (sent,) = link.sent
        states = {row.name: row.state for row in link.snapshot.strategies}
        live = states[sent.strategy] in ("starting", "running", "paused")
        assert isinstance(sent, StopStrategy if live else Resume)

    drive(test, link=Gate())
