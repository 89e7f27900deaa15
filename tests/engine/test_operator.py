"""What an operator can do: orders, brackets, replaces, limits, pauses; each journalled with who asked."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.config import RiskLimits
from engine.control.commands import (
    Acknowledge,
    Adopt,
    Cancel,
    CancelAll,
    Claim,
    Flatten,
    Modify,
    Pause,
    Reload,
    Reset,
    Resume,
    Submit,
)
from engine.model import OrderType, ReplacePolicy, Side
from engine.records import CommandTaken, LimitsChanged, Sent
from tests.engine.operator_kit import journalled, submit
from tests.engine.rig import ES, Rig


def test_submit_modify_cancel_and_who_asked() -> None:
    async def script(rig: Rig) -> None:
        answer = await rig.command(submit(Side.BUY, "2", "5990.00"))
        assert answer.ok, answer
        order_id = answer.data["order_id"]
        await rig.sleep(0.3)
        assert (await rig.command(Modify(order_id=order_id, size=Decimal(3), limit=Decimal("5990.50")))).ok
        await rig.sleep(0.3)
        life = rig.engine.core.books.orders.get(order_id).life
        assert (life.qty, life.limit) == (3, 23_962)
        assert (await rig.command(Cancel(order_id=order_id))).ok
        await rig.sleep(0.3)
        assert rig.engine.core.books.orders.get(order_id).life.status == "CANCELED"
        rows = await journalled(rig)
        assert [r.who for r in rows if isinstance(r, CommandTaken)] == ["test"] * 3

    Rig.play(script)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (submit(Side.BUY, "2", "5990.10"), "tick"),
        (submit(Side.BUY, "0.5", "5990.00"), "lot"),
        (Submit(symbol="XX", side=Side.BUY, size=Decimal(1)), "no instrument XX"),
        (submit(Side.BUY, "1", "5000.00"), "price_sanity"),
        (Cancel(order_id="nope"), "no order nope"),
        (Modify(order_id="nope", size=Decimal(1)), "no open order nope"),
        (CancelAll(symbol="XX"), "no instrument XX; known are"),
        (CancelAll(strategy="nope"), "no strategy nope; known are manual"),
        (Claim(broker_id="nope"), "no foreign order nope"),
        (Claim(broker_id="nope", strategy="nope"), "no strategy nope"),
        (Reset(scope="instrument", target="XX"), "no instrument XX"),
        (Adopt(symbol="XX"), "no instrument XX"),
        (Acknowledge(alert_id=999), "no alert 999"),
    ],
)
def test_a_bad_command_is_answered_and_changes_nothing(command: Any, word: str) -> None:
    async def script(rig: Rig) -> None:
        answer = await rig.command(command)
        assert not answer.ok and word in answer.text, answer
        assert rig.exchange.audit(rig.config.account).orders == ()

    Rig.play(script)


# engine/operator.py: `adopt` took back whatever halted the instrument, a flatten's latch included.
def test_adopting_takes_back_no_halt_but_that_of_a_comparison() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        assert (await rig.command(Flatten(symbol="ES"))).ok
        assert rig.engine.core.books.halts.instrument("ES") is not None
        await rig.sleep(6)
        answer = await rig.command(Adopt(symbol="ES"))
        assert answer.ok and "stays halted" in answer.text, answer
        assert rig.engine.core.books.halts.instrument("ES") is not None

    Rig.play(script)


def test_preview_asks_the_gate_and_sends_nothing() -> None:
    async def script(rig: Rig) -> None:
        good = await rig.command(submit(Side.BUY, "1", "6000.25", preview=True))
        bad = await rig.command(submit(Side.BUY, "999", "6000.25", preview=True))
        assert good.ok and not bad.ok and "order_qty" in bad.text
        assert rig.exchange.audit(rig.config.account).orders == ()

    Rig.play(script)


def test_a_preview_says_what_the_order_would_mean_and_leaves_no_trace() -> None:
    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.send(Side.SELL, 1, 24_020)
        await rig.sleep(6)  # the broker's margin is read again
        rows = len(await journalled(rig))
        answer = await rig.command(submit(Side.BUY, "3", "6000.00", preview=True))
        assert answer.ok, answer
        data = answer.data
        assert (data["position"], data["worst_now"], data["worst_then"]) == ("+2", "+1 … +2", "+1 … +5")
        assert (data["limit"], data["reduces"]) == ("50", "no")
        margin = ES.initial_margin
        assert Decimal(data["margin_then"]) - Decimal(data["margin_now"]) == 3 * margin
        assert Decimal(data["notional"]) == 3 * ES.money(24_000)
        reducing = await rig.command(submit(Side.SELL, "1", "6000.00", preview=True))
        assert reducing.data["reduces"] == "yes"
        assert len(await journalled(rig)) == rows

    Rig.play(script)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"stop_loss": "6001.00"}, "the entry's price 6000.25 must be above stop 6001.00 to buy"),
        ({"take_profit": "5999.00"}, "target 5999.00 must be above the entry's price 6000.25 to buy"),
        ({"stop_loss": "5990.10"}, "stop: "),
        ({"stop_loss": "4000.00"}, "its stop: "),
    ],
)
def test_a_preview_judges_the_bracket_as_well(more: dict[str, str], says: str) -> None:
    async def script(rig: Rig) -> None:
        answer = await rig.command(submit(Side.BUY, "1", "6000.25", preview=True, **more))
        assert not answer.ok and says in answer.text, answer
        assert rig.exchange.audit(rig.config.account).orders == ()

    Rig.play(script)


def test_a_change_is_previewed_by_the_same_gate() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 3, 23_990)
        await rig.sleep(0.5)
        good = await rig.command(Modify(order_id=order.id, size=Decimal(4), preview=True))
        bad = await rig.command(Modify(order_id=order.id, size=Decimal(400), preview=True))
        assert good.ok and good.data["worst_then"] == "0 … +4", good
        assert not bad.ok and "order_qty" in bad.text
        await rig.sleep(0.5)
        assert rig.engine.core.books.orders.get(order.id).life.qty == 3

    Rig.play(script)


def test_a_stop_stays_on_its_side_of_an_entry_that_has_not_filled() -> None:
    async def script(rig: Rig) -> None:
        await rig.command(submit(Side.BUY, "2", "5998.00", take_profit="6002.50", stop_loss="5990.00"))
        await rig.sleep(0.5)
        (stop,) = [r for r in rig.engine.core.books.orders.working("ES") if r.order.type is OrderType.STOP]
        for preview in (True, False):
            answer = await rig.command(Modify(order_id=stop.order.id, stop=Decimal(5999), preview=preview))
            assert not answer.ok and "must be above stop 5999.00" in answer.text, answer
        rig.move("ES", 23_990)
        await rig.sleep(0.5)
        assert rig.position() == 2
        rig.move("ES", 24_004)
        await rig.sleep(0.5)
        answer = await rig.command(Modify(order_id=stop.order.id, stop=Decimal(5999)))
        assert answer.ok, "a profit may be locked in"

    Rig.play(script)


def test_a_bracket_protects_what_was_entered_and_its_ends_cancel_one_another() -> None:
    async def script(rig: Rig) -> None:
        answer = await rig.command(
            submit(Side.BUY, "2", "6000.25", take_profit="6002.50", stop_loss="5997.50")
        )
        assert answer.ok, answer
        await rig.sleep(0.5)
        assert rig.position() == 2
        working = rig.engine.core.books.orders.working("ES")
        assert sorted((r.order.type, r.life.leaves) for r in working) == [
            (OrderType.LIMIT, 2),
            (OrderType.STOP, 2),
        ]
        rig.move("ES", 24_012)
        await rig.sleep(1)
        assert rig.position() == 0
        assert rig.engine.core.books.orders.working("ES") == []

    Rig.play(script)


def test_replace_by_cancel_then_new() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 3, 23_990, replace_policy=ReplacePolicy.CANCEL_THEN_NEW)
        await rig.sleep(0.3)
        answer = await rig.command(Modify(order_id=order.id, limit=Decimal("5996.00")))
        assert answer.ok, answer
        await rig.sleep(0.5)
        assert rig.status(order) == "CANCELED"
        (new,) = rig.engine.core.books.orders.working("ES")
        assert (new.order.id != order.id, new.life.limit, new.life.qty) == (True, 23_984, 3)

    Rig.play(script)


def test_one_change_of_an_order_is_under_way_at_a_time_and_the_newest_follows_it() -> None:
    """Seed 5844: of two changes under way the later one reached the venue first; the earlier one then stood,
    larger than what the engine counted."""

    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 3, 23_990)
        await rig.sleep(0.3)
        sizes = (5, 4, 2)
        first, second, third = await asyncio.gather(
            *(rig.command(Modify(order_id=order.id, size=Decimal(size))) for size in sizes)
        )
        assert first.ok and third.ok, (first, third)
        assert not second.ok and "a newer change was asked for" in second.text
        await rig.sleep(0.5)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and (record.life.qty, record.life.replaces) == (2, ())
        (there,) = rig.exchange.audit(rig.config.account).orders
        assert there.qty == 2
        sent = [r for r in await journalled(rig) if isinstance(r, Sent) and r.what == "replace"]
        assert len(sent) == 2

    Rig.play(script)


@pytest.mark.parametrize("end", ["cancel", "lost"])
def test_a_change_that_waits_goes_no_more_once_its_order_is_taken_back(end: str) -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 3, 23_990)
        await rig.sleep(0.3)
        if end == "lost":
            rig.exchange.faults.arm("lose_request")
        asked = [
            asyncio.ensure_future(rig.command(Modify(order_id=order.id, size=Decimal(n)))) for n in (5, 4)
        ]
        await asyncio.sleep(0)
        if end == "cancel":
            assert (await rig.command(Cancel(order_id=order.id))).ok
        answers = await asyncio.gather(*asked)
        await rig.sleep(20)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and not record.life.replaces
        if end == "cancel":
            assert not answers[1].ok and "cancel" in answers[1].text
            assert record.life.status == "CANCELED"
        else:  # the broker was asked, knows nothing of the first one, and gets the second
            assert answers[1].ok and record.life.qty == 4

    Rig.play(script)


def test_reload_takes_good_limits_and_refuses_bad_ones() -> None:
    async def script(rig: Rig) -> None:
        rig.next_limits = RiskLimits(max_position=1)
        assert (await rig.command(Reload())).ok
        _, refusal = rig.send(Side.BUY, 2)
        assert refusal is not None and refusal.control == "max_position"
        changes = [r for r in await journalled(rig) if isinstance(r, LimitsChanged)]
        assert [(c.version, c.who, c.changes) for c in changes] == [
            (2, "test", (("max_position", "50", "1"),))
        ]
        rig.next_limits = RiskLimits(max_position=100_000)
        answer = await rig.command(Reload())
        assert not answer.ok and "old limits stay in force" in answer.text
        assert rig.engine.limits.current.max_position == 1

    Rig.play(script)


def test_pause_survives_a_restart_and_resume_lifts_it(tmp_path: Path) -> None:
    async def pause(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        assert (await rig.command(Pause())).ok
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None

    async def resume(rig: Rig) -> None:
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None
        order, reducing = rig.send(Side.SELL, 2)
        assert reducing is None
        await rig.sleep(0.5)
        assert rig.status(order) == "FILLED"
        assert (await rig.command(Resume())).ok
        await rig.fill(Side.BUY, 1)

    Rig.play(pause, directory=tmp_path)
    Rig.play(resume, directory=tmp_path)


def test_cancel_all_by_symbol() -> None:
    async def script(rig: Rig) -> None:
        one, _ = rig.send(Side.BUY, 1, 23_990)
        other, _ = rig.send(Side.BUY, 1, 6_990, symbol="CL")
        await rig.sleep(0.3)
        assert (await rig.command(CancelAll(symbol="ES"))).ok
        await rig.sleep(0.3)
        assert (rig.status(one), rig.status(other)) == ("CANCELED", "WORKING")

    Rig.play(script)


def test_alerts_stay_until_acknowledged() -> None:
    async def script(rig: Rig) -> None:
        rig.engine.core.alarm("critical", "drill", "look at me")
        rows = rig.engine.core.books.alerts.rows()
        alert = next(r for r in rows if r.code == "drill")
        assert not alert.acknowledged
        assert (await rig.command(Acknowledge(alert_id=alert.id))).ok
        assert next(r for r in rig.engine.core.books.alerts.rows() if r.code == "drill").acknowledged

    Rig.play(script)


def test_reset_says_what_it_reset() -> None:
    async def script(rig: Rig) -> None:
        assert not (await rig.command(Reset(scope="halt"))).ok
        assert not (await rig.command(Reset(scope="instrument", target="ES"))).ok
        assert "no control" in (await rig.command(Reset(scope="control", target="nonsense"))).text
        assert (await rig.command(Reset(scope="day_loss"))).text == "the day's loss counts from now"

    Rig.play(script)
