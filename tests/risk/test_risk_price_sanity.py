"""Price sanity: the band round a fresh reference, signed prices, stops, market orders, oil below zero."""

from __future__ import annotations

import pytest
from fakeview import BUY, CL, ES, MKT, SELL, STL, STP, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import InstrumentLimits
from engine.model import Purpose
from engine.risk.controls.price_sanity import LEAST_BAND, band
from engine.risk.view import DataState


def test_five_percent_on_both_sides_exactly() -> None:
    bench = Bench()
    # Reference 20000, 5 % are 1000 ticks.
    assert bench.refusal(bench.order(BUY, limit=21000)) == ""
    assert bench.refusal(bench.order(BUY, limit=21001)) == "price_sanity"
    assert bench.refusal(bench.order(SELL, limit=19000)) == ""
    assert bench.refusal(bench.order(SELL, limit=18999)) == "price_sanity"
    assert bench.refusal(bench.order(BUY, limit=18999)) == "price_sanity"


def test_stop_prices_too() -> None:
    bench = Bench()
    assert bench.refusal(bench.order(BUY, 1, None, type=STP, stop=20500)) == ""
    assert bench.refusal(bench.order(BUY, 1, None, type=STP, stop=25000)) == "price_sanity"
    assert bench.refusal(bench.order(BUY, 1, 25000, type=STL, stop=20500)) == "price_sanity"


def test_stale_reference_refuses_opening_and_lets_reducing_pass() -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    bench.view.advance(6)
    names = [r.control for r in bench.gate.preview(bench.order(), bench.view)]
    assert "price_sanity" in names and "stale_data" in names
    assert bench.refusal(bench.order(SELL, 2)) == ""
    assert bench.refusal(bench.order(SELL, 2, None, type=MKT)) == ""


def test_reducing_orders_obey_a_band_that_is_known() -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    assert bench.refusal(bench.order(SELL, 2, 2000)) == "price_sanity"


def test_flatten_has_a_band_three_times_as_wide() -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    assert bench.refusal(bench.order(SELL, 1, 17000, purpose=Purpose.FLATTEN)) == ""
    assert bench.refusal(bench.order(SELL, 1, 16999, purpose=Purpose.FLATTEN)) == "price_sanity"


@pytest.mark.parametrize(("bid", "ask"), [(20000, 20005), (20000, None), (None, 20000), (20002, 20000)])
def test_market_orders_need_an_orderly_market(bid: int | None, ask: int | None) -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    assert bench.refusal(bench.order(SELL, 1, None, type=MKT)) == ""
    bench.view.put_quote("ES", bid, ask)
    text = bench.text(bench.order(SELL, 1, None, type=MKT))
    assert text.startswith("price_sanity") and "use a limit order" in text
    assert bench.refusal(bench.order(SELL, 1, 20000)) == ""


def test_own_band_in_ticks_comes_first() -> None:
    bench = Bench()
    own = InstrumentLimits(collar_ticks=7)
    bench.view.set_limits(instruments={"ES": own, "CL": own})
    assert band(ES, bench.view.limits(), 20000) == 7
    assert band(CL, bench.view.limits(), -20) == 7


def test_a_price_of_few_ticks_keeps_a_band() -> None:
    assert band(ES, Bench().view.limits(), 3) == LEAST_BAND


def test_a_reference_that_cannot_be_is_no_reference() -> None:
    bench = Bench()
    assert band(ES, bench.view.limits(), 0) is None
    bench.view.references["ES"] = -5
    assert bench.refusal(bench.order(BUY, limit=4)) == "price_sanity"


def test_action_beyond_refuse_holds_until_reset() -> None:
    bench = Bench()
    bench.view.set_limits(collar_action="pause")
    assert bench.refusal(bench.order(limit=30000)) == "price_sanity"
    assert bench.tick() == [("Breach", "price_sanity", "")]
    assert bench.refusal(bench.order()) == "price_sanity"
    assert bench.loop.reset("price_sanity")
    bench.tick()
    assert bench.refusal(bench.order()) == ""


OIL = [1800, 1000, 500, 100, 10, 1, 0, -1, -10, -500, -2000, -3763, -1300, -50, 0, 90, 1001]
"""Settlement day of the May 2020 contract, in ticks of a cent."""


def test_crude_oil_through_zero() -> None:
    bench = Bench()
    bench.view.put_position("CL", 2)
    for price in OIL:
        bench.view.advance(1)
        bench.view.put_quote("CL", price - 1, price + 1)
        for side in (BUY, SELL):
            assert bench.refusal(bench.order(side, 1, price + 400, symbol="CL")) == ""
            assert bench.refusal(bench.order(side, 1, price - 400, symbol="CL")) == ""
            assert bench.refusal(bench.order(side, 1, price + 401, symbol="CL")) == "price_sanity"
            assert bench.refusal(bench.order(side, 1, price - 401, symbol="CL")) == "price_sanity"
        bench.loop.tick(bench.view)
    assert all(c.errors == 0 for c in bench.controls.all)


def test_an_instrument_that_trades_above_zero_only_never_accepts_such_a_path() -> None:
    bench = Bench()
    for price in OIL:
        bench.view.advance(1)
        bench.view.put_quote("ES", price - 1, price + 1)
        if price <= 0:
            for limit in (price, price + 5, 3, 1):
                assert bench.refusal(bench.order(BUY, 1, limit)) != ""
    assert all(c.errors == 0 for c in bench.controls.all)


@settings(max_examples=200, deadline=None)
@given(
    reference=st.integers(-10_000, 50_000),
    limit=st.integers(-12_000, 60_000),
    signed=st.booleans(),
    side=st.sampled_from([BUY, SELL]),
)
def test_nothing_outside_the_band_is_ever_accepted(
    reference: int, limit: int, signed: bool, side: object
) -> None:
    bench = Bench()
    symbol = "CL" if signed else "ES"
    bench.view.put_quote(symbol, reference - 1, reference + 1)
    passed = bench.refusal(bench.order(side, 1, limit, symbol=symbol)) == ""  # type: ignore[arg-type]
    if signed:
        assert passed is (abs(limit - reference) <= 400)
    else:
        width = max(LEAST_BAND, reference * 5 // 100)
        assert passed is (reference > 0 and limit > 0 and abs(limit - reference) <= width)


def test_an_asleep_watchdog_does_not_make_a_reference_fresh() -> None:
    bench = Bench()
    bench.view.data_state = lambda symbol: DataState("live", None, 0)  # type: ignore[method-assign]
    bench.view.advance(1)
    assert bench.refusal(bench.order()) != ""
