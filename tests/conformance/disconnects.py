"""Cases 100 to 110: lines that break, hang or come back, and what was under way then."""

from __future__ import annotations

import asyncio

from engine.facts import Acknowledged, Canceled, Gap, LinkDown, LinkUp, OrderFact, OrderNotFound, OrderReport
from engine.model import OrderStatus
from engine.ports import QueryFailed
from tests.conformance.suite import (
    B,
    Bench,
    S,
    at_venue,
    broker_id_of,
    case,
    live_at_venue,
    make,
    of,
    recorded,
    refused,
    submit,
    until_filled,
    until_seen,
)


async def back(bench: Bench) -> None:
    """Connects again and waits until the adapter has said what it must."""
    gaps = len(of(bench, Gap))
    await bench.adapter.connect()
    await bench.until(lambda: len(of(bench, Gap)) > gaps, "a Gap after the reconnect")


@case(100, "disconnects")
async def a_lost_line_is_told_and_refuses(bench: Bench) -> None:
    """Given a session, when its line breaks, then LinkDown gives a reason, nothing is taken and no question
    answered."""
    await bench.drop()
    assert of(bench, LinkDown)[0].reason
    assert refused(lambda: bench.adapter.submit(recorded(make(bench, B, 1))))
    assert refused(lambda: bench.adapter.cancel("c-0", None))
    try:
        await bench.adapter.positions()
    except QueryFailed:
        return
    raise AssertionError("it answered while the line was down")


@case(101, "disconnects")
async def a_new_line_comes_with_a_gap(bench: Bench) -> None:
    """Given a line that broke, when connect is called, then LinkUp comes and after it a Gap, because
    something may have been missed."""
    await bench.drop()
    await back(bench)
    kinds = [type(f) for f in bench.facts if isinstance(f, LinkUp | LinkDown | Gap)]
    assert kinds == [LinkUp, LinkDown, LinkUp, Gap], kinds
    await bench.adapter.probe()


@case(102, "disconnects")
async def a_resting_order_outlives_the_line(bench: Bench) -> None:
    """Given a resting order, when the line breaks and comes back, then it is listed under our id and the same
    broker id."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    before = broker_id_of(bench, order_id)
    await bench.drop()
    await back(bench)
    (listed,) = (await bench.adapter.open_orders()).ours
    assert (listed.order_id, listed.broker_id) == (order_id, before)


@case(103, "disconnects")
async def a_fill_in_the_dark_is_found(bench: Bench) -> None:
    """Given a resting order, when it fills while the line is down, then the executions after it tell so."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.drop()
    await bench.trade(98, 30, S)
    await back(bench)
    history = await bench.adapter.executions(0)
    assert [(f.order_id, f.qty, f.side) for f in history.fills] == [(order_id, 2, B)]
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport) and answer.status is OrderStatus.FILLED


@case(104, "disconnects")
async def a_question_under_way_fails_with_the_line(bench: Bench) -> None:
    """Given a question that gets no answer, when the line breaks, then it fails and does not hang."""
    await bench.arm("query_lost")
    question = asyncio.ensure_future(bench.adapter.positions())
    await asyncio.sleep(0)
    await bench.drop()
    try:
        await question
    except QueryFailed:
        return
    raise AssertionError("a question outlived its line")


@case(105, "disconnects")
async def a_silent_line_is_found(bench: Bench) -> None:
    """Given a line that stands but carries nothing, when a heartbeat is sent, then it fails."""
    await bench.mute()
    try:
        await bench.adapter.probe()
    except QueryFailed:
        return
    raise AssertionError("a mute line answered a heartbeat")


@case(106, "disconnects")
async def nothing_is_kept_for_later(bench: Bench) -> None:
    """Given an order handed over while the line is down, when the line is back, then the venue never sees
    it."""
    await bench.drop()
    order = make(bench, B, 1, 99)
    assert refused(lambda: bench.adapter.submit(recorded(order)))
    await back(bench)
    await bench.settle()
    assert not await at_venue(bench, order.id)
    assert isinstance(await bench.adapter.query_order(order.id, None), OrderNotFound)


@case(107, "disconnects")
async def an_order_under_way_is_found_or_not(bench: Bench) -> None:
    """Given an order on its way, when the line breaks, then after the reconnect the broker says truly whether
    it has it."""
    order = make(bench, B, 1, 99)
    bench.adapter.submit(recorded(order))
    await bench.drop()
    await back(bench)
    await bench.settle()
    answer = await bench.adapter.query_order(order.id, None)
    there = await live_at_venue(bench, order.id)
    assert isinstance(answer, OrderReport if there else OrderNotFound)


@case(108, "disconnects")
async def a_cancel_under_way_is_found_or_not(bench: Bench) -> None:
    """Given a cancel on its way, when the line breaks, then after the reconnect the broker says truly whether
    the order works."""
    order_id = await submit(bench, B, 1, 99)
    await until_seen(bench, Acknowledged, order_id)
    bench.adapter.cancel(order_id, broker_id_of(bench, order_id))
    await bench.drop()
    await back(bench)
    await bench.settle()
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport)
    live = bool(await live_at_venue(bench, order_id))
    assert answer.status is (OrderStatus.WORKING if live else OrderStatus.CANCELED)


@case(109, "disconnects")
async def broker_ids_may_be_handed_out_again(bench: Bench) -> None:
    """Given a venue that hands its ids out again after a reconnect, when a new order is sent, then no fact
    takes it for the old one."""
    old = await submit(bench, B, 1, 99)
    await until_seen(bench, Acknowledged, old)
    await bench.arm("reuse_ids")
    await bench.drop()
    await back(bench)
    before = len(bench.facts)
    new = await submit(bench, S, 1, 105)
    await until_seen(bench, Acknowledged, new)
    told = {f.order_id for f in bench.facts[before:] if isinstance(f, OrderFact)}
    assert new in told
    listed = {o.order_id: o.limit for o in (await bench.adapter.open_orders()).ours}
    assert listed == {old: 99, new: 105}


@case(110, "disconnects")
async def trading_goes_on_after_a_break(bench: Bench) -> None:
    """Given a line that broke and came back, when orders are sent, then they are acknowledged, filled and
    cancelled as before."""
    await bench.drop()
    await back(bench)
    await until_filled(bench, await submit(bench, B, 2), 2)
    resting = await submit(bench, B, 1, 99)
    await until_seen(bench, Acknowledged, resting)
    bench.adapter.cancel(resting, broker_id_of(bench, resting))
    await until_seen(bench, Canceled, resting)
    assert not await live_at_venue(bench, resting) and len(of(bench, LinkDown)) == 1
