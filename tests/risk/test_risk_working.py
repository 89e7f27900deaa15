"""Working orders: the cap, replaces, the reading."""

from __future__ import annotations

from fakeview import SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Replace


class TestWorking:
    def test_cap(self) -> None:
        bench = Bench()
        bench.view.set_limits(max_working=3)
        bench.view.working = 2
        assert bench.refusal(bench.order()) == ""
        bench.view.working = 3
        assert bench.refusal(bench.order()) == "max_working"
        bench.view.put_position("ES", 2)
        assert bench.refusal(bench.order(SELL, 2)) == ""

    def test_replace_adds_none(self) -> None:
        bench = Bench()
        order = bench.working(bench.order())
        bench.view.set_limits(max_working=1)
        assert bench.refusal(Replace(id="r", order_id=order.id, qty=2, limit=19999)) == ""

    def test_reading(self) -> None:
        bench = Bench()
        bench.view.set_limits(max_working=10)
        bench.view.working = 8
        bench.tick()
        assert bench.state("max_working") == "WARN"
        bench.view.working = 11
        bench.view.account_changed()
        assert bench.tick() == [("Breach", "max_working", "")]

    @settings(max_examples=60, deadline=None)
    @given(count=st.integers(0, 20), cap=st.integers(1, 20))
    def test_never_one_more_than_the_cap(self, count: int, cap: int) -> None:
        bench = Bench()
        bench.view.set_limits(max_working=cap)
        bench.view.working = count
        assert (bench.refusal(bench.order()) == "") is (count + 1 <= cap)
