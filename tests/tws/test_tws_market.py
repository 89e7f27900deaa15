"""Market data through a real client: ticks, delayed and refused data, tick by tick, bars."""

from __future__ import annotations

import math

import pytest

from engine.model import NS, Quote, Trade
from tests.tws.tws_kit import LIBRARY, Tap, Venue, es, needs_library, until, venue_test

if LIBRARY:
    pass

pytestmark = needs_library


@venue_test()
async def test_ticks_follow_the_market(venue: Venue) -> None:
    ib = await venue.connect()
    ticker = ib.reqMktData(es())
    await until(lambda: ticker.bid == 5000 and ticker.ask == 5000.25)
    assert (ticker.bidSize, ticker.askSize, ticker.marketDataType) == (10, 10, 1)
    venue.quote(20_004, 20_006, lots=7)
    venue.trade(20_006, 3)
    await until(lambda: ticker.last == 5001.5)
    assert (ticker.bid, ticker.ask, ticker.bidSize, ticker.lastSize) == (5001, 5001.5, 7, 3)
    assert (ticker.volume, ticker.high) == (3, 5001.5)
    ib.cancelMktData(ticker.contract)
    await until(lambda: not venue.gateway.clients[1].ticks)


@venue_test()
async def test_a_side_that_is_not_there_is_minus_one_with_size_0(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib, "priceSizeTick")
    ib.reqMktData(es())
    await until(lambda: tap.calls)
    venue.quote(None, 20_001)
    await until(lambda: any(args[1:] == (1, -1, 0) for args in tap.of("priceSizeTick")))


@venue_test()
async def test_the_later_month_follows_the_front_one(venue: Venue) -> None:
    ib = await venue.connect()
    near, far = ib.reqMktData(es()), ib.reqMktData(es(1))
    venue.quote(20_000, 20_001)
    await until(lambda: near.bid == 5000 and far.bid == 5010)


@venue_test()
async def test_a_snapshot_ends_by_itself(venue: Venue) -> None:
    ib = await venue.connect()
    (ticker,) = await ib.reqTickersAsync(es())
    assert (ticker.bid, ticker.ask) == (5000, 5000.25)
    assert not venue.gateway.clients[1].ticks


@venue_test(market_data="delayed")
async def test_data_that_is_not_subscribed_is_refused_or_delayed(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib, "error", "marketDataType", "priceSizeTick")
    ib.reqMktData(es())
    await until(lambda: tap.codes() == [354])
    ib.reqMarketDataType(3)
    ib.client.reqMktData(900, es(), "", False, False, [])
    await until(lambda: tap.codes() == [354, 10167])
    await until(lambda: (900, 3) in tap.of("marketDataType"))
    await until(lambda: {args[1] for args in tap.of("priceSizeTick")} == {66, 67})


@venue_test(market_data="none")
async def test_no_data_at_all(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.reqMarketDataType(3)
    ticker = ib.reqMktData(es())
    await until(lambda: tap.codes() == [354])
    assert math.isnan(ticker.bid)


@pytest.mark.parametrize("kind", ["Last", "AllLast", "BidAsk", "MidPoint"])
def test_tick_by_tick(tmp_path: object, kind: str) -> None:
    @venue_test()
    async def run(venue: Venue) -> None:
        ib = await venue.connect()
        ticker = ib.reqTickByTickData(es(), kind)
        await until(lambda: venue.gateway.clients[1].tick_by_tick)
        seen: list[object] = []
        ticker.updateEvent += lambda t: seen.extend(t.tickByTicks)
        venue.quote(20_004, 20_006, lots=7)
        venue.trade(20_006, 3)
        (tick,) = await until(lambda: seen)
        if kind == "BidAsk":
            assert (tick.bidPrice, tick.askPrice, tick.bidSize, tick.askSize) == (5001, 5001.5, 7, 7)
        elif kind == "MidPoint":
            assert tick.midPoint == 5001.25
        else:
            assert (tick.price, tick.size, tick.exchange) == (5001.5, 3, "CME")
        ib.cancelTickByTickData(ticker.contract, kind)
        await until(lambda: not venue.gateway.clients[1].tick_by_tick)

    run(tmp_path)


@venue_test(quotes=False)
async def test_history_is_put_together_from_what_was_seen(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib)
    ib.client.reqHistoricalData(901, es(), "", "60 S", "5 secs", "TRADES", False, 1, False, [])
    await until(lambda: tap.codes() == [162])
    start = venue.gateway.clock.now() // (60 * NS) * 60 * NS - 120 * NS
    for second, price, lots in ((0, 20_000, 2), (3, 20_008, 4), (7, 19_996, 2), (61, 20_004, 1)):
        venue.gateway.on_trade(Trade("ES", start + second * NS, price, lots))
    bars = await ib.reqHistoricalDataAsync(es(), "", "300 S", "5 secs", "TRADES", False, 2)
    assert [(b.open, b.high, b.low, b.close, b.volume, b.barCount) for b in bars] == [
        (5000, 5002, 5000, 5002, 6, 2),
        (4999, 4999, 4999, 4999, 2, 1),
        (5001, 5001, 5001, 5001, 1, 1),
    ]
    assert bars[0].average == pytest.approx((2 * 5000 + 4 * 5002) / 6)
    minutes = await ib.reqHistoricalDataAsync(es(), "", "1 D", "1 min", "TRADES", False)
    assert [(b.open, b.high, b.low, b.close, b.volume) for b in minutes] == [
        (5000, 5002, 4999, 4999, 8),
        (5001, 5001, 5001, 5001, 1),
    ]
    ib.client.reqHistoricalData(902, es(), "", "1 D", "1 secs", "TRADES", False, 1, False, [])
    await until(lambda: tap.codes() == [162, 321])
    assert "the smallest here is 5 secs" in tap.of("error")[-1][2]


@venue_test()
async def test_real_time_bars_come_every_five_seconds(venue: Venue) -> None:
    ib = await venue.connect()
    bars = ib.reqRealTimeBars(es(), 5, "MIDPOINT", False)
    kept = await ib.reqHistoricalDataAsync(es(), "", "60 S", "5 secs", "MIDPOINT", False, 2, True)
    venue.quote(20_010, 20_011)
    (bar,) = await until(lambda: list(bars), seconds=7)
    assert bar.close in (5002.5, 5000.0) and bar.time.timestamp() % 5 == 0
    await until(lambda: kept[-1].close in (5002.5, 5000.0))
    ib.cancelRealTimeBars(bars)
    ib.cancelHistoricalData(kept)
    await until(lambda: not venue.gateway.clients[1].bars)


@venue_test()
async def test_a_burst_of_ticks_arrives_whole_and_in_order(venue: Venue) -> None:
    ib = await venue.connect()
    tap = Tap(ib, "tickByTickBidAsk")
    ib.reqTickByTickData(es(), "BidAsk")
    await until(lambda: venue.gateway.clients[1].tick_by_tick)
    now = venue.gateway.clock.now()
    for n in range(5_000):
        venue.gateway.on_quote(Quote("ES", now + n, 20_000 + n, 1, 20_001 + n, 1))
    await until(lambda: len(tap.calls) == 5_000, seconds=20)
    assert [args[2] for args in tap.of("tickByTickBidAsk")] == [5000 + n / 4 for n in range(5_000)]
