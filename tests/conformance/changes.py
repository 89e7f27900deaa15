"""Cases 50 to 67: cancels and replaces, and the ways in which they cross with fills or are refused."""

from __future__ import annotations

from engine.facts import (
    Acknowledged,
    Canceled,
    CancelRejected,
    Executed,
    OrderReport,
    Replaced,
    ReplaceRejected,
)
from engine.model import MarketState, OrderStatus, Replace
from tests.conformance.suite import (
    B,
    Bench,
    S,
    broker_id_of,
    cancel,
    case,
    filled,
    fresh,
    live_at_venue,
    of,
    recorded,
    refused,
    replace,
    submit,
    until_filled,
    until_seen,
)

GROUP = "cancels and replaces"


@case(50, GROUP, shows="cancel")
async def a_resting_order_is_cancelled(bench: Bench) -> None:
    """Given a resting order, when it is cancelled, then Canceled comes as the answer to us, with nothing
    filled."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await cancel(bench, order_id)
    told = await until_seen(bench, Canceled, order_id)
    assert told.cum in (0, None) and not told.unsolicited
    assert not await live_at_venue(bench, order_id)


@case(51, GROUP)
async def the_rest_of_a_part_fill_is_cancelled(bench: Bench) -> None:
    """Given an order for 15 of which 10 are filled, when it is cancelled, then the 10 stand and are told."""
    order_id = await submit(bench, B, 15, 101)
    await until_filled(bench, order_id, 10)
    await cancel(bench, order_id)
    assert (await until_seen(bench, Canceled, order_id)).cum in (10, None)
    assert filled(bench, order_id) == 10


@case(52, GROUP)
async def an_unknown_order_cannot_be_cancelled(bench: Bench) -> None:
    """Given an id that nobody knows, when it is cancelled, then the cancel is refused and never confirmed."""
    name = fresh()
    if not refused(lambda: bench.adapter.cancel(name, None)):
        await until_seen(bench, CancelRejected, name)
    await bench.settle()
    assert not of(bench, Canceled)


@case(53, GROUP)
async def a_filled_order_cannot_be_cancelled(bench: Bench) -> None:
    """Given an order that is filled, when it is cancelled, then the cancel is refused and the fill stands."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    if not refused(lambda: bench.adapter.cancel(order_id, broker_id_of(bench, order_id))):
        await until_seen(bench, CancelRejected, order_id)
    assert not of(bench, Canceled, order_id) and filled(bench, order_id) == 2


@case(54, GROUP)
async def a_refused_cancel_leaves_the_order(bench: Bench) -> None:
    """Given a venue that refuses a cancel, when it answers, then CancelRejected is told and the order works
    on."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.arm("reject_cancel")
    await cancel(bench, order_id)
    assert (await until_seen(bench, CancelRejected, order_id)).reason
    assert not of(bench, Canceled, order_id)
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport) and answer.status is OrderStatus.WORKING


@case(55, GROUP, shows="replace in place")
async def a_replace_changes_price_and_size(bench: Bench) -> None:
    """Given a resting order, when it is replaced, then Replaced names our request and the new terms, and the
    venue has them."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    name = await replace(bench, order_id, 5, 98)
    done = await until_seen(bench, Replaced, order_id)
    assert (done.replace_id, done.qty, done.limit) == (name, 5, 98)
    (there,) = await live_at_venue(bench, order_id)
    assert (there.qty, there.limit) == (5, 98)


@case(56, GROUP)
async def the_size_of_a_replace_is_the_total(bench: Bench) -> None:
    """Given an order for 15 of which 10 are filled, when it is replaced to 12, then 2 are left."""
    order_id = await submit(bench, B, 15, 101)
    await until_filled(bench, order_id, 10)
    await replace(bench, order_id, 12, 101)
    assert (await until_seen(bench, Replaced, order_id)).qty == 12
    (there,) = await live_at_venue(bench, order_id)
    assert there.qty - there.cum == 2


@case(57, GROUP)
async def a_refused_replace_leaves_the_old_terms(bench: Bench) -> None:
    """Given a venue that refuses a replace, when it answers, then ReplaceRejected is told and the old terms
    stand."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.arm("reject_replace")
    name = await replace(bench, order_id, 5, 98)
    told = await until_seen(bench, ReplaceRejected, order_id)
    assert told.replace_id == name and told.reason
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport) and (answer.qty, answer.limit) == (2, 99)
    assert not of(bench, Canceled, order_id) and not of(bench, Replaced, order_id)


@case(58, GROUP)
async def an_unknown_order_cannot_be_replaced(bench: Bench) -> None:
    """Given an id that nobody knows, when it is replaced, then the replace is refused and never confirmed."""
    change = Replace(id=fresh("r"), order_id=fresh(), qty=1, limit=99)
    if not refused(lambda: bench.adapter.replace(recorded(change))):
        assert (await until_seen(bench, ReplaceRejected, change.order_id)).replace_id == change.id
    assert not of(bench, Replaced)


@case(59, GROUP)
async def a_replace_to_the_market_fills(bench: Bench) -> None:
    """Given a resting buy, when it is replaced to the offer, then it fills there, once."""
    order_id = await submit(bench, B, 3, 99)
    await until_seen(bench, Acknowledged, order_id)
    await replace(bench, order_id, 3, 101)
    await until_filled(bench, order_id, 3)
    assert {f.fill.price for f in of(bench, Executed, order_id)} == {101}


@case(60, GROUP)
async def a_fill_that_crosses_a_cancel_counts(bench: Bench) -> None:
    """Given a cancel on its way, when the order fills first, then the fill is told and nothing claims that it
    never was."""
    order_id = await submit(bench, B, 2, 100)
    await until_seen(bench, Acknowledged, order_id)
    bench.adapter.cancel(order_id, broker_id_of(bench, order_id))
    await bench.trade(99, 40, S)
    await bench.settle()
    there = (await bench.truth()).executions
    await until_filled(bench, order_id, sum(f.qty for f in there))
    assert all(told.cum in (None, filled(bench, order_id)) for told in of(bench, Canceled, order_id))


@case(61, GROUP)
async def the_venue_cancels_unasked(bench: Bench) -> None:
    """Given a resting order, when the venue cancels it, then Canceled says that nobody asked."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.end_order(order_id)
    assert (await until_seen(bench, Canceled, order_id)).unsolicited


@case(62, GROUP)
async def a_filled_order_cannot_be_replaced(bench: Bench) -> None:
    """Given an order that is filled, when it is replaced, then the replace is refused and no new lots
    work."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    change = Replace(id=fresh("r"), order_id=order_id, qty=5, limit=99)
    if not refused(lambda: bench.adapter.replace(recorded(change))):
        await until_seen(bench, ReplaceRejected, order_id)
    assert not await live_at_venue(bench, order_id) and filled(bench, order_id) == 2


@case(63, GROUP)
async def one_order_may_become_two(bench: Bench) -> None:
    """Given a replace after which the old order lives on, when open orders are asked for, then both are
    listed, each by its broker id."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.arm("twin_replace")
    await replace(bench, order_id, 2, 98)
    await bench.settle()
    assert len(await live_at_venue(bench, order_id)) == 2
    answer = await bench.adapter.open_orders()
    ids = [o.broker_id for o in answer.ours] + [o.broker_id for o in answer.foreign]
    assert len(ids) == len(set(ids)) == 2


@case(64, GROUP)
async def a_second_cancel_does_no_harm(bench: Bench) -> None:
    """Given a cancelled order, when it is cancelled again, then at most a refusal comes and the order stays
    closed."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await cancel(bench, order_id)
    await until_seen(bench, Canceled, order_id)
    if not refused(lambda: bench.adapter.cancel(order_id, broker_id_of(bench, order_id))):
        await until_seen(bench, CancelRejected, order_id)
    assert not await live_at_venue(bench, order_id)
    assert (await bench.adapter.open_orders()).ours == ()


@case(65, GROUP)
async def a_replace_below_what_is_filled(bench: Bench) -> None:
    """Given 10 of 15 lots filled, when the order is replaced to 4, then nothing more than the 10 ever
    fills."""
    order_id = await submit(bench, B, 15, 101)
    await until_filled(bench, order_id, 10)
    change = Replace(id=fresh("r"), order_id=order_id, qty=4, limit=101)
    if not refused(lambda: bench.adapter.replace(recorded(change))):
        await bench.until(
            lambda: any(of(bench, kind, order_id) for kind in (Replaced, ReplaceRejected, Canceled)),
            "an answer to the replace",
        )
    there = await live_at_venue(bench, order_id)
    assert all(o.qty in (15, 4) for o in there) and filled(bench, order_id) == 10


@case(66, GROUP)
async def a_halted_market_takes_cancels(bench: Bench) -> None:
    """Given a market that is halted, when a resting order is cancelled, then it is cancelled."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.state(MarketState.HALTED)
    await cancel(bench, order_id)
    await until_seen(bench, Canceled, order_id)


@case(67, GROUP)
async def two_replaces_in_a_row(bench: Bench) -> None:
    """Given a resting order, when it is replaced twice, then each answer names its request and the last terms
    stand."""
    order_id = await submit(bench, S, 2, 105)
    await until_seen(bench, Acknowledged, order_id)
    first = await replace(bench, order_id, 2, 106)
    await until_seen(bench, Replaced, order_id)
    second = await replace(bench, order_id, 3, 107)
    await bench.until(lambda: len(of(bench, Replaced, order_id)) >= 2, "the second Replaced")
    assert [f.replace_id for f in of(bench, Replaced, order_id)] == [first, second]
    (there,) = await live_at_venue(bench, order_id)
    assert (there.qty, there.limit) == (3, 107)
