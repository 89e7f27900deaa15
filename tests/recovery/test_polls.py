"""What the polls at run time find when the stream says nothing: in flight, open orders, positions."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import Side
from tests.engine.rig import Rig
from tests.recovery.kit import until

SLOW: dict[str, Any] = {"every": 600, "settle": 1}


@pytest.mark.parametrize("every", [3, 9])
def test_an_unanswered_order_is_asked_about_after_its_time(every: int) -> None:
    async def script(rig: Rig) -> None:
        rig.exchange.faults.arm("no_ack")
        rig.exchange.faults.arm("drop_report")
        order, _ = rig.send(Side.BUY, 1, 23_950)
        took = await until(rig, lambda: rig.status(order) == "WORKING", 60)
        assert every <= took < every + 0.5, took

    Rig.play(script, config={"orders": {"answer_after": every}, "reconcile": SLOW})


@pytest.mark.parametrize("every", [2, 7])
def test_an_order_that_ended_without_a_word_is_found_by_the_poll(every: int) -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 1, 23_950)
        await rig.sleep(2)
        rig.exchange.faults.arm("drop_report")
        assert rig.exchange.cancel_order(rig.config.account, order.id)
        took = await until(rig, lambda: rig.status(order) == "CANCELED", 60)
        assert took < every + 0.5, took

    Rig.play(script, config={"reconcile": {**SLOW, "orders_every": every}})


def test_a_fill_and_a_stranger_seen_in_the_open_orders_bring_a_comparison() -> None:
    async def script(rig: Rig) -> None:
        order, _ = rig.send(Side.BUY, 2, 23_999)
        await rig.sleep(2)
        rig.exchange.faults.arm("drop_report", 1)
        rig.move("ES", 23_990)
        await until(rig, lambda: rig.venue_position() == rig.position() == 2, 5)
        assert rig.status(order) == "FILLED" and rig.engine.metrics.counters["recovered_fills"] == 1
        rig.exchange.faults.arm("drop_report", 1)
        rig.exchange.foreign_order(rig.config.account, "CL", Side.BUY, 7, limit=6_900)
        await until(rig, lambda: rig.engine.view.exposure("CL")[0] == 7, 5)

    Rig.play(script, config={"reconcile": {**SLOW, "orders_every": 3}})


def test_no_poll_by_default_and_none_while_the_link_is_down() -> None:
    async def quiet(rig: Rig) -> None:
        await rig.sleep(20)
        assert "order_polls" not in rig.engine.metrics.counters

    async def down(rig: Rig) -> None:
        rig.exchange.shut_gateway("primary")
        await rig.sleep(0.5)
        before = rig.engine.metrics.counters.get("order_polls", 0)
        await rig.sleep(20)
        assert rig.engine.metrics.counters.get("order_polls", 0) == before

    Rig.play(quiet)
    Rig.play(down, config={"reconcile": {**SLOW, "orders_every": 1}})
