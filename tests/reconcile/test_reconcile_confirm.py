"""Nothing halts or adopts on one reading; what goes away is forgotten; what stays is not explained away."""

from __future__ import annotations

from reconcile_kit import NOW, World, fill, own

from engine.config import ReconcileConfig
from engine.model import NS
from engine.reconcile import Action, Confirmer, Finding, Kind, reconcile


def drift(lots: int, policy: str = "halt") -> tuple[Finding, ...]:
    world = World(broker={"ES": lots}, policy=ReconcileConfig(on_drift=policy))  # type: ignore[arg-type]
    return reconcile(world.given())


def actions(found: tuple[Finding, ...]) -> list[tuple[Action, bool]]:
    return [(finding.action, finding.confirmed) for finding in found]


WAIT = [(Action.QUERY, False)]
HALT = [(Action.HALT, True)]


def test_drift_halts_on_the_second_newer_reading() -> None:
    confirmer = Confirmer()
    first = confirmer.confirm(drift(2), NOW)
    assert actions(first) == WAIT
    assert first[0].severity == "warning"
    assert "to be confirmed" in first[0].text
    # The same snapshot again is no second reading.
    assert actions(confirmer.confirm(drift(2), NOW)) == WAIT
    second = confirmer.confirm(drift(2), NOW + 1)
    assert actions(second) == HALT
    assert second[0].severity == "critical"
    assert actions(confirmer.confirm(drift(2), NOW + 2)) == HALT


def test_drift_that_goes_away_is_forgotten() -> None:
    confirmer = Confirmer()
    confirmer.confirm(drift(2), NOW)
    assert confirmer.confirm((), NOW + 1) == ()
    assert actions(confirmer.confirm(drift(2), NOW + 2)) == WAIT


def test_a_failed_reading_forgets_and_confirms_nothing() -> None:
    confirmer = Confirmer()
    confirmer.confirm(drift(2), NOW)
    blind = World(blind=("positions",))
    assert [f.kind for f in confirmer.confirm(reconcile(blind.given()), None)] == [Kind.UNREADABLE]
    assert actions(confirmer.confirm(drift(2), NOW + 1)) == HALT


def test_an_amount_that_changes_takes_a_third_reading() -> None:
    confirmer = Confirmer()
    assert actions(confirmer.confirm(drift(2), NOW)) == WAIT
    assert actions(confirmer.confirm(drift(3), NOW + 1)) == WAIT
    assert actions(confirmer.confirm(drift(4), NOW + 2)) == HALT


def test_adoption_waits_too_and_a_warning_does_not() -> None:
    confirmer = Confirmer()
    assert actions(confirmer.confirm(drift(2, "adopt"), NOW)) == WAIT
    assert actions(confirmer.confirm(drift(2, "adopt"), NOW + 1)) == [(Action.ADOPT, True)]
    assert actions(Confirmer().confirm(drift(2, "warn"), NOW)) == [(Action.WARN, False)]


def test_symbols_are_judged_apart() -> None:
    confirmer = Confirmer()
    confirmer.confirm(reconcile(World(broker={"ES": 1}).given()), NOW)
    found = confirmer.confirm(reconcile(World(broker={"ES": 1, "GC": 1}).given()), NOW + 1)
    assert [(f.symbol, f.action) for f in found] == [("ES", Action.HALT), ("GC", Action.QUERY)]


def test_a_manual_trade_is_confirmed_by_its_execution() -> None:
    confirmer = Confirmer()

    def traded(*ids: str) -> tuple[Finding, ...]:
        return reconcile(World(venue=[fill(one, 1, order_id=None) for one in ids]).given())

    assert actions(confirmer.confirm(traded("x1"), NOW)) == WAIT
    assert actions(confirmer.confirm(traded("x1"), NOW)) == WAIT
    assert actions(confirmer.confirm(traded("x1", "x2"), NOW + 1)) == HALT + WAIT
    # Executions that cannot be read are not executions that are gone.
    confirmer.confirm(reconcile(World(blind=("executions",)).given()), NOW + 2)
    assert actions(confirmer.confirm(traded("x2"), NOW + 3)) == HALT


def test_other_findings_pass_at_once() -> None:
    found = reconcile(World(orders=[own()], reports=[], venue=[fill("x1", 1)]).given())
    assert Confirmer().confirm(found, NOW) == found


def test_a_difference_that_is_always_in_flight_is_drift_in_the_end() -> None:
    confirmer = Confirmer(patience=3)
    world = World(orders=[own("demo-1", 5, last_report=NOW)], broker={"ES": 2})
    found = reconcile(world.given())
    assert [f.kind for f in found] == [Kind.IN_FLIGHT]
    assert actions(confirmer.confirm(found, NOW)) == [(Action.NONE, False)]
    assert actions(confirmer.confirm(found, NOW)) == [(Action.NONE, False)]
    assert actions(confirmer.confirm(found, NOW + 1)) == [(Action.NONE, False)]
    assert actions(confirmer.confirm(found, NOW + 2)) == HALT
    # Another amount is another story: fills are coming in.
    world.broker = {"ES": 3}
    assert actions(confirmer.confirm(reconcile(world.given()), NOW + 3)) == [(Action.NONE, False)]


def test_a_snapshot_that_stands_still_is_not_waited_for_for_ever() -> None:
    confirmer = Confirmer(patience=3)
    world = World(broker={}, as_of=NOW - 30 * NS).both(fill("x1", 3, ts=NOW - 10 * NS))
    found = reconcile(world.given())
    assert [f.kind for f in found] == [Kind.STALE_SNAPSHOT]
    got = [actions(confirmer.confirm(found, NOW - 30 * NS)) for _ in range(3)]
    assert got == [WAIT, WAIT, HALT]
