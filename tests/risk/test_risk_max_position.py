"""Maximum position: worst case with everything that works or is in flight on the side."""

from __future__ import annotations

from fakeview import BUY, SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import InstrumentLimits
from engine.model import OrderStatus, Replace
from engine.risk.view import OrderStanding


def test_at_the_cap_passes_and_one_more_does_not() -> None:
    bench = Bench()
    bench.view.put_position("ES", 40)
    bench.view.put_exposure("ES", 5, 0)
    assert bench.refusal(bench.order(BUY, 5)) == ""
    assert bench.refusal(bench.order(BUY, 6)) == "max_position"


def test_short_side_is_the_mirror() -> None:
    bench = Bench()
    bench.view.put_position("ES", -40)
    bench.view.put_exposure("ES", 100, 5)
    assert bench.refusal(bench.order(SELL, 5)) == ""
    text = bench.text(bench.order(SELL, 6))
    assert text.startswith("max_position") and "-51" in text


def test_turning_round_counts_from_the_position() -> None:
    bench = Bench()
    bench.view.set_limits(max_order_qty=1000)
    bench.view.put_position("ES", 20)
    assert bench.refusal(bench.order(SELL, 70)) == ""
    assert bench.refusal(bench.order(SELL, 71)) == "max_position"


def test_beyond_the_limit_only_the_way_back_is_open() -> None:
    bench = Bench()
    bench.view.put_position("ES", 60)
    assert bench.refusal(bench.order(BUY, 1)) == "max_position"
    assert bench.refusal(bench.order(SELL, 20)) == ""


def test_the_larger_of_ours_and_the_brokers_counts() -> None:
    bench = Bench()
    bench.view.put_position("ES", 0, broker=48)
    assert bench.refusal(bench.order(BUY, 2)) == ""
    assert bench.refusal(bench.order(BUY, 3)) == "max_position"


def test_limit_of_the_instrument_comes_first_even_when_zero() -> None:
    bench = Bench()
    bench.view.set_limits(instruments={"ES": InstrumentLimits(max_position=0)})
    assert bench.refusal(bench.order(BUY, 1)) == "max_position"
    assert bench.refusal(bench.order(BUY, 1, 6000, symbol="CL")) == ""


def test_replace_counts_with_the_larger_size() -> None:
    bench = Bench()
    bench.view.put_position("ES", 40)
    order = bench.working(bench.order(BUY, 10, 19990))
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=11, limit=19990)) == "max_position"
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=10, limit=19995)) == ""
    # Half filled: 10 asked for, 4 done, 6 left; up to 10 in all is still within 50.
    bench.view.fill(order, 4)
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=10, limit=19995)) == ""
    assert bench.refusal(Replace(id="r", order_id=order.id, qty=11, limit=19995)) == "max_position"


def test_pending_replace_up_still_counts_when_asked_to_go_down() -> None:
    bench = Bench()
    bench.view.put_position("ES", 45)
    order = bench.order(BUY, 2, 19990)
    bench.view.book(order)
    # A replace to 5 is under way.
    bench.view.orders[order.id] = OrderStanding(order=order, status=OrderStatus.WORKING, cum=0, exposure=5)
    bench.view.put_exposure("ES", 5, 0)
    assert bench.refusal(Replace(id="r2", order_id=order.id, qty=3, limit=19991)) == ""
    bench.view.put_position("ES", 46)
    assert bench.refusal(Replace(id="r2", order_id=order.id, qty=3, limit=19991)) == "max_position"


def test_loop_sees_fills_that_nobody_expected() -> None:
    bench = Bench()
    bench.view.put_position("ES", 45)
    bench.tick()
    assert bench.state("max_position", "ES") == "WARN"
    bench.view.put_position("ES", 51)
    assert bench.tick() == [("Breach", "max_position", "ES")]
    bench.view.put_position("ES", 30)
    assert bench.tick() == [("Cleared", "max_position", "ES")]


def test_a_stricter_action_while_tripped_is_carried_out() -> None:
    bench = Bench()
    bench.view.put_position("ES", 51)
    assert bench.tick() == [("Breach", "max_position", "ES")]
    bench.view.set_limits(max_position_action="kill")
    breach = bench.loop.tick(bench.view)[0]
    assert breach.action == "kill" and breach.scope == "ES"  # type: ignore[attr-defined]
    assert bench.loop.tick(bench.view) == ()


@settings(max_examples=200, deadline=None)
@given(
    position=st.integers(-60, 60),
    broker=st.none() | st.integers(-60, 60),
    buy=st.integers(0, 60),
    sell=st.integers(0, 60),
    qty=st.integers(1, 120),
    side=st.sampled_from([BUY, SELL]),
)
def test_whatever_passes_cannot_end_beyond_the_cap(
    position: int, broker: int | None, buy: int, sell: int, qty: int, side: object
) -> None:
    bench = Bench()
    bench.view.set_limits(max_order_qty=1000)
    bench.view.put_position("ES", position, broker)
    bench.view.put_exposure("ES", buy, sell)
    order = bench.order(side, qty)  # type: ignore[arg-type]
    passed = bench.refusal(order) == ""
    for start in {position, position if broker is None else broker}:
        end = start + qty + buy if side is BUY else start - qty - sell
        beyond = end > 50 if side is BUY else end < -50
        toward_zero = (start < 0 and end <= 0) if side is BUY else (start > 0 and end >= 0)
        if passed:
            assert not beyond or toward_zero
        if beyond and not toward_zero:
            assert not passed
