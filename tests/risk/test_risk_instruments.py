"""Allowed instruments: unknown, not listed, no rate."""

from __future__ import annotations

from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Purpose


class TestInstruments:
    def test_unknown_is_always_refused(self) -> None:
        bench = Bench()
        assert bench.refusal(bench.order(symbol="ZZ")) == "instruments"
        assert bench.refusal(bench.order(symbol="ZZ", purpose=Purpose.FLATTEN)) == "instruments"

    def test_what_is_no_longer_allowed_can_be_closed(self) -> None:
        bench = Bench()
        bench.view.set_limits(allowed=("CL",))
        bench.view.put_position("ES", 2)
        assert bench.refusal(bench.order(BUY, 1)) == "instruments"
        assert bench.refusal(bench.order(SELL, 2)) == ""
        assert bench.refusal(bench.order(symbol="CL", limit=6000)) == ""

    @settings(max_examples=60, deadline=None)
    @given(allowed=st.sets(st.sampled_from(["ES", "CL", "ZZ"])), symbol=st.sampled_from(["ES", "CL", "ZZ"]))
    def test_opens_only_what_is_known_and_listed(self, allowed: set[str], symbol: str) -> None:
        bench = Bench()
        bench.view.set_limits(allowed=tuple(sorted(allowed)))
        limit = 6000 if symbol == "CL" else 20000
        passed = bench.refusal(bench.order(symbol=symbol, limit=limit)) == ""
        assert passed is (symbol != "ZZ" and (not allowed or symbol in allowed))
