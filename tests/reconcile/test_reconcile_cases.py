"""One case for each finding, with what it carries and what the policy makes of it."""

from __future__ import annotations

from itertools import product

import pytest
from reconcile_kit import NOW, OLD, SETTLE, World, fill, key, kinds, own, reported

from engine.config import ReconcileConfig
from engine.facts import ForeignOrder
from engine.model import NS, OrderStatus, OrderType, Side
from engine.reconcile import Action, Kind, agrees, reconcile

YOUNG = NOW - NS


def test_agreement_finds_nothing() -> None:
    world = World(orders=[own()], intended={"ES": 3}).both(fill("x1", 3))
    assert reconcile(world.given()) == ()
    assert agrees(())


@pytest.mark.parametrize("ts", [OLD, YOUNG, NOW + 5])
def test_a_missing_fill_explains_the_difference(ts: int) -> None:
    missing = fill("x2", -2, ts=ts)
    (finding,) = reconcile(World(ours=[fill("x1", 3)], venue=[fill("x1", 3), missing]).given())
    assert (finding.kind, finding.action, finding.fill) == (Kind.MISSING_FILL, Action.BOOK, missing)
    assert (finding.symbol, finding.order_id) == ("ES", "demo-1")
    assert not agrees([finding])


def test_a_missing_fill_is_recognised_by_the_brokers_order_id() -> None:
    bare = fill("x2", 2, order_id=None)
    bare = type(bare)(
        **{f: getattr(bare, f) for f in bare.__struct_fields__ if f != "broker_id"}, broker_id="b-demo-9"
    )
    world = World(venue=[bare], orders=[own("demo-9", 2)])
    world.reports = []
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.order_id) == (Kind.MISSING_FILL, "demo-9"), (
        "and the order is not lost: it filled"
    )


@pytest.mark.parametrize("ts", [YOUNG, NOW + 1])
def test_a_fill_after_the_position_was_read_is_no_drift(ts: int) -> None:
    """The executions are read last: one of them may be younger than the broker's figure."""
    world = World(venue=[fill("x1", 2, ts=ts)], broker={})
    assert kinds(reconcile(world.given())) == [Kind.MISSING_FILL]


@pytest.mark.parametrize(
    ("policy", "action", "severity"),
    [("halt", Action.HALT, "critical"), ("warn", Action.WARN, "warning"), ("adopt", Action.ADOPT, "warning")],
)
def test_a_manual_trade(policy: str, action: Action, severity: str) -> None:
    manual = fill("x2", -4, order_id=None)
    world = World(venue=[manual], policy=ReconcileConfig(on_manual_trade=policy))  # type: ignore[arg-type]
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.action, finding.severity, finding.fill) == (
        Kind.MANUAL_TRADE,
        action,
        severity,
        manual,
    )


@pytest.mark.parametrize(
    ("policy", "action"), [("halt", Action.HALT), ("warn", Action.WARN), ("adopt", Action.ADOPT)]
)
def test_drift(policy: str, action: Action) -> None:
    world = World(broker={"ES": 5}, policy=ReconcileConfig(on_drift=policy)).both(fill("x1", 3))  # type: ignore[arg-type]
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.action) == (Kind.DRIFT, action)
    assert (finding.executed, finding.broker, finding.unexplained) == (3, 5, 2)


def test_a_symbol_that_the_broker_does_not_list_is_flat_there() -> None:
    (finding,) = reconcile(World(broker={}).both(fill("x1", 3)).given())
    assert (finding.kind, finding.broker, finding.unexplained) == (Kind.DRIFT, 0, -3)


def test_a_symbol_that_only_the_broker_has_is_compared() -> None:
    (finding,) = reconcile(World(broker={"GC": -1}).given())
    assert (finding.kind, finding.symbol, finding.unexplained) == (Kind.DRIFT, "GC", -1)


def test_a_missing_fill_does_not_hide_a_drift() -> None:
    world = World(venue=[fill("x1", 2)], broker={"ES": 3})
    found = reconcile(world.given())
    assert kinds(found) == [Kind.MISSING_FILL, Kind.DRIFT]
    assert found[1].unexplained == 1


@pytest.mark.parametrize(
    "change",
    [
        {"sent": YOUNG},
        {"last_report": YOUNG},
        {"pending": True},
        {"status": OrderStatus.UNKNOWN},
        {"status": OrderStatus.PENDING_NEW},
    ],
)
def test_orders_in_flight_are_no_drift(change: dict[str, object]) -> None:
    order = own("demo-1", 5, **change)
    world = World(orders=[order], broker={"ES": 5})
    found = [finding for finding in reconcile(world.given()) if finding.kind is not Kind.STATUS_DIFFERS]
    assert kinds(tuple(found)) == [Kind.IN_FLIGHT]
    assert found[0].action is Action.NONE
    assert "demo-1" in found[0].text
    # But not more than they can explain, and not to the other side.
    for beyond in (6, -1):
        world.broker = {"ES": beyond}
        assert Kind.DRIFT in kinds(reconcile(world.given()))
    world = World(orders=[own("demo-1", -5, **change)], broker={"ES": -5})
    assert Kind.IN_FLIGHT in kinds(reconcile(world.given()))


def test_a_quiet_working_order_explains_nothing() -> None:
    world = World(orders=[own("demo-1", 5)], broker={"ES": 5})
    assert kinds(reconcile(world.given())) == [Kind.DRIFT]
    world.flying, world.intended = True, {"ES": 5}
    assert kinds(reconcile(world.given())) == [Kind.IN_FLIGHT]


def test_an_order_closed_a_moment_ago_may_have_filled() -> None:
    order = own("demo-1", 5, status=OrderStatus.CANCELED, last_report=YOUNG)
    world = World(orders=[order], reports=[], broker={"ES": 2})
    assert kinds(reconcile(world.given())) == [Kind.IN_FLIGHT]


def test_a_snapshot_that_lags_behind_young_fills() -> None:
    world = World(broker={}).both(fill("x1", 3, ts=YOUNG))
    assert kinds(reconcile(world.given())) == [Kind.IN_FLIGHT]


def test_a_snapshot_older_than_our_last_fill_is_stale() -> None:
    world = World(broker={}, as_of=NOW - 30 * NS).both(fill("x1", 3, ts=NOW - 10 * NS))
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.action, finding.unexplained) == (Kind.STALE_SNAPSHOT, Action.QUERY, -3)
    # What the younger fills cannot explain is drift all the same.
    world.broker = {"ES": 7}
    assert kinds(reconcile(world.given())) == [Kind.DRIFT]
    # Without executions nobody knows what the younger fills were.
    world.blind = ("executions",)
    assert kinds(reconcile(world.given())) == [Kind.UNREADABLE, Kind.STALE_SNAPSHOT]


def test_what_is_busted_is_found_and_explains() -> None:
    world = World(busted=[key("x1")]).both(fill("x1", 3), fill("x2", 1))
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.action, finding.fill) == (Kind.BUSTED_FILL, Action.BOOK, fill("x1", 3))
    world.ours = [fill("x2", 1)]
    assert reconcile(world.given()) == (), "a bust of what we do not count"


def test_a_correction_is_found_and_explains() -> None:
    world = World(ours=[fill("x1", 3)], venue=[fill("x1", 2)])
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.fill) == (Kind.CORRECTED_FILL, fill("x1", 2))
    world.venue = [fill("x1", 3, price=101)]
    assert kinds(reconcile(world.given())) == [Kind.CORRECTED_FILL]


def foreign(broker_id: str, **more: object) -> ForeignOrder:
    fields: dict[str, object] = {
        "ts": NOW,
        "broker_id": broker_id,
        "symbol": "ES",
        "side": Side.SELL,
        "qty": 2,
        "cum": 0,
        "type": OrderType.LIMIT,
        "status": OrderStatus.WORKING,
    }
    return ForeignOrder(**{**fields, **more})  # type: ignore[arg-type]


def with_foreign(world: World, *orders: ForeignOrder) -> tuple[Kind, ...]:
    given = world.given()
    assert given.open_orders is not None
    listed = type(given.open_orders)(as_of=NOW, ours=given.open_orders.ours, foreign=orders)
    changed = type(given)(
        **{name: getattr(given, name) for name in given.__struct_fields__ if name != "open_orders"},
        open_orders=listed,
    )
    return tuple(kinds(reconcile(changed)))


def test_foreign_orders() -> None:
    assert with_foreign(World(), foreign("b-77")) == (Kind.UNKNOWN_ORDER,)
    adopted = own("ext-1", -2, broker_id="b-77", foreign=True, sent=0)
    assert with_foreign(World(orders=[adopted], reports=[]), foreign("b-77")) == ()
    assert with_foreign(World(orders=[adopted], reports=[]), foreign("b-77", cum=1)) == (Kind.STATUS_DIFFERS,)
    assert with_foreign(World(orders=[adopted], reports=[])) == (Kind.LOST_ORDER,)
    # One of ours that the broker lists without our id is ours.
    assert with_foreign(World(orders=[own("demo-1", -2)], reports=[]), foreign("b-demo-1")) == ()


def test_a_child_that_waits_here_is_not_missed_at_the_broker_and_its_appearance_there_is_news() -> None:
    """Simulated seed 2737: a state older than the release; the order was told as unknown, and given up."""
    child = own("demo-1", -2, status=OrderStatus.PENDING_NEW, broker_id=None, held=True, last_report=0)
    assert list(reconcile(World(orders=[child], reports=[]).given())) == []
    working = reported(child, status=OrderStatus.WORKING, leaves=2, broker_id="b-1")
    (finding,) = reconcile(World(orders=[child], reports=[working]).given())
    assert (finding.kind, finding.order_id) == (Kind.STATUS_DIFFERS, "demo-1")


def test_an_order_with_our_kind_of_id_that_we_do_not_know() -> None:
    (finding,) = reconcile(World(reports=[reported(own("demo-0"))]).given())
    assert (finding.kind, finding.action, finding.order_id) == (Kind.UNKNOWN_ORDER, Action.ADOPT, "demo-0")
    halt = World(reports=[reported(own("demo-0"))], policy=ReconcileConfig(on_unknown_order="halt"))
    assert [(f.action, f.severity) for f in reconcile(halt.given())] == [(Action.HALT, "critical")]
    closed = World(reports=[reported(own("demo-0"), status=OrderStatus.CANCELED)])
    assert reconcile(closed.given()) == ()


@pytest.mark.parametrize("status", [OrderStatus.WORKING, OrderStatus.UNKNOWN, OrderStatus.PENDING_NEW])
def test_a_lost_order_is_asked_about(status: OrderStatus) -> None:
    world = World(orders=[own(status=status)], reports=[])
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.action, finding.order_id) == (Kind.LOST_ORDER, Action.QUERY, "demo-1")
    world.orders = [own(status=status, sent=YOUNG)]
    assert reconcile(world.given()) == (), "it may have been sent after the list was made"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": OrderStatus.CANCELED}, "CANCELED at the broker"),
        ({"cum": 2, "leaves": 3}, "0 lots filled here, 2"),
        ({"qty": 9}, "5 lots here, 9"),
        ({"limit": 101}, "limit 100 here, 101"),
        ({"stop": 7}, ""),
    ],
)
def test_both_know_an_order_and_differ(change: dict[str, object], words: str) -> None:
    order = own(limit=100)
    world = World(orders=[order], reports=[reported(order, **change)])
    found = reconcile(world.given())
    if not words:
        assert found == ()
        return
    assert [(f.kind, f.action) for f in found] == [(Kind.STATUS_DIFFERS, Action.QUERY)]
    assert words in found[0].text
    young = own(limit=100, last_report=YOUNG)
    assert reconcile(World(orders=[young], reports=world.reports).given()) == ()


def test_a_closed_order_that_is_open_at_the_broker() -> None:
    order = own(status=OrderStatus.CANCELED)
    world = World(orders=[order], reports=[reported(order, status=OrderStatus.WORKING)])
    assert kinds(reconcile(world.given())) == [Kind.STATUS_DIFFERS]


def test_an_unknown_order_that_the_broker_knows() -> None:
    order = own(status=OrderStatus.UNKNOWN)
    world = World(orders=[order], reports=[reported(order, status=OrderStatus.WORKING)])
    assert kinds(reconcile(world.given())) == [Kind.STATUS_DIFFERS]


def test_a_replace_under_way_may_differ_in_its_terms() -> None:
    order = own(pending=True, limit=100)
    world = World(orders=[order], reports=[reported(order, qty=9, limit=101)])
    assert reconcile(world.given()) == ()


def test_the_fill_that_is_missing_is_not_reported_twice() -> None:
    order = own("demo-1", 5)
    world = World(venue=[fill("x1", 2)], orders=[order], reports=[reported(order, cum=2, leaves=3)])
    assert kinds(reconcile(world.given())) == [Kind.MISSING_FILL]


def test_what_cannot_be_read_is_said_and_nothing_is_concluded() -> None:
    world = World(orders=[own()], reports=[], broker={"ES": 9}).both(fill("x1", 3))
    world.blind = ("positions", "open_orders", "executions")
    found = reconcile(world.given())
    assert kinds(found) == [Kind.UNREADABLE] * 3
    assert all(finding.action is Action.QUERY for finding in found)
    # Nothing is adopted while the executions that would explain it cannot be read.
    world.blind = ("executions",)
    world.policy = ReconcileConfig(on_drift="adopt")
    drift = [finding for finding in reconcile(world.given()) if finding.kind is Kind.DRIFT]
    assert [finding.action for finding in drift] == [Action.QUERY]


def test_off_target_is_information_only() -> None:
    world = World(intended={"ES": 5}).both(fill("x1", 3))
    (finding,) = reconcile(world.given())
    assert (finding.kind, finding.severity, finding.action) == (Kind.OFF_TARGET, "info", Action.NONE)
    assert agrees([finding])
    world.orders = [own()]
    assert reconcile(world.given()) == ()
    world.orders, world.last_report = [], NOW - SETTLE + 1
    assert reconcile(world.given()) == ()


@pytest.mark.parametrize("status", OrderStatus)
def test_what_is_judged_at_a_glance_is_judged_as_it_would_be_at_length(
    status: OrderStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many thousand orders are compared in one turn because of most of them no more is asked than this."""
    changes = ({}, {"cum": 3}, {"qty": 6}, {"limit": 101}, {"limit": None}, {"stop": 90}, {"stop": None})
    worlds = [
        World(
            venue=[fill("x1", 2)] * missing,
            orders=[order],
            reports=[reported(order, status=theirs, **change)],
        )
        for theirs, change, missing, age, pending in product(
            OrderStatus, changes, (0, 1), (OLD, YOUNG), (False, True)
        )
        for order in [own(status=status, cum=2, limit=100, stop=95, last_report=age, pending=pending)]
    ]
    found = [reconcile(world.given()) for world in worlds]
    glances: list[bool] = []
    monkeypatch.setattr("engine.reconcile._says_the_same", lambda *_: bool(glances.append(True)))
    assert found == [reconcile(world.given()) for world in worlds]
    assert len(glances) >= len(worlds)
