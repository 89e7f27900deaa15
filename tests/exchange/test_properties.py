"""What holds for any market and any requests: conservation, no overfills, fair queues, one trace per seed."""

from __future__ import annotations

import random
from decimal import Decimal

import msgspec
import pytest
from exchange_kit import ES, B, S, World
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.exchange.faults import KINDS
from engine.facts import Executed
from engine.model import Fill, OrderStatus, Side, TimeInForce

DAYS = (TimeInForce.DAY, TimeInForce.GTC)
CHAOS = {
    **dict.fromkeys(KINDS, 0.03),
    "disconnect": 0.005,
    "half_open": 0.005,
}


def play(world: World, rng: random.Random, steps: int) -> None:
    """A random market and a random client."""
    bid = 1000
    ids: list[str] = []
    for _ in range(steps):
        draw = rng.random()
        if draw < 0.45:
            bid += rng.choice((-1, 0, 0, 1))
            spread = rng.choice((1, 1, 1, 2, 0, -1))
            world.quote(bid, rng.randrange(0, 30), bid + spread, rng.randrange(0, 30))
        elif draw < 0.65:
            world.trade(bid + rng.randrange(-2, 3), rng.randrange(0, 12), rng.choice((B, S, None)))
        elif world.session.up and draw < 0.9:
            side = rng.choice((B, S))
            more = {
                "tif": rng.choice((*DAYS, *DAYS, TimeInForce.IOC, TimeInForce.FOK)),
                "reduce_only": rng.random() < 0.1,
                "oco": rng.choice((None, None, None, f"g{len(ids) // 4}")),
                "parent": rng.choice(target(world) or [None]) if rng.random() < 0.15 else None,
            }
            limit = None if rng.random() < 0.2 else bid + rng.randrange(-3, 4)
            stop = bid + rng.randrange(-3, 4) if rng.random() < 0.15 else None
            ids.append(world.send(side, rng.randrange(1, 15), limit, stop=stop, wait=0, **more))
        elif world.session.up and ids and draw < 0.94:
            world.cancel(rng.choice(target(world) or ids), wait=0)
        elif world.session.up and ids:
            limit = bid + rng.randrange(-3, 4) if rng.random() < 0.5 else None
            world.replace(rng.choice(target(world) or ids), rng.randrange(1, 15), limit, wait=0)
        if rng.random() < 0.3:
            world.run(rng.randrange(0, 8))
    world.run(60_000)


def target(world: World) -> list[str]:
    """Open orders, where there are any: what is closed only gets refusals."""
    return [o.order_id for o in world.exchange.books.open.values() if o.order_id is not None]


def check(world: World, *, busts: bool) -> None:
    exchange = world.exchange
    audit = exchange.audit("A")
    # The sum of the executions is the position.
    assert sum(f.side.sign * f.qty for f in audit.executions) == audit.positions["A"].get("ES", 0)
    # Money is neither made nor lost: equity is cash plus what the position is worth against its cost.
    account = exchange.books.account("A")
    mark = exchange.market("ES").mark()
    flow = sum(-f.side.sign * f.qty * f.price for f in audit.executions)
    worth = flow + account.position("ES") * (mark or 0)
    fees = sum((f.fee for f in audit.executions), Decimal(0))
    assert account.equity(exchange.desk.marks) == account.start + ES.money(worth) - fees
    # No order is filled beyond its quantity but by that fault, and its count is that of its executions.
    filled: dict[str, int] = {}
    for fill in audit.executions:
        assert fill.broker_id is not None
        filled[f"{fill.order_id}"] = filled.get(f"{fill.order_id}", 0) + fill.qty
    cums: dict[str, int] = {}
    for order in audit.orders:
        assert 0 <= order.cum <= order.qty + (exchange.faults.counts["overfill"] > 0), order
        if order.status is OrderStatus.FILLED and not busts:
            assert order.cum == order.qty
        cums[f"{order.order_id}"] = cums.get(f"{order.order_id}", 0) + order.cum
    assert {k: v for k, v in cums.items() if v} == filled
    # Execution ids are unique within the day, none of our orders rests crossed with another.
    keys = [f.key for f in (*audit.executions, *audit.busted)]
    assert len(keys) == len(set(keys))
    market = exchange.market("ES")
    if market.buys.best is not None and market.sells.best is not None:
        assert market.buys.best < market.sells.best
    for order in exchange.books.open.values():
        assert order.ahead >= 0 and order.leaves > 0 and order.uid in market.orders
    assert set(market.orders) == set(exchange.books.open)
    # The running sums that the margin hangs on are those of the open orders.
    sums = [0, 0]
    for order in exchange.books.open.values():
        if not order.reduce_only and order.parent is None:
            sums[order.side is S] += order.leaves
    assert exchange.books.working.get("A", {}).get("ES", [0, 0]) == sums


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_books_balance(seed: int) -> None:
    world = World(seed=seed % 1000, depth={"ES": (8, 5)}, depth_levels=6)
    play(world, random.Random(seed), 250)
    check(world, busts=False)
    # Without faults every execution was reported, once, in order.
    assert [f.fill for f in world.of(Executed)] == list(world.exchange.audit().executions)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_books_balance_under_all_faults(seed: int) -> None:
    world = World(seed=seed % 1000, faults=CHAOS, depth={"ES": (8, 5)}, depth_levels=6, message_limit=5000)
    play(world, random.Random(seed), 250)
    check(world, busts=True)


@given(
    ahead=st.integers(1, 60),
    qty=st.integers(1, 30),
    prints=st.lists(st.integers(1, 25), max_size=12),
    cancels=st.lists(st.integers(0, 10), max_size=12),
)
@settings(max_examples=200, deadline=None)
def test_a_resting_order_is_never_filled_better_than_its_queue_allows(
    ahead: int, qty: int, prints: list[int], cancels: list[int]
) -> None:
    world = World(overtake_ms=0)
    world.quote(100, ahead, 101, 10)
    oid = world.send(B, qty, 100)
    printed = gone = 0
    displayed = ahead
    for n in range(max(len(prints), len(cancels))):
        if n < len(cancels):
            gone += min(cancels[n], displayed)
            displayed -= min(cancels[n], displayed)
            world.quote(100, displayed + 1, 101, 10)
            displayed += 1
        if n < len(prints):
            printed += prints[n]
            world.trade(100, prints[n], S)
        world.run(3)
        got = sum(f.qty for f in world.fills(oid))
        assert got <= max(printed - max(ahead - gone, 0), 0)
        assert got <= qty


def trace(seed: int, faults: dict[str, float] | None) -> bytes:
    world = World(
        seed=seed,
        faults=faults,
        order_jitter_ms=0.7,
        report_jitter_ms=0.9,
        order_latency_ms=2,
        depth={"ES": (8,)},
    )
    play(world, random.Random(3), 400)
    return msgspec.json.encode([world.facts, world.exchange.audit()])


@pytest.mark.parametrize("faults", [None, CHAOS], ids=["calm", "chaos"])
def test_one_seed_one_trace(faults: dict[str, float] | None) -> None:
    assert trace(11, faults) == trace(11, faults)
    assert trace(11, faults) != trace(12, faults)


@given(
    fills=st.lists(st.tuples(st.sampled_from([B, S]), st.integers(1, 9), st.integers(-50, 50)), max_size=30)
)
@settings(max_examples=150, deadline=None)
def test_realised_and_open_profit_add_up_exactly(fills: list[tuple[Side, int, int]]) -> None:
    world = World()
    account = world.exchange.books.account("A")
    desk = world.exchange.desk
    booked: list[Fill] = []
    for side, qty, price in fills:
        fill = desk.make_fill("A", "CL", side, qty, price, None, None)
        account.book(fill)
        booked.append(fill)
    holding = account.holdings.get("CL")
    if holding is None:
        return
    assert holding.qty == sum(f.side.sign * f.qty for f in booked)
    if holding.qty == 0:
        assert holding.cost == 0 and account.cash() == account.equity(lambda _: None)
    else:
        average = holding.cost / holding.qty
        prices = [f.price for f in booked]
        assert min(prices) <= average <= max(prices)
