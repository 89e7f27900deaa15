"""Section `scaling`: what an order, a risk round and a snapshot cost with many orders working."""

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
    header = ("working", "submit() µs", "→ adapter µs", "risk round µs", "snapshot ms", "reconcile ms")
    rows = [
        (
            level,
            *(found[str(level)][k]["p50"] for k in ("submit", "handed", "round")),
            *_ms(found[str(level)]),
        )
        for level in levels
    ]
    table("Median cost beside so many working orders (commit on its own thread, no sync)", header, rows)
    return found


def _ms(one: dict[str, Any]) -> tuple[float, float]:
    return one["snapshot"]["p50"] / 1_000, one["reconcile"]["p50"] / 1_000


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
    submit, handed, rounds, snapshots, reconciles = [], [], [], [], []
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
        began = time.perf_counter_ns()
        await engine.reconciler.round("bench")
        reconciles.append(time.perf_counter_ns() - began)
    if len(rig.venue.working) != level:
        raise RuntimeError(f"{len(rig.venue.working)} orders work, {level} were meant")
    return {
        "submit": spread(submit),
        "handed": spread(handed),
        "round": spread(rounds),
        "snapshot": spread(snapshots),
        "reconcile": spread(reconciles),
    }
