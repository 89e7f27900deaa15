"""Flatten quantity: what is there and not one lot more."""

from __future__ import annotations

from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Purpose, Side


class TestFlattenQuantity:
    def ask(self, bench: Bench, qty: int, side: Side = SELL) -> str:
        return bench.refusal(bench.order(side, qty, 19999, purpose=Purpose.FLATTEN))

    def test_not_one_lot_more_than_is_there(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        assert self.ask(bench, 5) == ""
        assert self.ask(bench, 6) == "flatten_qty"
        assert self.ask(bench, 1, BUY) == "flatten_qty"

    def test_follows_the_broker_after_drift(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 0, broker=4)
        assert self.ask(bench, 4) == ""
        assert self.ask(bench, 5) == "flatten_qty"

    def test_its_own_orders_count_and_others_do_not_bar_the_way(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 5)
        bench.view.put_exposure("ES", 0, 9)
        assert self.ask(bench, 5) == ""
        bench.view.flatten_exposures["ES"] = [0, 3]
        assert self.ask(bench, 2) == ""
        assert self.ask(bench, 3) == "flatten_qty"

    def test_passes_every_limit_on_new_risk(self) -> None:
        bench = Bench()
        view = bench.view
        view.put_position("ES", 40)
        view.the_halt = "killed"
        view.being_flattened.add("ES")
        view.pauses["s"] = "paused"
        view.symbol_halts["ES"] = "drift"
        view.enabled = False
        view.pnl = view.the_equity = view.the_margin = None
        view.advance(60)
        bench.controls.health.stopped()
        bench.tick()
        assert self.ask(bench, 40) == ""

    @settings(max_examples=150, deadline=None)
    @given(
        position=st.integers(-9, 9),
        broker=st.none() | st.integers(-9, 9),
        under_way=st.integers(0, 9),
        qty=st.integers(1, 12),
        side=st.sampled_from([BUY, SELL]),
    )
    def test_cannot_turn_what_it_closes(
        self, position: int, broker: int | None, under_way: int, qty: int, side: Side
    ) -> None:
        bench = Bench()
        bench.view.put_position("ES", position, broker)
        bench.view.flatten_exposures["ES"] = [under_way, 0] if side is BUY else [0, under_way]
        known = [p for p in (position, broker) if p is not None and p * side.sign < 0]
        fits = any(abs(p) >= qty + under_way for p in known)
        assert (self.ask(bench, qty, side) == "") is fits
