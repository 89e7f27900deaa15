"""ARMED and SAFE, and the one-key orders of the ladder: who may send, and what takes that back."""

from __future__ import annotations

import asyncio
from typing import Any

from deskpilot import Desk, drive, painted, press, ripen, text_of
from entrykit import Gate
from fakelink import change, snapshot

from app.desk.app import DeskApp
from app.desk.entry.arming import Arming
from app.desk.entry.form import Form
from app.desk.panes.market import Ladder
from engine.control.commands import (
    Cancel,
    Flatten,
    Kill,
    Submit,
)
from engine.model import OrderType, Side, TimeInForce


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


def test_whoever_kills_is_safe_afterwards() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await press(pilot, "ctrl+o", "f12")
        assert not app.arming.armed and [type(c) for c in link.sent] == [Kill]

    drive(test, link=Gate())


def test_a_screen_that_looks_on_cannot_be_armed() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        link.part = "view"
        await press(pilot, "ctrl+o")
        assert not app.arming.armed and "take control" in text_of(app)

    drive(test, link=Gate())


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


def test_m_on_the_ladder_changes_the_one_order_at_that_price() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        ladder = await to_ladder(app, pilot)
        (own,) = ladder.orders_here
        await press(pilot, "m")
        form = app.screen
        assert isinstance(form, Form) and form.kind == "modify"
        assert f"MODIFY {own.id}" in text_of(app)
        await press(pilot, "escape")
        await press(pilot, "home", "m")
        assert "no order of ours stands at that price" in text_of(app)

    drive(test, link=Gate())


def test_an_old_price_is_not_traded_on() -> None:
    async def test(app: DeskApp, link: Any, pilot: Desk) -> None:
        await to_ladder(app, pilot)
        await press(pilot, "ctrl+o")
        link.stale = 1.5
        await press(pilot, "b")
        assert link.sent == [] and "NOT SENT" in text_of(app)

    drive(test, link=Gate())
