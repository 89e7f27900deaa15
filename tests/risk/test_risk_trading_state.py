"""Trading state: halts, recovery, flattening, pauses."""

from __future__ import annotations

from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st


class TestTradingState:
    def test_halt_lets_only_the_procedure_pass(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        bench.view.the_halt = "killed by operator"
        assert "killed by operator" in bench.text(bench.order())
        assert bench.refusal(bench.order(SELL, 2)) == "trading_state"
        bench.tick()
        assert bench.state("trading_state") == "TRIPPED"

    def test_before_recovery_and_while_flattening(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        bench.view.enabled = False
        assert bench.refusal(bench.order(SELL, 2)) == "trading_state"
        bench.view.enabled = True
        bench.view.being_flattened.add("ES")
        assert bench.refusal(bench.order(SELL, 2)) == "trading_state"
        assert bench.refusal(bench.order(symbol="CL", limit=6000)) == ""

    def test_pauses_and_instrument_halts_let_reducing_pass(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        bench.view.symbol_halts["ES"] = "drift"
        assert bench.refusal(bench.order()) == "trading_state"
        assert bench.refusal(bench.order(SELL, 2)) == ""
        bench.view.symbol_halts.clear()
        bench.view.symbol_holds["ES"] = "a late fill"
        assert bench.refusal(bench.order()) == "trading_state"
        assert bench.refusal(bench.order(SELL, 2)) == ""
        bench.view.symbol_holds.clear()
        bench.view.pauses["s"] = "operator"
        assert bench.refusal(bench.order()) == "trading_state"
        assert bench.refusal(bench.order(strategy="t")) == ""
        assert bench.refusal(bench.order(SELL, 3)) == ""

    @settings(max_examples=100, deadline=None)
    @given(
        halt=st.booleans(),
        enabled=st.booleans(),
        flattening=st.booleans(),
        instrument=st.booleans(),
        pause=st.booleans(),
        reducing=st.booleans(),
    )
    def test_table(
        self, halt: bool, enabled: bool, flattening: bool, instrument: bool, pause: bool, reducing: bool
    ) -> None:
        bench = Bench()
        view = bench.view
        view.put_position("ES", 5)
        view.the_halt = "x" if halt else ""
        view.enabled = enabled
        if flattening:
            view.being_flattened.add("ES")
        if instrument:
            view.symbol_halts["ES"] = "x"
        if pause:
            view.pauses["s"] = "x"
        order = bench.order(SELL if reducing else BUY, 2)
        shut = halt or not enabled or flattening or ((instrument or pause) and not reducing)
        assert (bench.refusal(order) == "") is not shut
