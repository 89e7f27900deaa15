"""Reject storm, error rate and repeated executions: count, window, latch, scope."""

from __future__ import annotations

import pytest
from fakeview import SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import StrategyConfig
from engine.model import NS


def reject(bench: Bench, times: int = 1, strategy: str = "s") -> None:
    for _ in range(times):
        bench.controls.on_reject(strategy, "ES", "no money", bench.view)


def test_rejects_within_the_window_pause_until_reset() -> None:
    bench = Bench()
    bench.view.put_position("ES", 2)
    reject(bench, 9)
    bench.tick()
    assert bench.state("reject_storm") == "WARN"
    assert bench.refusal(bench.order()) == ""
    reject(bench)
    # The gate knows before the next round does.
    assert bench.refusal(bench.order(limit=19999)) == "reject_storm"
    assert bench.tick() == [("Breach", "reject_storm", "")]
    bench.view.advance(4)
    assert bench.refusal(bench.order(SELL, 2)) == ""
    bench.view.advance(0.5)
    bench.tick()
    assert "no money" in bench.text(bench.order(limit=19998))
    assert bench.loop.reset("reject_storm")
    bench.tick()
    assert bench.refusal(bench.order(limit=19998)) == ""


def test_slow_rejects_do_not_add_up() -> None:
    bench = Bench()
    bench.view.data_deadline = 1000 * NS
    for _ in range(30):
        reject(bench)
        bench.view.advance(1.2)
    assert bench.tick() == []
    assert bench.refusal(bench.order()) == ""


def test_the_count_falls_by_time_alone_and_the_loop_knows_when() -> None:
    bench = Bench()
    bench.view.data_deadline = 1000 * NS
    bench.tick()
    reject(bench, 9)
    bench.tick()
    assert bench.loop.next_deadline(bench.view) == bench.view.mono() + 10 * NS
    bench.view.advance(10)
    bench.tick()
    assert bench.state("reject_storm") == "ACTIVE"


def test_errors() -> None:
    bench = Bench()
    for _ in range(20):
        bench.controls.on_error("feed", bench.view)
    assert bench.refusal(bench.order()) == "error_rate"
    assert bench.tick() == [("Breach", "error_rate", "")]


def test_executions_stop_the_one_strategy_only() -> None:
    bench = Bench()
    bench.view.set_limits(max_executions=3)
    for name in ("s", "t"):
        bench.view.the_strategies[name] = StrategyConfig(module="a:B", name=name, symbols=("ES",))  # type: ignore[call-arg]
    bench.tick()
    for _ in range(3):
        bench.controls.on_fill("s", "ES", bench.view)
    assert bench.refusal(bench.order()) == "executions"
    assert bench.tick() == [("Breach", "executions", "s")]
    assert bench.state("executions", "t") == "ACTIVE"
    assert bench.refusal(bench.order(strategy="t")) == ""
    assert bench.loop.reset("executions", "s")
    bench.tick()
    assert bench.refusal(bench.order()) == ""


def test_executions_without_a_configured_strategy_count_too() -> None:
    bench = Bench()
    bench.view.set_limits(max_executions=1)
    bench.controls.on_fill("manual", "ES", bench.view)
    assert bench.tick() == [("Breach", "executions", "manual")]
    assert bench.refusal(bench.order(strategy="manual")) == "executions"
    # Empty scope: all of them.
    assert bench.loop.reset("executions")
    bench.tick()
    assert bench.refusal(bench.order(strategy="manual")) == ""


@pytest.mark.parametrize("action", ["refuse", "kill"])
def test_action(action: str) -> None:
    bench = Bench()
    bench.view.set_limits(reject_action=action)
    reject(bench, 10)
    (breach,) = [e for e in bench.loop.tick(bench.view) if e.control == "reject_storm"]
    assert breach.action == action  # type: ignore[attr-defined]


@settings(max_examples=100, deadline=None)
@given(gaps=st.lists(st.integers(0, 4 * NS), max_size=40))
def test_trips_exactly_when_some_window_is_full(gaps: list[int]) -> None:
    bench = Bench()
    times: list[int] = []
    for gap in gaps:
        bench.view.mono_time += gap
        times.append(bench.view.mono())
        reject(bench)
    full = any(times[i + 9] - times[i] < 10 * NS for i in range(len(times) - 9))
    assert bool(bench.controls.by_name["reject_storm"]._tripped) is full  # type: ignore[attr-defined]
