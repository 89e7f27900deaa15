"""Each fault: what it does, that it strikes as often as armed, and that the books still tell the truth."""

from __future__ import annotations

import random

import pytest
from exchange_kit import ES, FAST, MS, START, B, S, World

from brokers.exchange import Exchange, ExchangeConfig, FaultConfig
from brokers.exchange.faults import KINDS, FaultPlan
from brokers.exchange.messages import QueryExecutions, QueryOpenOrders, QueryOrder, QueryPositions
from brokers.paper import PaperAdapter
from engine.facts import (
    Acknowledged,
    AnyFact,
    Busted,
    Canceled,
    CancelRejected,
    Corrected,
    Executed,
    Executions,
    Gap,
    LinkDown,
    LinkUp,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
    Rejected,
    Replaced,
    ReplaceRejected,
)
from engine.model import OrderStatus
from engine.ports import NotSent, QueryFailed
from engine.sim.loop import VirtualClock, VirtualLoop


@pytest.fixture
def world() -> World:
    w = World()
    w.quote(100, 20, 101, 10)
    return w


def arm(world: World, *kinds: str) -> None:
    for kind in kinds:
        world.exchange.faults.arm(kind)


def test_reject_new(world: World) -> None:
    arm(world, "reject_new")
    assert world.of(Rejected, world.send(B, 1, 99))
    assert not world.of(Rejected, world.send(B, 1, 99))
    assert world.exchange.faults.counts["reject_new"] == 1


def test_reject_cancel_and_replace(world: World) -> None:
    oid = world.send(B, 1, 99)
    arm(world, "reject_cancel", "reject_replace")
    world.cancel(oid)
    world.replace(oid, 2)
    assert world.of(CancelRejected, oid)[0].status is OrderStatus.WORKING
    assert world.of(ReplaceRejected, oid)[0].status is OrderStatus.WORKING
    world.cancel(oid)
    assert world.of(Canceled, oid)


def test_unknown_order_answers(world: World) -> None:
    oid = world.send(B, 1, 99)
    arm(world, "unknown_order")
    assert isinstance(world.ask(QueryOrder(order_id=oid)), OrderNotFound)
    assert isinstance(world.ask(QueryOrder(order_id=oid)), OrderReport)
    arm(world, "unknown_order")
    world.cancel(oid)
    assert world.of(CancelRejected, oid)[0].status is None


def test_lost_request_has_no_effect_and_no_answer(world: World) -> None:
    arm(world, "lose_request")
    oid = world.send(B, 1, 99)
    assert world.facts == []
    assert isinstance(world.ask(QueryOrder(order_id=oid)), OrderNotFound)


def test_no_ack_late_ack_fill_before_ack(world: World) -> None:
    arm(world, "no_ack")
    never = world.send(B, 1)
    assert [type(f) for f in world.facts] == [Executed]
    world.run(10_000)
    assert not world.of(Acknowledged, never)
    world.facts.clear()
    arm(world, "late_ack")
    world.send(B, 1)
    assert [type(f) for f in world.facts] == [Executed]
    world.run(2_000)
    assert [type(f) for f in world.facts] == [Executed, Acknowledged]
    world.facts.clear()
    arm(world, "fill_before_ack")
    world.send(B, 2)
    assert [type(f) for f in world.facts] == [Executed, Acknowledged]
    world.facts.clear()
    arm(world, "fill_before_ack")
    world.send(B, 2, 90)
    assert world.facts == []
    world.run(2_000)
    assert [type(f) for f in world.facts] == [Acknowledged]


def test_first_report_may_be_a_cancel(world: World) -> None:
    arm(world, "no_ack")
    oid = world.send(B, 1, 90)
    world.cancel(oid)
    assert [type(f) for f in world.facts] == [Canceled]


def test_dropped_duplicated_delayed_reordered_reports(world: World) -> None:
    arm(world, "drop_report")
    oid = world.send(B, 1, 99)
    assert world.facts == []
    report = world.ask(QueryOrder(order_id=oid))
    assert isinstance(report, OrderReport) and report.status is OrderStatus.WORKING
    arm(world, "duplicate_report")
    world.cancel(oid)
    assert [type(f) for f in world.facts] == [Canceled, Canceled]
    world.facts.clear()
    arm(world, "delay_report")
    world.send(B, 1)
    assert [type(f) for f in world.facts] == [Executed]
    world.run(1_500)
    assert [type(f) for f in world.facts] == [Executed, Acknowledged]
    world.facts.clear()
    arm(world, "reorder_report")
    world.send(B, 1, wait=50)
    assert [type(f) for f in world.facts] == [Executed, Acknowledged]


def test_fill_after_cancel_is_a_true_fill(world: World) -> None:
    oid = world.send(B, 5, 99)
    arm(world, "fill_after_cancel")
    world.cancel(oid, wait=100)
    assert [type(f) for f in world.facts] == [Acknowledged, Canceled, Executed]
    assert world.of(Canceled, oid)[0].cum == 0
    qty = world.fills(oid)[0].qty
    assert 1 <= qty <= 5 and world.position() == qty
    report = world.ask(QueryOrder(order_id=oid))
    assert isinstance(report, OrderReport) and (report.cum, report.leaves) == (qty, 0)


def test_bust_and_correct(world: World) -> None:
    arm(world, "bust")
    world.send(B, 3, wait=1_000)
    assert world.of(Busted) and world.position() == 0
    world.quote(100, 21, 101, 11)
    arm(world, "correct")
    world.send(B, 3, wait=1_000)
    assert world.of(Corrected)[0].fill.price == 102 and world.position() == 3


def test_twin_replace_leaves_two_live_orders(world: World) -> None:
    oid = world.send(B, 2, 98)
    arm(world, "twin_replace")
    world.replace(oid, 3, 97)
    answer = world.ask(QueryOpenOrders())
    assert isinstance(answer, OpenOrders)
    old, new = sorted(answer.ours, key=lambda o: -(o.limit or 0))
    assert (old.order_id, old.limit, old.qty) == (oid, 98, 2)
    assert (new.order_id, new.limit, new.qty) == (oid, 97, 3) and new.broker_id != old.broker_id
    assert world.of(Replaced)[0].broker_id == new.broker_id
    world.cancel(oid)  # without the broker's id: the one that the replace made
    world.cancel(oid, old.broker_id)
    assert [c.broker_id for c in world.of(Canceled)] == [new.broker_id, old.broker_id]


def test_unsolicited_cancel(world: World) -> None:
    arm(world, "unsolicited_cancel")
    oid = world.send(B, 2, 98, wait=1_000)
    assert world.of(Canceled, oid)[0].unsolicited


def test_snapshots_stale_empty_partial(world: World) -> None:
    world.ask(QueryPositions())
    world.send(B, 2)
    for symbol in ("CL",):
        world.quote(100, 9, 101, 9, symbol=symbol)
        world.send(B, 1, symbol=symbol)
    arm(world, "stale_snapshot")
    stale = world.ask(QueryPositions())
    assert (
        isinstance(stale, Positions) and stale.positions == () and stale.as_of < world.clock.now() - 15 * MS
    )
    arm(world, "partial_snapshot")
    partial = world.ask(QueryPositions())
    assert isinstance(partial, Positions) and len(partial.positions) == 1
    arm(world, "empty_snapshot")
    empty = world.ask(QueryExecutions(0))
    assert isinstance(empty, Executions) and empty.fills == ()
    full = world.ask(QueryPositions())
    assert isinstance(full, Positions) and len(full.positions) == 2


def test_lost_questions_and_answers_are_failed_queries() -> None:
    loop = VirtualLoop(START)
    clock = VirtualClock(loop)
    exchange = Exchange((ES,), clock, random.Random(1), ExchangeConfig(**FAST))
    adapter = PaperAdapter(exchange, "A")
    facts: list[AnyFact] = []
    adapter.bind(facts.append)

    async def run() -> None:
        with pytest.raises(QueryFailed, match="down"):
            await adapter.positions()
        await adapter.connect()
        for fault in ("query_lost", "answer_lost"):
            exchange.faults.arm(fault)
            before = clock.now()
            with pytest.raises(QueryFailed, match="no answer to QueryPositions within 5 s"):
                await adapter.positions()
            assert clock.now() - before == 5_000 * MS
        asked = loop.create_task(adapter.positions())
        await clock.sleep(0)
        exchange.drop_link("A")
        with pytest.raises(QueryFailed, match="went down"):
            await asked

    loop.run_until_complete(run())


def test_disconnect_loses_reports_and_comes_back_with_a_gap(world: World) -> None:
    oid = world.send(B, 1, 99)
    world.exchange.drop_link("A", "pulled", down_for=100 * MS)
    world.run(1)
    assert world.of(LinkDown)[0].reason == "pulled"
    with pytest.raises(NotSent):
        world.send(B, 1)
    world.trade(90, 50, S)  # fills, and nobody hears of it
    world.run(200)
    assert [type(f) for f in world.facts if not isinstance(f, Acknowledged)][:3] == [LinkDown, LinkUp, Gap]
    assert not world.fills(oid) and world.position() == 1
    answer = world.ask(QueryExecutions(0))
    assert isinstance(answer, Executions) and [f.order_id for f in answer.fills] == [oid]


@pytest.mark.parametrize("seed", range(6))
def test_disconnect_in_the_middle_of_a_submit_may_or_may_not_have_had_effect(seed: int) -> None:
    w = World(seed=seed)
    w.quote(100, 20, 101, 10)
    arm(w, "disconnect")
    oid = w.send(B, 1, 99, wait=2_000)
    assert w.of(LinkDown) and w.of(LinkUp) and not w.of(Acknowledged, oid)
    answer = w.ask(QueryOrder(order_id=oid))
    assert isinstance(answer, OrderReport if w.exchange.audit().orders else OrderNotFound)


def test_disconnect_happens_both_ways_over_seeds() -> None:
    effects = set()
    for seed in range(12):
        w = World(seed=seed)
        w.quote(100, 20, 101, 10)
        arm(w, "disconnect")
        w.send(B, 1, 99, wait=2_000)
        effects.add(bool(w.exchange.audit().orders))
    assert effects == {True, False}


def test_half_open_swallows_everything_before_it_is_noticed(world: World) -> None:
    arm(world, "half_open")
    world.send(B, 1, 99, wait=1_000)
    assert world.facts == []
    world.send(B, 1, 99, wait=1_000)  # the client does not know yet
    assert world.facts == [] and not world.exchange.audit().orders
    world.run(5_000)
    assert [type(f) for f in world.facts][:3] == [LinkDown, LinkUp, Gap]


def test_broker_ids_handed_out_again(world: World) -> None:
    first = world.send(B, 1, 99)
    arm(world, "reuse_ids")
    world.exchange.drop_link("A", down_for=10 * MS)
    world.run(50)
    second = world.send(B, 1, 98)
    ids = {f.order_id: f.broker_id for f in world.of(Acknowledged)}
    assert ids[first] == ids[second]
    world.cancel(first, ids[first])  # our id decides which of them is meant
    assert [c.order_id for c in world.of(Canceled)] == [first]


def test_a_second_logon_displaces_the_first(world: World) -> None:
    oid = world.send(B, 1, 99)
    heard: list[AnyFact] = []
    second = world.exchange.open_session("A", heard.append)
    second.open()
    world.run(5)
    assert "another client" in world.of(LinkDown)[0].reason
    with pytest.raises(NotSent):
        world.send(B, 1, 99)
    world.exchange.cancel_order("A", oid)
    world.run(5)
    assert not world.of(Canceled) and any(isinstance(f, Canceled) for f in heard)


def test_cancel_on_disconnect() -> None:
    w = World(cancel_on_disconnect=True)
    w.quote(100, 20, 101, 10)
    w.send(B, 1, 99)
    w.exchange.drop_link("A")
    w.run(5)
    assert not w.exchange.books.open


# -- the plan itself


def test_every_fault_is_off_by_default_and_known() -> None:
    plan = FaultPlan(FaultConfig(), 1)
    assert not any(plan.hit(kind) for kind in KINDS for _ in range(50))
    with pytest.raises(ValueError, match="known are reject_new"):
        plan.arm("nonsense")
    with pytest.raises(ValueError, match="within 0 to 1"):
        plan.set_ratios({"bust": 2})


def test_one_fault_leaves_the_draws_of_others_alone() -> None:
    def draws(**ratios: float) -> list[bool]:
        plan = FaultPlan(FaultConfig(no_ack=0.3, **ratios), 5)
        out = []
        for _ in range(200):
            plan.hit("bust")
            out.append(plan.hit("no_ack"))
        return out

    assert draws() == draws(bust=0.5)
    assert 30 < sum(draws()) < 90


def test_clear_turns_all_off() -> None:
    plan = FaultPlan(FaultConfig(bust=1.0), 1)
    plan.arm("no_ack", 3)
    plan.clear()
    assert not plan.hit("bust") and not plan.hit("no_ack")


def test_an_overfill_is_one_lot_more_and_taken_back_leaves_the_order_filled(world: World) -> None:
    arm(world, "overfill")
    oid = world.send(B, 3, wait=100)
    assert [f.qty for f in world.fills(oid)] == [3, 1] and world.position() == 4
    world.exchange.bust(world.fills(oid)[1].key)
    report = world.ask(QueryOrder(order_id=oid))
    assert isinstance(report, OrderReport)
    assert (report.status, report.cum, report.leaves) == (OrderStatus.FILLED, 3, 0)
    assert world.position() == 3
