"""Cases 40 to 49: executions, whole and in parts, twice, late, and of nobody's order."""

from __future__ import annotations

from decimal import Decimal

from engine.facts import Acknowledged, Canceled, Executed
from engine.model import OrderStatus
from tests.conformance.suite import (
    B,
    Bench,
    S,
    cancel,
    case,
    filled,
    make,
    of,
    recorded,
    standing,
    submit,
    until_filled,
    until_seen,
)


@case(40, "fills")
async def partial_fills_add_up(bench: Bench) -> None:
    """Given an order for 15, when 10 and later 2 trade, then two executions of 10 and 2 are told."""
    order_id = await submit(bench, B, 15, 101)
    await until_filled(bench, order_id, 10)
    await bench.quote(101, 9, 102, 10)
    await bench.trade(100, 2, S)
    await until_filled(bench, order_id, 12)
    assert [f.qty for f in standing(bench).values() if f.order_id == order_id] == [10, 2]


@case(41, "fills")
async def an_execution_is_identified(bench: Bench) -> None:
    """Given several executions, when they are told, then each has an identity of venue, account, trading day
    and id of its own."""
    for _ in range(3):
        await until_filled(bench, await submit(bench, B, 1), 1)
    keys = list(standing(bench))
    assert len(set(keys)) == 3
    assert all(k.venue and k.trading_day and k.exec_id and k.account == bench.account for k in keys)


@case(42, "fills")
async def an_execution_tells_whose_it_is(bench: Bench) -> None:
    """Given two orders at once, when both fill, then each execution bears the ids and side of its order."""
    buy, sell = make(bench, B, 2), make(bench, S, 3)
    bench.adapter.submit(recorded(buy))
    bench.adapter.submit(recorded(sell))
    await until_filled(bench, buy.id, 2)
    await until_filled(bench, sell.id, 3)
    sides = {f.order_id: f.side for f in standing(bench).values()}
    assert sides == {buy.id: B, sell.id: S}
    assert len({f.broker_id for f in standing(bench).values()} - {None}) == 2


@case(43, "fills")
async def a_repeat_has_the_same_identity(bench: Bench) -> None:
    """Given a venue that tells things twice, when an execution comes again, then it has the same identity and
    counts once."""
    await bench.arm("duplicate_report", 3)
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    await bench.settle()
    assert len({f.fill.key for f in of(bench, Executed, order_id)}) == 1
    assert filled(bench, order_id) == 2


@case(44, "fills")
async def the_fee_becomes_known(bench: Bench) -> None:
    """Given a commission, when an order fills, then the execution's fee becomes known, together with it or
    as a correction."""
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    await bench.until(lambda: any(f.fee for f in standing(bench).values()), "a fee")
    (there,) = (await bench.truth()).executions
    assert sum((f.fee for f in standing(bench).values()), Decimal(0)) == there.fee > 0


@case(45, "fills")
async def a_trade_by_hand_belongs_to_nobody(bench: Bench) -> None:
    """Given a trade that no order of ours made, when it is told, then it is told without an order of ours."""
    await bench.manual_trade(B, 2)
    await bench.until(lambda: bool(of(bench, Executed)), "the manual trade")
    fill = of(bench, Executed)[0].fill
    assert (fill.order_id, fill.side, fill.qty) == (None, B, 2)


@case(46, "fills")
async def a_fill_after_the_cancel_is_told(bench: Bench) -> None:
    """Given a venue that fills an order whose cancel it confirmed, when that fill comes, then it is told and
    not dropped, and what is read after it agrees with it: an instrument that was held for it can go on."""
    order_id = await submit(bench, B, 4, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.arm("fill_after_cancel")
    await cancel(bench, order_id)
    await until_seen(bench, Canceled, order_id)
    await bench.until(lambda: bool(of(bench, Executed, order_id)), "the late fill")
    (there,) = (await bench.truth()).executions
    assert filled(bench, order_id) == there.qty
    assert {p.symbol: p.qty for p in (await bench.adapter.positions()).positions} == {"ES": there.qty}
    assert (await bench.adapter.open_orders()).ours == ()
    assert [fill.order_id for fill in (await bench.adapter.executions(0)).fills] == [order_id]


@case(47, "fills")
async def executions_come_out_of_order(bench: Bench) -> None:
    """Given a report that is overtaken by later ones, when all have come, then all are booked once."""
    await bench.arm("reorder_report")
    order_id = await submit(bench, B, 15, 101)
    # The market moves once it is there, so that it trades with both; which report comes first is the fault's.
    told = (Acknowledged, Executed)
    await bench.until(lambda: any(of(bench, kind, order_id) for kind in told), "a word of it")
    await bench.quote(101, 9, 102, 10)
    await bench.trade(100, 2, S)
    await until_filled(bench, order_id, 12)


@case(48, "fills")
async def facts_agree_with_the_venues_books(bench: Bench) -> None:
    """Given fills of both sides, when all is told, then our executions and positions are the venue's."""
    for side, qty in ((B, 3), (S, 1), (B, 2), (S, 6)):
        await until_filled(bench, await submit(bench, side, qty), qty)
    truth = await bench.truth()
    ours = sorted((f.order_id or "", f.side, f.qty, f.price) for f in standing(bench).values())
    theirs = sorted((f.order_id or "", f.side, f.qty, f.price) for f in truth.executions)
    assert ours == theirs
    position = {p.symbol: p.qty for p in (await bench.adapter.positions()).positions}
    assert position == truth.positions[bench.account] == {"ES": -2}


@case(49, "fills")
async def a_lost_execution_report_is_found(bench: Bench) -> None:
    """Given an execution whose report is lost, when the executions are asked for, then it is among them."""
    order_id = await submit(bench, B, 2, 99)
    await until_seen(bench, Acknowledged, order_id)
    await bench.arm("drop_report")
    await bench.trade(98, 30, S)
    await bench.settle()
    history = await bench.adapter.executions(0)
    assert sum(f.qty for f in history.fills if f.order_id == order_id) == 2
    answer = await bench.adapter.query_order(order_id, None)
    assert getattr(answer, "status", None) in (OrderStatus.FILLED, OrderStatus.PARTIAL_FILL)
