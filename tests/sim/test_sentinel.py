"""Simulated worlds with a sentinel: never do both send, never does it act beside a living engine, and after
the engine's death the venue is flat in seconds."""

from __future__ import annotations

import asyncio
import contextvars
from pathlib import Path

import pytest

from engine.model import NS
from engine.sentinel import keeper, machine
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.machine import Phase
from engine.sentinel.takeover import Deeds
from engine.sim.guard import inside
from engine.sim.options import Options
from tests.sim import sentinel
from tests.sim.operator import Operator
from tests.sim.run import play
from tests.sim.world import World

MOST = 40
"""Seeds within which each planted bug must be found."""


@pytest.mark.parametrize(
    ("policy", "seeds"), [("flatten", range(1, 15)), ("cancel", range(15, 23)), ("alert", range(357, 361))]
)
def test_worlds_with_a_sentinel_hold(policy: str, seeds: range) -> None:
    fenced = 0
    for seed in seeds:
        result = play(Options.draw(seed, 30.0).guarded(policy))
        assert not result.failure, f"{result.failure}; {result.options.command()}"
        fenced += result.counts.get("fenced", 0)
    assert (fenced > 5) == (policy != "alert")


def _plant(bug: str, patch: pytest.MonkeyPatch) -> None:
    class Blind(Leasehold):
        def enter(self) -> str:
            return "" if self._holder is Holder.ENGINE else super().enter()

    match bug:
        case "the engine does not ask for the lease":
            patch.setattr(sentinel, "Leasehold", Blind)
        case "silence counts while the sentinel is stopped itself":
            patch.setattr(machine.Rules, "longest", property(lambda _: 10**18))
        case "it acts at half the silence":
            patch.setattr(machine.Rules, "longest", property(lambda rules: rules.after // 4))
            real = machine._tick
            patch.setattr(
                machine,
                "_tick",
                lambda r, s: real(machine.Rules(r.policy, r.after // 2, r.hold), s),
            )
        case "what it did is not taken over":
            patch.setattr(keeper, "take_over", lambda *_: Deeds())


@pytest.mark.parametrize(
    ("bug", "rules"),
    [
        ("the engine does not ask for the lease", {"lease", "kill", "agree"}),
        ("silence counts while the sentinel is stopped itself", {"alive"}),
        ("it acts at half the silence", {"alive"}),
        ("what it did is not taken over", {"import"}),
    ],
)
def test_planted_bugs_are_found(bug: str, rules: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(bug, monkeypatch)
    found = (play(Options.draw(seed, 30.0).guarded("flatten")) for seed in range(1, MOST + 1))
    failed = next((r for r in found if r.failure), None)
    assert failed is not None, f"not found in {MOST} seeds"
    assert failed.rule in rules, failed.failure


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("dies_at_work", [False, True])
def test_after_the_engines_death_the_venue_is_flat_in_seconds(
    seed: int, dies_at_work: bool, tmp_path: Path
) -> None:
    """No faults but the one; the sentinel itself is killed at work in half of the cases."""
    options = Options.draw(seed, 30.0).narrow(only=()).guarded("flatten")
    world = World(options, tmp_path)
    watched = world.watched
    assert watched is not None

    async def story() -> tuple[float, float]:
        world.open_market()
        watched.boot()
        world.boot()
        Operator(world)
        while not world.exchange.held() or not world.exchange.books.open_orders(world.exchange.name):
            await world.clock.sleep(NS // 10)
        life, died = world.life, world.loop.now_ns
        assert life is not None
        world.life = None
        world._bury(life)
        if dies_at_work:
            while watched.post is None or watched.post.phase is not Phase.ACTING:
                await world.clock.sleep(NS // 100)
            watched.die("is killed at work")
            world.later(0.5, watched.boot)
        while watched.post is None or watched.post.phase is not Phase.HOLDING:
            await world.clock.sleep(NS // 10)
            assert world.loop.now_ns < died + 30 * NS, "never proven"
        assert not world.exchange.held()
        assert not world.exchange.books.open_orders(world.exchange.name)
        return (world.loop.now_ns - died) / NS, options.sentinel_after

    with inside():
        task = world.loop.create_task(story(), context=contextvars.Context())
        took, after = world.loop.run_until_complete(asyncio.wait_for(task, 100))
    watched.die("is no longer needed")
    world.loop.close()
    # Silence, and once more where it was killed; up to five seconds of work; half a second of being away.
    assert took < (2 * after + 5.5 if dies_at_work else after + 5)
