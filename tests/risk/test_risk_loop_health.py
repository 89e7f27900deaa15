"""Loop health: no opening without a loop that runs on time."""

from __future__ import annotations

from fakeview import SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import NS


class TestLoopHealth:
    def test_opens_nothing_without_a_loop_that_runs_on_time(self) -> None:
        bench = Bench()
        health = bench.controls.health
        bench.view.put_position("ES", 5)
        health.promise(bench.view.mono())
        bench.view.advance(1)
        assert bench.refusal(bench.order()) == ""
        bench.view.advance(0.001)
        assert bench.refusal(bench.order()) == "risk_loop"
        assert bench.refusal(bench.order(SELL, 2)) == ""
        health.promise(None)
        bench.view.advance(3)
        assert bench.refusal(bench.order(limit=19999)) == ""
        health.stopped()
        assert bench.refusal(bench.order(limit=19998)) == "risk_loop"

    def test_a_failed_round_is_latched(self) -> None:
        bench = Bench()
        breach = bench.loop.fail(RuntimeError("boom"))
        assert breach is not None and breach.action == "kill" and "risk loop failed" in breach.text
        assert bench.loop.fail(RuntimeError("boom")) is None
        assert bench.refusal(bench.order()) == "risk_loop"
        assert bench.tick() == []
        assert bench.state("risk_loop") == "TRIPPED"
        assert bench.loop.reset("risk_loop")
        bench.tick()
        assert bench.refusal(bench.order()) == ""

    @settings(max_examples=60, deadline=None)
    @given(promised=st.integers(-3 * NS, 3 * NS))
    def test_late_by_more_than_a_second_is_too_late(self, promised: int) -> None:
        bench = Bench()
        bench.controls.health.promise(bench.view.mono() + promised)
        assert (bench.refusal(bench.order()) == "") is (promised >= -NS)
