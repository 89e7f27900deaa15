"""Spread breaker: too wide, one-sided, crossed; pause after the last breach; per symbol."""

from __future__ import annotations

import pytest
from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import InstrumentLimits
from engine.model import NS, MarketState
from engine.risk.view import Market


@pytest.mark.parametrize(("bid", "ask"), [(20000, 20005), (None, 20000), (20000, None), (20002, 20000)])
def test_breach_refuses_opening_and_pauses_after_it(bid: int | None, ask: int | None) -> None:
    bench = Bench()
    bench.view.data_deadline = 1000 * NS
    bench.tick()
    bench.view.put_quote("ES", bid, ask)
    bench.view.put_position("ES", 2)
    assert bench.refusal(bench.order()) == "spread"
    assert bench.tick() == [("Breach", "spread", "ES")]
    assert bench.refusal(bench.order(SELL, 2)) == ""
    assert bench.refusal(bench.order(symbol="CL", limit=6000)) == ""
    bench.view.advance(100)
    bench.tick()
    bench.view.put_quote("ES", 20000, 20001)
    assert bench.tick() == []
    # The pause begins when the market was last seen too wide.
    assert bench.loop.next_deadline(bench.view) == bench.view.mono() + 30 * NS
    bench.view.advance(29.999)
    bench.tick()
    assert bench.refusal(bench.order()) == "spread"
    bench.view.advance(0.001)
    assert bench.tick() == [("Cleared", "spread", "ES")]
    assert bench.refusal(bench.order()) == ""


def test_at_the_limit_and_locked_are_orderly() -> None:
    bench = Bench()
    for ask in (20004, 20000):
        bench.view.put_quote("ES", 20000, ask)
        assert bench.refusal(bench.order(limit=19990)) == ""


def test_gate_sees_it_between_two_rounds_and_the_loop_learns_of_it() -> None:
    bench = Bench()
    bench.tick()
    bench.view.put_quote("ES", 20000, 20009)
    assert bench.refusal(bench.order()) == "spread"
    bench.view.put_quote("ES", 20000, 20001)
    assert bench.refusal(bench.order()) == "spread"
    assert bench.tick() == [("Breach", "spread", "ES")]


def test_limit_of_the_instrument() -> None:
    bench = Bench()
    bench.view.set_limits(instruments={"ES": InstrumentLimits(max_spread_ticks=20)})
    bench.view.put_quote("ES", 20000, 20020)
    assert bench.refusal(bench.order()) == ""
    assert bench.tick() == []


def test_no_quote_is_unknown() -> None:
    bench = Bench()
    del bench.view.quotes["ES"]
    bench.tick()
    assert bench.state("spread", "ES") == "UNKNOWN"
    assert bench.refusal(bench.order()) == "spread"


@pytest.mark.parametrize("state", [MarketState.CLOSED, MarketState.HALTED, MarketState.PRE_OPEN])
def test_an_empty_or_crossed_book_outside_trading_is_no_breach(state: MarketState) -> None:
    bench = Bench()
    bench.tick()
    bench.view.markets["ES"] = Market(state)
    for bid, ask in ((None, None), (20005, 20000)):
        bench.view.put_quote("ES", bid, ask)
        assert ("Breach", "spread", "ES") not in bench.tick()
        assert bench.state("spread", "ES") == "ACTIVE"
        assert bench.refusal(bench.order()) != ""
    bench.view.markets["ES"] = Market(MarketState.OPEN)
    bench.view.put_quote("ES", 20000, 20001)
    bench.tick()
    assert bench.refusal(bench.order()) == ""


def test_a_pause_that_began_before_the_close_ends_by_its_own_time() -> None:
    bench = Bench()
    bench.view.data_deadline = 10_000 * NS
    bench.view.put_quote("ES", 20000, 20009)
    bench.tick()
    bench.view.markets["ES"] = Market(MarketState.CLOSED)
    bench.view.bump("ES")
    bench.tick()
    assert bench.loop.next_deadline(bench.view) == bench.view.mono() + 30 * NS
    bench.view.advance(3600)
    bench.tick()
    bench.view.markets["ES"] = Market(MarketState.OPEN)
    bench.view.put_quote("ES", 20000, 20001)
    bench.tick()
    assert bench.refusal(bench.order()) == ""


def test_reset_ends_the_pause() -> None:
    bench = Bench()
    bench.view.put_quote("ES", 20000, 20009)
    bench.tick()
    bench.view.put_quote("ES", 20000, 20001)
    bench.tick()
    assert bench.refusal(bench.order()) == "spread"
    assert bench.loop.reset("spread", "ES")
    bench.tick()
    assert bench.refusal(bench.order()) == ""


@settings(max_examples=100, deadline=None)
@given(
    quotes=st.lists(
        st.tuples(st.integers(0, 20 * NS), st.none() | st.integers(-8, 8), st.none() | st.integers(-8, 8)),
        max_size=30,
    )
)
def test_never_opens_within_the_pause(quotes: list[tuple[int, int | None, int | None]]) -> None:
    bench = Bench()
    bench.view.data_deadline = 10_000 * NS
    bench.tick()
    last_bad: int | None = None
    bad = False
    for wait, bid, ask in quotes:
        bench.view.time += wait
        bench.view.mono_time += wait
        if bad:
            last_bad = bench.view.mono()
        bench.view.put_quote("CL", bid, ask)
        bad = bid is None or ask is None or not 0 <= ask - bid <= 4
        if bad:
            last_bad = bench.view.mono()
        bench.loop.tick(bench.view)
        bench.view.references["CL"] = 0
        refused = bench.refusal(bench.order(BUY, 1, -20, symbol="CL")) == "spread"
        assert refused is (last_bad is not None and bench.view.mono() < last_bad + 30 * NS)
        bench.view.set_limits(duplicate_window=0.0)
