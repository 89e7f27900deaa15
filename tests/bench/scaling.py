"""Section `scaling`: what an order, a risk round, a snapshot and the kill cost with many orders working."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from engine.model import Side
from engine.records import KillBegan
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
    kill = found["kill"]
    print(
        f"  kill with {kill['orders']} working orders: begin() returns after {kill['begin_ms']:.1f} ms, "
        f"last cancel handed over after {kill['last_cancel_ms']:.1f} ms"
    )
    return found


def _ms(one: dict[str, Any]) -> tuple[float, float]:
    return one["snapshot"]["p50"] / 1_000, one["reconcile"]["p50"] / 1_000


async def _run(folder: Path, levels: tuple[int, ...], samples: int) -> Figures:
    found: Figures = {}
    # No comparison but those that are measured.
    async with bed(folder / "a", "process", inline=True, reconcile_every=3_600) as rig:
        for level in levels:
            await _work(rig, level)
            found[str(level)] = await _level(rig, level, samples)
    async with bed(folder / "b", "power") as rig:
        found["kill"] = await _kill(rig, 500)
    return found


async def _work(rig: Bed, level: int) -> None:
    """Brings the number of working orders to `level`."""
    number = len(rig.venue.working)
    while number < level:
        rig.submit(rig.order(number, Side.BUY if number % 2 else Side.SELL, away=100))
        number += 1
        if number % 50 == 0:
            await asyncio.sleep(0.002)
    await rig.journal.flush()
    await asyncio.sleep(0.05)


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


async def _kill(rig: Bed, level: int) -> Figures:
    """From the call to the last of `level` cancels handed over, and to the verdict."""
    await _work(rig, level)
    began = time.perf_counter_ns()
    rig.engine.kill.begin(KillBegan(reason="bench", symbol=None, flatten=True))
    returned = time.perf_counter_ns()
    async with asyncio.timeout(60):
        progress = await rig.engine.kill.finished()
    return {
        "orders": level,
        "begin_ms": (returned - began) / 1e6,
        "last_cancel_ms": (rig.venue.last_cancel - began) / 1e6,
        "verdict_ms": (time.perf_counter_ns() - began) / 1e6,
        "verdict": progress.verdict,
    }
