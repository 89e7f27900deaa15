"""Changing working orders: what is refused, what cancel-then-new does when the venue answers badly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.exchange.messages import Action, Change
from brokers.exchange.session import Session
from engine.control.commands import Submit
from engine.facts import Canceled, Executed
from engine.model import NS, Order, OrderType, Purpose, Replace, ReplacePolicy, Side
from engine.orders_record import OrderRecord
from engine.ports import NotSent
from engine.strategy.messages import StrategyOrder
from tests.engine.rig import Rig
from tests.engine.said import bodies, execution

NEW: dict[str, Any] = {"replace_policy": ReplacePolicy.CANCEL_THEN_NEW}


def change(rig: Rig, order: Order, qty: int, limit: int) -> Any:
    core = rig.engine.core
    request = Replace(
        id=core.ids.order_id(order.strategy),
        order_id=order.id,
        qty=qty,
        limit=limit,
        correlation=core.ids.correlation(),
    )
    return rig.engine.replacer.replace(request)


def others(rig: Rig, order: Order) -> list[tuple[int, int | None]]:
    """(lots, limit) of the open orders that are not this one."""
    working = rig.engine.core.books.orders.working()
    return [(r.order.qty, r.order.limit) for r in working if r.order.id != order.id]


async def resting(rig: Rig, qty: int = 5, **fields: Any) -> Order:
    order, refusal = rig.send(Side.BUY, qty, 23_990, **fields)
    assert refusal is None
    await rig.sleep(0.3)
    assert rig.status(order) == "WORKING"
    return order


def test_fills_that_are_still_on_their_way_leave_less_for_the_new_order() -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig, **NEW)
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        rig.adapter.cancel = lambda *_: None  # type: ignore[method-assign]  # the venue's answer is scripted
        assert change(rig, order, 5, 23_991) is None
        rig.engine.on_fact(Canceled(ts=rig.clock.now(), order_id=order.id, cum=3))
        await rig.sleep(0.2)
        assert others(rig, order) == [(2, 23_991)]
        rig.engine.on_fact(Executed(ts=rig.clock.now(), fill=execution(rig, order, 3)))
        assert rig.position() == 3

    Rig.play(script)


def test_a_cancel_that_loses_to_a_full_fill_is_followed_by_nothing() -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig, **NEW)
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        rig.adapter.cancel = lambda *_: None  # type: ignore[method-assign]
        assert change(rig, order, 5, 23_991) is None
        rig.engine.on_fact(Executed(ts=rig.clock.now(), fill=execution(rig, order, 5)))
        await rig.sleep(0.2)
        assert others(rig, order) == [] and rig.position() == 5
        assert any("no new order follows" in body for body in await bodies(rig, "replace_refused"))

    Rig.play(script)


def test_after_a_refused_cancel_a_later_cancel_is_only_a_cancel() -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig, **NEW)
        rig.exchange.faults.arm("reject_cancel")
        assert change(rig, order, 5, 23_991) is None
        await rig.sleep(1)
        assert rig.status(order) == "WORKING" and "cancel_rejected" in rig.alerts()
        assert rig.engine.intake.cancel(order.id) == ""
        await rig.sleep(1)
        assert rig.status(order) == "CANCELED" and others(rig, order) == []

    Rig.play(script)


def test_a_cancel_after_the_change_takes_the_new_order_back_too() -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig, **NEW)
        assert change(rig, order, 5, 23_991) is None
        assert rig.engine.intake.cancel(order.id) == ""
        await rig.sleep(1)
        assert rig.status(order) == "CANCELED" and others(rig, order) == []

    Rig.play(script)


def test_a_change_that_the_gate_refuses_does_not_cost_the_working_order() -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig, **NEW)
        assert change(rig, order, 5_000, 23_991).control == "order_qty"
        await rig.sleep(1)
        assert rig.status(order) == "WORKING"

    Rig.play(script)


def test_an_entry_changed_by_cancel_then_new_keeps_its_protection() -> None:
    async def script(rig: Rig) -> None:
        answer = await rig.command(
            Submit(
                symbol="ES",
                side=Side.BUY,
                size=Decimal(2),
                type=OrderType.LIMIT,
                limit=Decimal("5997.50"),
                stop_loss=Decimal("5980"),
                take_profit=Decimal("6010"),
            )
        )
        await rig.sleep(0.5)
        orders = rig.engine.core.books.orders
        entry = orders.get(answer.data["order_id"])
        assert entry is not None
        assert change(rig, entry.order, 2, 23_995) is None
        await rig.sleep(1)
        assert entry.life.status == "CANCELED"
        working = {r.order.purpose: r for r in orders.working()}
        assert sorted(working) == [Purpose.PROTECT, Purpose.TRADE] and len(orders.working()) == 3
        new = working[Purpose.TRADE]
        assert {r.order.parent for r in orders.children(new.order.id)} == {new.order.id}
        rig.quote("ES", 23_990, 23_991)
        await rig.sleep(1)
        assert rig.position() == 2
        assert [r.order.stop for r in orders.working() if r.order.stop is not None] == [23_920]

    Rig.play(script, config={"orders": {"replace": "cancel_then_new"}})


@pytest.mark.parametrize("policy", list(ReplacePolicy))
def test_a_refused_change_is_on_the_record_with_its_reason(policy: ReplacePolicy) -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig, replace_policy=policy)
        assert change(rig, order, 5_000, 23_991) is not None
        (row,) = await bodies(rig, "replace_refused")
        assert "5000" in row and "order_qty" in row

    Rig.play(script)


def test_what_the_venue_refuses_is_alarmed_with_its_reason() -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig)
        rig.exchange.faults.arm("reject_replace")
        assert change(rig, order, 5, 23_991) is None
        await rig.sleep(1)
        assert rig.status(order) == "WORKING"
        alert = next(a for a in rig.engine.core.books.alerts.rows(50) if a.code == "replace_rejected")
        assert "fault plan" in alert.text and order.id in alert.text

    Rig.play(script)


def test_a_cancel_that_came_too_late_is_no_alarm() -> None:
    """Order filled while its cancel was on its way: it happens all day, and alarms that mean nothing are
    acknowledged unread."""

    async def script(rig: Rig) -> None:
        order = await resting(rig)
        assert rig.engine.intake.cancel(order.id) == ""
        rig.trade("ES", order.limit - 1, 1_000, Side.SELL)
        await rig.sleep(1)
        assert rig.status(order) == "FILLED"
        assert rig.engine.metrics.counters["cancel_rejects"] == 1, "the race was not run"
        assert "cancel_rejected" not in rig.alerts()

    Rig.play(script)


def test_a_start_raises_no_alarm() -> None:
    async def script(rig: Rig) -> None:
        await rig.sleep(2)
        assert rig.engine.view.enabled
        assert rig.alerts() == []

    Rig.play(script)


def test_the_owner_of_an_order_hears_all_that_becomes_of_it() -> None:
    async def script(rig: Rig) -> None:
        heard: list[StrategyOrder] = []
        desk = rig.engine.strategies

        def hear(record: OrderRecord, refused: str = "") -> None:
            heard.append(desk._orders.report(record, refused))

        desk.on_order = hear  # type: ignore[method-assign]  # stands where a strategy's process does
        order = await resting(rig)
        rig.exchange.faults.arm("reject_replace")
        assert change(rig, order, 5, 23_991) is None
        await rig.sleep(0.5)
        assert heard[-1].status == "WORKING" and "fault plan" in heard[-1].reason

        rig.exchange.faults.arm("no_ack")
        rig.exchange.faults.set_ratios({"query_lost": 1.0})
        silent, _ = rig.send(Side.BUY, 1, 23_980)
        await rig.sleep(5.5)
        assert "UNKNOWN" in [r.status for r in heard if r.order_id == silent.id]

        def down(_: object) -> None:
            raise NotSent("the link is down")

        rig.adapter.submit = down  # type: ignore[method-assign]
        unsent, _ = rig.send(Side.BUY, 1, 23_970)
        await rig.sleep(0.2)
        (said,) = [r for r in heard if r.order_id == unsent.id]
        assert said.status == "REJECTED" and "the link is down" in said.reason

    Rig.play(script)


def test_a_change_that_waits_for_the_disk_is_off_when_the_order_is_cancelled_meanwhile() -> None:
    async def script(rig: Rig) -> None:
        order = await resting(rig)
        assert change(rig, order, 6, 23_991) is None
        assert rig.engine.intake.cancel(order.id) == ""
        await rig.sleep(1)
        assert rig.status(order) == "CANCELED"
        assert "replace_rejected" not in rig.alerts()
        assert any("its cancel is on the way" in body for body in await bodies(rig, "not_sent"))

    Rig.play(script)


@pytest.mark.parametrize("sizes", [(5, 2), (2, 5)])
def test_a_change_that_reaches_the_venue_again_after_a_newer_one_is_asked_about_at_once(
    sizes: tuple[int, int],
) -> None:
    """Seed 2925: the venue went back to the older terms, its answer was held for a copy of the first one, and
    until the next comparison the engine stood on the newer terms and counted too little."""

    async def script(rig: Rig) -> None:
        order = await resting(rig, 3)
        made: list[Replace] = []
        arrives = rig.adapter.replace

        def replace(request: Any) -> None:
            made.append(request.request)
            arrives(request)

        rig.adapter.replace = replace  # type: ignore[method-assign]
        for qty, limit in zip(sizes, (23_991, 23_992), strict=True):
            assert change(rig, order, qty, limit) is None
            await rig.sleep(0.3)
        record = rig.engine.core.books.orders.get(order.id)
        assert record is not None and (record.life.qty, record.life.limit) == (sizes[1], 23_992)
        counted: list[int] = []
        asks = rig.adapter.query_order

        async def query(*args: Any) -> Any:
            counted.append(rig.engine.core.books.orders.exposure("ES")[0])
            return await asks(*args)

        rig.adapter.query_order = query  # type: ignore[method-assign]
        rig.exchange.desk.replace(rig.config.account, made[0])
        await rig.sleep(0.3)
        assert set(counted) == {5}, "the larger of the two counts until the venue has said which it is"
        assert rig.status(order) == "WORKING"
        assert (record.life.qty, record.life.limit) == (sizes[0], 23_991)
        assert rig.engine.core.books.orders.exposure("ES") == (sizes[0], 0)
        assert "unsolicited_replace" in rig.alerts() and rig.engine.core.books.orders.in_flight() == 0

    Rig.play(script, config={"reconcile": {"every": 1000.0}})


LOSING: dict[str, Any] = {"orders": {"answer_after": 1, "lost_after": 5}}


def counted(rig: Rig) -> int:
    """Lots that may still be bought, as the engine reckons."""
    return rig.engine.core.books.orders.exposure("ES")[0]


def test_a_change_that_the_line_holds_back_counts_until_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated seed 7818: two answers showed the old size, the change was taken for lost, and came then."""

    async def script(rig: Rig) -> None:
        order = await resting(rig)
        usual = rig.exchange.handle

        def slow(session: Session, request: Action) -> None:
            wait = 4 * NS if isinstance(request, Change) else 0
            rig.clock.call_later(wait, usual, session, request)

        monkeypatch.setattr(rig.exchange, "handle", slow)
        assert change(rig, order, 8, 23_990) is None
        for _ in range(60):
            (works,) = rig.exchange.books.open_orders(rig.config.account)
            assert counted(rig) >= works.leaves
            await rig.sleep(0.1)
        assert (works.leaves, counted(rig)) == (8, 8)
        life = rig.engine.core.books.orders.get(order.id).life  # type: ignore[union-attr]
        assert (life.qty, life.unanswered, life.in_flight) == (8, (), None)

    Rig.play(script, config=LOSING)


def test_nothing_waits_for_a_lost_change_that_still_counts() -> None:
    """Its size counts for `lost_after` from when the broker has twice shown the order without it; the next
    change goes meanwhile, and so does a cancel."""

    async def script(rig: Rig) -> None:
        order, other = await resting(rig), await resting(rig, 4)
        for one in (order, other):
            rig.exchange.faults.arm("lose_request")
            assert change(rig, one, 8, 23_990) is None
        assert change(rig, order, 6, 23_990) is None
        await rig.sleep(3)
        life = rig.engine.core.books.orders.get(order.id).life  # type: ignore[union-attr]
        assert (life.qty, life.replaces, counted(rig)) == (6, (), 16)
        assert rig.engine.intake.cancel(other.id) == ""
        await rig.sleep(0.5)
        assert (rig.status(other), counted(rig)) == ("CANCELED", 8)
        await rig.sleep(12)
        assert (rig.status(order), counted(rig)) == ("WORKING", 6)
        (lost,) = await bodies(rig, "lost_replace")
        assert order.id in lost
        assert "replace_lost" in rig.alerts()

    Rig.play(script, config=LOSING)
