"""Cancels, replaces, reduce-only, OCO, brackets, foreign orders, rate limit, busts and corrections."""

from __future__ import annotations

import pytest
from exchange_kit import B, S, World

from brokers.exchange.messages import QueryExecutions, QueryOrder
from engine.facts import (
    Acknowledged,
    Busted,
    Canceled,
    CancelRejected,
    Corrected,
    Executed,
    Executions,
    ForeignOrder,
    OrderNotFound,
    OrderReport,
    PendingCancel,
    PendingReplace,
    Rejected,
    Released,
    Replaced,
    ReplaceRejected,
    Restated,
    Suspended,
)
from engine.model import OrderStatus, TimeInForce


@pytest.fixture
def world() -> World:
    w = World(depth={"ES": (50,)})
    w.quote(100, 20, 101, 10)
    return w


def one(world: World):  # type: ignore[no-untyped-def]
    return next(iter(world.exchange.books.open.values()))


def test_cancel_too_late_says_where_the_order_stands(world: World) -> None:
    oid = world.send(B, 1)
    world.cancel(oid)
    refused = world.of(CancelRejected, oid)[0]
    assert refused.status is OrderStatus.FILLED and refused.reason


@pytest.mark.parametrize(
    ("qty", "limit", "keeps"), [(5, None, True), (5, 100, True), (9, None, False), (8, 99, False)]
)
def test_only_a_smaller_quantity_keeps_its_place(
    world: World, qty: int, limit: int | None, keeps: bool
) -> None:
    oid = world.send(B, 8, 100)
    world.trade(100, 15, S)  # 5 left ahead
    world.quote(100, 40, 101, 10)
    rid = world.replace(oid, qty, limit)
    order = one(world)
    assert (order.ahead == 5) is keeps
    assert world.of(Replaced, oid)[0].replace_id == rid and order.qty == qty


def test_replace_into_the_market_trades_at_once(world: World) -> None:
    oid = world.send(B, 3, 99)
    world.replace(oid, 3, 101)
    assert world.names()[-2:] == ["Replaced", "Executed"]
    assert world.pairs(oid) == [(3, 101)]


@pytest.mark.parametrize(("qty", "left"), [(12, 2), (10, 0), (4, 0)])
def test_replace_down_to_or_below_the_filled_quantity(world: World, qty: int, left: int) -> None:
    oid = world.send(B, 15, 101)
    assert world.pairs(oid) == [(10, 101)]
    world.replace(oid, qty)
    done = world.of(Replaced, oid)[0]
    assert (done.qty, done.cum) == (max(qty, 10), 10)
    report = world.ask(QueryOrder(order_id=oid))
    assert isinstance(report, OrderReport) and report.leaves == left
    assert report.status is (OrderStatus.PARTIAL_FILL if left else OrderStatus.FILLED)


@pytest.mark.parametrize("bad", ["qty", "band", "closed", "unknown"])
def test_replaces_are_refused_and_leave_the_order_alone(world: World, bad: str) -> None:
    world.exchange.set_limits("ES", 50, 150)
    oid = world.send(B, 2, 99)
    if bad == "closed":
        world.cancel(oid)
    target = "nobody" if bad == "unknown" else oid
    world.replace(target, 0 if bad == "qty" else 3, 10 if bad == "band" else None)
    assert world.of(ReplaceRejected, target)[0].reason
    if bad in ("qty", "band"):
        assert (one(world).qty, one(world).limit) == (2, 99)


def test_pending_reports_come_first() -> None:
    w = World(pending_reports=True)
    w.quote(100, 20, 101, 10)
    oid = w.send(B, 2, 99)
    w.replace(oid, 3)
    w.cancel(oid)
    kinds = [type(f) for f in w.facts]
    assert kinds == [Acknowledged, PendingReplace, Replaced, PendingCancel, Canceled]


def test_a_second_order_with_the_same_id_is_refused_and_counted(world: World) -> None:
    oid = world.send(B, 2, 99)
    world.send(B, 2, 99, id=oid)
    assert "duplicate" in world.of(Rejected, oid)[0].reason
    audit = world.exchange.audit()
    assert [(o.order_id, o.copies, o.status) for o in audit.orders] == [(oid, 2, OrderStatus.WORKING)]


def test_rate_limit_refuses_orders_and_lets_cancels_through() -> None:
    w = World(message_limit=5)
    w.quote(100, 20, 101, 10)
    ids = [w.send(B, 1, 90, wait=0) for _ in range(7)]
    w.run(5)
    assert [bool(w.of(Rejected, i)) for i in ids] == [False] * 5 + [True] * 2
    w.cancel(ids[0])
    assert w.of(Canceled, ids[0])
    w.run(1000)
    assert not w.of(Rejected, w.send(B, 1, 90))


# -- reduce-only and groups


def test_reduce_only_ends_when_the_position_is_gone(world: World) -> None:
    world.send(B, 4)
    guard = world.send(S, 4, 120, reduce_only=True)
    world.send(S, 4)
    assert world.of(Canceled, guard)[0].unsolicited
    assert world.position() == 0


def test_oco_full_fill_cancels_partial_fill_reduces(world: World) -> None:
    world.send(B, 8)
    target = world.send(S, 8, 105, oco="g")
    stop = world.send(S, 8, stop=95, oco="g")
    world.quote(105, 3, 106, 10)
    world.run(5)
    assert world.pairs(target) == [(3, 105)]
    assert world.of(Restated, stop)[0].qty == 5
    world.quote(106, 9, 107, 10)
    world.run(5)
    assert world.pairs(target)[1:] == [(5, 105)]
    assert world.of(Canceled, stop)[0].unsolicited and world.position() == 0


def test_oco_where_a_partial_fill_cancels() -> None:
    w = World(oco_on_partial="cancel")
    w.quote(100, 20, 101, 10)
    first, second = w.send(B, 8, 101, oco="g", id="one"), w.send(B, 8, 90, oco="g", id="two")
    w.quote(99, 5, 100, 1)
    w.run(5)
    assert w.of(Canceled, second) or w.of(Rejected, second)
    assert w.fills(first)


def test_a_late_member_of_a_filled_group_is_refused(world: World) -> None:
    world.send(B, 2, oco="g")
    assert "group" in world.of(Rejected, world.send(B, 2, 90, oco="g"))[0].reason


def bracket(w: World, entry_limit: int | None, qty: int) -> tuple[str, str, str]:
    entry = w.send(B, qty, entry_limit)
    target = w.send(S, qty, 110, parent=entry, oco="b", reduce_only=True)
    stop = w.send(S, qty, stop=90, parent=entry, oco="b", reduce_only=True)
    return entry, target, stop


def test_bracket_children_are_released_as_the_entry_fills(world: World) -> None:
    entry, target, stop = bracket(world, 99, 5)
    assert world.of(Suspended, target) and world.of(Suspended, stop)
    world.quote(108, 3, 111, 9)
    world.trade(112, 9, B)  # beyond the target, but nothing is held yet
    world.run(5)
    assert not world.fills()
    world.quote(97, 3, 98, 2)  # two lots of the entry
    world.run(5)
    assert world.pairs(entry) == [(2, 99)]
    assert world.of(Released, target) and world.of(Released, stop)
    world.quote(111, 9, 112, 9)
    world.run(5)
    assert world.pairs(target) == [(2, 110)]  # no more than the entry filled
    assert world.position() == 0
    assert world.of(Restated, stop)[-1].qty == 3


def test_bracket_children_end_with_an_unfilled_entry(world: World) -> None:
    entry, target, stop = bracket(world, 99, 5)
    world.cancel(entry)
    assert world.of(Canceled, target)[0].unsolicited and world.of(Canceled, stop)[0].unsolicited


def test_bracket_children_are_cut_to_what_the_entry_filled(world: World) -> None:
    entry, target, stop = bracket(world, 99, 5)
    world.quote(97, 3, 98, 2)
    world.run(5)
    world.cancel(entry)
    assert world.of(Restated, target)[-1].qty == 2 and world.of(Restated, stop)[-1].qty == 2
    world.quote(90, 9, 91, 9)
    world.trade(90, 1, S)
    world.run(5)
    assert world.position() == 0 and world.of(Canceled, target)


def test_a_child_without_its_entry_is_refused(world: World) -> None:
    assert world.of(Rejected, world.send(S, 1, 110, parent="nobody"))
    entry = world.send(B, 1, 90)
    world.cancel(entry)
    assert world.of(Rejected, world.send(S, 1, 110, parent=entry))


# -- what others do; what is taken back


def test_foreign_orders_fill_and_are_reported_as_foreign(world: World) -> None:
    broker_id = world.exchange.foreign_order("A", "ES", B, 3, limit=101, tif=TimeInForce.GTC)
    world.run(5)
    assert world.of(ForeignOrder)[0].broker_id == broker_id
    fill = world.of(Executed)[0].fill
    assert fill.order_id is None and fill.broker_id == broker_id and world.position() == 3


def test_bust_takes_position_and_cash_back(world: World) -> None:
    account = world.exchange.books.account("A")
    oid = world.send(B, 4)
    world.exchange.bust(world.fills(oid)[0].key)
    world.run(5)
    assert world.of(Busted)[0].key == world.fills(oid)[0].key
    assert world.position() == 0 and account.cash() == account.start
    assert world.of(Canceled, oid)[0].cum == 0  # the order does not work again, and says so
    answer = world.ask(QueryExecutions(0))
    assert isinstance(answer, Executions) and answer.fills == () and len(answer.busted) == 1


def test_bust_of_a_working_order_restates_it(world: World) -> None:
    oid = world.send(B, 12, 101)
    world.exchange.bust(world.fills(oid)[0].key)
    world.run(5)
    assert world.of(Restated, oid)[0].qty == 2
    report = world.ask(QueryOrder(order_id=oid))
    assert isinstance(report, OrderReport) and (report.cum, report.leaves) == (0, 2)


def test_bust_where_the_lots_work_again() -> None:
    w = World(bust_reopens=True)
    w.quote(100, 20, 101, 10)
    oid = w.send(B, 4, 101)
    w.exchange.bust(w.fills(oid)[0].key)
    w.quote(100, 20, 101, 7)
    w.run(5)
    assert w.pairs(oid) == [(4, 101), (4, 101)] and w.position() == 4


def test_correction_replaces_an_execution(world: World) -> None:
    oid = world.send(B, 4)
    old = world.fills(oid)[0]
    world.exchange.correct(old.key, 99)
    world.run(5)
    changed = world.of(Corrected)[0]
    assert changed.key == old.key and changed.fill.price == 99 and changed.fill.key != old.key
    answer = world.ask(QueryExecutions(0))
    assert isinstance(answer, Executions) and answer.fills == (changed.fill,) and answer.busted == (old.key,)
    world.exchange.correct(changed.fill.key, 99, qty=3)
    world.run(5)
    assert world.position() == 3


def test_unknown_executions_and_instruments_are_named(world: World) -> None:
    key = world.fills(world.send(B, 1))[0].key
    with pytest.raises(KeyError, match="E9"):
        world.exchange.bust(type(key)(key.venue, key.account, key.trading_day, "E9"))
    with pytest.raises(KeyError, match="listed are ES"):
        world.exchange.market("XX")


def test_closed_orders_leave_memory_but_never_the_newest() -> None:
    w = World(keep_closed=10)
    w.quote(100, 20, 101, 10)
    ids = [w.send(B, 1, 1, wait=0) for _ in range(30)]
    w.run(5)
    for oid in ids:
        w.cancel(oid, wait=0)
    w.run(5)
    w.cancel(w.send(B, 1, 1))
    assert len(w.exchange.books.orders) <= 11
    assert isinstance(w.ask(QueryOrder(order_id=ids[0])), OrderNotFound)
    assert isinstance(w.ask(QueryOrder(order_id=ids[-1])), OrderReport)


def test_a_target_that_filled_takes_the_stop_with_it_lot_by_lot(world: World) -> None:
    entry = world.send(B, 5, 99)
    target = world.send(S, 5, 110, parent=entry, oco="b")
    stop = world.send(S, 5, stop=90, parent=entry, oco="b")
    world.quote(97, 3, 98, 2)
    world.quote(110, 9, 111, 9)
    world.run(5)
    assert world.pairs(target) == [(2, 110)]
    guard = world.exchange.books.find("A", stop, None)
    assert guard is not None and (guard.leaves, guard.live) == (3, 0)  # nothing is held that it could protect
    world.quote(89, 9, 98, 9)  # the rest of the entry fills on the way down, and is stopped out
    world.trade(89, 1, S)
    world.run(5)
    assert world.pairs(stop) == [(3, 89)] and world.position() == 0


def test_an_account_under_water_may_still_reduce() -> None:
    w = World(cash=40_000)
    w.quote(2_000, 50, 2_001, 50)
    w.send(B, 3)
    w.quote(1_200, 50, 1_201, 50)  # 800 ticks of 12.50 on three lots: nearly all is gone
    assert w.exchange.books.account("A").equity(w.exchange.desk.marks) < 36_000
    assert not w.of(Rejected, w.send(S, 3, 1_300))
    assert w.of(Rejected, w.send(B, 1, 1_100))
    assert w.pairs(w.send(S, 3)) == [(3, 1_200)]


def test_requests_arrive_and_reports_leave_in_their_order_whatever_the_jitter() -> None:
    w = World(order_latency_ms=1, order_jitter_ms=5, report_latency_ms=1, report_jitter_ms=5)
    w.quote(100, 500, 101, 500)
    ids = []
    for n in range(150):
        ids.append(w.send(B, 1, 101 if n % 3 else 90, wait=0))
        if n % 3 == 0:
            w.cancel(ids[-1], wait=0)
        w.run(0.2)
    w.run(100)
    assert [o.order_id for o in w.exchange.audit().orders] == ids
    assert not w.of(CancelRejected)
    assert [f.order_id for f in w.of(Acknowledged)] == ids
    assert [f.fill for f in w.of(Executed)] == list(w.exchange.audit().executions)
