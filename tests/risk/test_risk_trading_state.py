"""Trading state: halts, recovery, flattening, pauses."""

from __future__ import annotations

from typing import Any

from fakeview import BUY, SELL, STP, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Purpose, Replace


class TestTradingState:
    def test_halt_lets_only_the_procedure_pass(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        bench.view.the_halt = "killed by operator"
        assert "killed by operator" in bench.text(bench.order())
        assert bench.refusal(bench.order(SELL, 2)) == "trading_state"
        assert bench.refusal(bench.order(SELL, 2, reduce_only=True)) == "trading_state"
        bench.tick()
        assert bench.state("trading_state") == "TRIPPED"

    def test_halt_lets_protection_pass_that_only_reduces(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        bench.view.the_halt = "daily loss"
        stop: dict[str, Any] = {"type": STP, "limit": None, "stop": 19990, "purpose": Purpose.PROTECT}
        assert bench.refusal(bench.order(SELL, 5, **stop)) == ""
        assert bench.refusal(bench.order(SELL, 6, **stop)) == "trading_state"
        assert bench.refusal(bench.order(BUY, 1, **{**stop, "stop": 20010})) == "trading_state"
        bench.view.put_exposure("ES", 0, 3)
        assert bench.refusal(bench.order(SELL, 2, **stop)) == ""
        assert bench.refusal(bench.order(SELL, 3, **stop)) == "trading_state"
        bench.view.put_position("ES", 5, broker=4)
        assert bench.refusal(bench.order(SELL, 2, **stop)) == "trading_state"

    def test_halt_lets_the_size_of_protection_follow_and_its_price_stay(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        stop = bench.order(SELL, 3, type=STP, limit=None, stop=19990, purpose=Purpose.PROTECT)
        bench.view.book(stop)
        bench.view.the_halt = "daily loss"
        for qty, price, answer in ((5, 19990, ""), (2, 19990, ""), (6, 19990, "trading_state")):
            assert bench.refusal(Replace(id="r", order_id=stop.id, qty=qty, stop=price)) == answer
        for price in (19980, 19995):
            assert bench.refusal(Replace(id="r", order_id=stop.id, qty=2, stop=price)) == "trading_state"

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
