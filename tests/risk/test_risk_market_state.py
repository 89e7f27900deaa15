"""Market state: the table of what each state takes, price limits of the day."""

from __future__ import annotations

import pytest
from fakeview import BUY, LMT, MKT, SELL, STL, STP, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import MarketState, OrderType, Purpose, TimeInForce
from engine.risk.view import Market

ALL = {LMT, MKT, STP, STL}
TABLE = {
    MarketState.OPEN: ALL,
    MarketState.PRE_OPEN: {LMT, STP, STL},
    MarketState.RESERVED: {LMT},
    MarketState.HALTED: set(),
    MarketState.CLOSED: set(),
    MarketState.UNKNOWN: set(),
}


class TestMarketState:
    @pytest.mark.parametrize("state", list(MarketState))
    @pytest.mark.parametrize("type_", sorted(ALL))
    def test_table(self, state: MarketState, type_: OrderType) -> None:
        bench = Bench()
        bench.view.markets["ES"] = Market(state)
        limit = 20110 if type_ in (LMT, STL) else None
        stop = 20100 if type_ in (STP, STL) else None
        refused = bench.refusal(bench.order(BUY, 1, limit, stop=stop, type=type_))
        assert refused == ("" if type_ in TABLE[state] else "market_state")

    def test_reducing_and_flattening_obey_it_too(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 2)
        for state, passes in (
            (MarketState.HALTED, False),
            (MarketState.RESERVED, True),
            (MarketState.UNKNOWN, True),
        ):
            bench.view.markets["ES"] = Market(state)
            for order in (bench.order(SELL, 1), bench.order(SELL, 1, purpose=Purpose.FLATTEN)):
                assert (bench.refusal(order) == "") is passes, state
            assert bench.refusal(bench.order(SELL, 1, None, type=MKT)) == "market_state"
            bench.view.advance(1)

    def test_auction_takes_no_immediate_orders(self) -> None:
        bench = Bench()
        bench.view.markets["ES"] = Market(MarketState.PRE_OPEN)
        assert bench.refusal(bench.order(tif=TimeInForce.IOC)) == "market_state"
        bench.view.markets["ES"] = Market(MarketState.RESERVED)
        assert bench.refusal(bench.order(tif=TimeInForce.IOC)) == ""

    def test_price_limits_of_the_day(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 2)
        bench.view.markets["ES"] = Market(MarketState.OPEN, 19900, 20100)
        assert bench.refusal(bench.order(BUY, 1, 19900)) == ""
        assert bench.refusal(bench.order(BUY, 1, 19899)) == "market_state"
        assert bench.refusal(bench.order(BUY, 1, 20101)) == "market_state"
        assert bench.refusal(bench.order(SELL, 1, 19899, purpose=Purpose.FLATTEN)) == "market_state"
        assert bench.refusal(bench.order(BUY, 1, None, type=STP, stop=20101)) == "market_state"
        # The table changes in the middle of the session.
        bench.view.markets["ES"] = Market(MarketState.OPEN, 19800, 20100)
        assert bench.refusal(bench.order(BUY, 1, 19899)) == ""

    def test_halt_is_told_once_and_clears(self) -> None:
        bench = Bench()
        bench.tick()
        bench.view.markets["ES"] = Market(MarketState.HALTED)
        bench.view.bump("ES")
        assert bench.tick() == [("Breach", "market_state", "ES")]
        bench.view.bump("ES")
        assert bench.tick() == []
        bench.view.markets["ES"] = Market(MarketState.OPEN)
        bench.view.bump("ES")
        assert bench.tick() == [("Cleared", "market_state", "ES")]

    @settings(max_examples=100, deadline=None)
    @given(
        low=st.none() | st.integers(19900, 20100),
        high=st.none() | st.integers(19900, 20100),
        limit=st.integers(19900, 20100),
    )
    def test_no_price_beyond_the_limits_of_the_day(
        self, low: int | None, high: int | None, limit: int
    ) -> None:
        bench = Bench()
        bench.view.markets["ES"] = Market(MarketState.OPEN, low, high)
        inside = (low is None or limit >= low) and (high is None or limit <= high)
        assert (bench.refusal(bench.order(BUY, 1, limit)) == "") is inside
