"""Every kind of fault strikes when it is on, and a world with it alone holds what must hold."""

from __future__ import annotations

import asyncio
import gc
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import NS
from engine.sim.faults import EXCHANGE, KINDS, Kind
from engine.sim.options import Options
from tests.sim import run
from tests.sim.run import play
from tests.sim.world import World

CALM = replace(
    Options.draw(8, 15.0), rates={}, latency_ms=5.0, commit_ms=1.0, order_ms=120.0, command_ms=700.0
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_fault_strikes_and_is_survived(kind: Kind) -> None:
    rates = {kind.name: 0.3 if kind.unit == "ratio" else 30.0}
    if kind.name == "reuse_ids":
        rates["disconnect"] = 20.0
    if kind.name in ("session_roll", "daylight", "protect"):  # rare: of a handful of events
        rates[kind.name] = 1.0
    result = play(replace(CALM, rates=rates))
    theirs = EXCHANGE.get(kind.name)
    assert result.counts.get(f"exchange {theirs}" if theirs else kind.name, 0) > 0, result.counts
    assert not result.failure, result.failure


def test_a_world_without_faults_trades_and_ends_flat() -> None:
    result = play(CALM)
    assert not result.failure, result.failure
    assert result.counts["executions"] >= 10 and result.counts["verdicts checked"] == 1, result.counts


@pytest.mark.filterwarnings("error")
def test_an_engine_that_dies_before_its_stop_began_leaves_nothing_unawaited(tmp_path: Path) -> None:
    """A coroutine that was made outside of its task was never awaited, and said so at some later moment."""
    world = World(Options.draw(1, 30.0).narrow(only=()), tmp_path)

    async def story() -> None:
        world.open_market()
        world.boot()
        await world.clock.sleep(5 * NS)
        assert world.life is not None and world.life.started
        world.restart("is stopped in order")
        world.crash("is killed")

    unraisable: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        world.loop.run_until_complete(story())
        world.loop.close()
        gc.collect()
    finally:
        sys.unraisablehook = before
    assert not unraisable, unraisable


@pytest.mark.parametrize("last", [False, True], ids=["early", "at the end"])
def test_a_task_that_fails_and_that_nobody_looks_at_fails_the_run(
    last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its loop lets go of it after the verdict."""
    story = run._story

    async def fails() -> None:
        raise ZeroDivisionError("nobody saw it")

    async def with_one_that_fails(world: World) -> None:
        if last:
            await story(world)
        world.loop.create_task(fails())
        await (asyncio.sleep(0) if last else story(world))

    monkeypatch.setattr(run, "_story", with_one_that_fails)
    result = play(CALM)
    assert result.rule == "error" and "nobody saw it" in result.failure, result.failure
