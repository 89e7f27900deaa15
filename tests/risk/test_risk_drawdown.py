"""Drawdown from the day's peak: exactly at the limit, latched, unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fakeview import SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st


def test_five_percent_below_the_peak() -> None:
    bench = Bench()
    bench.view.the_peak = Decimal(2_000_000)
    bench.view.the_equity = Decimal("1900000.01")
    assert bench.refusal(bench.order()) == ""
    bench.tick()
    assert bench.state("drawdown") == "WARN"
    bench.view.the_equity = Decimal(1_900_000)
    bench.view.account_changed()
    assert bench.refusal(bench.order()) == "drawdown"
    assert bench.tick() == [("Breach", "drawdown", "")]
    bench.view.the_equity = Decimal(2_000_000)
    bench.view.account_changed()
    bench.tick()
    assert bench.refusal(bench.order()) == "drawdown"
    bench.view.put_position("ES", 1)
    assert bench.refusal(bench.order(SELL)) == ""
    assert bench.loop.reset("drawdown")
    bench.tick()
    assert bench.refusal(bench.order()) == ""


@pytest.mark.parametrize("member", ["the_equity", "the_peak"])
def test_unknown(member: str) -> None:
    bench = Bench()
    setattr(bench.view, member, None)
    assert "drawdown" in [r.control for r in bench.gate.preview(bench.order(), bench.view)]
    bench.tick()
    assert bench.state("drawdown") == "UNKNOWN"


@settings(max_examples=150, deadline=None)
@given(
    peak=st.decimals("0.01", "1e9", places=2),
    equity=st.decimals("-1e6", "1e9", places=2),
    pct=st.decimals("0.1", "100", places=1),
)
def test_trips_exactly_from_the_percentage_on(peak: Decimal, equity: Decimal, pct: Decimal) -> None:
    bench = Bench()
    bench.view.the_peak, bench.view.the_equity = peak, equity
    bench.view.set_limits(max_drawdown_pct=pct)
    bench.tick()
    assert (bench.state("drawdown") == "TRIPPED") is ((peak - equity) * 100 >= pct * peak)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((100, 200, 400)), st.integers(50, 400), st.sampled_from((10, 20, 40))),
        max_size=8,
    )
)
def test_another_peak_or_another_limit_counts_at_once(steps: list[tuple[int, int, int]]) -> None:
    bench = Bench()
    control = bench.controls.by_name["drawdown"]
    for peak, equity, pct in steps:
        if pct != bench.view.the_limits.max_drawdown_pct:
            bench.view.set_limits(max_drawdown_pct=Decimal(pct))
        if peak != bench.view.the_peak:
            bench.view.the_peak = Decimal(peak)
        bench.view.the_equity = Decimal(equity)
        fall = max(peak - equity, 0) * 100
        state = "TRIPPED" if fall >= pct * peak else "WARN" if fall * 100 >= pct * peak * 80 else "ACTIVE"
        assert control.evaluate(bench.view, "").state == state
