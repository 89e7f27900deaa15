"""Log-in, contracts, account, profit and loss, executions on request, through a real client."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.exchange import AccountConfig
from engine.model import Side
from tests.tws.tws_kit import (
    LIBRARY,
    Tap,
    Venue,
    es,
    limit,
    needs_library,
    until,
    venue_test,
)

if LIBRARY:
    from tests.tws.tws_kit import ibi

pytestmark = needs_library
VERSION = {"ib_insync": 176, "ib_async": 178}.get(LIBRARY)


@venue_test()
async def test_log_in_agrees_on_the_version_and_tells_accounts_ids_and_farms(venue: Venue) -> None:
    ib = ibi.IB()
    tap = Tap(ib, "error", "nextValidId", "managedAccounts")
    await ib.connectAsync("127.0.0.1", venue.port, clientId=3)
    assert ib.client.serverVersion() == VERSION
    assert ib.managedAccounts() == ["DU1234567"]
    assert tap.codes() == [2104, 2106, 2158]
    assert await ib.reqCurrentTimeAsync() is not None
    ib.disconnect()


@pytest.mark.parametrize("version", [157, 158, 160, 162, 163, 164, 166, 169, 170])
def test_an_older_gateway_is_agreed_on_too(tmp_path: Path, version: int) -> None:
    @venue_test(max_version=version)
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        assert ib.client.serverVersion() == version
        (details,) = await ib.reqContractDetailsAsync(es())
        assert details.minTick == 0.25
        trade = ib.placeOrder(es(), limit("BUY", 1, 5000.25))
        await until(lambda: trade.orderStatus.status == "Filled")
        rest = ib.placeOrder(es(), limit("BUY", 1, 4990, orderRef="rest"))
        await until(lambda: rest.orderStatus.status == "Submitted")
        ib.client.cancelOrder(rest.order.orderId)
        await until(lambda: rest.orderStatus.status == "Cancelled")
        refs = {t.order.orderRef for t in await ib.reqCompletedOrdersAsync(False)}
        assert refs == {"", "rest"}

    run(tmp_path)


@venue_test(problems=True)
async def test_a_client_that_speaks_something_else_is_sent_away(venue: Venue) -> None:
    for greeting in (b"63\x00", b"API\0\0\0\0\x09v100..123", b"API\0\0\0\0\x03abc"):
        reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
        writer.write(greeting)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert len(venue.gateway.problems) == 2  # three bytes are no greeting yet


@venue_test(problems=True, strict=True)
async def test_a_message_that_the_layouts_do_not_explain_ends_a_strict_line(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.client.send(5, 1, "one field too many")
    await until(lambda: not ib.isConnected())
    assert tap.codes() == [320]
    assert venue.gateway.problems == [
        "client 1: open_orders (5): 1 fields are left over: ['one field too many']"
    ]


@venue_test(problems=True)
async def test_a_message_that_is_not_known_is_answered_with_320_and_kept(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.client.reqScannerParameters()
    await until(lambda: tap.codes() == [320])
    assert ib.isConnected()
    assert venue.gateway.problems == ["client 1: message type '24' is not known here"]


# -- contracts


@venue_test()
async def test_contracts_are_found_by_what_is_known_of_them(venue: Venue) -> None:
    ib = await venue.connect()
    both = await ib.reqContractDetailsAsync(ibi.Future("ES", exchange="CME", currency="USD"))
    assert [d.contract.localSymbol for d in both] == [es().localSymbol, es(1).localSymbol]
    month = both[1].contract.lastTradeDateOrContractMonth[:6]
    (one,) = await ib.reqContractDetailsAsync(ibi.Future("ES", month, "CME"))
    assert one.contract.conId == both[1].contract.conId
    (front,) = await ib.reqContractDetailsAsync(ibi.ContFuture("ES", "CME"))
    assert front.contract.conId == both[0].contract.conId
    (by_id,) = await ib.reqContractDetailsAsync(ibi.Contract(conId=one.contract.conId))
    assert by_id.contract.localSymbol == one.contract.localSymbol
    assert (by_id.contract.multiplier, by_id.minTick, by_id.timeZoneId) == ("50", 0.25, "US/Central")
    assert by_id.validExchanges.split(",")[0] == "CME" and ":" in by_id.tradingHours
    rule = int(by_id.marketRuleIds.split(",")[0])
    (step,) = await ib.reqMarketRuleAsync(rule)
    assert (step.lowEdge, step.increment) == (0, 0.25)


@venue_test()
async def test_a_contract_that_does_not_exist_is_error_200(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    with pytest.raises(Exception, match="No security definition"):
        await ib.reqContractDetailsAsync(ibi.Future("ES", "203001", "CME"))
    assert tap.codes() == [200]
    ib.client.reqMarketRule(4711)
    await until(lambda: tap.codes() == [200, 322])


# -- account


def money(ib: object, tag: str) -> Decimal:
    (value,) = {
        v.value
        for v in ib.accountValues()  # type: ignore[attr-defined]
        if v.tag == tag and v.currency == "USD" and not v.modelCode
    }
    return Decimal(value)


@venue_test(account=AccountConfig(cash=Decimal(100_000)))
async def test_margin_and_values_move_with_a_fill(venue: Venue) -> None:
    ib = await venue.connect()
    assert (money(ib, "NetLiquidation"), money(ib, "FullInitMarginReq")) == (100_000, 0)
    trade = ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: trade.orderStatus.status == "Filled")
    await until(lambda: money(ib, "FullInitMarginReq") == 24_000)
    assert money(ib, "FullMaintMarginReq") == 22_000
    # bought at 5000.25, marked at 5000.00, two contracts of 50, 2.25 each
    assert money(ib, "NetLiquidation") == Decimal("99970.50")
    assert money(ib, "AvailableFunds") == Decimal("75970.50")
    assert money(ib, "ExcessLiquidity-C") == Decimal("77970.50")
    (item,) = await until(ib.portfolio)
    assert (item.position, item.averageCost, item.unrealizedPNL) == (2, 250_012.5, -25)
    (position,) = await until(ib.positions)
    assert (position.position, position.avgCost, position.contract.exchange) == (2, 250_012.5, "")


@venue_test(account=AccountConfig(cash=Decimal(20_000)))
async def test_an_order_beyond_the_margin_is_refused_with_201(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.placeOrder(es(), limit("BUY", 2, 5000.25))
    await until(lambda: tap.codes() == [201])
    assert "margin" in tap.of("error")[0][2]


@venue_test()
async def test_the_summary_has_the_tags_that_were_asked_for(venue: Venue) -> None:
    ib = await venue.connect()
    values = await ib.accountSummaryAsync()
    tags = {v.tag for v in values}
    assert {"NetLiquidation", "InitMarginReq", "ExcessLiquidity", "RealizedPnL"} <= tags
    assert {v.account for v in values} == {"DU1234567"}
    tap = Tap(ib, "accountSummary", "accountSummaryEnd")
    ib.client.reqAccountSummary(77, "All", "BuyingPower,Cushion")
    await until(lambda: "accountSummaryEnd" in tap.names)
    assert sorted(args[2] for args in tap.of("accountSummary")) == ["BuyingPower", "Cushion"]


@venue_test(accounts=("DU1", "DU2"))
async def test_several_accounts_are_kept_apart(venue: Venue) -> None:
    ib = await venue.connect(account="DU2")
    assert ib.managedAccounts() == ["DU1", "DU2"]
    tap = Tap(ib)
    ib.placeOrder(es(), limit("BUY", 1, 5000.25))
    await until(lambda: tap.codes() == [436])
    trade = ib.placeOrder(es(), limit("BUY", 1, 5000.25, account="DU2"))
    await until(lambda: trade.orderStatus.status == "Filled")
    await until(lambda: [p.account for p in ib.positions()] == ["DU2"])
    assert not venue.gateway.exchange.audit("DU1").orders


@venue_test(pnl_interval=0.03)
async def test_profit_and_loss_follows_the_market(venue: Venue) -> None:
    ib = await venue.connect()
    trade = ib.placeOrder(es(), limit("BUY", 1, 5000.25))
    await until(lambda: trade.orderStatus.status == "Filled")
    total = ib.reqPnL("DU1234567")
    single = ib.reqPnLSingle("DU1234567", "", es().conId)
    await until(lambda: total.unrealizedPnL == -12.5)
    venue.quote(20_021, 20_022)
    await until(lambda: total.unrealizedPnL == 250 and single.unrealizedPnL == 250)
    assert total.dailyPnL == 250 - 2.25
    assert (single.position, single.value) == (1, 5005.25 * 50)
    close = ib.placeOrder(es(), limit("SELL", 1, 5005.25))
    await until(lambda: close.orderStatus.status == "Filled")
    await until(lambda: total.realizedPnL == 247.75)
    (fill,) = close.fills
    await until(lambda: fill.commissionReport.realizedPNL == 247.75)
    ib.cancelPnL("DU1234567")
    ib.cancelPnLSingle("DU1234567", "", es().conId)


@venue_test()
async def test_a_profit_that_is_not_known_is_unset_and_not_zero(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib, "commissionReport")
    ib.placeOrder(es(), limit("BUY", 1, 5000.25))
    await until(lambda: tap.calls)
    raw = venue.gateway.executions
    (execution,) = raw.by_stem.values()
    assert execution.realized is None and raw.commission(execution)["realizedPNL"] is None


# -- executions on request


@venue_test()
async def test_executions_are_filtered_by_what_is_asked(venue: Venue) -> None:
    one, two = await venue.connect(1), await venue.connect(2)
    trades = [
        one.placeOrder(es(), limit("BUY", 2, 5000.25, orderRef="a")),
        two.placeOrder(es(), limit("SELL", 1, 5000, orderRef="b")),
    ]
    await until(lambda: all(t.orderStatus.status == "Filled" for t in trades))
    venue.gateway.exchange.manual_trade("DU1234567", "NQ", Side.BUY, 1, 20_000)
    await until(lambda: len(venue.gateway.executions.by_stem) == 3)

    async def refs(**wanted: object) -> list[str]:
        fills = await one.reqExecutionsAsync(ibi.ExecutionFilter(**wanted))
        return [f.execution.orderRef for f in fills]

    assert await refs() == ["a", "b", ""]
    assert await refs(clientId=2) == ["b"]
    assert await refs(side="BUY") == ["a", ""]
    assert await refs(symbol="NQ") == [""]
    assert await refs(acctCode="DU9") == []
    assert await refs(time="20991231-00:00:00") == []
    assert await refs(time="20200101-00:00:00", exchange="CME", secType="FUT") == ["a", "b", ""]
