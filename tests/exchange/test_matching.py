"""Matching rules: what fills, at which price, how much, in which order."""

from __future__ import annotations

import pytest
from exchange_kit import B, S, World

from engine.facts import Acknowledged, Canceled, Expired, Rejected, Triggered
from engine.model import Side, TimeInForce


@pytest.fixture
def world() -> World:
    w = World(depth={"ES": (50,)}, overtake_ms=0)
    w.quote(100, 20, 101, 10)
    return w


@pytest.mark.parametrize(
    ("side", "qty", "limit", "tif", "expected", "end"),
    [
        (B, 4, None, "DAY", [(4, 101)], None),  # market: the touch
        (B, 15, None, "DAY", [(10, 101), (5, 102)], None),  # and then deeper
        (S, 25, None, "DAY", [(20, 100), (5, 99)], None),
        (B, 15, 101, "DAY", [(10, 101)], None),  # limit: no worse than its limit, the rest rests
        (B, 15, 105, "DAY", [(10, 101), (5, 102)], None),
        (B, 70, 102, "IOC", [(10, 101), (50, 102)], "Expired"),
        (B, 61, 102, "FOK", [], "Expired"),
        (B, 60, 102, "FOK", [(10, 101), (50, 102)], None),
        (B, 5, 100, "IOC", [], "Expired"),
        (B, 5, 100, "DAY", [], None),
        (S, 5, 101, "DAY", [], None),
    ],
)
def test_arrival(
    world: World,
    side: Side,
    qty: int,
    limit: int | None,
    tif: str,
    expected: list[tuple[int, int]],
    end: str | None,
) -> None:
    oid = world.send(side, qty, limit, tif=TimeInForce(tif))
    assert world.names()[0] == "Acknowledged"
    assert world.pairs(oid) == expected
    assert world.position() == side.sign * sum(q for q, _ in expected)
    ends = [f for f in world.facts if isinstance(f, (Expired, Canceled, Rejected))]
    assert [type(f).__name__ for f in ends] == ([end] if end else [])


def test_what_we_took_is_gone_until_the_side_changes(world: World) -> None:
    world.send(B, 10, 101)
    world.send(B, 3, 101, tif=TimeInForce.IOC)
    assert world.pairs() == [(10, 101)]
    world.quote(99, 20, 101, 10)  # the other side changed: nothing new to buy
    world.send(B, 3, 101, tif=TimeInForce.IOC)
    assert world.pairs() == [(10, 101)]
    world.quote(99, 20, 101, 11)
    world.send(B, 3, 101, tif=TimeInForce.IOC)
    assert world.pairs() == [(10, 101), (3, 101)]


def test_queue_prints_eat_what_is_ahead_then_fill_in_parts(world: World) -> None:
    oid = world.send(B, 8, 100)
    world.trade(100, 15, S)
    world.run(5)
    assert world.pairs(oid) == []
    world.trade(100, 8, S)  # 5 were still ahead
    world.run(5)
    assert world.pairs(oid) == [(3, 100)]
    world.trade(100, 2, S)
    world.trade(100, 50, S)
    world.run(5)
    assert world.pairs(oid) == [(3, 100), (2, 100), (3, 100)]
    assert [f.maker for f in world.fills()] == [True] * 3


def test_queue_cancels_ahead_move_us_in_proportion_against_us(world: World) -> None:
    oid = world.send(B, 5, 100)  # 20 ahead
    world.quote(100, 15, 101, 10)  # 5 left: a quarter
    order = next(iter(world.exchange.market("ES").orders.values()))
    assert order.ahead == 15
    world.quote(100, 40, 101, 10)  # others joined behind us
    assert order.ahead == 15
    world.trade(100, 5, S)
    world.quote(100, 35, 101, 10)  # explained by the print
    assert order.ahead == 10
    world.quote(100, 24, 101, 10)  # 11 of 35 cancelled: 10·11/35 = 3 ahead, rounded down
    assert order.ahead == 7
    world.run(5)
    assert world.pairs(oid) == []


def test_queue_two_of_ours_share_one_print(world: World) -> None:
    first = world.send(B, 5, 100)
    world.quote(100, 30, 101, 10)
    second = world.send(B, 5, 100)  # 30 of others ahead in all, and our first
    world.trade(100, 23, S)
    world.run(5)
    assert world.pairs(first) == [(3, 100)] and world.pairs(second) == []
    world.trade(100, 2 + 10 + 4, S)  # rest of the first, the ten between, part of the second
    world.run(5)
    assert world.pairs(first) == [(3, 100), (2, 100)]
    assert world.pairs(second) == [(4, 100)]


def test_print_through_fills_no_more_than_printed(world: World) -> None:
    oid = world.send(B, 8, 100)
    world.trade(99, 3, S)
    world.run(5)
    assert world.pairs(oid) == [(3, 100)]


@pytest.mark.parametrize(("aggressor", "filled"), [(S, True), (B, False), (None, True)])
def test_a_print_fills_only_the_side_that_its_aggressor_hit(
    world: World, aggressor: Side | None, filled: bool
) -> None:
    oid = world.send(B, 1, 100)
    world.trade(99, 40, aggressor)
    world.run(5)
    assert bool(world.pairs(oid)) is filled


def test_quote_through_our_price_fills_at_our_price_up_to_what_came(world: World) -> None:
    oid = world.send(B, 8, 100)
    world.quote(98, 5, 99, 6)
    world.run(5)
    assert world.pairs(oid) == [(6, 100)]
    world.quote(98, 4, 99, 6)  # same offer: we had it
    world.run(5)
    assert world.pairs(oid) == [(6, 100)]
    world.quote(98, 4, 99, 1)
    world.run(5)
    assert world.pairs(oid) == [(6, 100), (1, 100)]


def test_inside_the_spread_we_are_first() -> None:
    w = World()
    w.quote(100, 20, 105, 10)
    oid = w.send(B, 2, 102)
    w.trade(102, 1, S)
    w.run(5)
    assert w.pairs(oid) == [(1, 102)]


def test_behind_the_touch_an_estimate_is_ahead(world: World) -> None:
    world.send(B, 2, 98)
    order = next(iter(world.exchange.market("ES").orders.values()))
    assert order.ahead == 50  # the configured depth
    world.quote(98, 12, 101, 10)  # displayed at last
    assert order.ahead == 12


@pytest.mark.parametrize("crossed", [(101, 100), (100, 100)])
def test_no_matching_on_a_crossed_or_locked_book(world: World, crossed: tuple[int, int]) -> None:
    resting = world.send(B, 2, 100)
    world.quote(crossed[0], 5, crossed[1], 5)
    world.run(5)
    taker = world.send(B, 2, 110)
    market = world.send(S, 1)
    assert world.pairs() == []
    assert world.of(Rejected, market) and world.of(Acknowledged, taker)
    world.trade(99, 10, S)
    world.run(5)
    assert world.pairs() == []
    world.quote(99, 5, 102, 7)  # sane again: the taker meets it as an aggressor, at the market's price
    world.run(5)
    assert world.pairs(taker) == [(2, 102)] and world.pairs(resting) == []


@pytest.mark.parametrize(
    "quote",
    [(None, 0, None, 0), (None, 0, 101, 10), (100, 0, 101, 0)],
)
def test_empty_one_sided_and_zero_books_never_fill_absurdly(
    world: World, quote: tuple[int | None, int, int | None, int]
) -> None:
    world.send(S, 3, 150)
    world.quote(*quote)
    sold = world.send(S, 5)  # nobody bids
    world.run(5)
    assert world.pairs() == []
    assert world.of(Rejected, sold) or world.of(Canceled, sold)


def test_a_feed_without_sizes_gets_an_assumed_touch() -> None:
    w = World(assumed_touch=7, depth_levels=0)
    w.quote(100, 0, 101, 0)
    oid = w.send(B, 9)
    assert w.pairs(oid) == [(7, 101)]
    assert w.of(Canceled, oid)[0].cum == 7


def test_a_feed_without_quotes_trades_one_tick_beside_the_print() -> None:
    w = World()
    w.trade(100, 5)
    oid = w.send(B, 1)
    assert w.pairs(oid) == [(1, 101)]
    rest = w.send(B, 1, 99)
    w.trade(98, 1)
    w.run(5)
    assert w.pairs(rest) == [(1, 99)]


def test_market_order_ends_where_liquidity_ends() -> None:
    w = World(depth={"ES": (5,)}, depth_levels=2)
    w.quote(100, 10, 101, 10)
    oid = w.send(B, 30)
    assert w.pairs(oid) == [(10, 101), (5, 102), (5, 103)]
    assert w.of(Canceled, oid)[0].cum == 20 and w.of(Canceled, oid)[0].unsolicited


def test_market_protection_bounds_a_market_order() -> None:
    w = World(depth={"ES": (5,)}, market_protection=1)
    w.quote(100, 10, 101, 10)
    assert w.pairs(w.send(B, 30)) == [(10, 101), (5, 102)]


def test_default_depth_is_twice_the_median_touch() -> None:
    w = World()
    for _ in range(70):
        w.quote(100, 6, 101, 6)
        w.quote(100, 6, 101, 5)
    assert w.pairs(w.send(B, 100, 103)) == [(5, 101), (12, 102), (12, 103)]


@pytest.mark.parametrize("policy", ["cancel_oldest", "cancel_newest"])
def test_two_of_ours_never_trade_with_each_other(policy: str) -> None:
    w = World(self_match=policy)
    w.quote(100, 20, 105, 10)
    bid = w.send(B, 2, 103)
    offer = w.send(S, 2, 102)
    assert w.pairs() == []
    gone, left = (bid, offer) if policy == "cancel_oldest" else (offer, bid)
    assert [f.order_id for f in w.of(Canceled)] == [gone] and w.of(Canceled)[0].unsolicited
    assert [o.order_id for o in w.exchange.books.open.values()] == [left]


def test_a_print_behind_the_quote_that_shows_it_moves_the_queue_once() -> None:
    w = World(overtake_ms=20)
    w.quote(100, 20, 101, 10)
    w.send(B, 5, 100)
    order = next(iter(w.exchange.market("ES").orders.values()))
    w.quote(100, 10, 101, 10)  # half is gone: traded, as the late print will show
    assert order.ahead == 10
    w.trade(100, 10, S)
    assert order.ahead == 10
    w.trade(100, 4, S)
    assert order.ahead == 6


# -- stops


@pytest.mark.parametrize(
    ("side", "stop", "limit", "print_", "expected"),
    [
        (B, 103, None, 103, [(2, 104)]),
        (B, 103, None, 102, []),
        (S, 98, None, 98, [(2, 103)]),
        (B, 103, 104, 103, [(2, 104)]),
        (B, 103, 103, 103, []),  # triggered, then rests
    ],
)
def test_stops_trigger_by_print(
    side: Side, stop: int, limit: int | None, print_: int, expected: list[tuple[int, int]]
) -> None:
    w = World(stop_trigger="trade")
    w.quote(100, 20, 101, 10)
    oid = w.send(side, 2, limit, stop=stop)
    w.quote(103, 20, 104, 10)
    w.run(5)
    assert w.of(Triggered) == []
    w.trade(print_, 1, B if side is B else S)
    w.run(5)
    reached = (print_ - stop) * side.sign >= 0
    assert bool(w.of(Triggered, oid)) is reached
    assert w.pairs(oid) == expected


def test_stops_trigger_by_the_near_side_of_a_quote_not_by_a_wide_spread() -> None:
    w = World(stop_trigger="quote")
    w.quote(100, 20, 101, 10)
    oid = w.send(B, 2, stop=103)
    w.quote(90, 20, 110, 10)
    w.run(5)
    assert w.of(Triggered, oid) == []
    w.quote(103, 20, 104, 10)
    w.run(5)
    assert w.of(Triggered, oid) and w.pairs(oid) == [(2, 104)]


def test_a_stop_beyond_the_market_triggers_at_once(world: World) -> None:
    oid = world.send(B, 1, stop=99)
    assert [type(f).__name__ for f in world.facts] == ["Acknowledged", "Triggered", "Executed"]
    assert world.pairs(oid) == [(1, 101)]


def test_a_late_print_fills_us_with_what_the_quote_did_not_show() -> None:
    w = World(overtake_ms=20)
    w.quote(100, 20, 101, 10)
    oid = w.send(B, 8, 100)
    w.quote(100, 6, 101, 10)
    w.trade(100, 23, S)  # 14 are in the quote already; of the other nine six were ahead
    w.run(5)
    assert w.pairs(oid) == [(3, 100)]


def test_a_market_order_never_walks_past_our_own_better_offer() -> None:
    for quote, expected in [((100, 20, 105, 10), [(3, 105)]), ((100, 20, 101, 1), [(1, 101), (2, 102)])]:
        w = World(depth={"ES": (2,)})
        w.quote(*quote)
        ours = w.send(S, 2, 102 if quote[2] == 101 else 103)
        w.send(B, 3)
        assert w.pairs() == expected
        assert bool(w.of(Canceled, ours)) is (quote[2] == 105)
    w = World(depth={"ES": (2,)})
    w.quote(100, 20, 101, 1)
    ours = w.send(S, 2, 102)
    w.send(B, 4)  # one level beyond ours
    assert w.pairs() == [(1, 101), (2, 102), (1, 103)]
    assert w.of(Canceled, ours)[0].unsolicited
