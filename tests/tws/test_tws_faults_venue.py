"""Faults of the server behind the gateway, of the venue and of their session, seen through a real client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.tws.tws_kit import LIBRARY, Tap, Venue, es, limit, needs_library, pause, until, venue_test, working

if LIBRARY:
    from tests.tws.tws_kit import ibi

pytestmark = needs_library


# -- the server behind the gateway


@venue_test()
async def test_1100_keeps_callbacks_back_until_1102(venue: Venue) -> None:
    ib = await venue.connect()
    trade = await working(venue, ib)
    ticker = ib.reqMktData(es())
    await until(lambda: ticker.bid == 5000)
    tap = Tap(ib)
    venue.gateway.lose_server()
    await until(lambda: tap.codes() == [1100])
    venue.quote(19_959, 19_960)
    await pause()
    assert ib.isConnected() and tap.names == ["error"] and ticker.bid == 5000
    venue.gateway.restore_server()
    await until(lambda: trade.orderStatus.status == "Filled")
    assert tap.codes() == [1100, 1102]
    assert tap.names.index("execDetails") > 1  # after 1102
    venue.quote(20_000, 20_001)
    await until(lambda: venue.gateway.clients[1].ticks and ticker.bid == 5000)


@venue_test()
async def test_orders_that_come_while_the_server_is_lost_wait_for_it(venue: Venue) -> None:
    ib = await venue.connect()
    venue.gateway.lose_server()
    trade = ib.placeOrder(es(), limit("BUY", 2, 4990))
    await pause()
    assert not venue.gateway.exchange.audit().orders
    venue.gateway.restore_server()
    await until(lambda: trade.orderStatus.status == "Submitted")


@venue_test(orders_while_cut="refuse")
async def test_or_are_refused_where_the_gateway_is_set_so(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.lose_server(2110)
    ib.placeOrder(es(), limit("BUY", 2, 4990))
    await until(lambda: tap.codes() == [2110, 504])


@venue_test()
async def test_1101_drops_the_subscriptions_for_real(venue: Venue) -> None:
    ib = await venue.connect()
    ticker = ib.reqMktData(es())
    await until(lambda: ticker.bid == 5000)
    tap = Tap(ib)
    venue.gateway.lose_server()
    venue.gateway.restore_server(data_lost=True)
    await until(lambda: tap.codes() == [1100, 1101])
    venue.quote(20_010, 20_011)
    await pause()
    assert ticker.bid == 5000
    ib.client.reqMktData(ib.client.getReqId(), es(), "", False, False, [])
    await until(lambda: venue.gateway.clients[1].ticks)


@venue_test()
async def test_the_data_farms_come_and_go(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    for code in (2103, 2105, 2157, 2107, 2108, 2119, 2104, 2106, 2158):
        venue.gateway.farm(code, "usfuture")
    await until(lambda: len(tap.codes()) == 9)
    assert tap.of("error")[0][2] == "Market data farm connection is broken:usfuture"
    with pytest.raises(ValueError, match="2109 is no code of a data farm"):
        venue.gateway.farm(2109, "usfuture")  # type: ignore[arg-type]


@venue_test()
async def test_ticks_stand_still_while_the_market_data_farm_is_broken(venue: Venue) -> None:
    ib = await venue.connect()
    ticker = ib.reqMktData(es())
    await until(lambda: ticker.bid == 5000)
    venue.gateway.farm(2103, "usfuture")
    venue.quote(20_004, 20_005)
    await pause()
    assert ticker.bid == 5000
    later = ibi.IB()
    tap = Tap(later)
    await later.connectAsync("127.0.0.1", venue.port, clientId=2)
    assert tap.codes() == [2103, 2106, 2158]
    later.disconnect()
    venue.gateway.farm(2104, "usfuture")
    venue.quote(20_008, 20_009)
    await until(lambda: ticker.bid == 5002)


@venue_test()
async def test_a_restart_forgets_what_only_the_gateway_knew(venue: Venue) -> None:
    ib = await venue.connect()
    trade = await working(venue, ib, orderRef="mine")
    done = ib.placeOrder(es(), limit("BUY", 1, 5000.25))
    ib.placeOrder(es(), limit("BUY", 1, 4980, transmit=False))
    await until(lambda: done.orderStatus.status == "Filled")
    venue.gateway.restart()
    await until(lambda: not ib.isConnected())
    again = await venue.connect()
    (left,) = again.openTrades()
    assert (left.order.permId, left.order.orderRef) == (trade.order.permId, "mine")
    assert again.fills() == [] and await again.reqCompletedOrdersAsync(False) == []
    assert [p.position for p in again.positions()] == [1]
    venue.quote(19_959, 19_960)
    await until(lambda: left.orderStatus.status == "Filled")


@venue_test()
async def test_orders_that_a_restart_loses_come_with_their_ids_handed_out_again(venue: Venue) -> None:
    ib = await venue.connect()
    trade = await working(venue, ib)
    venue.gateway.restart(lose_orders=True)
    await until(lambda: not ib.isConnected())
    again = await venue.connect()
    assert again.openTrades() == []
    assert venue.gateway.trading.book.next_valid_id(1) == 1 < trade.order.orderId
    second = again.placeOrder(es(), limit("SELL", 1, 5010))
    await until(lambda: second.orderStatus.status == "Submitted")


@venue_test()
async def test_a_restart_while_the_server_is_lost_misses_no_fill(venue: Venue) -> None:
    ib = await venue.connect()
    await working(venue, ib, orderRef="mine")
    venue.gateway.lose_server()
    venue.quote(19_959, 19_960)
    await pause()
    venue.gateway.restart(forget_executions=False)
    again = await venue.connect()
    assert [f.execution.orderRef for f in again.fills()] == ["mine"]
    assert again.openTrades() == [] and [p.position for p in again.positions()] == [2]


@venue_test()
async def test_a_fill_that_is_under_way_at_a_restart_is_booked_once(venue: Venue) -> None:
    ib = await venue.connect()
    await working(venue, ib, orderRef="mine")
    venue.quote(19_959, 19_960)
    assert venue.gateway.exchange.audit().executions
    assert not venue.gateway.executions.by_stem, "it has happened, and the gateway has not heard of it"
    venue.gateway.restart()
    again = await venue.connect()
    await until(lambda: again.fills())
    (fill,) = await again.reqExecutionsAsync()
    assert fill.execution.orderRef == "mine" and fill.execution.cumQty == 2
    sold = again.placeOrder(es(), limit("SELL", 4, 4989.75))
    await until(lambda: sold.fills and sold.fills[-1].commissionReport.realizedPNL)
    (one,) = sold.fills
    assert one.commissionReport.realizedPNL == 2 * -0.25 * 50 - one.commissionReport.commission, (
        "of two, not four"
    )


@venue_test()
async def test_an_execution_that_a_restart_forgot_can_be_taken_back(venue: Venue) -> None:
    ib = await venue.connect()
    bought = ib.placeOrder(es(), limit("BUY", 1, 5000.25))
    await until(lambda: bought.fills and bought.orderStatus.status == "Filled")
    exec_id = bought.fills[0].execution.execId
    venue.gateway.restart()
    again = await venue.connect()
    assert again.fills() == []
    tap = Tap(again, "execDetails")
    venue.gateway.bust(exec_id)
    await until(lambda: tap.calls)
    told = tap.of("execDetails")[0][2]
    assert (told.execId, told.shares) == (f"{exec_id[:-2]}02", 0)
    await until(lambda: [p.position for p in again.positions()] in ([], [0]))


@venue_test()
async def test_an_order_that_is_under_way_at_a_restart_arrives(venue: Venue) -> None:
    ib = await venue.connect()
    ib.placeOrder(es(), limit("BUY", 2, 4990, orderRef="mine", tif="GTC"))
    await until(lambda: venue.gateway.trading.book.all())
    venue.gateway.restart()
    again = await venue.connect()
    await until(lambda: [t.order.orderRef for t in again.openTrades()] == ["mine"])
    (order,) = venue.gateway.trading.book.open()
    await until(lambda: order.status == "Submitted")


@venue_test()
async def test_reissued_ids_make_one_number_two_orders(venue: Venue) -> None:
    ib = await venue.connect()
    first = await working(venue, ib)
    perm = first.order.permId
    venue.gateway.reissue_ids(1, first.order.orderId)
    second = ibi.LimitOrder("BUY", 1, 4980, tif="GTC", orderRef="second")
    tap = Tap(ib, "openOrder")
    ib.client.placeOrder(first.order.orderId, es(), second)
    await until(lambda: tap.calls)
    assert tap.of("openOrder")[0][0] == first.order.orderId
    assert tap.of("openOrder")[0][2].permId != perm
    assert len(venue.gateway.trading.book.open()) == 2


# -- the venue


@venue_test()
async def test_a_change_may_leave_two_live_orders_under_one_number(venue: Venue) -> None:
    ib = await venue.connect()
    trade = await working(venue, ib)
    perm = trade.order.permId
    venue.gateway.exchange.faults.arm("twin_replace")
    tap = Tap(ib)
    trade.order.lmtPrice = 4991
    ib.placeOrder(es(), trade.order)
    await until(lambda: len({o.permId for _, _, o, _ in tap.of("openOrder")}) == 2)
    assert {o.orderId for _, _, o, _ in tap.of("openOrder")} == {trade.order.orderId}
    ib.client.cancelOrder(trade.order.orderId)
    await until(lambda: tap.codes() == [202])
    (left,) = venue.gateway.trading.book.open()
    assert (left.perm_id, left.limit) == (perm, 19_960)
    venue.quote(19_959, 19_960)
    await until(lambda: tap.of("execDetails"))
    assert tap.of("execDetails")[0][2].permId == perm


@venue_test()
async def test_a_correction_is_the_next_revision_of_the_same_execution(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: tap.of("commissionReport"))
    (fill,) = venue.gateway.exchange.audit().executions
    venue.gateway.exchange.correct(fill.key, 19_999)
    await until(lambda: len(tap.of("commissionReport")) == 2)
    first, second = (e for _, _, e in tap.of("execDetails"))
    assert first.execId.rpartition(".")[0] == second.execId.rpartition(".")[0]
    assert (first.execId[-2:], second.execId[-2:]) == ("01", "02")
    assert (first.price, second.price, second.avgPrice) == (5000.25, 4999.75, 4999.75)
    (again,) = await ib.reqExecutionsAsync()
    assert again.execution.execId == second.execId


@venue_test()
async def test_a_bust_is_a_revision_of_size_0(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: tap.of("commissionReport"))
    (fill,) = venue.gateway.exchange.audit().executions
    venue.gateway.exchange.bust(fill.key)
    await until(lambda: len(tap.of("execDetails")) == 2)
    last = tap.of("execDetails")[-1][2]
    assert (last.execId[-2:], last.shares, last.cumQty) == ("02", 0, 0)
    await until(lambda: [p.position for p in ib.positions()] in ([], [0]))


@venue_test()
async def test_a_fill_may_come_after_the_cancel(venue: Venue) -> None:
    ib = await venue.connect()
    trade = await working(venue, ib)
    tap = Tap(ib)
    venue.gateway.exchange.faults.arm("fill_after_cancel")
    ib.client.cancelOrder(trade.order.orderId)
    await until(lambda: tap.of("execDetails"))
    assert tap.codes() == [202]
    assert tap.names.index("execDetails") > tap.names.index("error")


@pytest.mark.parametrize(
    ("fault", "code"), [("reject_new", 201), ("reject_cancel", 161), ("unknown_order", 10147)]
)
def test_the_venue_may_refuse_for_no_reason(tmp_path: Any, fault: str, code: int) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        tap = Tap(ib)
        if fault == "reject_new":
            venue.gateway.exchange.faults.arm(fault)
            ib.placeOrder(es(), limit("BUY", 2, 4990))
        else:
            trade = await working(venue, ib)
            venue.gateway.exchange.faults.arm(fault)
            ib.client.cancelOrder(trade.order.orderId)
        await until(lambda: tap.codes() == [code])
        assert len(await ib.reqAllOpenOrdersAsync()) == (fault != "reject_new")

    run(tmp_path)


@pytest.mark.parametrize("fault", ["no_ack", "late_ack", "fill_before_ack", "duplicate_report"])
def test_acknowledgements_may_be_missing_late_or_doubled(tmp_path: Any, fault: str) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        tap = Tap(ib)
        venue.gateway.exchange.faults.arm(fault, 2)
        ib.placeOrder(es(), limit("BUY", 2, 5000.25))
        await until(lambda: tap.of("commissionReport"))
        await pause()
        assert len({e.execId for _, _, e in tap.of("execDetails")}) == 1
        assert tap.of("orderStatus")[-1][1] == "Filled"
        assert ib.positions()[0].position == 2

    run(tmp_path)


@venue_test(record=True)
async def test_a_gateway_in_trouble_writes_what_its_recording_explains(venue: Venue) -> None:
    from brokers.loopback.tws.recording import check, read

    script = venue.gateway.script
    script.duplicate("open_order", times=3)
    script.overtake("order_status", times=3)
    script.cut_at("commission", "rst")
    ib = await venue.connect()
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: not ib.isConnected())
    recorder = venue.gateway.recorder
    assert recorder is not None
    recorder.flush()
    assert check(recorder.path) == [] and len(list(read(recorder.path))) > 100


@venue_test()
async def test_a_status_may_be_pretended(venue: Venue) -> None:
    ib = await venue.connect()
    trade = await working(venue, ib)
    tap = Tap(ib)
    venue.gateway.pretend(trade.order.permId, "Inactive", "locate")
    await until(lambda: tap.of("orderStatus"))
    assert (tap.of("orderStatus")[0][1], tap.of("orderStatus")[0][9]) == ("Inactive", "locate")
    (left,) = venue.gateway.trading.book.open()
    assert (left.status, left.why_held) == ("Submitted", "")


@venue_test(what_if="unset")
async def test_a_what_if_may_be_answered_with_nothing_set(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib, "openOrder")
    ib.client.placeOrder(ib.client.getReqId(), es(), limit("BUY", 1, 5000.25, whatIf=True))
    await until(lambda: tap.calls)
    order, state = tap.of("openOrder")[0][2:]
    assert order.whatIf and float(state.initMarginAfter) > 1e308 and state.commission > 1e308


# -- the session between gateway and exchange


@venue_test()
async def test_what_happens_while_the_exchange_is_away_is_taken_over_when_it_is_back(venue: Venue) -> None:
    ib = await venue.connect()
    fills, ends = await working(venue, ib, 4990), await working(venue, ib, 4980)
    tap = Tap(ib)
    exchange = venue.gateway.exchange
    exchange.drop_link("DU1234567", down_for=80_000_000)
    await until(lambda: tap.codes() == [1100])
    venue.quote(19_960, 19_961, lots=10)
    venue.quote(19_959, 19_960, lots=10)
    exchange.cancel_order("DU1234567", ends.order and venue.gateway.trading.book.open()[-1].xid)
    late = ib.placeOrder(es(), limit("BUY", 1, 4970))
    await until(lambda: fills.orderStatus.status == "Filled")
    await until(lambda: ends.orderStatus.status == "Cancelled" and late.orderStatus.status == "Submitted")
    assert 1102 in tap.codes() and len(tap.of("execDetails")) == 1


@venue_test()
async def test_a_log_in_may_hang_or_be_refused(venue: Venue) -> None:
    venue.gateway.script.ignore("start_api")
    venue.gateway.script.refuse("start_api", 326, "Unable to connect as the client id is already in use.")
    for codes in ([], [326]):
        ib = ibi.IB()
        tap = Tap(ib)
        with pytest.raises((ConnectionError, asyncio.TimeoutError, OSError)):
            await ib.connectAsync("127.0.0.1", venue.port, clientId=1, timeout=0.3)
        assert tap.codes() == codes
    assert (await venue.connect(1)).isConnected()


@venue_test()
async def test_a_gateway_may_accept_and_never_answer(venue: Venue) -> None:
    venue.gateway.go_silent(new_lines=True)
    with pytest.raises((ConnectionError, asyncio.TimeoutError, OSError)):
        await ibi.IB().connectAsync("127.0.0.1", venue.port, clientId=1, timeout=0.2)
    venue.gateway.speak_again()
    assert (await venue.connect(1)).isConnected()


@venue_test()
async def test_market_data_may_be_taken_away(venue: Venue) -> None:
    ib = await venue.connect()
    ticker = ib.reqMktData(es())
    await until(lambda: ticker.bid == 5000)
    tap = Tap(ib)
    venue.gateway.end_market_data(10197, "No market data during competing live session")
    await until(lambda: tap.codes() == [10197])
    venue.quote(20_010, 20_011)
    await pause()
    assert ticker.bid == 5000
