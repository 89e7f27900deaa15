"""Section `scaling`: what an order, a risk round, a snapshot, a comparison cost with many orders working."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from engine.model import Side
from tests.bench.bed import Bed, bed
from tests.bench.figures import Figures, spread, table, workplace


def run(quick: bool) -> Figures:
    levels = (10, 1_000) if quick else (10, 1_000, 10_000)
    samples = 100 if quick else 300
    with workplace() as folder:
        found = asyncio.run(_run(folder, levels, samples))
    costs = ("submit() µs", "→ adapter µs", "risk round µs", "snapshot ms", "reconcile ms", "hold ms")
    rows = [
        (
            level,
            *(found[str(level)][k]["p50"] for k in ("submit", "handed", "round")),
            *_ms(found[str(level)]),
        )
        for level in levels
    ]
    table(
        "Median cost beside so many working orders (commit on its own thread, no sync)",
        ("working", *costs),
        rows,
    )
    return found


def _ms(one: dict[str, Any]) -> tuple[float, ...]:
    return tuple(one[key]["p50"] / 1_000 for key in ("snapshot", "reconcile", "held"))


class _Turns:
    """Comes round with every turn of the loop: the most that the thread has worked between two turns is for
    how long one piece of work kept all others waiting, ns. A wait for a processor is no work.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._last = time.thread_time_ns()
        self.longest = 0
        self._next = self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.thread_time_ns()
        self._last, self.longest = now, max(self.longest, now - self._last)
        self._next = self._loop.call_soon(self._turn)

    async def end(self) -> int:
        await asyncio.sleep(0)  # the turn that is under way counts
        self._next.cancel()
        return self.longest


async def _run(folder: Path, levels: tuple[int, ...], samples: int) -> Figures:
    found: Figures = {}
    # No comparison but those that are measured.
    async with bed(folder / "a", "process", inline=True, reconcile_every=3_600) as rig:
        for level in levels:
            await rig.work(level)
            found[str(level)] = await _level(rig, level, samples)
    return found


async def _level(rig: Bed, level: int, samples: int) -> Figures:
    engine = rig.engine
    submit, handed, rounds, snapshots, reconciles, held = [], [], [], [], [], []
    acknowledged = asyncio.Event()
    rig.venue.on_acknowledged = acknowledged.set
    for number in range(samples):
        acknowledged.clear()
        order = rig.order(number, Side.BUY if number % 2 else Side.SELL, away=100)
        began = time.perf_counter_ns()
        rig.submit(order)
        submit.append(time.perf_counter_ns() - began)
        await acknowledged.wait()
        handed.append(rig.venue.handed[order.id] - began)
        began = time.perf_counter_ns()
        engine.risk.tick(engine.view)
        rounds.append(time.perf_counter_ns() - began)
        engine.intake.cancel(order.id)
        await rig.journal.flush()
        await asyncio.sleep(0)
    for _ in range(5):
        began = time.perf_counter_ns()
        engine.publish()
        snapshots.append(time.perf_counter_ns() - began)
        turns = _Turns()
        began = time.perf_counter_ns()
        await engine.reconciler.round("bench")
        reconciles.append(time.perf_counter_ns() - began)
        held.append(await turns.end())
    if len(rig.venue.working) != level:
        raise RuntimeError(f"{len(rig.venue.working)} orders work, {level} were meant")
    return {
        "submit": spread(submit),
        "handed": spread(handed),
        "round": spread(rounds),
        "snapshot": spread(snapshots),
        "reconcile": spread(reconciles),
        "held": spread(held),
    }
