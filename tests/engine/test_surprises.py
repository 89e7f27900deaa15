"""Late, twice, out of order, never, taken back: whatever the venue does, the books end as the venue's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.config import OrderConfig
from engine.facts import Executed
from engine.model import NS, ExecutionKey, Side
from tests.engine.rig import Rig


async def settled(rig: Rig, seconds: float = 40.0) -> None:
    """After some time of asking and comparing, engine and venue agree."""
    await rig.sleep(seconds)
    assert rig.position() == rig.venue_position()
    assert rig.engine.reconciler.agreed


@pytest.mark.parametrize(
    "fault",
    [
        "no_ack",
        "late_ack",
        "fill_before_ack",
        "drop_report",
        "duplicate_report",
        "delay_report",
        "reorder_report",
        "correct",
        "lose_request",
    ],
)
def test_one_order_under_one_fault(fault: str) -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm(fault)
        order, refusal = rig.send(Side.BUY, 2)
        assert refusal is None
        await settled(rig)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None
        expected = "CANCELED" if fault == "lose_request" else "FILLED"
        assert rig.status(order) == expected, record.life
        assert record.life.cum == (0 if fault == "lose_request" else 2)

    Rig.play(script)


def test_a_lost_order_is_asked_about_then_given_up_and_never_sent_again() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("lose_request")
        order, _ = rig.send(Side.BUY, 2)
        await rig.sleep(4)
        assert rig.status(order) == "PENDING_NEW"
        assert rig.engine.view.exposure("ES")[0] == 2
        await rig.sleep(3)
        assert rig.status(order) == "UNKNOWN"
        assert rig.engine.view.exposure("ES")[0] == 2, "what is not known counts"
        await rig.sleep(30)
        assert rig.status(order) == "CANCELED"
        assert "lost_order" in rig.alerts()
        assert rig.exchange.audit(rig.config.account).orders == ()

    Rig.play(script)


def test_an_order_is_not_given_up_while_its_request_may_be_under_way() -> None:
    """Seeds 1296 and 2977: asked about after one second, it was given up after two, and reached the venue."""

    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("lose_request")
        order, _ = rig.send(Side.BUY, 2)
        await rig.sleep(5.5)
        assert rig.status(order) == "UNKNOWN"
        assert rig.engine.view.exposure("ES")[0] == 2
        await rig.sleep(30)
        assert rig.status(order) == "CANCELED"

    Rig.play(script, config={"orders": OrderConfig(answer_after=1.0, lost_after=5.0)})


def test_an_unanswered_question_leaves_the_order_unknown_with_its_exposure() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("no_ack")
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(1200)
        assert rig.status(order) == "UNKNOWN", "no age makes it known"
        assert rig.engine.view.exposure("ES")[0] == 2
        rig.exchange.faults.clear()
        await rig.sleep(70)
        assert rig.status(order) == "WORKING"

    Rig.play(script)


def test_a_fill_after_a_confirmed_cancel_is_booked_and_alarmed() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(0.2)
        rig.exchange.faults.arm("fill_after_cancel")
        assert rig.engine.intake.cancel(order.id) == ""
        await settled(rig)
        assert rig.position() > 0
        assert "fill_after_cancel" in rig.alerts()

    Rig.play(script)


def test_a_bust_takes_position_and_profit_back() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("bust")
        await rig.fill(Side.BUY, 3)
        assert rig.position() == 3
        await settled(rig)
        assert rig.position() == 0
        assert "bust" in rig.alerts()
        assert rig.engine.view.total_pnl() == 0

    Rig.play(script)


def test_a_rejected_cancel_leaves_the_order_working() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(0.2)
        rig.exchange.faults.arm("reject_cancel")
        rig.engine.intake.cancel(order.id)
        await rig.sleep(1)
        assert rig.status(order) == "WORKING"
        rig.engine.intake.cancel(order.id)
        await rig.sleep(1)
        assert rig.status(order) == "CANCELED"

    Rig.play(script)


def test_fills_during_an_outage_are_found_after_it() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 2, 23_999)
        await rig.sleep(0.2)
        rig.exchange.drop_link(rig.config.account, down_for=3600 * NS)
        await rig.sleep(0.1)
        assert not rig.engine.view.enabled
        rig.move("ES", 23_990)
        await rig.sleep(1)
        assert rig.position() == 0 and rig.venue_position() == 2
        _, refusal = rig.send(Side.BUY, 1)
        assert refusal is not None
        rig.exchange.restore_link(rig.config.account)
        await rig.sleep(2)
        assert rig.position() == 2
        assert rig.status(order) == "FILLED"
        await rig.sleep(5)
        assert rig.engine.view.enabled

    Rig.play(script)


def test_an_unsolicited_cancel_is_taken_and_alarmed() -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("unsolicited_cancel")
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(3)
        assert rig.status(order) == "CANCELED"
        assert "unsolicited_cancel" in rig.alerts()

    Rig.play(script)


@pytest.mark.parametrize("what", ["text", "a float", "no time"])
def test_a_malformed_report_is_not_taken_and_does_not_spoil_the_journal(what: str, tmp_path: Path) -> None:
    """Found by the drill 4.20: the row was written, and no engine could start on that journal again."""

    def malformed(rig: Rig) -> Any:
        good = rig.exchange.audit(rig.config.account).executions[0]
        key = ExecutionKey(good.key.venue, good.key.account, good.key.trading_day, "odd")
        match what:
            case "text":
                return "garbage"
            case "a float":
                return Executed(ts=1, fill=replace(good, key=key, price=24_001.5))
            case _:
                return Executed(ts=None, fill=replace(good, key=key))  # type: ignore[arg-type]

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.engine.on_fact(malformed(rig))
        await rig.sleep(1)
        assert "fact" in rig.alerts()
        assert rig.position() == 2

    async def again(rig: Rig) -> None:
        assert rig.position() == rig.venue_position() == 2

    Rig.play(script, directory=tmp_path)
    Rig.play(again, directory=tmp_path)


def test_a_lost_link_doubts_what_was_in_flight_and_nothing_else() -> None:
    async def script(rig: Rig) -> None:
        settled_before, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(1)
        rig.exchange.faults.arm("no_ack")
        in_flight, _ = rig.send(Side.BUY, 2, 23_980)
        await rig.sleep(0.1)
        rig.exchange.drop_link(rig.config.account, down_for=None)
        await rig.sleep(0.1)
        assert (rig.status(settled_before), rig.status(in_flight)) == ("WORKING", "UNKNOWN")
        rig.exchange.restore_link(rig.config.account)
        await rig.sleep(5)
        assert rig.status(in_flight) == "WORKING"

    Rig.play(script)
