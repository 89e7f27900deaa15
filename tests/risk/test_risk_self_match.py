"""Self-match prevention: limits, market orders, stops."""

from __future__ import annotations

import pytest
from fakeview import BUY, MKT, SELL, STP, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Purpose, Side


class TestSelfMatch:
    @pytest.mark.parametrize(("limit", "refused"), [(20009, False), (20010, True), (20011, True)])
    def test_limit_against_our_own_offer(self, limit: int, refused: bool) -> None:
        bench = Bench()
        bench.view.own[("ES", SELL)] = 20010
        assert (bench.refusal(bench.order(BUY, 1, limit)) == "self_match") is refused

    def test_also_what_reduces_but_not_the_flatten_procedure(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 2)
        bench.view.own[("ES", BUY)] = 19999
        assert bench.refusal(bench.order(SELL, 1, 19999)) == "self_match"
        assert bench.refusal(bench.order(SELL, 1, 19998, purpose=Purpose.FLATTEN)) == ""

    def test_market_order_where_our_own_is_first(self) -> None:
        bench = Bench()
        bench.view.own[("ES", SELL)] = 20002
        assert bench.refusal(bench.order(BUY, 1, None, type=MKT)) == ""
        bench.view.own[("ES", SELL)] = 20001
        assert bench.refusal(bench.order(BUY, 1, None, type=MKT)) == "self_match"
        assert bench.refusal(bench.order(BUY, 1, None, type=STP, stop=20100)) == ""

    @settings(max_examples=100, deadline=None)
    @given(own=st.integers(-300, 300), limit=st.integers(-300, 300), side=st.sampled_from([BUY, SELL]))
    def test_two_of_ours_can_never_cross(self, own: int, limit: int, side: Side) -> None:
        bench = Bench()
        bench.view.put_quote("CL", 0, 1)
        bench.view.own[("CL", side.opposite)] = own
        passed = bench.refusal(bench.order(side, 1, limit, symbol="CL")) == ""
        assert passed is (limit < own if side is BUY else limit > own)
