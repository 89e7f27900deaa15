"""One seed, one trace: in fresh processes, whatever their hash seed; and nothing of a run reaches outside."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.ports import QueryFailed
from engine.sim.faults import BY_NAME, KINDS
from engine.sim.guard import Outside, inside
from engine.sim.options import Options
from tests.effort import effort
from tests.engine.rig import Rig
from tests.sim.run import play

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(1, 1 + effort(10, 40))
SECONDS = 30.0

PROGRAM = f"""
import json
from engine.sim.options import Options
from tests.sim.run import play
found = {{}}
for seed in range({SEEDS.start}, {SEEDS.stop}):
    result = play(Options.draw(seed, {SECONDS}))
    found[seed] = [result.trace, result.steps, result.failure, sorted(result.counts.items())]
print(json.dumps(found))
"""


def traces(hash_seed: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_seed_gives_one_trace_in_fresh_processes_with_different_hash_seeds() -> None:
    first, second = traces("1"), traces("4242")
    assert first == second
    assert len({trace for trace, *_ in first.values()}) == len(SEEDS), "different seeds, different runs"


def test_a_seed_gives_one_trace_within_a_process_and_with_a_log() -> None:
    lines: list[str] = []
    options = Options.draw(8, 5.0)
    quiet, loud = play(options), play(options, lines.append)
    assert quiet.trace == loud.trace
    assert lines, "the account of a run is not empty"


def test_schedules_differ() -> None:
    fifo, shuffle = Options.draw(3, 5.0), Options.draw(3, 5.0, "shuffle")
    assert play(fifo).trace != play(shuffle).trace


@pytest.mark.parametrize(
    "act",
    [
        lambda: socket.socket(),
        lambda: threading.Thread(target=int).start(),
        lambda: subprocess.run(["true"], check=False),
        lambda: os.system("true"),
        lambda: time.sleep(0.0),
        lambda: os.fork() or os._exit(0),
    ],
    ids=["socket", "thread", "subprocess", "system", "sleep", "fork"],
)
def test_the_outside_cannot_be_reached(act: Callable[[], object]) -> None:
    with inside(), pytest.raises(Outside):
        act()
    time.sleep(0.0)
    socket.socket().close()


def test_half_of_the_seeds_are_without_a_kind_and_half_are_with_it() -> None:
    drawn = [Options.draw(seed) for seed in range(400)]
    for kind in KINDS:
        on = sum(kind.name in o.rates for o in drawn)
        assert 80 < on < 320, f"{kind.name} is on in {on} of 400 seeds"
    assert any(not o.rates for o in drawn)
    assert len(BY_NAME) == len(KINDS) >= 24


def test_options_can_be_narrowed_and_typed_in_again() -> None:
    options = Options.draw(5)
    one = next(iter(options.rates))
    narrow = options.narrow([one], (), 7.0)
    assert narrow.rates == {one: options.rates[one]} and narrow.seconds == 7.0
    assert narrow.command() == f"python -m tests.sim --seed 5 --only-faults {one} --seconds 7"
    with pytest.raises(ValueError, match="no fault 'sunshine'"):
        options.narrow(["sunshine"])


def test_questions_that_a_lost_link_ends_fail_in_the_order_in_which_they_were_asked() -> None:
    """Seed 35: they failed in the order of their addresses, so that one seed had two traces."""

    async def script(rig: Rig) -> list[int]:
        failed: list[int] = []

        async def ask(number: int) -> None:
            with pytest.raises(QueryFailed, match="the link went down"):
                await rig.engine.core.adapter.open_orders()
            failed.append(number)

        tasks = [asyncio.ensure_future(ask(number)) for number in range(40)]
        await asyncio.sleep(0)
        rig.exchange.drop_link(rig.config.account, "the line broke")
        await asyncio.gather(*tasks)
        return failed

    assert Rig.play(script) == list(range(40))
