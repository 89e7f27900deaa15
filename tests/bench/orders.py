"""Section `orders`: from a strategy's callback to the adapter, durable and not, and orders a second."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Literal

import msgspec

from app import logs
from engine.config import StrategyConfig
from engine.model import Order, Quote, Side
from tests.bench.bed import Bed, bed
from tests.bench.figures import Figures, Floor, spread, table, workplace, yardstick
from tests.bench.strategies import SLOT

IN_FLIGHT = 64
Durability = Literal["power", "process"]


def run(quick: bool) -> Figures:
    orders = 60 if quick else 600
    many = 500 if quick else 6_000
    with workplace() as folder:
        found = asyncio.run(_run(folder, orders, many))
    _print(found)
    return found


async def _run(folder: Path, orders: int, many: int) -> Figures:
    return {
        "durable": await _from_strategy(folder / "a", "power", orders),
        "no_sync": await _from_strategy(folder / "b", "process", orders),
        "inline": await _inline(folder / "c", 3 * orders),
        "throughput_durable": await _throughput(folder / "d", "power", many),
        "throughput_no_sync": await _throughput(folder / "e", "process", many),
        "throughput_inline": await _throughput(folder / "f", "process", many, inline=True),
    }


def row_bytes(order: Order) -> int:
    """Bytes of the row that an order becomes in the journal."""
    return len(msgspec.json.encode(order)) + len(order.id) + len(order.correlation) + 40


async def _from_strategy(folder: Path, durability: Durability, count: int) -> Figures:
    return (await one_by_one(folder, durability, count))[0]


async def one_by_one(
    folder: Path, durability: Durability, count: int, *, log: bool = False
) -> tuple[Figures, dict[str, int]]:
    """Quote → strategy's process → gate → journal → adapter, one at a time, with the floor in turns; and when
    each order's callback began, ns. `log`: written to a file as in the application."""
    notes = folder.with_suffix(".notes")
    slots = count + 100
    notes.write_bytes(bytes(slots * SLOT))
    params = {"notes": str(notes), "slots": slots}
    config = StrategyConfig(
        module="tests.bench.strategies:OneOrderPerQuote",
        name="one",
        symbols=("ES",),
        params=params,
        max_position=1_000_000,
        max_working=10_000,
        hang_timeout=30.0,
    )
    async with bed(folder, durability, config) as rig:
        if log:
            logs.configure(file=folder / "engine.jsonl", now=rig.clock.now)
            rig.engine.core.log = logs.engine_log()
        await rig.state("one", "running")
        floor = Floor(folder)
        handed = asyncio.Event()
        acknowledged = asyncio.Event()
        last: list[Order] = []
        rig.venue.on_submit = lambda order: (last.append(order), handed.set())  # type: ignore[func-returns-value]
        rig.venue.on_acknowledged = acknowledged.set
        quoted: dict[str, int] = {}
        floors: list[int] = []
        for _ in range(count):
            handed.clear()
            acknowledged.clear()
            began = time.perf_counter_ns()
            _signal(rig)
            try:
                async with asyncio.timeout(30):
                    await handed.wait()
                    quoted[last[-1].id] = began
                    await acknowledged.wait()
            except TimeoutError:
                raise RuntimeError(f"no order came: {rig.describe()}") from None
            await rig.journal.flush()
            began = time.perf_counter_ns()
            floor.write(row_bytes(last[-1]))
            floors.append(time.perf_counter_ns() - began)
        floor.close()
        refs = rig.engine.strategies._orders._ref_of
        written = notes.read_bytes()
        stages = {p.stage: p for p in rig.engine.core.metrics.percentiles()}
        callback, tick = [], []
        callbacks: dict[str, int] = {}
        for order_id, began in list(quoted.items())[count // 10 :]:
            slot = refs[order_id][1] * SLOT
            noted = int.from_bytes(written[slot : slot + SLOT], "little")
            callbacks[order_id] = noted
            callback.append(rig.venue.handed[order_id] - noted)
            tick.append(rig.venue.handed[order_id] - began)
        out = {"callback": spread(callback), "tick": spread(tick), "floor": spread(floors)}
        out["added_p50"] = round(out["callback"]["p50"] - out["floor"]["p50"], 1)
        out["bytes"] = row_bytes(last[-1])
        for stage in ("intent→approved", "approved→journalled", "journalled→sent", "journal commit"):
            out[stage] = {"p50": stages[stage].p50, "p99": stages[stage].p99}
        logs.shutdown()
        return out, callbacks


def _signal(rig: Bed) -> None:
    """A quote for the strategy to answer."""
    now = rig.clock.now()
    rig.engine.on_quote(Quote("ES", now, 24_000, 100, 24_001, 100))
    rig.engine.on_batch_end(now)


async def _inline(folder: Path, count: int) -> Figures:
    """`submit` until the adapter has it, committed on the same thread without sync: CPU and SQLite."""
    async with bed(folder, "process", inline=True) as rig:
        whole, gate, submit, yards = [], [], [], []
        acknowledged = asyncio.Event()
        rig.venue.on_acknowledged = acknowledged.set
        for number in range(count):
            acknowledged.clear()
            order = rig.order(number)
            began = time.perf_counter_ns()
            rig.engine.gate.preview(order, rig.engine.view)
            asked = time.perf_counter_ns()
            rig.submit(order)
            submit.append(time.perf_counter_ns() - asked)
            gate.append(asked - began)
            await acknowledged.wait()
            yards.append(yardstick())
            whole.append(rig.venue.handed[order.id] - asked)
            if number % 100 == 99:
                rig.venue.expire_all()
        return {
            "handed": spread(whole),
            "submit_call": spread(submit),
            "gate": spread(gate),
            "yardstick": spread(yards),
        }


async def _throughput(folder: Path, durability: Durability, count: int, inline: bool = False) -> Figures:
    """Orders a second, stored and acknowledged, with 64 in flight; nothing else is asked of them."""
    chunk = min(count, 1_000)
    async with bed(folder, durability, inline=inline) as rig:
        floor = Floor(folder)
        floors = []
        spent = cpu = 0
        for _ in range(count // chunk):
            for _ in range(20):
                began = time.perf_counter_ns()
                floor.write(500)
                floors.append(time.perf_counter_ns() - began)
            began = time.process_time_ns()
            spent += await _burst(rig, chunk)
            cpu += time.process_time_ns() - began
            rig.venue.expire_all()
            await rig.journal.flush()
        floor.close()
        rate = count * 1e9 / spent
        sync = spread(floors)["p50"]
        return {
            "orders_s": round(rate),
            "orders_cpu_s": round(count * 1e9 / cpu),
            "floor_us": sync,
            "times_floor": round(rate * sync / 1e6, 2),
        }


async def _burst(rig: Bed, count: int) -> int:
    """ns for `count` orders."""
    done = 0
    wake = asyncio.Event()

    def acknowledged() -> None:
        nonlocal done
        done += 1
        wake.set()

    rig.venue.on_acknowledged = acknowledged
    began = time.perf_counter_ns()
    sent = 0
    async with asyncio.timeout(120):
        while done < count:
            while sent < count and sent - done < IN_FLIGHT:
                rig.submit(rig.order(sent, Side.BUY if sent % 2 else Side.SELL))
                sent += 1
            wake.clear()
            await wake.wait()
    return time.perf_counter_ns() - began


def _print(found: Figures) -> None:
    rows = []
    for name, label in (("durable", "durable (synced)"), ("no_sync", "without sync")):
        one = found[name]
        c, f = one["callback"], one["floor"]
        commit = one["journal commit"]
        rows.append((label, c["n"], c["p50"], c["p99"], f["p50"], f["p99"], one["added_p50"], commit["p50"]))
    header = ("callback → adapter, µs", "n", "p50", "p99", "floor p50", "p99", "added p50", "commit p50")
    table(f"Order path, floor: append of {found['durable']['bytes']} bytes + fdatasync", header, rows)
    own = found["inline"]
    table(
        "Engine's own work for one order, µs (commit on its own thread, no sync)",
        ("", "p50", "p99"),
        [(n, own[k]["p50"], own[k]["p99"]) for k, n in _INLINE.items()],
    )
    rows = [
        (
            name.removeprefix("throughput_"),
            *(one[key] for key in ("orders_s", "orders_cpu_s", "floor_us", "times_floor")),
        )
        for name, one in found.items()
        if name.startswith("throughput")
    ]
    header = ("", "orders/s", "a CPU second", "sync µs", "× one sync an order")
    table(f"Orders a second, {IN_FLIGHT} in flight", header, rows)


_INLINE = {
    "gate": "gate alone",
    "submit_call": "submit() returns",
    "handed": "handed to the adapter",
    "yardstick": "a fixed piece of Python",
}
