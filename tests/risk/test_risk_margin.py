"""Margin: worst case before an order, hysteresis in the loop, and what to close to reach the target."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Purpose, Side
from engine.risk.controls.margin import Reduction, reduction_plan


def account(bench: Bench, used: int | str | None, equity: int | None = 100_000) -> None:
    bench.view.the_margin = None if used is None else Decimal(used)
    bench.view.the_equity = None if equity is None else Decimal(equity)
    bench.view.the_opening = bench.view.the_peak = bench.view.the_equity
    bench.view.account_changed()


def test_order_that_would_reach_the_trigger_is_refused() -> None:
    bench = Bench()
    account(bench, 80_000)
    # ES needs 1000 a lot: 9 lots stay below 90 %, 10 reach it.
    assert bench.refusal(bench.order(BUY, 9)) == ""
    assert bench.refusal(bench.order(BUY, 10)) == "margin"


def test_working_orders_count_in_full() -> None:
    bench = Bench()
    account(bench, 80_000)
    bench.view.put_exposure("ES", 5, 0)
    assert bench.refusal(bench.order(BUY, 4)) == ""
    assert bench.refusal(bench.order(BUY, 5)) == "margin"
    # Another instrument's orders as well: 2 lots of CL need 4000.
    bench.view.put_exposure("CL", 0, 2)
    assert bench.refusal(bench.order(BUY, 1)) == "margin"


def test_the_other_side_needs_no_more_margin_than_the_larger_side() -> None:
    bench = Bench()
    account(bench, 80_000)
    bench.view.put_exposure("ES", 8, 0)
    assert bench.refusal(bench.order(SELL, 8)) == ""
    assert bench.refusal(bench.order(SELL, 10)) == "margin"


@pytest.mark.parametrize(("used", "equity"), [(None, 100_000), (0, None), (10, 0), (10, -5)])
def test_missing_counts_as_breached_for_opening(used: int | None, equity: int | None) -> None:
    bench = Bench()
    account(bench, used, equity)
    bench.view.put_position("ES", 2)
    assert "margin" in [r.control for r in bench.gate.preview(bench.order(), bench.view)]
    assert bench.refusal(bench.order(SELL, 2)) == ""
    assert bench.refusal(bench.order(SELL, 2, purpose=Purpose.FLATTEN)) == ""


def test_unknown_margin_of_an_instrument_refuses() -> None:
    bench = Bench()
    bench.view.margin_needed = lambda symbol, lots: None  # type: ignore[method-assign]
    assert bench.refusal(bench.order()) == "margin"


def test_kill_holds_after_the_target_is_reached() -> None:
    bench = Bench()
    account(bench, 90_000)
    assert bench.tick() == [("Breach", "margin", "")]
    account(bench, 75_000)
    assert bench.tick() == []
    assert bench.state("margin") == "TRIPPED"
    account(bench, 70_000)
    assert bench.tick() == []
    assert bench.state("margin") == "TRIPPED"
    account(bench, 10_000)
    bench.tick()
    assert bench.refusal(bench.order()) == "margin"
    assert bench.loop.reset("margin")
    bench.tick()
    assert bench.refusal(bench.order()) == ""


def test_milder_action_clears_by_itself_at_the_target_and_not_before() -> None:
    bench = Bench()
    bench.view.set_limits(margin_action="pause")
    account(bench, 91_000)
    assert bench.tick() == [("Breach", "margin", "")]
    account(bench, "70000.01")
    assert bench.tick() == []
    assert bench.refusal(bench.order(BUY, 1)) == "margin"
    account(bench, 70_000)
    assert bench.tick() == [("Cleared", "margin", "")]
    assert bench.refusal(bench.order(BUY, 1)) == ""


def test_no_equity_left_with_margin_in_use_trips() -> None:
    bench = Bench()
    account(bench, 5_000, 0)
    assert ("Breach", "margin", "") in bench.tick()


def test_plan_closes_what_binds_most_first() -> None:
    bench = Bench()
    account(bench, 95_000)
    bench.view.put_position("ES", 15)
    bench.view.put_position("CL", -40)
    # Shares: CL 80 of 95, ES 15 of 95; 25000 have to go, CL frees 2000 a lot.
    assert reduction_plan(bench.view) == (Reduction("CL", Side.BUY, 13),)
    account(bench, 70_000)
    assert reduction_plan(bench.view) == ()
    account(bench, None)
    assert reduction_plan(bench.view) == ()


@settings(max_examples=150, deadline=None)
@given(
    es=st.integers(-50, 50),
    cl=st.integers(-50, 50),
    used=st.decimals("1", "1e6", places=2),
    equity=st.decimals("0", "1e6", places=2),
)
def test_plan_reaches_the_target_and_closes_no_more_than_is_there(
    es: int, cl: int, used: Decimal, equity: Decimal
) -> None:
    bench = Bench()
    bench.view.the_margin, bench.view.the_equity = used, equity
    bench.view.put_position("ES", es)
    bench.view.put_position("CL", cl)
    held = {"ES": es, "CL": cl}
    needed = {"ES": Decimal(1000), "CL": Decimal(2000)}
    total = sum((needed[s] * abs(lots) for s, lots in held.items()), Decimal(0))
    plan = reduction_plan(bench.view)
    left = dict(held)
    for step in plan:
        assert 0 < step.lots <= abs(held[step.symbol])
        assert step.side.sign * held[step.symbol] < 0
        left[step.symbol] += step.side.sign * step.lots
    if total and used * 100 > equity * 70:
        rest = sum((needed[s] * abs(lots) for s, lots in left.items()), Decimal(0)) / total * used
        assert rest * 100 <= equity * 70 + Decimal("0.001") or not any(left.values())
    else:
        assert plan == ()


def test_what_the_next_requirements_would_bind_is_said_before_they_come() -> None:
    bench = Bench()
    account(bench, 50_000)
    bench.tick()
    assert bench.state("margin") == "ACTIVE"
    bench.view.ahead = Decimal(90_000), 1_764_108_000 * 1_000_000_000
    bench.view.account_changed()
    assert bench.tick() == []
    (reading,) = [r for r in bench.loop.readings() if r.control == "margin"]
    assert reading.state == "WARN" and "90.0% from 2025-11-25 22:00 UTC" in reading.detail
    assert bench.refusal(bench.order(BUY, 1)) == ""
    bench.view.ahead = Decimal(89_999), 1_764_108_000 * 1_000_000_000
    bench.view.account_changed()
    bench.tick()
    assert bench.state("margin") == "ACTIVE"
