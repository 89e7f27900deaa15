"""Netting: no plan can overshoot, every fill is somebody's, and it all ends where it should."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import NS, Quote, Side
from engine.strategy.netting import (
    Plan,
    Transfer,
    Wanted,
    Working,
    attribute,
    cross,
    needs,
    plan,
    share_fill,
    split_money,
)

MARKET = Quote("X", 0, 100, 5, 101, 5)
NAMES = st.sampled_from(["ada", "bo", "cy", "di", "ed"])
LOTS = st.integers(-30, 30)
BOOK = st.dictionaries(NAMES, LOTS, max_size=5)
WEIGHTS = st.dictionaries(NAMES, st.integers(0, 50), min_size=1).filter(lambda w: sum(w.values()) > 0)


def working(
    ident: str, side: Side, leaves: int, limit: int = 101, cancelling: bool = False, age: int = 0
) -> Working:
    return Working(id=ident, side=side, leaves=leaves, limit=limit, cancelling=cancelling, age=age)


def test_a_plan_prices_at_the_far_touch_or_through_it() -> None:
    assert plan(3, 0, [], MARKET) == Plan(order=Wanted(side=Side.BUY, qty=3, limit=101, reduces=False))
    assert plan(-3, 0, [], MARKET, through=2, max_qty=2) == Plan(
        order=Wanted(side=Side.SELL, qty=2, limit=98, reduces=False)
    )
    low = Quote("X", 0, 1, 1, 2, 1)
    sell = plan(-1, 0, [], low, through=5, lowest=1).order
    assert sell is not None and sell.limit == 1


def test_a_plan_waits_with_a_reason() -> None:
    empty = Quote("X", 0, None, 0, 101, 5)
    assert plan(-1, 0, [], empty) == Plan(waiting="no bid to price against")
    assert plan(1, 0, [], None).waiting == "no offer to price against"
    other = plan(1, 0, [working("s", Side.SELL, 1)], MARKET)
    assert other == Plan(cancels=("s",), waiting="an order on the other side is not cancelled yet")
    turning = plan(3, -2, [working("b", Side.BUY, 2)], MARKET)
    assert turning == Plan(waiting="the old position is closed first")


def test_a_position_is_closed_before_it_is_turned() -> None:
    assert plan(3, -2, [], MARKET).order == Wanted(side=Side.BUY, qty=2, limit=101, reduces=True)
    assert plan(3, 0, [], MARKET).order == Wanted(side=Side.BUY, qty=3, limit=101, reduces=False)
    assert plan(1, 4, [], MARKET).order == Wanted(side=Side.SELL, qty=3, limit=100, reduces=True)


def test_excess_is_cancelled_newest_first_and_counts_until_it_is_gone() -> None:
    orders = [working("old", Side.BUY, 3), working("new", Side.BUY, 2)]
    assert plan(3, 0, orders, MARKET) == Plan(cancels=("new",))
    assert plan(1, 0, orders, MARKET) == Plan(cancels=("new", "old"))
    leaving = [working("old", Side.BUY, 3, cancelling=True)]
    assert plan(3, 0, leaving, MARKET) == Plan()
    assert plan(0, 0, orders, MARKET) == Plan(cancels=("old", "new"))


def test_what_the_market_left_behind_is_cancelled_after_a_while() -> None:
    left = working("b", Side.BUY, 2, limit=99, age=2 * NS)
    assert plan(2, 0, [left], MARKET) == Plan(cancels=("b",))
    assert plan(2, 0, [working("b", Side.BUY, 2, limit=99, age=NS)], MARKET) == Plan()
    assert plan(2, 0, [working("b", Side.BUY, 2, limit=101, age=9 * NS)], MARKET) == Plan()


@settings(max_examples=200, deadline=None)
@given(
    LOTS,
    LOTS,
    st.lists(
        st.builds(
            Working,
            id=st.integers(0, 10**9).map(str),
            side=st.sampled_from(Side),
            leaves=st.integers(1, 20),
            limit=st.integers(95, 105),
            cancelling=st.booleans(),
            age=st.integers(0, 4 * NS),
        ),
        max_size=5,
        unique_by=lambda order: order.id,
    ),
    st.one_of(st.none(), st.integers(1, 7)),
)
def test_nothing_that_is_sent_can_overshoot(
    target: int, executed: int, orders: list[Working], cap: int | None
) -> None:
    made = plan(target, executed, orders, MARKET, max_qty=cap)
    if made.order is not None:
        side = made.order.side
        assert not any(order.side is not side for order in orders)
        alive = sum(order.leaves for order in orders)
        worst = executed + side.sign * (alive + made.order.qty)
        assert (target - worst) * side.sign >= 0
        assert made.order.qty <= (cap or made.order.qty)
        if made.order.reduces:
            assert worst * executed >= 0
    kept = [order for order in orders if order.id not in made.cancels and not order.cancelling]
    for side in Side:
        reach = sum(order.leaves for order in kept if order.side is side)
        assert reach == 0 or reach <= (target - executed) * side.sign
    assert not [order.id for order in orders if order.cancelling and order.id in made.cancels]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(LOTS, min_size=1, max_size=6))
def test_plan_after_plan_reaches_every_target(seed: int, targets: list[int]) -> None:
    """A venue that fills in pieces and answers cancels late, or fills what is being cancelled."""
    draw = random.Random(seed)
    executed, count = 0, 0
    orders: dict[str, Working] = {}
    for target in targets:
        for _ in range(400):
            made = plan(target, executed, list(orders.values()), MARKET, max_qty=draw.choice([None, 3]))
            for ident in made.cancels:
                old = orders[ident]
                orders[ident] = working(ident, old.side, old.leaves, cancelling=True)
            if made.order is not None:
                count += 1
                orders[str(count)] = working(str(count), made.order.side, made.order.qty)
            for ident, order in list(orders.items()):
                what = draw.random()
                if what < 0.4:
                    part = draw.randint(1, order.leaves)
                    executed += order.side.sign * part
                    orders[ident] = working(
                        ident, order.side, order.leaves - part, cancelling=order.cancelling
                    )
                if not orders[ident].leaves or (order.cancelling and what > 0.8):
                    del orders[ident]
            if executed == target and not orders:
                break
        assert (executed, orders) == (target, {})


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 200), WEIGHTS)
def test_parts_add_up_and_are_fair(qty: int, weights: dict[str, int]) -> None:
    parts = attribute(qty, weights)
    total = sum(weights.values())
    assert sum(parts.values()) == qty
    assert parts == attribute(qty, dict(reversed(weights.items())))
    for name, weight in weights.items():
        part = parts.get(name, 0)
        assert abs(part * total - qty * weight) < total
        assert part <= weight or qty > total
        assert part >= 0
    if qty == total:
        assert parts == {name: weight for name, weight in weights.items() if weight}


def test_parts_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot divide 3 lots"):
        attribute(3, {"a": 0})


@settings(max_examples=200, deadline=None)
@given(BOOK, BOOK)
def test_crossing_leaves_one_side_only_and_moves_nothing_in_sum(
    targets: dict[str, int], held: dict[str, int]
) -> None:
    transfers = cross(targets, held)
    after = dict(held)
    for transfer in transfers:
        assert transfer.qty > 0 and transfer.buyer != transfer.seller
        after[transfer.buyer] = after.get(transfer.buyer, 0) + transfer.qty
        after[transfer.seller] = after.get(transfer.seller, 0) - transfer.qty
    assert sum(after.values()) == sum(held.values())
    assert not (needs(Side.BUY, targets, after) and needs(Side.SELL, targets, after))
    for name, target in targets.items():
        before, now = target - held.get(name, 0), target - after.get(name, 0)
        assert 0 <= now * (1 if before > 0 else -1) <= abs(before)


def test_crossing_is_shared_by_need() -> None:
    transfers = cross({"a": 6, "b": 3, "c": -3}, {})
    assert transfers == (Transfer("a", "c", 2), Transfer("b", "c", 1))


@settings(max_examples=200, deadline=None)
@given(BOOK, BOOK, st.integers(0, 10**6))
def test_the_fills_of_a_netted_order_end_with_every_strategy_where_it_wants(
    targets: dict[str, int], held: dict[str, int], seed: int
) -> None:
    draw = random.Random(seed)
    own = dict(held)
    for transfer in cross(targets, own):
        own[transfer.buyer] = own.get(transfer.buyer, 0) + transfer.qty
        own[transfer.seller] = own.get(transfer.seller, 0) - transfer.qty
    side = Side.BUY if needs(Side.BUY, targets, own) else Side.SELL
    behind = needs(side, targets, own)
    left = sum(behind.values())
    while left:
        qty = draw.randint(1, left)
        parts = share_fill(qty, side, targets, own, behind)
        assert sum(parts.values()) == qty
        for name, lots in parts.items():
            own[name] = own.get(name, 0) + side.sign * lots
        left -= qty
    assert {name: own.get(name, 0) for name in targets} == targets


def test_a_fill_that_nobody_needs_any_more_goes_to_those_behind_the_order() -> None:
    behind = {"a": 2, "b": 1}
    assert share_fill(3, Side.BUY, {"a": 0, "b": 0}, {}, behind) == {"a": 2, "b": 1}
    assert share_fill(3, Side.BUY, {"a": 0, "b": 1}, {}, behind) == {"a": 1, "b": 2}
    assert share_fill(2, Side.SELL, {"a": -2}, {}, {"a": 5}) == {"a": 2}


@settings(max_examples=200, deadline=None)
@given(st.decimals("-1000", "1000", places=8), WEIGHTS)
def test_fees_are_divided_to_the_last_digit(amount: Decimal, weights: dict[str, int]) -> None:
    shares = split_money(amount, weights)
    assert sum(shares.values()) == amount
    total = sum(weights.values())
    for name, weight in weights.items():
        assert abs(shares[name] - amount * weight / total) < Decimal("0.000001")
