"""Limits of each strategy: position, open orders, loss."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import StrategyConfig
from engine.model import Purpose, Replace


def bench_with(**limits: Any) -> Bench:
    bench = Bench()
    values: dict[str, Any] = {"module": "a:B", "name": "s", "symbols": ("ES",), **limits}
    bench.view.the_strategies["s"] = StrategyConfig(**values)
    return bench


def test_position_in_the_worst_case() -> None:
    bench = bench_with(max_position=10)
    bench.view.strategy_positions[("s", "ES")] = 4
    bench.view.strategy_exposures[("s", "ES")] = (3, 0)
    assert bench.refusal(bench.order(BUY, 3)) == ""
    assert bench.refusal(bench.order(BUY, 4)) == "strategy_position"
    assert bench.refusal(bench.order(BUY, 4, strategy="manual")) == ""


def test_closing_the_account_may_still_open_the_strategy() -> None:
    bench = bench_with(max_position=2)
    bench.view.put_position("ES", 10)
    # Another strategy is long; selling 5 makes this one short 5.
    assert bench.refusal(bench.order(SELL, 5)) == "strategy_position"
    assert bench.refusal(bench.order(SELL, 2)) == ""
    bench.view.strategy_positions[("s", "ES")] = 5
    assert bench.refusal(bench.order(SELL, 5)) == ""


def test_protective_orders_and_shrinking_pass() -> None:
    bench = bench_with(max_position=0)
    bench.view.put_position("ES", 5)
    assert bench.refusal(bench.order(SELL, 5, 20010, purpose=Purpose.PROTECT)) == ""
    order = bench.working(bench.order(BUY, 4, 19990))
    bench.view.strategy_exposures[("s", "ES")] = (4, 0)
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=3, limit=19990)) == ""
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=3, limit=19991)) == "strategy_position"


def test_open_orders() -> None:
    bench = bench_with(max_working=2)
    bench.view.strategy_workings["s"] = 2
    bench.view.put_position("ES", 5)
    assert bench.refusal(bench.order(BUY, 1)) == "strategy_working"
    assert bench.refusal(bench.order(SELL, 1)) == ""
    bench.view.strategy_workings["s"] = 3
    assert bench.tick() == [("Breach", "strategy_working", "s")]


def test_loss_stops_the_strategy_until_reset() -> None:
    bench = bench_with(max_loss=Decimal(1000))
    bench.view.strategy_pnls["s"] = Decimal("-999.99")
    assert bench.refusal(bench.order()) == ""
    bench.tick()
    assert bench.state("strategy_loss", "s") == "WARN"
    bench.view.strategy_pnls["s"] = Decimal(-1000)
    bench.view.strategy_versions["s"] = 2
    (breach,) = bench.loop.tick(bench.view)
    assert (breach.control, breach.scope, breach.action) == ("strategy_loss", "s", "cancel")  # type: ignore[attr-defined]
    bench.view.strategy_pnls["s"] = Decimal(0)
    bench.view.strategy_versions["s"] = 3
    assert bench.tick() == []
    assert bench.refusal(bench.order(BUY, 2)) == "strategy_loss"
    assert bench.refusal(bench.order(BUY, 2, strategy="manual")) == ""
    assert bench.loop.reset("strategy_loss", "s")
    bench.tick()
    assert bench.refusal(bench.order(BUY, 2)) == ""


def test_unknown_profit_refuses_what_opens() -> None:
    bench = bench_with(max_loss=Decimal(1000))
    bench.view.strategy_pnls["s"] = None
    assert bench.refusal(bench.order()) == "strategy_loss"
    bench.tick()
    assert bench.state("strategy_loss", "s") == "UNKNOWN"


def test_a_strategy_control_that_fails_refuses_that_strategy_only() -> None:
    bench = bench_with()
    control = bench.controls.by_name["strategy_working"]
    whole = control.evaluate

    def boom(*_: object) -> Any:
        raise RuntimeError("boom")

    control.evaluate = boom  # type: ignore[method-assign]
    bench.tick()
    assert bench.state("strategy_working", "s") == "UNKNOWN"
    assert bench.refusal(bench.order()) == "strategy_working"
    assert bench.refusal(bench.order(strategy="t")) == ""
    control.evaluate = whole  # type: ignore[method-assign]
    bench.tick()
    assert bench.refusal(bench.order(BUY, 2)) == ""


@settings(max_examples=150, deadline=None)
@given(
    position=st.integers(-15, 15),
    buy=st.integers(0, 10),
    sell=st.integers(0, 10),
    qty=st.integers(1, 20),
    side=st.sampled_from([BUY, SELL]),
)
def test_whatever_passes_stays_within_the_cap_or_leads_towards_zero(
    position: int, buy: int, sell: int, qty: int, side: object
) -> None:
    bench = bench_with(max_position=8)
    bench.view.strategy_positions[("s", "ES")] = position
    bench.view.strategy_exposures[("s", "ES")] = (buy, sell)
    passed = bench.refusal(bench.order(side, qty)) == ""  # type: ignore[arg-type]
    end = position + buy + qty if side is BUY else -(position - sell - qty)
    assert passed is (end <= 8)
