"""Section `fills`: executions a second with positions, profit, risk and journal, and is it flat?."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from engine.model import Order, Side
from tests.bench.bed import Bed, bed
from tests.bench.figures import Figures, Floor, rss_mib, slope, table, workplace

PER_ORDER = 10
"""Executions of one lot to an order."""
ROW = 450
"""Bytes of an execution in the journal, about."""
WARM = 30_000
"""Executions after which everything that is bounded is full, so that what still grows is a leak."""
BURST = 500
"""Executions that are handed over before the journal is waited for; the risk loop runs between them."""


def run(quick: bool) -> Figures:
    count = 3_000 if quick else 100_000
    with workplace() as folder:
        found = asyncio.run(_run(folder, count))
    rows = [(f"{one['from']:,}–{one['to']:,}", one["fills_s"]) for one in found["windows"]]
    table("Executions a second, durable, alternating buys and sells", ("executions", "fills/s"), rows)
    print(f"  last thousand against the first: {found['flatness']:.2f} (1 is flat)")
    print(f"  a CPU second: {found['fills_cpu_s']:,} fills")
    print(f"  floor, append and sync of a burst's bytes alone: {found['floor_fills_s']:,} fills/s")
    print(f"  memory from {WARM:,} executions on: {found['rss_mib_per_100k']:+.1f} MiB for 100,000 more")
    return found


async def _run(folder: Path, count: int) -> Figures:
    async with bed(folder / "a", "power") as rig:
        windows = []
        wanted = {min(count, edge) for edge in (2_000, 10_000, 25_000, 50_000, 75_000, 100_000)}
        done, spent, since, cpu = 0, [], 0, []
        floor, floors = Floor(folder), []
        weights: list[tuple[int, float]] = []
        while done < count:
            took, busy = await _burst(rig, done)
            spent.append(took)
            cpu.append(busy)
            began = time.perf_counter_ns()
            floor.write(ROW * BURST)
            floors.append(time.perf_counter_ns() - began)
            done += BURST
            if done % 5_000 == 0 and done >= WARM:
                weights.append((done, rss_mib()))
            since += BURST
            if done in wanted and since >= 1_000:
                took = sum(spent[-2:])
                windows.append(
                    {"from": done - 2 * BURST, "to": done, "fills_s": round(2 * BURST * 1e9 / took)}
                )
                since = 0
        floor.close()
        held = rig.engine.core.books.positions.qty("ES")
        if held != rig.venue.position.get("ES", 0) or rig.engine.core.books.fills != count:
            raise RuntimeError(f"{rig.engine.core.books.fills} fills booked of {count}, position {held}")
        return {
            "windows": windows,
            "flatness": round(windows[-1]["fills_s"] / windows[0]["fills_s"], 3),
            "mean_fills_s": round(count * 1e9 / sum(spent)),
            "fills_cpu_s": round(count * 1e9 / sum(cpu)),
            "floor_ms": statistics.median(floors) / 1e6,
            "floor_fills_s": round(BURST * 1e9 / statistics.median(floors)),
            "rss_mib_per_100k": round(slope(weights) * 100_000, 2),
        }


async def _burst(rig: Bed, number: int) -> tuple[int, int]:
    """ns, and ns of CPU, for one burst of executions until the last of them is on disk; placing the orders is
    not counted."""
    orders = await _placed(rig, number // PER_ORDER, BURST // PER_ORDER)
    rig.quote()
    began, busy = time.perf_counter_ns(), time.process_time_ns()
    for order in orders:
        del rig.venue.working[order.id]
        for _ in range(PER_ORDER):
            rig.engine.on_fact(rig.venue.fill(order, 1))
        await asyncio.sleep(0)
    await rig.journal.flush()
    return time.perf_counter_ns() - began, time.process_time_ns() - busy


async def _placed(rig: Bed, first: int, count: int) -> list[Order]:
    """Orders, acknowledged; buys and sells by turns, far enough apart not to meet."""
    orders = []
    unanswered = count
    done = asyncio.Event()

    def acknowledged() -> None:
        nonlocal unanswered
        unanswered -= 1
        if not unanswered:
            done.set()

    rig.venue.on_acknowledged = acknowledged
    for number in range(first, first + count):
        order = rig.order(number, Side.BUY if number % 2 else Side.SELL, PER_ORDER)
        await rig.submit_when_punctual(order)
        orders.append(order)
    await done.wait()
    await rig.journal.flush()
    return orders
