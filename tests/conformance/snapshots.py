"""Cases 90 to 99: questions and their answers; a question that failed is never an empty answer."""

from __future__ import annotations

import asyncio

from engine.facts import Acknowledged, Canceled, CancelRejected, ForeignOrder, OrderNotFound, OrderReport
from engine.model import OrderStatus
from engine.ports import QueryFailed
from tests.conformance.suite import (
    B,
    Bench,
    S,
    cancel,
    case,
    fresh,
    of,
    refused,
    submit,
    until_filled,
    until_seen,
)


@case(90, "snapshots")
async def the_list_and_the_question_agree(bench: Bench) -> None:
    """Given a resting order, when open orders are listed and it is asked about, then both say the same."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    (listed,) = (await bench.adapter.open_orders()).ours
    asked = await bench.adapter.query_order(order_id, None)
    assert isinstance(asked, OrderReport) and asked.status is listed.status is OrderStatus.WORKING
    assert (listed.order_id, listed.leaves, listed.limit) == (order_id, 2, 99)
    assert listed.broker_id == asked.broker_id and asked.broker_id


@case(91, "snapshots")
async def answers_are_not_confused(bench: Bench) -> None:
    """Given a session, when many questions are asked at once, then each gets its own answer."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    adapter = bench.adapter
    answers = await asyncio.gather(
        adapter.positions(),
        adapter.open_orders(),
        adapter.executions(0),
        adapter.account_values(),
        adapter.open_orders(),
        adapter.query_order(order_id, None),
    )
    names = [type(a).__name__ for a in answers]
    assert names == [
        "Positions",
        "OpenOrders",
        "Executions",
        "AccountValues",
        "OpenOrders",
        "OrderReport",
    ]


async def fails(bench: Bench, fault: str) -> None:
    for ask in (bench.adapter.positions, bench.adapter.open_orders):
        await bench.arm(fault)
        try:
            await ask()
        except QueryFailed:
            await bench.calm()
            continue
        raise AssertionError("a lost answer was read as one")


@case(92, "snapshots")
async def a_lost_question_failed(bench: Bench) -> None:
    """Given a resting order, when a question is lost on its way, then QueryFailed is raised, never an empty
    answer."""
    await submit(bench, B, 2, 99)
    await fails(bench, "query_lost")
    assert len((await bench.adapter.open_orders()).ours) == 1


@case(93, "snapshots")
async def a_lost_answer_failed(bench: Bench) -> None:
    """Given a resting order, when an answer is lost on its way, then QueryFailed is raised, and the next
    question is answered in full."""
    await submit(bench, B, 2, 99)
    await fails(bench, "answer_lost")
    assert len((await bench.adapter.open_orders()).ours) == 1


@case(94, "snapshots")
async def what_is_over_is_not_listed(bench: Bench) -> None:
    """Given one order filled and one cancelled, when open orders are listed, then neither is there."""
    await until_filled(bench, await submit(bench, B, 2), 2)
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await cancel(bench, order_id)
    await until_seen(bench, Canceled, order_id)
    assert (await bench.adapter.open_orders()).ours == ()


@case(95, "snapshots", shows="orders of others")
async def orders_of_others_are_listed(bench: Bench) -> None:
    """Given an order placed by hand, when open orders are listed, then it is there as foreign with its broker
    id, and a cancel of it is done or refused, never ignored."""
    await bench.foreign_order(B, 3, 98)
    await bench.settle()
    (foreign,) = (await bench.adapter.open_orders()).foreign
    assert (foreign.symbol, foreign.side, foreign.qty, foreign.limit) == ("ES", B, 3, 98)
    if refused(lambda: bench.adapter.cancel("", foreign.broker_id)):
        return
    await bench.settle()
    if not [f for f in of(bench, CancelRejected) if f.broker_id == foreign.broker_id]:
        assert (await bench.adapter.open_orders()).foreign == ()
        assert of(bench, ForeignOrder)


@case(96, "snapshots")
async def positions_are_signed(bench: Bench) -> None:
    """Given 5 lots sold, when positions are read, then ES is −5; and when they are bought back, then ES is
    missing, which is flat."""
    await until_filled(bench, await submit(bench, S, 5), 5)
    assert [(p.symbol, p.qty) for p in (await bench.adapter.positions()).positions] == [("ES", -5)]
    await until_filled(bench, await submit(bench, B, 5), 5)
    assert (await bench.adapter.positions()).positions == ()


@case(97, "snapshots")
async def an_unknown_order_is_not_found(bench: Bench) -> None:
    """Given an id that was never sent, when it is asked about, then the answer is a positive "no such
    order"."""
    name = fresh()
    answer = await bench.adapter.query_order(name, None)
    assert isinstance(answer, OrderNotFound) and answer.order_id == name


@case(98, "snapshots")
async def a_closed_order_is_remembered(bench: Bench) -> None:
    """Given one order filled and one cancelled, when they are asked about, then the answers say which."""
    done = await submit(bench, B, 2)
    await until_filled(bench, done, 2)
    gone = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, gone)
    await cancel(bench, gone)
    await until_seen(bench, Canceled, gone)
    for order_id, status in ((done, OrderStatus.FILLED), (gone, OrderStatus.CANCELED)):
        answer = await bench.adapter.query_order(order_id, None)
        assert isinstance(answer, OrderReport) and answer.status is status, answer


@case(99, "snapshots")
async def part_fills_are_listed_as_such(bench: Bench) -> None:
    """Given an order for 15 of which 10 are filled, when it is listed, then 10 are filled and 5 left."""
    order_id = await submit(bench, B, 15, 101)
    await until_filled(bench, order_id, 10)
    (listed,) = (await bench.adapter.open_orders()).ours
    assert (listed.qty, listed.cum, listed.leaves) == (15, 10, 5)
    assert listed.status is OrderStatus.PARTIAL_FILL
