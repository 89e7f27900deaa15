"""Duplicate orders: the window, unknown outcomes, ids."""

from __future__ import annotations

from fakeview import LIMITS, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import NS, OrderStatus
from engine.risk.controls.duplicate import REMEMBERED

WATCHED = LIMITS.model_copy(update={"duplicate_window": 0.5, "order_burst": 50})


class TestDuplicates:
    def test_same_order_within_the_window(self) -> None:
        bench = Bench(WATCHED)
        assert bench.refusal(bench.order()) == ""
        assert bench.refusal(bench.order()) == "duplicate"
        for other in (
            bench.order(limit=19999),
            bench.order(qty=2),
            bench.order(SELL),
            bench.order(strategy="t"),
            bench.order(symbol="CL", limit=6000),
        ):
            assert bench.refusal(other) == ""
        bench.view.advance(0.5)
        assert bench.refusal(bench.order()) == ""

    def test_what_was_refused_is_not_remembered(self) -> None:
        bench = Bench(WATCHED)
        bench.view.the_halt = "test"
        assert bench.refusal(bench.order()) == "trading_state"
        bench.view.the_halt = ""
        assert bench.refusal(bench.order()) == ""

    def test_blind_retry_of_an_unknown_outcome_is_refused_for_ever(self) -> None:
        bench = Bench(WATCHED)
        bench.view.data_deadline = 1000 * NS
        first = bench.order()
        assert bench.refusal(first) == ""
        bench.working(first, status=OrderStatus.UNKNOWN)
        bench.view.advance(600)
        assert "not known" in bench.text(bench.order())
        bench.view.orders[first.id] = bench.view.orders[first.id].__class__(
            order=first, status=OrderStatus.CANCELED, cum=0, exposure=0
        )
        assert bench.refusal(bench.order()) == ""

    def test_an_id_is_never_used_twice(self) -> None:
        bench = Bench(WATCHED)
        order = bench.working(bench.order())
        bench.view.advance(2)
        assert "never used twice" in bench.text(order)

    def test_off(self) -> None:
        bench = Bench()
        bench.view.set_limits(duplicate_window=0.0)
        assert [bench.refusal(bench.order()) for _ in range(3)] == ["", "", ""]

    def test_memory_is_bounded(self) -> None:
        bench = Bench(WATCHED)
        bench.view.set_limits(order_rate=100_000, order_burst=100_000)
        control = bench.controls.by_name["duplicate"]
        for i in range(REMEMBERED + 50):
            bench.view.mono_time += NS
            assert bench.refusal(bench.order(limit=19000 + i % 1000, qty=1 + i // 1000)) == ""
        assert len(control._seen) <= REMEMBERED  # type: ignore[attr-defined]

    @settings(max_examples=60, deadline=None)
    @given(steps=st.lists(st.tuples(st.integers(0, NS), st.integers(19998, 20000)), max_size=30))
    def test_no_two_alike_within_the_window(self, steps: list[tuple[int, int]]) -> None:
        bench = Bench(WATCHED)
        bench.view.data_deadline = 1000 * NS
        last: dict[int, int] = {}
        for wait, limit in steps:
            bench.view.mono_time += wait
            now = bench.view.mono()
            passed = bench.refusal(bench.order(limit=limit)) == ""
            assert passed is (limit not in last or now - last[limit] >= NS // 2)
            if passed:
                last[limit] = now
