"""Cases 20 to 38: orders of every kind, and answers that come late, wrong or not at all."""

from __future__ import annotations

from engine.facts import (
    Acknowledged,
    Canceled,
    Executed,
    Expired,
    OrderFact,
    OrderNotFound,
    OrderReport,
    Rejected,
    Restated,
)
from engine.model import NS, MarketState, OrderStatus, OrderType, TimeInForce
from tests.conformance.suite import (
    B,
    Bench,
    S,
    at_venue,
    broker_id_of,
    case,
    filled,
    live_at_venue,
    make,
    of,
    order_of,
    recorded,
    refused,
    submit,
    until_filled,
    until_seen,
)


@case(20, "orders", shows="market orders")
async def a_market_order_fills(bench: Bench) -> None:
    """Given 10 lots offered at 101, when 3 are bought at market, then 3 are filled at 101."""
    order_id = await submit(bench, B, 3)
    await until_filled(bench, order_id, 3)
    fill = of(bench, Executed, order_id)[0].fill
    assert (fill.qty, fill.price, fill.side, fill.symbol) == (3, 101, B, "ES")


@case(21, "orders", shows="limit orders")
async def a_limit_order_rests(bench: Bench) -> None:
    """Given a limit below the market, when it is sent, then it is acknowledged with the broker's id and
    works."""
    order_id = await submit(bench, B, 2, 99)
    assert (await until_seen(bench, Acknowledged, order_id)).broker_id
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport)
    assert (answer.status, answer.leaves, answer.limit) == (OrderStatus.WORKING, 2, 99)


def ended(bench: Bench, order_id: str) -> list[int | None]:
    """Filled quantities with which an order was told to be over."""
    found = [*of(bench, Expired, order_id), *of(bench, Canceled, order_id)]
    return [fact.cum for fact in found]


@case(22, "orders", shows="immediate or cancel")
async def immediate_or_cancel(bench: Bench) -> None:
    """Given 10 lots at 101, when 12 are bought there immediate-or-cancel, then 10 fill and the rest ends."""
    order_id = await submit(bench, B, 12, 101, tif=TimeInForce.IOC)
    await until_filled(bench, order_id, 10)
    await bench.until(lambda: bool(ended(bench, order_id)), "the end of the rest")
    assert ended(bench, order_id)[-1] in (10, None) and not await live_at_venue(bench, order_id)


@case(23, "orders", shows="fill or kill")
async def fill_or_kill(bench: Bench) -> None:
    """Given 10 lots at 101, when 12 are bought there fill-or-kill, then nothing fills and the order ends."""
    order_id = await submit(bench, B, 12, 101, tif=TimeInForce.FOK)
    await bench.until(lambda: bool(ended(bench, order_id)), "the end of the order")
    assert filled(bench, order_id) == 0 and not await live_at_venue(bench, order_id)


@case(24, "orders", shows="stop orders")
async def a_stop_waits_for_its_price(bench: Bench) -> None:
    """Given a sell stop at 99, when a trade prints there, then it fills, and not before."""
    order_id = await submit(bench, S, 2, stop=99)
    await until_seen(bench, Acknowledged, order_id)
    assert not filled(bench, order_id)
    await bench.trade(99, 1, S)
    await until_filled(bench, order_id, 2)
    assert of(bench, Executed, order_id)[0].fill.price == 100


@case(25, "orders", shows="stop-limit orders")
async def a_stop_limit_rests_at_its_limit(bench: Bench) -> None:
    """Given a buy stop-limit 102/100, when a trade prints at 102, then it rests at 100 and does not chase."""
    order_id = await submit(bench, B, 2, 100, stop=102)
    await until_seen(bench, Acknowledged, order_id)
    await bench.trade(102, 1, B)
    await bench.settle()
    assert not filled(bench, order_id)
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport) and answer.status is OrderStatus.WORKING
    await bench.trade(99, 30, S)
    await until_filled(bench, order_id, 2)
    assert of(bench, Executed, order_id)[0].fill.price == 100


@case(26, "orders", shows="good till date")
async def a_dated_order_ends_at_its_time(bench: Bench) -> bool:
    """Given an order good till a second from now, when that time has come, then it is over."""
    if TimeInForce.GTD not in bench.adapter.capabilities.tifs:
        order = make(bench, B, 1, 99, tif=TimeInForce.GTD, expire=bench.clock.now() + NS)
        assert refused(lambda: bench.adapter.submit(recorded(order)))
        return False
    expire = (bench.clock.now() // NS + 2) * NS
    order_id = await submit(bench, B, 1, 99, tif=TimeInForce.GTD, expire=expire)
    await until_seen(bench, Acknowledged, order_id)
    await bench.until(lambda: bool(ended(bench, order_id)), "the end of a dated order")
    return True


@case(27, "orders", shows="day and good till cancelled")
async def a_session_ends_day_orders_only(bench: Bench) -> None:
    """Given a DAY and a GTC order, when the market closes, then the DAY order ends and the other is listed
    on."""
    day = await submit(bench, B, 1, 98)
    gtc = await submit(bench, B, 1, 97, tif=TimeInForce.GTC)
    await until_seen(bench, Acknowledged, gtc)
    await bench.state(MarketState.CLOSED)
    await bench.until(lambda: bool(ended(bench, day)), "the end of a DAY order")
    assert [o.order_id for o in (await bench.adapter.open_orders()).ours] == [gtc]


@case(28, "orders", shows="post-only")
async def post_only(bench: Bench) -> bool:
    """Given a post-only order that would take, when it is sent, then it never trades: the venue refuses it,
    or the adapter where the venue knows no such order."""
    order = make(bench, B, 1, 101, post_only=True)
    if not bench.adapter.capabilities.post_only:
        assert refused(lambda: bench.adapter.submit(recorded(order)))
        return False
    bench.adapter.submit(recorded(order))
    await until_seen(bench, Rejected, order.id)
    resting = await submit(bench, B, 1, 100, post_only=True)
    await until_seen(bench, Acknowledged, resting)
    assert not of(bench, Executed)
    return True


@case(29, "orders", shows="reduce-only")
async def reduce_only(bench: Bench) -> bool:
    """Given 2 lots long, when 5 are sold reduce-only, then 2 are sold; where the venue knows no such order
    the adapter refuses instead of dropping the flag."""
    order = make(bench, S, 5, reduce_only=True)
    if not bench.adapter.capabilities.reduce_only:
        assert refused(lambda: bench.adapter.submit(recorded(order)))
        return False
    assert await until_seen(bench, Rejected, await submit(bench, S, 1, 101, reduce_only=True))
    await until_filled(bench, await submit(bench, B, 2), 2)
    bench.adapter.submit(recorded(order))
    await until_filled(bench, order.id, 2)
    assert (await bench.adapter.positions()).positions == ()
    return True


@case(30, "orders")
async def a_refusal_gives_its_reason(bench: Bench) -> None:
    """Given a venue that refuses the next order, when it is sent, then Rejected tells why and nothing is
    live."""
    await bench.arm("reject_new")
    order_id = await submit(bench, B, 1, 99)
    assert (await until_seen(bench, Rejected, order_id)).reason
    assert not of(bench, Acknowledged, order_id) and not await live_at_venue(bench, order_id)


@case(31, "orders")
async def an_order_without_an_answer_can_be_asked_about(bench: Bench) -> None:
    """Given a venue that acknowledges nothing, when an order rests there, then a question tells so."""
    await bench.arm("no_ack")
    order_id = await submit(bench, B, 1, 98)
    assert not of(bench, Acknowledged, order_id)
    answer = await bench.adapter.query_order(order_id, None)
    assert isinstance(answer, OrderReport) and answer.status is OrderStatus.WORKING


@case(32, "orders")
async def a_fill_may_come_before_the_acknowledgement(bench: Bench) -> None:
    """Given a venue that acknowledges late, when an order fills at once, then the execution is told all the
    same, with our id."""
    await bench.arm("late_ack")
    order_id = await submit(bench, B, 2)
    await until_filled(bench, order_id, 2)
    assert not of(bench, Rejected, order_id)


@case(33, "orders")
async def a_request_lost_on_the_way_never_was(bench: Bench) -> None:
    """Given a request that is lost on its way, when the venue is asked, then it knows no such order."""
    await bench.arm("lose_request")
    order_id = await submit(bench, B, 1, 99)
    assert isinstance(await bench.adapter.query_order(order_id, None), OrderNotFound)
    assert not await at_venue(bench, order_id)


@case(34, "orders")
async def the_same_order_is_never_live_twice(bench: Bench) -> None:
    """Given an order that works, when the same one is handed over again, then there is still only one."""
    order = make(bench, B, 1, 99)
    bench.adapter.submit(recorded(order))
    await until_seen(bench, Acknowledged, order.id)
    if not refused(lambda: bench.adapter.submit(recorded(order))):
        assert (await until_seen(bench, Rejected, order.id)).duplicate
    assert len(await live_at_venue(bench, order.id)) == 1


@case(35, "orders")
async def every_fact_names_the_order_as_we_do(bench: Bench) -> None:
    """Given an order with many reports, when they come, then all bear our id and one id of the broker's."""
    order_id = await submit(bench, B, 15, 101)
    await until_filled(bench, order_id, 10)
    bench.adapter.cancel(order_id, None)
    await until_seen(bench, Canceled, order_id)
    about = [f for f in bench.facts if isinstance(f, OrderFact | Executed)]
    assert len(about) >= 3 and {order_of(f) for f in about} == {order_id}
    ids = {f.fill.broker_id if isinstance(f, Executed) else f.broker_id for f in about}
    assert len(ids - {None}) == 1


@case(36, "orders")
async def order_types_are_as_the_capabilities_say(bench: Bench) -> None:
    """Given the adapter's list of order types, when each is sent, then the listed are taken and the others
    refused without leaving."""
    prices = {
        OrderType.MARKET: {},
        OrderType.LIMIT: {"limit": 90},
        OrderType.STOP: {"stop": 120},
        OrderType.STOP_LIMIT: {"limit": 120, "stop": 120},
    }
    for kind in OrderType:
        order = make(bench, B, 1, type=kind, **prices[kind])
        if kind in bench.adapter.capabilities.order_types:
            bench.adapter.submit(recorded(order))
            await bench.until(
                lambda order_id=order.id: bool(  # type: ignore[misc]
                    of(bench, Acknowledged, order_id) or of(bench, Executed, order_id)
                ),
                f"an answer to {kind}",
            )
        else:
            assert refused(lambda order=order: bench.adapter.submit(recorded(order)))  # type: ignore[misc]


@case(37, "orders")
async def times_in_force_are_as_the_capabilities_say(bench: Bench) -> None:
    """Given the adapter's list of times in force, when each is sent, then the listed are taken and the others
    refused without leaving."""
    for tif in TimeInForce:
        immediate = tif in (TimeInForce.IOC, TimeInForce.FOK)
        more = {"expire": bench.clock.now() + 3600 * NS} if tif is TimeInForce.GTD else {}
        order = make(bench, B, 1, 101 if immediate else 90, tif=tif, **more)
        if tif not in bench.adapter.capabilities.tifs:
            assert refused(lambda order=order: bench.adapter.submit(recorded(order)))  # type: ignore[misc]
            continue
        bench.adapter.submit(recorded(order))
        await bench.until(
            lambda order_id=order.id: bool(  # type: ignore[misc]
                of(bench, Acknowledged, order_id) or of(bench, Executed, order_id)
            ),
            f"an answer to {tif}",
        )
        (there,) = await at_venue(bench, order.id)
        assert there.tif is tif


@case(38, "orders")
async def a_market_order_that_is_worked_as_a_limit_order_stays_ours(bench: Bench) -> None:
    """Given a venue that protects market orders by a limit, when one for 15 meets 10 lots at 101, then its
    limit is told, its 5 other lots are listed, asked about and filled as ours, and a cancel ends the rest."""
    await bench.arm("protect")
    order_id = await submit(bench, B, 15)
    await until_filled(bench, order_id, 10)
    told = await until_seen(bench, Restated, order_id)
    assert (told.qty, told.limit) == (15, 101)
    (listed,) = (await bench.adapter.open_orders()).ours
    answer = await bench.adapter.query_order(order_id, broker_id_of(bench, order_id))
    for report in (listed, answer):
        assert isinstance(report, OrderReport) and report.order_id == order_id
        assert (report.status, report.limit) == (OrderStatus.PARTIAL_FILL, 101)
        assert (report.qty, report.cum, report.leaves) == (15, 10, 5)
    await bench.quote(101, 9, 102, 10)
    await bench.trade(100, 2, S)
    await until_filled(bench, order_id, 12)
    bench.adapter.cancel(order_id, broker_id_of(bench, order_id))
    ended = await until_seen(bench, Canceled, order_id)
    assert (ended.cum, ended.unsolicited) == (12, False)
    assert (await bench.adapter.open_orders()).ours == () == tuple(await live_at_venue(bench, order_id))
