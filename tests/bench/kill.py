"""Section `kill`: from the command to the halt on disk, the last cancel handed over, and flat, confirmed.

500 orders work and ten lots are held; once with no limit of messages, once with 50 a second. The floor of the
halt is one append and fdatasync on the same disk; that of the last cancel is what the limit itself demands.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from engine.control.commands import Answer, Kill
from engine.journal.connection import Batch
from engine.journal.store import AioStore
from engine.model import Side
from engine.records import KINDS, Halted
from tests.bench.bed import WIDE, Bed, bed
from tests.bench.figures import Figures, Floor, table, workplace

HELD = 10
CASES = {"no limit": WIDE.cancel_rate, "50 msg/s": 50}


def run(quick: bool) -> Figures:
    level, runs = (100, 1) if quick else (500, 3)
    found: Figures = {}
    with workplace() as folder:
        for place, (name, rate) in enumerate(CASES.items()):
            # With the limit the time is the limit's: one run tells as much as three.
            rounds = runs if rate == WIDE.cancel_rate else 1
            taken = [
                asyncio.run(_case(folder / f"{place}-{number}", level, rate)) for number in range(rounds)
            ]
            found[name] = {key: round(statistics.median(one[key] for one in taken), 3) for key in taken[0]}
    keys = ("orders", "halt_ms", "sync_ms", "last_cancel_ms", "limit_ms", "flat_ms")
    header = ("kill", "orders", "halt on disk ms", "sync ms", "last cancel ms", "limit's ms", "flat ms")
    table("Kill, ms from the command", header, [(n, *(one[k] for k in keys)) for n, one in found.items()])
    return found


async def _case(folder: Path, level: int, rate: int) -> Figures:
    async with bed(folder, "power", cancel_rate=rate) as rig:
        await _hold(rig)
        await rig.work(level)
        floor = Floor(folder)
        syncs = []
        for _ in range(20):
            began = time.perf_counter_ns()
            floor.write(500)
            syncs.append(time.perf_counter_ns() - began)
        floor.close()
        halted = _watch_for_halt(rig)
        verdict: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(answer: Answer) -> None:
            if answer.final and not verdict.done():
                verdict.set_result(answer)

        began = time.perf_counter_ns()
        rig.engine.command(Kill(reason="bench"), "bench", answered)
        async with asyncio.timeout(120):
            answer = await verdict
        done = time.perf_counter_ns()
        if not answer.ok or any(rig.venue.position.values()) or rig.venue.working:
            raise RuntimeError(f"not flat: {answer.text}")
        reserve = 0 if rate == WIDE.cancel_rate else max(0, level - rate)
        return {
            "orders": level,
            "halt_ms": (halted[0] - began) / 1e6,
            "sync_ms": statistics.median(syncs) / 1e6,
            "last_cancel_ms": (rig.venue.last_cancel - began) / 1e6,
            "limit_ms": 1_000 * reserve / rate,
            "flat_ms": (done - began) / 1e6,
        }


def _watch_for_halt(rig: Bed) -> list[int]:
    """Notes when a commit with a halt in it has returned, on the thread that commits."""
    noted: list[int] = []
    store = rig.journal._store
    assert isinstance(store, AioStore)
    own = store._connection.put

    def put(batch: Batch) -> int:
        ignored = own(batch)
        if any(row.kind == KINDS[Halted] for row in batch.rows):
            noted.append(time.perf_counter_ns())
        return ignored

    store._connection.put = put  # type: ignore[method-assign]
    return noted


async def _hold(rig: Bed) -> None:
    """Buys what the kill will have to sell."""
    acknowledged = asyncio.Event()
    rig.venue.on_acknowledged = acknowledged.set
    order = rig.order(0, Side.BUY, HELD)
    rig.submit(order)
    await acknowledged.wait()
    del rig.venue.working[order.id]
    rig.engine.on_fact(rig.venue.fill(order, HELD))
    rig.quote()
    await rig.journal.flush()
