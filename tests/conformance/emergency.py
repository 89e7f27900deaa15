"""Cases 150 to 157: what the kill switch relies on."""

from __future__ import annotations

from engine.facts import Acknowledged, Canceled, OrderReport
from engine.model import NS, MarketState, OrderStatus
from tests.conformance.suite import (
    B,
    Bench,
    S,
    broker_id_of,
    case,
    filled,
    make,
    of,
    recorded,
    refused,
    standing,
    submit,
    until_filled,
    until_seen,
)


@case(150, "emergency")
async def all_orders_are_cancelled_at_once(bench: Bench) -> None:
    """Given twelve working orders, when all are cancelled in one go, then each is confirmed and none is
    listed."""
    orders = [make(bench, B, 1, 80 + n) for n in range(12)]
    for order in orders:
        bench.adapter.submit(recorded(order))
    await bench.until(lambda: all(of(bench, Acknowledged, o.id) for o in orders), "twelve working orders")
    for order in orders:
        bench.adapter.cancel(order.id, broker_id_of(bench, order.id))
    await bench.until(lambda: all(of(bench, Canceled, o.id) for o in orders), "twelve cancels")
    assert (await bench.adapter.open_orders()).ours == ()


@case(151, "emergency")
async def a_marketable_limit_flattens(bench: Bench) -> None:
    """Given 5 lots long, when a marketable limit sells them, then two reads in a row say flat with nothing
    working."""
    await until_filled(bench, await submit(bench, B, 5), 5)
    await until_filled(bench, await submit(bench, S, 5, 98), 5)
    for _ in range(2):
        assert (await bench.adapter.positions()).positions == ()
        assert (await bench.adapter.open_orders()).ours == ()


@case(152, "emergency")
async def a_reserved_market_can_be_left(bench: Bench) -> None:
    """Given 2 lots long, when the market is reserved, then a limit through the market still sells them."""
    await until_filled(bench, await submit(bench, B, 2), 2)
    await bench.state(MarketState.RESERVED)
    await until_filled(bench, await submit(bench, S, 2, 98), 2)
    assert (await bench.adapter.positions()).positions == ()


@case(153, "emergency")
async def a_lost_confirmation_is_found_by_asking(bench: Bench) -> None:
    """Given a cancel whose confirmation is lost, when the order is asked about, then the answer says
    CANCELED."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.arm("drop_report")
    bench.adapter.cancel(order_id, broker_id_of(bench, order_id))
    await bench.settle()
    answer = await bench.adapter.query_order(order_id, broker_id_of(bench, order_id))
    assert getattr(answer, "status", None) is OrderStatus.CANCELED
    assert (await bench.adapter.open_orders()).ours == ()


@case(154, "emergency")
async def cancels_go_in_a_storm_of_fills(bench: Bench) -> None:
    """Given orders that fill one after the other, when the rest is cancelled, then fills and cancels together
    account for every lot."""
    orders = [make(bench, B, 2, 100 - n) for n in range(4)]
    for order in orders:
        bench.adapter.submit(recorded(order))
    await bench.until(lambda: all(of(bench, Acknowledged, o.id) for o in orders), "four working orders")
    await bench.trade(98, 60, S)
    for order in orders:
        if not filled(bench, order.id):
            broker_id = broker_id_of(bench, order.id)
            refused(lambda order=order, bid=broker_id: bench.adapter.cancel(order.id, bid))  # type: ignore[misc]
    await bench.settle()
    truth = await bench.truth()
    done = sum(f.qty for f in truth.executions)
    await bench.until(lambda: sum(filled(bench, o.id) for o in orders) == done, f"all {done} lots")
    left = [o for o in truth.orders if not o.status.is_closed]
    assert len((await bench.adapter.open_orders()).ours) == len(left)


@case(155, "emergency", shows="global cancel")
async def everything_is_cancelled_whoever_placed_it(bench: Bench) -> bool:
    """Given an order of ours and one placed by hand, when everything is cancelled, then neither is
    listed; where the venue has no such request, it is refused and nothing is sent."""
    ours = await submit(bench, B, 1, 90)
    await until_seen(bench, Acknowledged, ours)
    await bench.foreign_order(S, 1, 120)
    await bench.settle()
    if not bench.adapter.capabilities.cancel_all:
        assert refused(bench.adapter.cancel_everything)
        assert len((await bench.adapter.open_orders()).ours) == 1
        return False
    bench.adapter.cancel_everything()
    told = await until_seen(bench, Canceled, ours)
    assert not told.unsolicited
    await bench.settle()
    answer = await bench.adapter.open_orders()
    assert answer.ours == answer.foreign == ()
    return True


@case(156, "emergency", shows="dead-man's switch")
async def who_is_not_heard_of_any_more_is_cancelled_by_the_venue(bench: Bench) -> bool:
    """Given the venue's dead-man's switch, when it is renewed, disarmed, and at last left alone, then orders
    work through the first two and are gone after the third; where the venue has none, it is refused."""
    order_id = await submit(bench, B, 1, 90)
    await until_seen(bench, Acknowledged, order_id)
    if not bench.adapter.capabilities.dead_man:
        assert refused(lambda: bench.adapter.arm_dead_man(NS))
        assert len((await bench.adapter.open_orders()).ours) == 1
        return False
    bench.adapter.arm_dead_man(NS // 20)
    bench.adapter.arm_dead_man(3600 * NS)
    for _ in range(8):
        await bench.settle()
    bench.adapter.arm_dead_man(None)
    assert len((await bench.adapter.open_orders()).ours) == 1
    bench.adapter.arm_dead_man(NS // 20)
    told = await until_seen(bench, Canceled, order_id)
    assert told.unsolicited
    assert (await bench.adapter.open_orders()).ours == ()
    return True


@case(157, "emergency")
async def more_than_was_asked_for_is_told_and_can_be_left(bench: Bench) -> None:
    """Given a venue that executes one lot more than an order asked for, when it is told, then the order has
    ended over its size, the position is the venue's, and selling all of it leaves nothing."""
    await bench.arm("overfill")
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 3)
    assert len(standing(bench)) == 2
    truth = await bench.truth()
    told = {p.symbol: p.qty for p in (await bench.adapter.positions()).positions}
    assert told == truth.positions[bench.account] == {"ES": 3}
    assert (await bench.adapter.open_orders()).ours == ()
    answer = await bench.adapter.query_order(order_id, broker_id_of(bench, order_id))
    assert isinstance(answer, OrderReport)
    assert (answer.status, answer.qty, answer.cum, answer.leaves) == (OrderStatus.FILLED, 2, 3, 0)
    await until_filled(bench, await submit(bench, S, 3, 98), 3)
    assert (await bench.adapter.positions()).positions == ()
