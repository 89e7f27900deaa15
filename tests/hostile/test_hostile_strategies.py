"""Strategies that go bad while they hold a position: stopped for the right reason, and all ends flat."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from engine.control.commands import Kill, Resume
from engine.control.snapshot import Snapshot
from tests.hostile.rig import LiveRig, alive, play, strategy, strategy_processes

CASES = [
    pytest.param("Spins", {"hang_timeout": 1.0}, "hung: took no event for 1.0 s", id="while-true"),
    pytest.param("Sleeps", {"hang_timeout": 1.0}, "hung: took no event for 1.0 s", id="sleeps"),
    pytest.param("Freezes", {"hang_timeout": 1.0}, "hung: took no event for 1.0 s", id="stopped-by-signal"),
    pytest.param("Raises", {}, "RuntimeError: the model has no answer (in on_quote", id="raises"),
    pytest.param("Allocates", {"memory_mb": 64}, "memory limit 64 MB", id="allocates"),
    pytest.param("FloodsAtOnce", {}, "more than 500 actions in answer to one batch", id="flood-at-once"),
    pytest.param("FloodsSteadily", {}, "flood: more than 1,000 actions within one second", id="flood"),
    pytest.param("GarblesItsLink", {}, "broke the protocol", id="garbles-its-link"),
    pytest.param("PromisesTooMuch", {}, "broke the protocol", id="huge-message"),
    pytest.param("Leaves", {}, "ended by itself with exit code 7", id="leaves"),
]


def stopped_and_told(snapshot: Snapshot, name: str, words: str) -> bool:
    """The strategy's row and an alert both say that it was stopped and why."""
    row = next((r for r in snapshot.strategies if r.name == name), None)
    if row is None or row.state != "failed":
        return False
    assert words in row.reason
    alerts = [a for a in snapshot.alerts if a.code == "strategy" and name in a.text]
    assert alerts, "it was stopped without an alert"
    assert words in alerts[0].text
    assert alerts[0].severity == "critical"
    return True


def shares(snapshot: Snapshot) -> dict[str, int]:
    """Lots of each strategy in the one instrument."""
    return {name: int(lots) for name, lots in snapshot.positions[0].by_strategy.items()}


async def kill_ends_flat(rig: LiveRig) -> None:
    answer = await rig.command(Kill(reason="the test's kill"))
    assert answer.ok, answer.text
    assert answer.text.startswith("flat, confirmed twice by the broker at ")
    assert rig.venue_position() == 0
    snapshot = await rig.until(lambda s: s if s.kill is not None and s.kill.verdict else None, "the verdict")
    assert snapshot.halted
    assert snapshot.kill is not None
    assert snapshot.kill.verdict == answer.text
    assert all(p.executed == 0 for p in snapshot.positions)
    assert not [o for o in snapshot.orders if o.leaves]
    assert (await rig.engine.core.adapter.open_orders()).ours == ()


async def journalled(rig: LiveRig, kind: str) -> list[dict[str, object]]:
    await rig.journal.flush()
    return [msgspec.json.decode(row.body) async for row in rig.journal.rows() if row.kind == kind]


@pytest.mark.parametrize(("cls", "changes", "words"), CASES)
def test_is_stopped_for_the_right_reason_and_the_kill_ends_flat(
    tmp_path: Path, cls: str, changes: dict[str, float], words: str
) -> None:
    async def script(rig: LiveRig) -> None:
        await rig.holds("bad", 2)
        await rig.until(lambda s: stopped_and_told(s, "bad", words), f"bad stopped, {words}")
        await rig.reaped("bad")
        assert len(strategy_processes()) == 1, "its process is still there"
        # The engine and the other strategy take no notice.
        rounds = rig.engine.risk.rounds
        await rig.goes_on("good")
        assert rig.engine.risk.rounds > rounds
        assert rig.snapshot is not None
        assert not rig.snapshot.halted
        assert rig.snapshot.trading
        await rig.holds("bad", 2)
        await kill_ends_flat(rig)
        await rig.state("good", "running")
        states = await journalled(rig, "strategy")
        assert any(
            s["name"] == "bad" and s["state"] == "failed" and words in str(s["reason"]) for s in states
        )
        assert (await journalled(rig, "kill_ended"))[-1]["flat"] is True

    play(tmp_path, script, strategy(cls, **changes), strategy("Steady", "good"))


@pytest.mark.parametrize("cls", ["Spins", "Sleeps", "Freezes"])
def test_the_kill_needs_nothing_of_a_strategy_that_hangs(tmp_path: Path, cls: str) -> None:
    """The kill is given while nobody has noticed yet that the strategy hangs."""

    async def script(rig: LiveRig) -> None:
        await rig.holds("bad", 2)
        await rig.until(
            lambda s: any(r.name == "bad" and (r.lag_ms or 0) > 300 for r in s.strategies),
            "bad falling behind",
        )
        await kill_ends_flat(rig)
        await rig.state("bad", "running")

    play(tmp_path, script, strategy(cls, hang_timeout=600.0))


def test_garbage_on_all_outputs_stops_nobody_and_hides_nothing(tmp_path: Path) -> None:
    async def script(rig: LiveRig) -> None:
        await rig.holds("bad", 2)
        await rig.until(lambda _: rig.lost_lines("bad") > 500, "lines lost")
        await rig.goes_on("good")
        await rig.state("bad", "running")

        def lines() -> list[str]:
            return [event for _, event, fields in rig.logged if fields.get("component") == "strategy.bad"]

        await rig.until(lambda _: any("lines of log were lost" in line for line in lines()), "what was lost")
        assert len(lines()) < 2_000
        await kill_ends_flat(rig)

    play(tmp_path, script, strategy("PrintsGarbage"), strategy("Steady", "good"))


def test_churning_beyond_the_gate_leaves_the_others_their_share(tmp_path: Path) -> None:
    """Below a flood the gate holds it: its orders are refused by its own limits, not everybody's."""

    async def script(rig: LiveRig) -> None:
        await rig.holds("bad", 2)
        await rig.until(lambda s: s.health.counters.get("refused", 0) > 200, "refusals")
        working = [o for o in rig.snapshot.orders if o.strategy == "bad" and o.leaves]  # type: ignore[union-attr]
        assert len(working) <= 5
        await kill_ends_flat(rig)

    play(tmp_path, script, strategy("Churns", max_working=5), strategy("Steady", "good"))


def test_all_of_them_at_once(tmp_path: Path) -> None:
    bad = {
        "spins": strategy("Spins", "spins", hang_timeout=1.5),
        "sleeps": strategy("Sleeps", "sleeps", hang_timeout=1.5),
        "raises": strategy("Raises", "raises"),
        "allocates": strategy("Allocates", "allocates", memory_mb=64),
        "floods": strategy("FloodsSteadily", "floods"),
        "garbles": strategy("GarblesItsLink", "garbles"),
    }
    words = {
        "spins": "hung",
        "sleeps": "hung",
        "raises": "RuntimeError",
        "allocates": "memory limit",
        "floods": "flood",
        "garbles": "protocol",
    }

    async def script(rig: LiveRig) -> None:
        for name in bad:
            await rig.until(lambda s, name=name: stopped_and_told(s, name, words[name]), f"{name} stopped")
        await rig.goes_on("good")
        await kill_ends_flat(rig)

    play(tmp_path, script, *bad.values(), strategy("Steady", "good"))


def test_a_stopped_strategy_stays_stopped_over_a_restart_until_it_is_resumed(tmp_path: Path) -> None:
    async def first(rig: LiveRig) -> None:
        await rig.until(lambda s: stopped_and_told(s, "bad", "RuntimeError"), "bad stopped")

    play(tmp_path, first, strategy("Raises"))

    async def second(rig: LiveRig) -> None:
        row = await rig.state("bad", "failed")
        assert "stopped by the engine" in row.reason and "RuntimeError" in row.reason
        assert rig.snapshot is not None
        texts = [a.text for a in rig.snapshot.alerts]
        assert any("was not started" in t and "RuntimeError" in t for t in texts)
        assert not strategy_processes()
        answer = await rig.command(Resume(strategy="bad"))
        assert answer.ok, answer.text
        await rig.state("bad", "starting", "running", "failed")

    play(tmp_path, second, strategy("Raises"))


def test_one_that_will_not_stop_is_killed_with_the_graceful_stop(tmp_path: Path) -> None:
    async def script(rig: LiveRig) -> None:
        await rig.holds("bad", 2)
        await rig.engine.stop("the test stops it", deadline=1.0)
        row = next(r for r in rig.engine.status.strategy_rows() if r.name == "bad")
        assert row.state == "stopped"
        assert "was killed" in row.reason
        assert not strategy_processes()

    play(tmp_path, script, strategy("WillNotStop"))


def test_nothing_that_a_strategy_started_outlives_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    async def script(rig: LiveRig) -> None:
        await rig.state("bad", "failed")
        await rig.reaped("bad")

    play(tmp_path, script, strategy("LeavesAChild", hang_timeout=1.0, params={"note": str(note)}))
    pid = int(note.read_text())
    left = alive(pid)
    if left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def test_flatten_on_stop_closes_its_own_share_alone(tmp_path: Path) -> None:
    async def script(rig: LiveRig) -> None:
        await rig.holds("keeps", 3)
        await rig.until(lambda s: stopped_and_told(s, "bad", "RuntimeError"), "bad stopped")
        await rig.until(
            lambda s: shares(s).get("bad", 0) == 0 or (s.kill and s.kill.verdict), "its share closed"
        )
        assert rig.snapshot is not None
        assert shares(rig.snapshot) == {"keeps": 3}
        assert not rig.snapshot.positions[0].state.startswith("halted")

    play(
        tmp_path,
        script,
        strategy("Raises", on_stop="flatten", params={"after": 1.0}),
        strategy("Holder", "keeps", params={"lots": 3}),
    )
