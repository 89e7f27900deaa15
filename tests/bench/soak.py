"""Section `soak`: what the engine's memory does over days of trading, in virtual time, with the real engine.

One order after the other through gate, journal, books, risk and reconciliation; two of three are filled, the
third is cancelled. Resident memory is looked at once all that is bounded is full: the rest is what grows. The
short form plays a day with 12,000 orders, one every seven seconds; `python -m tests.bench --long soak` plays
a week of five days with 60,000.
"""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime
from pathlib import Path

from engine.config import EngineConfig, JournalConfig, ReconcileConfig, ScreenConfig
from engine.model import NS, Side
from engine.sim.loop import VirtualLoop
from tests.bench.bed import WIDE, Bed
from tests.bench.figures import Figures, rss_mib, slope, table, workplace
from tests.bench.venue import InstantVenue
from tests.hostile.rig import ES

START = 1_767_571_200 * NS
"""Monday, 2026-01-05 00:00 UTC."""
DAY = 86_400
WARM = 6_000
"""Orders after which everything that is bounded is full: closed orders, and rows that are kept at hand."""
SAMPLES = 20


def run(quick: bool, long: bool = False) -> Figures:
    orders, days = (300, 0.05) if quick else (60_000, 5.0) if long else (12_000, 1.0)
    warm = 100 if quick else WARM
    with workplace() as folder:
        loop = VirtualLoop(START)
        try:
            found = loop.run_until_complete(_run(folder, loop, orders, warm, days))
        finally:
            loop.close()
        for context in loop.errors:
            raise context["exception"]
    _print(found)
    return found


async def _run(folder: Path, loop: VirtualLoop, orders: int, warm: int, days: float) -> Figures:
    config = EngineConfig(
        journal=JournalConfig(durability="process", ballast_mb=0),
        risk=WIDE,
        reconcile=ReconcileConfig(every=60),
        screen=ScreenConfig(),
    )
    made: list[InstantVenue] = []

    def make(clock: object) -> InstantVenue:
        made.append(InstantVenue(clock, [ES]))  # type: ignore[arg-type]
        return made[0]

    rig = Bed(folder, config, make)
    rig.inline, rig.virtual = True, loop
    rig.logged = _Nowhere()
    await rig.open()
    rig.venue = made[0]
    # SQLite's cache of pages is bounded too, and takes a day of orders to be full: a small one is so at once.
    await rig.journal._store.run(lambda connection: connection.execute("PRAGMA cache_size=-1000"))
    began = time.process_time()
    points: list[tuple[float, float]] = []
    pause = round(days * DAY * NS / orders)
    every = max(1, (orders - warm) // SAMPLES)
    for number in range(orders):
        await rig.clock.sleep(pause)
        await _trade(rig, number)
        if number >= warm and (number - warm) % every == 0:
            gc.collect()
            points.append((number, rss_mib()))
    books = rig.engine.core.books
    filled = orders - orders // 3
    if books.fills != filled or rig.engine.core.books.positions.qty("ES") != rig.venue.position.get("ES", 0):
        raise RuntimeError(f"{books.fills} fills booked of {filled}")
    taken = time.process_time() - began
    await rig.close()
    return {
        "orders": orders,
        "fills": filled,
        "days": days,
        "rows": rig.journal.seq,
        "cpu_s": round(taken, 1),
        "rss_mib": [round(weight, 2) for _, weight in points],
        "mib_per_10k_orders": round(slope(points) * 10_000, 3),
    }


async def _trade(rig: Bed, number: int) -> None:
    """One order from its submission to its end."""
    now = rig.clock.now()
    rig.venue.trading_day = datetime.fromtimestamp(now // NS, UTC).date().isoformat()
    rig.quote()
    order = rig.order(number, Side.BUY if number % 2 else Side.SELL)
    rig.submit(order)
    await rig.clock.sleep(NS // 100)
    if number % 3 == 2:
        rig.engine.intake.cancel(order.id)
    else:
        del rig.venue.working[order.id]
        rig.engine.on_fact(rig.venue.fill(order, 1))
    await rig.clock.sleep(NS // 100)
    rig.venue.handed.clear()


class _Nowhere(list[tuple[str, str, dict[str, object]]]):
    """A log that keeps nothing."""

    def append(self, entry: tuple[str, str, dict[str, object]]) -> None: ...


def _print(found: Figures) -> None:
    rows = [
        (f"{found['days']:g} days, virtual", found["orders"], found["fills"], found["rows"], found["cpu_s"])
    ]
    table("Soak: memory over days of trading", ("", "orders", "fills", "rows", "CPU s"), rows)
    weights = found["rss_mib"]
    print(f"  resident: {weights[0]:.1f} MiB once warm, {weights[-1]:.1f} MiB at the end")
    print(f"  slope: {found['mib_per_10k_orders']:+.2f} MiB for 10,000 orders more")
