"""What holds for every world: agreement is silent, one disturbance is one finding, order means nothing."""

from __future__ import annotations

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reconcile_kit import NOW, OLD, SETTLE, World, fill, key, kinds, own, reported

from engine.config import ReconcileConfig
from engine.facts import BrokerPosition, Executions, ForeignOrder, OpenOrders, Positions
from engine.model import Fill, OrderStatus, OrderType, Side
from engine.reconcile import Confirmer, Kind, OwnOrder, ReconcileInput, SymbolView, reconcile

SYMBOLS = ("ES", "NQ", "GC", "BTC-PERP")
sizes = st.integers(1, 9).flatmap(lambda n: st.sampled_from([n, -n]))
ages = st.sampled_from([OLD, OLD + 1, NOW - SETTLE, NOW - SETTLE + 1, NOW - 1, NOW])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Agreeing views: executions known to both sides, orders that stand alike, positions as they sum."""
    lots = draw(st.lists(st.tuples(sizes, st.sampled_from(SYMBOLS), ages), max_size=12))
    fills = [
        fill(f"x{n}", size, symbol, order_id=f"demo-{n % 3}", ts=ts)
        for n, (size, symbol, ts) in enumerate(lots)
    ]
    specs = draw(st.lists(st.tuples(sizes, st.sampled_from(SYMBOLS), st.integers(0, 8), ages), max_size=5))
    orders = [
        own(
            f"open-{n}",
            size,
            symbol=symbol,
            cum=min(cum, abs(size) - 1),
            status=OrderStatus.PARTIAL_FILL if cum else OrderStatus.WORKING,
            last_report=age,
        )
        for n, (size, symbol, cum, age) in enumerate(specs)
    ]
    return World(orders=orders).both(*fills)


bounded = settings(max_examples=150, deadline=None)


@given(worlds())
@bounded
def test_agreeing_views_give_nothing(world: World) -> None:
    assert reconcile(world.given()) == ()


@given(worlds(), st.data())
@bounded
def test_a_fill_that_we_lack_is_the_one_finding(world: World, data: st.DataObject) -> None:
    assume(world.ours)
    lost = world.ours.pop(data.draw(st.integers(0, len(world.ours) - 1)))
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.fill) == (Kind.MISSING_FILL, lost)


@given(worlds(), st.data())
@bounded
def test_fills_that_we_lack_are_each_found_once(world: World, data: st.DataObject) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(world.ours), max_size=len(world.ours)))
    lost = [one for one, kept in zip(world.ours, keep, strict=True) if not kept]
    world.ours = [one for one, kept in zip(world.ours, keep, strict=True) if kept]
    found = reconcile(world.given())
    assert {f.kind for f in found} <= {Kind.MISSING_FILL}
    assert sorted(f.fill.key.exec_id for f in found if f.fill) == sorted(one.key.exec_id for one in lost)


@given(worlds(), sizes, st.sampled_from(SYMBOLS), ages)
@bounded
def test_a_foreign_trade_is_the_one_finding(world: World, size: int, symbol: str, ts: int) -> None:
    manual = fill("by-hand", size, symbol, order_id=None, ts=ts)
    world.venue.append(manual)
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.fill) == (Kind.MANUAL_TRADE, manual)


@given(worlds(), st.data())
@bounded
def test_a_bust_is_the_one_finding(world: World, data: st.DataObject) -> None:
    assume(world.ours)
    gone = data.draw(st.sampled_from(world.ours))
    world.busted = [gone.key]
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.fill) == (Kind.BUSTED_FILL, gone)


@given(worlds(), st.sampled_from(SYMBOLS), sizes)
@bounded
def test_a_settled_difference_is_drift_of_that_amount(world: World, symbol: str, size: int) -> None:
    settled = World(
        orders=[msgspec.structs.replace(order, last_report=OLD) for order in world.orders],
    ).both(*(msgspec.structs.replace(one, ts=OLD) for one in world.ours))
    broker: dict[str, int] = {}
    for one in settled.ours:
        broker[one.symbol] = broker.get(one.symbol, 0) + one.side.sign * one.qty
    broker[symbol] = broker.get(symbol, 0) + size
    settled.broker = broker
    (finding,) = reconcile(settled.given())
    assert (finding.kind, finding.symbol, finding.unexplained) == (Kind.DRIFT, symbol, size)


@given(worlds(), st.sampled_from(SYMBOLS), st.integers(-40, 40))
@bounded
def test_a_difference_is_never_silent(world: World, symbol: str, size: int) -> None:
    """Drift, or withheld by name; never nothing, and never without its amount."""
    assume(size)
    given_ = world.given()
    assert given_.positions is not None
    broker = {position.symbol: position.qty for position in given_.positions.positions}
    broker[symbol] = broker.get(symbol, 0) + size
    world.broker = broker
    found = [f for f in reconcile(world.given()) if f.symbol == symbol]
    assert [f.unexplained for f in found] == [size]
    assert found[0].kind in (Kind.DRIFT, Kind.IN_FLIGHT, Kind.STALE_SNAPSHOT)


names = st.sampled_from(["", "a", "b", "demo-1", "demo-2"])
times = st.sampled_from([0, OLD, NOW - 1, NOW, NOW + 1])
small = st.integers(-20, 20)
statuses = st.sampled_from(OrderStatus)
sides = st.sampled_from(Side)
any_fill = st.builds(
    Fill,
    key=names.map(key),
    symbol=st.sampled_from(SYMBOLS),
    side=sides,
    qty=small,
    price=small,
    ts=times,
    order_id=st.none() | names,
    broker_id=st.none() | names,
)
any_order = st.builds(
    OwnOrder,
    id=names,
    symbol=st.sampled_from(SYMBOLS),
    side=sides,
    status=statuses,
    qty=small,
    cum=small,
    broker_id=st.none() | names,
    sent=times,
    last_report=times,
    pending=st.booleans(),
    foreign=st.booleans(),
)
any_report = st.builds(
    lambda order, status, cum: reported(order, status=status, cum=cum), any_order, statuses, small
)
any_foreign = st.builds(
    ForeignOrder,
    ts=times,
    broker_id=names,
    symbol=st.sampled_from(SYMBOLS),
    side=sides,
    qty=small,
    cum=small,
    type=st.sampled_from(OrderType),
    status=statuses,
)
any_view = st.builds(
    SymbolView,
    symbol=st.sampled_from(SYMBOLS),
    intended=st.none() | small,
    executed=small,
    in_flight=st.booleans(),
    last_report=times,
    last_fill=times,
)


def tuples_of(strategy: st.SearchStrategy[object], size: int = 4) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=size).map(tuple)


@st.composite
def anything(draw: st.DrawFn) -> ReconcileInput:
    booked = {one.key: one for one in draw(st.lists(any_fill, max_size=4))}
    words = st.sampled_from(["warn", "adopt", "halt"])
    position = st.builds(BrokerPosition, symbol=st.sampled_from(SYMBOLS), qty=small)
    return ReconcileInput(
        asked=draw(times),
        settle=draw(st.sampled_from([0, SETTLE])),
        policy=ReconcileConfig(
            on_drift=draw(words), on_manual_trade=draw(words), on_unknown_order=draw(words)
        ),
        symbols=draw(tuples_of(any_view)),  # type: ignore[arg-type]
        orders=draw(tuples_of(any_order)),  # type: ignore[arg-type]
        positions=draw(st.none() | st.builds(Positions, as_of=times, positions=tuples_of(position))),
        open_orders=draw(
            st.none()
            | st.builds(OpenOrders, as_of=times, ours=tuples_of(any_report), foreign=tuples_of(any_foreign))
        ),
        executions=draw(
            st.none()
            | st.builds(
                Executions,
                as_of=times,
                since=times,
                fills=tuples_of(any_fill),
                busted=tuples_of(names.map(key)),
            )
        ),
        known=booked.__contains__,
        booked=booked.get,
    )


@given(anything(), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_it_never_raises_whatever_it_is_given(reading: ReconcileInput, reads: int) -> None:
    found = reconcile(reading)
    assert msgspec.json.encode(found)
    confirmer = Confirmer(patience=2)
    for n in range(reads):
        as_of = None if reading.positions is None else reading.positions.as_of + n
        assert len(confirmer.confirm(found, as_of)) == len(found)


@given(
    worlds(), st.randoms(use_true_random=False), st.dictionaries(st.sampled_from(SYMBOLS), small, max_size=4)
)
@bounded
def test_the_order_of_the_input_means_nothing(world: World, rng: object, broker: dict[str, int]) -> None:
    world.broker = broker
    world.venue.append(fill("by-hand", 2, "GC", order_id=None))
    reading = world.given()
    shuffled = {}
    for name in ("symbols", "orders"):
        items = list(getattr(reading, name))
        rng.shuffle(items)  # type: ignore[attr-defined]
        shuffled[name] = tuple(items)
    assert reading.positions is not None
    assert reading.executions is not None
    assert reading.open_orders is not None
    held, done, listed = (
        list(reading.positions.positions),
        list(reading.executions.fills),
        list(reading.open_orders.ours),
    )
    for items in (held, done, listed):
        rng.shuffle(items)  # type: ignore[attr-defined]
    other = msgspec.structs.replace(
        reading,
        **shuffled,
        positions=msgspec.structs.replace(reading.positions, positions=tuple(held)),
        executions=msgspec.structs.replace(reading.executions, fills=tuple(done)),
        open_orders=msgspec.structs.replace(reading.open_orders, ours=tuple(listed)),
    )
    assert reconcile(other) == reconcile(reading)
    assert kinds(reconcile(reading)).count(Kind.MANUAL_TRADE) == 1
