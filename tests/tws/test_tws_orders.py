"""Orders through a real client: states, changes, cancels, brackets, groups, refusals, manual orders."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from engine.model import MarketState, Side
from tests.tws.tws_kit import LIBRARY, Tap, Venue, es, limit, needs_library, pause, until, venue_test

if LIBRARY:
    from tests.tws.tws_kit import ibi

pytestmark = needs_library


@venue_test()
async def test_a_limit_order_rests_fills_in_parts_and_is_completed(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    trade = ib.placeOrder(es(), limit("BUY", 15, 5000.25, orderRef="breakwater-1"))
    await until(lambda: trade.orderStatus.filled == 10)
    assert trade.orderStatus.status == "Submitted"
    venue.quote(19_999, 20_000)
    await until(lambda: trade.orderStatus.status == "Filled")
    shares = [(e.execId, e.shares, e.cumQty, e.price, e.orderRef) for _, _, e in tap.of("execDetails")]
    assert [s[1:] for s in shares] == [
        (10, 10, 5000.25, "breakwater-1"),
        (5, 15, 5000.25, "breakwater-1"),
    ]
    assert len({s[0] for s in shares}) == 2 and all(s[0].endswith(".01") for s in shares)
    await until(lambda: len(tap.of("commissionReport")) == 2)
    assert [c.commission for (c,) in tap.of("commissionReport")] == [22.5, 11.25]
    (done,) = await ib.reqCompletedOrdersAsync(False)
    assert (done.order.permId, done.order.orderRef) == (trade.order.permId, "breakwater-1")
    assert (done.orderStatus.status, done.order.filledQuantity) == ("Filled", 15)


@venue_test()
async def test_a_change_keeps_the_order_and_its_permanent_id(venue: Venue) -> None:
    ib = await venue.connect()
    trade = ib.placeOrder(es(), limit("BUY", 2, 4990))
    await until(lambda: trade.orderStatus.status == "Submitted")
    perm = trade.order.permId
    trade.order.lmtPrice, trade.order.totalQuantity = 4991.25, 3
    tap = Tap(ib)
    ib.placeOrder(es(), trade.order)
    await until(lambda: tap.of("openOrder"))
    _, _, order, _ = tap.of("openOrder")[-1]
    assert (order.permId, order.lmtPrice, order.totalQuantity) == (perm, 4991.25, 3)
    (audited,) = venue.gateway.exchange.audit().orders
    assert (audited.limit, audited.qty, audited.copies) == (19_965, 3, 1)


@venue_test()
async def test_a_refused_change_says_so_and_the_old_order_stays(venue: Venue) -> None:
    ib = await venue.connect()
    trade = ib.placeOrder(es(), limit("BUY", 2, 4990))
    await until(lambda: trade.orderStatus.status == "Submitted")
    venue.gateway.exchange.faults.arm("reject_replace")
    tap = Tap(ib)
    trade.order.lmtPrice = 4991
    ib.placeOrder(es(), trade.order)
    await until(lambda: 201 in tap.codes())
    (open_order,) = await ib.reqAllOpenOrdersAsync()
    assert open_order.order.lmtPrice == 4990
    other = ibi.Order(**{**vars(limit("SELL", 2, 5010)), "orderId": trade.order.orderId})
    ib.client.placeOrder(other.orderId, es(), other)
    await until(lambda: 105 in tap.codes())
    trade.order.tif = "GTC"
    ib.client.placeOrder(trade.order.orderId, es(), trade.order)
    await until(lambda: tap.codes() == [201, 105, 105])


@venue_test()
async def test_a_change_to_ioc_takes_what_is_there_and_ends(venue: Venue) -> None:
    ib = await venue.connect()
    trade = ib.placeOrder(es(), limit("BUY", 12, 4990))
    await until(lambda: trade.orderStatus.status == "Submitted")
    trade.order.tif = "IOC"
    tap = Tap(ib)
    venue.gateway.exchange.faults.arm("reject_replace")
    ib.placeOrder(es(), trade.order)
    await until(lambda: tap.codes() == [201])
    await ib.reqAllOpenOrdersAsync()
    assert tap.of("openOrder")[-1][2].tif == "DAY"
    trade.order.tif, trade.order.lmtPrice = "IOC", 5000.25
    ib.placeOrder(es(), trade.order)
    await until(lambda: tap.of("orderStatus") and tap.of("orderStatus")[-1][1] == "Cancelled")
    assert trade.orderStatus.filled == 10 and tap.of("openOrder")[-1][2].tif == "IOC"
    assert await ib.reqAllOpenOrdersAsync() == []


@venue_test()
async def test_a_cancel_is_confirmed_with_202_and_a_second_one_is_refused(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    trade = ib.placeOrder(es(), limit("BUY", 2, 4990, tif="GTC"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    ib.client.cancelOrder(trade.order.orderId)
    await until(lambda: trade.orderStatus.status == "Cancelled")
    ib.client.cancelOrder(trade.order.orderId)
    ib.client.cancelOrder(4711)
    await until(lambda: len(tap.codes()) == 3)
    assert tap.codes() == [202, 10148, 10147]


@venue_test()
async def test_only_the_placing_client_can_cancel_and_everybody_is_hit_by_the_global_cancel(
    venue: Venue,
) -> None:
    first, second = await venue.connect(1), await venue.connect(2)
    trade = first.placeOrder(es(), limit("BUY", 2, 4990))
    await until(lambda: trade.orderStatus.status == "Submitted")
    manual = venue.gateway.manual_order("ES", Side.SELL, 1, limit=20_100)
    tap = Tap(second)
    second.client.cancelOrder(trade.order.orderId)
    await until(lambda: tap.codes() == [10147])
    seen = await second.reqAllOpenOrdersAsync()
    assert {t.order.permId for t in seen} == {trade.order.permId, manual.perm_id}
    assert {t.order.clientId for t in seen} == {0, 1}
    assert await second.reqOpenOrdersAsync() == []
    second.reqGlobalCancel()
    await until(lambda: trade.orderStatus.status == "Cancelled" and manual.status == "Cancelled")


@venue_test()
async def test_stops_wait_as_presubmitted_and_trigger(venue: Venue) -> None:
    ib = await venue.connect()
    stop = ib.placeOrder(es(), ibi.StopOrder("SELL", 1, 4999, tif="GTC"))
    both = ib.placeOrder(es(), ibi.StopLimitOrder("SELL", 1, 4998.5, 4999, tif="GTC"))
    await until(lambda: both.orderStatus.status == "PreSubmitted")
    assert (stop.orderStatus.status, stop.orderStatus.whyHeld) == ("PreSubmitted", "trigger")
    venue.quote(19_995, 19_996)
    await until(lambda: stop.orderStatus.status == "Filled" and both.orderStatus.status == "Filled")
    assert stop.orderStatus.avgFillPrice == 4998.75


@venue_test()
async def test_a_bracket_is_sent_by_its_last_leg_and_its_exits_cancel_one_another(venue: Venue) -> None:
    ib = await venue.connect()
    parent, target, stop = ib.bracketOrder("BUY", 2, 4990, 5001, 4980, tif="GTC")
    trades = [ib.placeOrder(es(), order) for order in (parent, target)]
    await until(lambda: all(t.orderStatus.permId for t in trades))
    await pause()
    assert not venue.gateway.exchange.audit().orders  # nothing has left TWS
    trades.append(ib.placeOrder(es(), stop))
    await until(lambda: trades[0].orderStatus.status == "Submitted")
    assert [t.orderStatus.status for t in trades] == ["Submitted", "PreSubmitted", "PreSubmitted"]
    assert [t.orderStatus.whyHeld for t in trades] == ["", "child", "child"]
    assert trades[1].orderStatus.parentId == parent.orderId
    venue.quote(19_959, 19_960)
    await until(lambda: trades[0].orderStatus.status == "Filled")
    await until(lambda: trades[1].orderStatus.status == "Submitted")
    assert trades[2].orderStatus.whyHeld == "trigger"
    venue.quote(20_004, 20_005)
    await until(lambda: trades[1].orderStatus.status == "Filled")
    await until(lambda: trades[2].orderStatus.status == "Cancelled")
    assert not venue.gateway.exchange.audit().positions["DU1234567"]


@venue_test()
async def test_a_cancelled_parent_takes_its_children_along(venue: Venue) -> None:
    ib = await venue.connect()
    trades = [ib.placeOrder(es(), o) for o in ib.bracketOrder("BUY", 2, 4990, 5001, 4980, tif="GTC")]
    await until(lambda: trades[0].orderStatus.status == "Submitted")
    ib.client.cancelOrder(trades[0].order.orderId)
    await until(lambda: all(t.orderStatus.status == "Cancelled" for t in trades))


@venue_test()
async def test_a_child_without_its_parent_is_refused(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.placeOrder(es(), limit("SELL", 1, 5010, parentId=4711))
    await until(lambda: tap.codes() == [10006])


@pytest.mark.parametrize(("oca_type", "left"), [(1, 0), (2, 3), (3, 3)])
def test_a_group_is_cancelled_or_reduced_by_a_partial_fill(tmp_path: Any, oca_type: int, left: int) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        group = {"ocaGroup": "g", "ocaType": oca_type, "tif": "GTC"}
        low = ib.placeOrder(es(), limit("BUY", 5, 4990, **group))
        lower = ib.placeOrder(es(), limit("BUY", 5, 4980, **group))
        await until(lambda: lower.orderStatus.status == "Submitted")
        venue.quote(19_959, 19_960, lots=2)
        await until(lambda: low.orderStatus.filled == 2)
        if left:
            await until(lambda: lower.orderStatus.remaining == left)
        else:
            await until(lambda: lower.orderStatus.status == "Cancelled")

    run(tmp_path)


@venue_test()
async def test_a_what_if_tells_margins_and_places_nothing(venue: Venue) -> None:
    ib = await venue.connect()
    state = await ib.whatIfOrderAsync(es(), limit("BUY", 2, 5000.25))
    assert float(state.initMarginChange) == 24_000
    assert float(state.maintMarginAfter) == 22_000
    assert state.commission == 4.5
    assert not venue.gateway.exchange.audit().orders and await ib.reqAllOpenOrdersAsync() == []


REFUSALS: list[tuple[dict[str, Any], int]] = [
    ({"lmtPrice": 5000.1}, 110),
    ({"totalQuantity": 0}, 434),
    ({"totalQuantity": 1.5}, 10243),
    ({"orderType": "TRAIL", "auxPrice": 1}, 387),
    ({"orderType": "MOC"}, 387),
    ({"hidden": True}, 387),
    ({"goodAfterTime": "20261218-15:00:00"}, 387),
    ({"tif": "OPG"}, 201),
    ({"tif": "GTD", "goodTillDate": "tomorrow"}, 391),
    ({"tif": "GTD", "goodTillDate": "20991218 15:00:00 Mars/Olympus"}, 391),
    ({"tif": "GTD", "goodTillDate": "20200101-00:00:00"}, 201),
    ({"account": "DU0000000"}, 321),
    ({"action": "HOLD"}, 321),
]


@pytest.mark.parametrize(("change", "code"), REFUSALS, ids=lambda x: str(x))
def test_what_cannot_be_done_is_refused_by_code(tmp_path: Any, change: dict[str, Any], code: int) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        tap = Tap(ib)
        order = limit("BUY", 1, 4990)
        for name, value in change.items():
            setattr(order, name, value)
        ib.placeOrder(es(), order)
        await until(lambda: tap.codes())
        assert tap.codes() == [code]
        assert await ib.reqAllOpenOrdersAsync() == []

    run(tmp_path)


@venue_test()
async def test_an_ambiguous_or_unknown_contract_is_refused_with_200(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.placeOrder(ibi.Future("ES", exchange="CME", currency="USD"), limit("BUY", 1, 4990))
    ib.placeOrder(ibi.Future("XX", exchange="CME", currency="USD"), limit("BUY", 1, 4990))
    await until(lambda: len(tap.codes()) == 2)
    assert tap.codes() == [200, 200]
    assert "ambiguous" in tap.of("error")[0][2]


@venue_test(preset_tif="DAY")
async def test_times_in_force(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    gtd = ib.placeOrder(es(), limit("BUY", 1, 4990, tif="GTD", goodTillDate=f"{soon:%Y%m%d-%H:%M:%S}"))
    ioc = ib.placeOrder(es(), limit("BUY", 12, 5000.25, tif="IOC"))
    await until(lambda: ioc.orderStatus.status == "Cancelled")
    assert ioc.orderStatus.filled == 10
    fok = ib.placeOrder(es(), limit("SELL", 12, 5000, tif="FOK"))
    await until(lambda: fok.orderStatus.status == "Cancelled")
    bare = ib.placeOrder(es(), limit("BUY", 1, 4989, tif=""))
    no_zone = f"{soon + dt.timedelta(days=2):%Y%m%d %H:%M:%S}"
    zoned = ib.placeOrder(es(), limit("BUY", 1, 4988, tif="GTD", goodTillDate=no_zone))
    await until(lambda: zoned.orderStatus.permId and bare.orderStatus.permId)
    assert 10349 in tap.codes() and 2174 in tap.codes()
    await until(lambda: gtd.orderStatus.status == "Cancelled")
    live = {t.order.permId for t in await ib.reqAllOpenOrdersAsync()}
    assert live == {bare.order.permId, zoned.order.permId}


@venue_test()
async def test_a_market_order_in_a_halt_is_refused_with_201_and_inactive(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.exchange.set_state("ES", MarketState.HALTED)
    ib.placeOrder(es(), ibi.MarketOrder("BUY", 1, tif="DAY"))
    await until(lambda: "orderStatus" in tap.names)
    assert tap.codes() == [201]
    assert tap.of("orderStatus")[-1][1] == "Inactive"


@venue_test()
async def test_an_order_for_a_closed_market_waits_for_the_open(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.exchange.set_state("ES", MarketState.CLOSED)
    await pause()
    trade = ib.placeOrder(es(), limit("BUY", 1, 4990))
    await until(lambda: tap.codes() == [399])
    assert tap.of("orderStatus")[-1][1] == "PreSubmitted" and not venue.gateway.exchange.audit().orders
    venue.gateway.exchange.set_state("ES", MarketState.OPEN)
    await until(lambda: trade.orderStatus.status == "Submitted")
    venue.gateway.exchange.set_state("ES", MarketState.CLOSED)
    await until(lambda: trade.orderStatus.status == "Cancelled")


@venue_test(read_only=True)
async def test_a_read_only_gateway_refuses_with_321(venue: Venue) -> None:
    ib = await venue.connect(readonly=True)
    tap = Tap(ib)
    ib.placeOrder(es(), limit("BUY", 1, 4990))
    await until(lambda: tap.codes() == [321])
    assert await ib.reqAllOpenOrdersAsync() == []


@venue_test(max_active=2)
async def test_more_orders_than_may_be_active_are_refused(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    for price in (4990, 4989, 4988):
        ib.placeOrder(es(), limit("BUY", 1, price))
    await until(lambda: tap.codes() == [201])


@venue_test()
async def test_manual_orders_are_bound_to_client_0_with_negative_ids(venue: Venue) -> None:
    zero = await venue.connect(0)
    other = await venue.connect(5)
    tap = Tap(zero)
    order = venue.gateway.manual_order("ES", Side.BUY, 1, limit=19_960)
    await until(lambda: tap.of("openOrder"))
    assert tap.of("openOrder")[0][0] == -1 == order.order_id
    zero.client.cancelOrder(-1)
    await until(lambda: order.status == "Cancelled")
    tap_other = Tap(other)
    other.reqAutoOpenOrders(True)
    await until(lambda: tap_other.codes() == [327])


@venue_test(master_client=9)
async def test_the_master_client_hears_of_everybody(venue: Venue) -> None:
    master, ib = await venue.connect(9), await venue.connect(1)
    tap = Tap(master)
    ib.placeOrder(es(), limit("BUY", 1, 5000.25, orderRef="x"))
    await until(lambda: tap.of("execDetails") and tap.of("commissionReport"))
    assert tap.of("openOrder")[0][2].clientId == 1


@venue_test()
async def test_order_ids_go_on_where_they_were_and_are_never_taken_twice(venue: Venue) -> None:
    ib = await venue.connect()
    trade = ib.placeOrder(es(), limit("BUY", 1, 5000.25))
    await until(lambda: trade.orderStatus.status == "Filled")
    tap = Tap(ib)
    ib.client.placeOrder(trade.order.orderId, es(), limit("BUY", 1, 4990))
    ib.client.placeOrder(trade.order.orderId - 1, es(), limit("BUY", 1, 4990))
    await until(lambda: tap.codes() == [104, 103])
    ib.disconnect()
    again = await venue.connect()
    assert again.client.getReqId() > trade.order.orderId


@venue_test()
async def test_the_same_client_id_twice_is_refused_with_326(venue: Venue) -> None:
    await venue.connect(1)
    second = ibi.IB()
    tap = Tap(second)
    with pytest.raises((ConnectionError, asyncio.TimeoutError, OSError)):
        await second.connectAsync("127.0.0.1", venue.port, clientId=1, timeout=1)
    assert tap.codes() == [326]
