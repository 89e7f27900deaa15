"""What counts as reducing, against brute force over every path of fills on small numbers."""

from __future__ import annotations

from itertools import product

from fakeview import BUY, SELL, Bench

from engine.model import Order, OrderStatus, Purpose, Replace, Side
from engine.risk.ask import Ask


def never_raises(position: int, sign: int, ours: int, same: int, opposite: int) -> bool:
    """Whether each fill of ours lowers |position|, whatever else was filled before it."""
    for x, y, z in product(range(ours), range(same + 1), range(opposite + 1)):
        before = position + sign * (x + y - z)
        if abs(before + sign) >= abs(before):
            # An opposite fill that flips nothing can only help; the path without any decides.
            return False
    return True


def never_raises_alone(position: int, sign: int, ours: int, same: int) -> bool:
    return never_raises(position, sign, ours, same, 0)


def test_reducing_is_exactly_what_no_path_of_fills_can_turn() -> None:
    bench = Bench()
    seen = 0
    for position, qty, same, side, broker in product(
        range(-4, 5), range(1, 5), range(4), (BUY, SELL), (None, -4, -2, 0, 1, 3)
    ):
        view = bench.view
        view.positions["ES"] = position
        view.broker.clear()
        if broker is not None:
            view.broker["ES"] = broker
        view.exposures["ES"] = [same, 0] if side is BUY else [0, same]
        ask = Ask(bench.order(side, qty), view)
        expected = never_raises_alone(position, side.sign, qty, same) and (
            broker is None or never_raises_alone(broker, side.sign, qty, same)
        )
        assert ask.reducing is expected, (position, qty, same, side, broker)
        seen += expected
    assert seen > 50


def test_orders_on_the_other_side_cannot_make_a_reducing_order_open() -> None:
    bench = Bench()
    for position, qty, same, opposite in product(range(1, 5), range(1, 4), range(3), range(4)):
        bench.view.positions["ES"] = position
        bench.view.exposures["ES"] = [opposite, same]
        if Ask(bench.order(SELL, qty), bench.view).reducing:
            assert never_raises(position, -1, qty, same, opposite)


def test_replace_counts_with_the_larger_of_old_and_new() -> None:
    bench = Bench()
    for position, old, cum, new in product(range(-4, 5), range(1, 5), range(3), range(1, 6)):
        if cum >= old:
            continue
        view = bench.view
        view.exposures.clear()
        view.orders.clear()
        order = bench.working(bench.order(SELL, old, 20010), cum)
        view.positions["ES"] = position
        change = Replace(id="r", order_id=order.id, qty=new, limit=20005)
        stake = max(old - cum, new - cum)
        assert Ask(change, view).reducing is (stake > 0 and never_raises_alone(position, -1, stake, 0))


def test_replace_that_only_shrinks_takes_risk_away_from_any_position() -> None:
    bench = Bench()
    order = bench.working(bench.order(BUY, 5, 19990))
    bench.view.positions["ES"] = 50
    assert Ask(Replace(id="r", order_id=order.id, qty=4, limit=19990), bench.view).reducing
    assert not Ask(Replace(id="r", order_id=order.id, qty=4, limit=19991), bench.view).reducing
    assert not Ask(Replace(id="r", order_id=order.id, qty=6, limit=19990), bench.view).reducing


def test_reduce_only_flag_is_no_proof() -> None:
    bench = Bench()
    bench.view.put_position("ES", 3)
    order = bench.order(SELL, 4, 20000, reduce_only=True)
    assert not Ask(order, bench.view).reducing
    answer = bench.text(order)
    assert answer.startswith("validity") and "3 lots" in answer


def protect(bench: Bench, qty: int, **more: object) -> Order:
    return bench.order(SELL, qty, 20020, purpose=Purpose.PROTECT, oco="g", **more)


def test_target_and_stop_share_their_room() -> None:
    bench = Bench()
    bench.view.put_position("ES", 5)
    bench.view.put_exposure("ES", 0, 5)
    bench.view.oco["g"] = 5
    assert Ask(protect(bench, 5), bench.view).reducing
    assert not Ask(protect(bench, 6), bench.view).reducing
    # An order outside the group leaves no room for it.
    assert not Ask(bench.order(SELL, 1, 20020), bench.view).reducing
    bench.view.put_exposure("ES", 0, 6)
    assert not Ask(protect(bench, 5), bench.view).reducing


def test_an_approved_order_is_not_counted_twice_when_asked_about_again() -> None:
    bench = Bench()
    bench.view.put_position("ES", 2)
    order = bench.order(SELL, 2, 20000)
    assert bench.gate.is_reducing(order, bench.view)
    bench.view.book(order)
    assert bench.gate.is_reducing(order, bench.view)
    bench.view.put_position("ES", 1)
    assert not bench.gate.is_reducing(order, bench.view)


def test_contradictory_books_prove_nothing() -> None:
    bench = Bench()
    bench.view.put_position("ES", 9)
    order = bench.working(bench.order(SELL, 3, 20000), status=OrderStatus.WORKING)
    bench.view.put_exposure("ES", 0, 1)
    change = Replace(id="r", order_id=order.id, qty=2, limit=20000)
    assert Ask(change, bench.view).blind is not None
    assert bench.refusal(change) == "gate"


def test_sides() -> None:
    bench = Bench()
    for side, position in ((Side.BUY, -2), (Side.SELL, 2)):
        bench.view.put_position("ES", position)
        assert Ask(bench.order(side, 2), bench.view).reducing
        assert not Ask(bench.order(side.opposite, 2), bench.view).reducing
