"""Section `quotes`: quotes a second through pacer, watchdog and two strategies; a cancel behind 20,000.

The quotes come as from any feed that has fallen behind: `engine.feeds.pacing.Pacer` hands them over, each
with a stamp of its own. The floor is the same pacer with a sink that does nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from engine.config import StrategyConfig
from engine.feeds.pacing import Pacer
from engine.model import Order, Quote
from tests.bench.bed import Bed, bed
from tests.bench.figures import Figures, spread, table, workplace

BACKLOG = 20_000


class Nowhere:
    """A sink that does nothing with what it is handed."""

    def on_quote(self, quote: object) -> None: ...

    def on_trade(self, trade: object) -> None: ...

    def on_market_state(self, symbol: str, state: object, ts: int) -> None: ...

    def on_batch_end(self, ts: int) -> None: ...


def run(quick: bool) -> Figures:
    runs = 1 if quick else 5
    with workplace() as folder:
        found = asyncio.run(_run(folder, runs))
    table(
        f"Quotes, {BACKLOG:,} in a row, two strategies (floor: the same pacer to nowhere)",
        ("", "quotes/s", "a CPU second", "floor quotes/s", "ratio", "cancel → adapter p50 ms", "max"),
        [
            (
                "through the engine",
                found["quotes_s"],
                found["quotes_cpu_s"],
                found["floor_quotes_s"],
                found["ratio"],
                *(found["cancel_ms"][k] for k in ("p50", "max")),
            )
        ],
    )
    return found


def _watching(name: str) -> StrategyConfig:
    return StrategyConfig(module="tests.bench.strategies:Watches", name=name, symbols=("ES",))


async def _run(folder: Path, runs: int) -> Figures:
    async with bed(folder / "a", "process", _watching("one"), _watching("two")) as rig:
        for name in ("one", "two"):
            await rig.state(name, "running")
        taken, spent, floors, floors_spent, cancels = [], [], [], [], []
        for number in range(runs):
            quotes = _quotes(rig)
            began = time.thread_time_ns()
            floors.append(await _deliver(rig, quotes, Nowhere()))
            floors_spent.append(time.thread_time_ns() - began)
            began = time.thread_time_ns()
            taken.append(await _deliver(rig, quotes, rig.engine))
            spent.append(time.thread_time_ns() - began)
            order = await _resting(rig, number)
            rig.venue.last_cancel = 0
            quotes = _quotes(rig)
            # Asked for when the backlog has just begun: it has to come through between the quotes.
            asked_at = time.perf_counter_ns()
            rig.clock.call_soon(rig.engine.intake.cancel, order.id)
            await _deliver(rig, quotes, rig.engine)
            if not rig.venue.last_cancel:
                raise RuntimeError("the cancel did not reach the adapter")
            cancels.append(rig.venue.last_cancel - asked_at)
        rate, floor = (round(BACKLOG * 1e9 / statistics.median(one)) for one in (taken, floors))
        return {
            "quotes_s": rate,
            "quotes_cpu_s": round(BACKLOG * 1e9 / statistics.median(spent)),
            "floor_quotes_s": floor,
            "floor_quotes_cpu_s": round(BACKLOG * 1e9 / statistics.median(floors_spent)),
            "ratio": round(rate / floor, 3),
            "cancel_ms": spread(cancels, 1_000_000),
        }


def _quotes(rig: Bed) -> list[Quote]:
    """A backlog that ends now, every price another one."""
    now = rig.clock.now()
    return [
        Quote("ES", now - 1_000 * (BACKLOG - n), 24_000 + n % 3, 100 + n % 7, 24_003 + n % 2, 100)
        for n in range(BACKLOG)
    ]


async def _deliver(rig: Bed, quotes: list[Quote], sink: object) -> int:
    """ns until all of them were handed over."""
    began = time.perf_counter_ns()
    await Pacer().deliver(quotes, rig.clock, sink)  # type: ignore[arg-type]
    return time.perf_counter_ns() - began


async def _resting(rig: Bed, number: int) -> Order:
    """An order that works, acknowledged."""
    acknowledged = asyncio.Event()
    rig.venue.on_acknowledged = acknowledged.set
    order = rig.order(number, away=100)
    rig.submit(order)
    await acknowledged.wait()
    await rig.journal.flush()
    return order
