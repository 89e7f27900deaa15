"""The broker's what-if before orders that open: asked, waited for, scaled, refused, hung; and never in the
way of what takes risk away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.control.commands import Cancel, Kill
from engine.lifecycle_types import OrderLife
from engine.model import OrderType, Purpose, Side
from engine.ports import QueryFailed
from tests.engine.rig import Rig
from tests.engine.test_replacing import change

PROTECTION: dict[str, Any] = {"type": OrderType.STOP, "stop": 23_900, "purpose": Purpose.PROTECT}


class Broker:
    """Stands in for the paper exchange's what-if."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Side, int]] = []
        self.per_lot: Decimal | None = Decimal(12_000)
        self.refuses = ""
        self.gate = asyncio.Event()
        self.gate.set()

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:
        self.asked.append((symbol, side, lots))
        await self.gate.wait()
        if self.refuses or self.per_lot is None:
            raise QueryFailed(self.refuses or "it does not say")
        return self.per_lot * lots


def play(script: Callable[[Rig, Broker], Awaitable[None]], **risk: Any) -> None:
    async def run(rig: Rig) -> None:
        broker = Broker()
        rig.engine._links.what_if = broker.what_if  # type: ignore[method-assign]
        await script(rig, broker)

    Rig.play(run, config={"risk": risk})


def at_venue(rig: Rig) -> int:
    return len(rig.exchange.audit(rig.config.account).orders)


def test_an_order_leaves_after_the_answer_and_the_next_one_scales_it() -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        broker.gate.clear()
        order, refusal = rig.send(Side.BUY, 3, 23_990)
        assert refusal is None
        await rig.sleep(1)
        assert at_venue(rig) == 0 and broker.asked == [("ES", Side.BUY, 3)]
        rounds = rig.engine.risk.rounds
        await rig.sleep(0.5)
        assert rig.engine.risk.rounds > rounds  # the loop does not wait with it
        broker.gate.set()
        await rig.sleep(0.5)
        assert rig.status(order) == "WORKING" and rig.engine.view.margin_needed("ES", 2) == 24_000
        rig.send(Side.BUY, 2, 23_980)
        await rig.sleep(0.5)
        assert at_venue(rig) == 2 and len(broker.asked) == 1

    play(script)


def test_a_figure_of_a_certain_age_is_asked_for_anew() -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(9)
        rig.send(Side.BUY, 1, 23_980)
        await rig.sleep(2)
        broker.per_lot = Decimal(15_000)
        rig.send(Side.BUY, 1, 23_970)
        await rig.sleep(0.5)
        assert len(broker.asked) == 2 and rig.engine.view.margin_needed("ES", 1) == 15_000

    play(script, what_if_fresh=10)


def test_what_the_broker_wants_now_is_what_decides() -> None:
    """By the margin that was listed it would pass; by that of the answer it would not."""

    async def script(rig: Rig, broker: Broker) -> None:
        broker.per_lot = Decimal(500_000)
        order, refusal = rig.send(Side.BUY, 2, 23_990)
        assert refusal is None
        await rig.sleep(0.5)
        assert at_venue(rig) == 0 and "margin" in reason(rig, order.id)

    play(script)


def life(rig: Rig, order_id: str) -> OrderLife:
    record = rig.engine.core.books.orders.get(order_id)
    assert record is not None
    return record.life


def reason(rig: Rig, order_id: str) -> str:
    assert life(rig, order_id).is_closed
    return life(rig, order_id).reason


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_without_an_answer_nothing_opens_and_everything_else_goes(how: str) -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        await rig.fill(Side.BUY, 4)
        working, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(61)
        if how == "hangs":
            broker.gate.clear()
        broker.refuses = "the API is read-only [IB 321]"
        before = at_venue(rig)
        order, refusal = rig.send(Side.BUY, 1, 23_980)
        assert refusal is None
        closing, refusal = rig.send(Side.SELL, 2)
        assert refusal is None
        await rig.command(Cancel(order_id=working.id))
        await rig.sleep(1)
        assert rig.status(closing) == "FILLED" and rig.status(working) == "CANCELED"
        await rig.sleep(2)
        assert at_venue(rig) == before + 1
        assert ("read-only" if how == "refuses" else "within 2 s") in reason(rig, order.id)
        _, refusal = rig.send(Side.BUY, 1, 23_980)
        assert refusal is not None and refusal.control == "margin" and refusal.unsure
        broker.refuses = ""
        broker.gate.set()
        await rig.sleep(3)
        rig.send(Side.BUY, 1, 23_980)  # asks again
        await rig.sleep(0.5)
        _, refusal = rig.send(Side.BUY, 1, 23_970)
        assert refusal is None

    play(script)


def test_the_last_figure_may_stand_in_for_a_while() -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(5)
        broker.refuses = "no"
        rig.send(Side.BUY, 1, 23_980)
        await rig.sleep(1)
        assert at_venue(rig) == 2
        await rig.sleep(30)
        rig.send(Side.BUY, 1, 23_970)
        await rig.sleep(1)
        assert at_venue(rig) == 2

    play(script, what_if_fresh=1, what_if_fallback=20)


def test_an_order_that_waits_can_be_taken_back_and_does_not_outlive_a_kill() -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        broker.gate.clear()
        first, _ = rig.send(Side.BUY, 1, 23_990)
        second, _ = rig.send(Side.BUY, 1, 23_980)
        await rig.sleep(0.2)
        await rig.command(Cancel(order_id=first.id))
        rig.engine.command(Kill(reason="drill"), "test")
        broker.gate.set()
        await rig.sleep(3)
        assert at_venue(rig) == 0
        assert "cancelled before" in reason(rig, first.id) and "kill" in reason(rig, second.id)

    play(script)


def test_protection_follows_its_entry_and_never_leaves_before_it() -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        broker.gate.clear()
        entry = rig.order(Side.BUY, 2, 23_990)
        stop = rig.order(Side.SELL, 2, **PROTECTION, parent=entry.id)
        assert rig.engine.intake.submit_bracket(entry, [stop]) is None
        await rig.sleep(1)
        assert at_venue(rig) == 0
        broker.gate.set()
        await rig.sleep(0.5)
        sent = [o.order_id for o in rig.exchange.audit(rig.config.account).orders]
        assert sent == [entry.id, stop.id]

    play(script)


def test_protection_of_an_entry_that_is_not_sent_is_not_sent_either() -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        broker.refuses = "no"
        entry = rig.order(Side.BUY, 2, 23_990)
        stop = rig.order(Side.SELL, 2, **PROTECTION, parent=entry.id)
        assert rig.engine.intake.submit_bracket(entry, [stop]) is None
        await rig.sleep(3)
        assert at_venue(rig) == 0 and not rig.engine.core.books.orders.open_count()

    play(script)


def test_a_larger_order_is_asked_about_and_a_smaller_one_is_not() -> None:
    async def script(rig: Rig, broker: Broker) -> None:
        order, _ = rig.send(Side.BUY, 2, 23_990)
        await rig.sleep(61)
        broker.refuses = "no"
        assert change(rig, order, 1, 23_990) is None
        await rig.sleep(1)
        assert len(broker.asked) == 1 and life(rig, order.id).qty == 1
        assert change(rig, order, 5, 23_990) is None
        await rig.sleep(1)
        assert len(broker.asked) == 2 and life(rig, order.id).qty == 1

    play(script)
