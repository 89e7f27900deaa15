"""Faults of messages and of the line at the gateway, seen through a real client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from brokers.loopback.tws.script import CALLBACKS, How
from tests.tws.tws_kit import LIBRARY, Tap, Venue, es, limit, needs_library, pause, until, venue_test

if LIBRARY:
    pass

pytestmark = needs_library


@venue_test()
async def test_a_dropped_message_is_lost_and_only_that_one(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    rule = venue.gateway.script.drop("execution")
    ib.placeOrder(es(), limit("BUY", 12, 5000.25))
    await until(lambda: tap.of("commissionReport"))
    assert rule.hits == 1 and not tap.of("execDetails")
    venue.quote(19_999, 20_000)
    await until(lambda: len(tap.of("execDetails")) == 1)
    fills = await ib.reqExecutionsAsync()
    assert sorted(f.execution.shares for f in fills) == [2, 10]


@venue_test()
async def test_a_duplicated_message_comes_twice(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.script.duplicate("execution")
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: tap.of("commissionReport"))
    ids = [e.execId for _, _, e in tap.of("execDetails")]
    assert len(ids) == 2 and len(set(ids)) == 1


@venue_test()
async def test_a_delayed_message_is_passed_by_others(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.script.delay("execution", 0.08)
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: tap.of("commissionReport"))
    assert not tap.of("execDetails")
    await until(lambda: tap.of("execDetails"))


@venue_test()
async def test_a_commission_may_come_before_its_execution(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.script.overtake("execution", by=3)
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: tap.of("execDetails"))
    names = [n for n in tap.names if n in ("execDetails", "commissionReport")]
    assert names == ["commissionReport", "execDetails"]


@venue_test()
async def test_held_messages_come_in_order_when_they_are_released(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    for name in CALLBACKS:
        venue.gateway.script.hold(name)
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await pause()
    assert tap.names == []
    venue.gateway.script.clear()
    await until(lambda: tap.of("commissionReport"))
    assert [n for n in tap.names if n != "orderStatus"] == [
        "openOrder",
        "execDetails",
        "openOrder",
        "commissionReport",
    ]


@venue_test()
async def test_callbacks_are_shuffled_and_none_is_lost(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.script.shuffle(5)
    for _ in range(6):
        ib.placeOrder(es(), limit("BUY", 1, 5000.25))
    await until(lambda: len(venue.gateway.executions.by_stem) == 6)
    venue.gateway.script.release()
    await until(lambda: len(tap.calls) == 36)
    # in order it would always be open, status, execution, open, status, commission
    cycle = ["openOrder", "orderStatus", "execDetails", "openOrder", "orderStatus", "commissionReport"]
    assert tap.names != cycle * 6 and sorted(tap.names) == sorted(cycle * 6)


@venue_test()
async def test_executions_may_come_out_of_order(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.script.hold("execution", times=1)
    ib.placeOrder(es(), limit("BUY", 12, 5000.25))
    await until(lambda: len(tap.of("commissionReport")) == 1)
    venue.quote(19_999, 20_000)
    await until(lambda: len(tap.of("execDetails")) == 1)
    venue.gateway.script.release()
    await until(lambda: len(tap.of("execDetails")) == 2)
    assert [e.cumQty for _, _, e in tap.of("execDetails")] == [12, 10]


@venue_test()
async def test_an_error_code_at_any_point_changes_nothing_at_the_venue(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.script.error_before(
        "order_status", 10349, "Order TIF was set to DAY based on order preset."
    )
    trade = ib.placeOrder(es(), limit("BUY", 2, 4990))
    await until(lambda: tap.codes() == [10349])
    assert tap.of("error")[0][0] == trade.order.orderId
    (open_order,) = await ib.reqAllOpenOrdersAsync()
    assert open_order.order.permId == trade.order.permId
    venue.gateway.error(2109, "Order Event Warning", subject=trade.order.orderId, client_id=1)
    await until(lambda: tap.codes() == [10349, 2109])


@venue_test()
async def test_a_request_is_refused_with_any_code(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    venue.gateway.script.refuse("place_order", 203, "The security is not available")
    trade = ib.placeOrder(es(), limit("BUY", 2, 4990))
    await until(lambda: tap.codes() == [203])
    assert tap.of("error")[0][0] == trade.order.orderId
    assert not venue.gateway.exchange.audit().orders


@venue_test()
async def test_a_hung_request_is_never_answered_and_the_next_one_is(venue: Venue) -> None:
    ib = await venue.connect()
    venue.gateway.script.ignore("executions")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(ib.reqExecutionsAsync(), 0.15)
    assert await asyncio.wait_for(ib.reqExecutionsAsync(), 5) == []


@venue_test()
async def test_a_start_up_request_may_hang(venue: Venue) -> None:
    venue.gateway.script.ignore("positions")
    ib = await venue.connect(timeout=0.3)
    assert ib.isConnected()


def test_a_rule_for_a_message_that_does_not_exist_names_those_that_do(tmp_path: Any) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        with pytest.raises(ValueError, match=r"no message 'exec'; known are .*execution"):
            venue.gateway.script.drop("exec")
        with pytest.raises(ValueError, match="no message 'execution'"):
            venue.gateway.script.ignore("execution")

    run(tmp_path)


# -- the line


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_line_ends_in_the_middle_of_an_order(tmp_path: Any, how: How, when: Any) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        tap = Tap(ib)
        venue.gateway.script.cut_on("place_order", how, when)
        ib.placeOrder(es(), limit("BUY", 2, 4990, orderRef="mine", tif="GTC"))
        await until(lambda: not ib.isConnected())
        assert tap.of("openOrder") == []
        await pause()
        again = await venue.connect()
        found = [t.order.orderRef for t in await again.reqAllOpenOrdersAsync()]
        assert found == (["mine"] if when == "after" else [])

    run(tmp_path)


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_line_ends_at_a_report(tmp_path: Any, when: Any) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        tap = Tap(ib)
        venue.gateway.script.cut_at("execution", "fin", when)
        ib.placeOrder(es(), limit("BUY", 2, 5000.25))
        await until(lambda: not ib.isConnected())
        assert len(tap.of("execDetails")) == (when == "after")
        assert not tap.of("commissionReport")

    run(tmp_path)


@venue_test()
async def test_dribbled_bytes_are_the_same_messages(venue: Venue) -> None:
    venue.gateway.dribble = (57, 0.0)
    ib = await venue.connect(timeout=20)
    trade = ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: trade.fills and trade.fills[0].commissionReport.commission == 4.5, seconds=20)


@venue_test()
async def test_a_silent_peer_looks_connected_and_says_nothing(venue: Venue) -> None:
    ib = await venue.connect()
    venue.gateway.go_silent()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.15)
    assert ib.isConnected()


@venue_test(rate_limit=20, rate_strikes=2)
async def test_too_many_messages_get_error_100_and_then_the_line_ends(venue: Venue) -> None:
    ib = await venue.connect()
    await asyncio.sleep(1.05)  # what the log-in sent does not count any more
    tap = Tap(ib)
    for _ in range(25):
        ib.client.reqIds(1)
    await until(lambda: tap.codes())
    await pause()
    assert tap.codes() == [100] * 5
    ib.client.MaxRequests = 0
    for _ in range(60):
        ib.client.reqIds(1)
    await until(lambda: not ib.isConnected())
