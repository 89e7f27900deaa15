"""The engine on the instant venue, with limits so wide that none is ever met; each is still asked."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Literal

from app.collector import SWITCH_INTERVAL, Collector, tame_collector
from engine.config import (
    EngineConfig,
    JournalConfig,
    ReconcileConfig,
    RiskLimits,
    ScreenConfig,
    StrategyConfig,
)
from engine.model import Order, OrderType, Side
from tests.bench.venue import InstantVenue
from tests.hostile.rig import ES, LiveRig

HUGE = Decimal(10) ** 15
WIDE = RiskLimits(
    max_position=1_000_000_000,
    order_rate=100_000,
    order_burst=100_000,
    cancel_rate=100_000,
    max_order_qty=1_000_000,
    max_order_notional=HUGE,
    duplicate_window=0,
    max_working=100_000,
    max_gross=HUGE,
    max_net=HUGE,
    max_executions=10_000_000,
    stale_after=3_600,
)


class Bed(LiveRig):
    """One running engine; `venue` is what it sends to."""

    venue: InstantVenue

    def order(self, number: int, side: Side = Side.BUY, qty: int = 1, away: int = 10) -> Order:
        """A limit order of the operator's, `away` ticks or more from the touch on its own side."""
        core = self.engine.core
        return Order(
            id=core.ids.order_id("manual"),
            strategy="manual",
            account=self.config.account,
            symbol="ES",
            side=side,
            qty=qty,
            type=OrderType.LIMIT,
            limit=24_000 - (away + number % 50) * side.sign,
            created=self.clock.now(),
            correlation=core.ids.correlation(),
        )

    def submit(self, order: Order) -> None:
        """Gate, journal, send. Raises where the gate refuses, because then nothing would be measured."""
        refusal = self.engine.intake.submit(order)
        if refusal is not None:
            raise RuntimeError(f"refused by {refusal.control}: {refusal.text}")

    async def submit_when_punctual(self, order: Order) -> None:
        """`submit`, once the risk loop keeps its time again: a shared machine may have stood still."""
        async with asyncio.timeout(30):
            while self.engine.gate.preview(order, self.engine.view):  # noqa: ASYNC110 - asked from outside
                await asyncio.sleep(0.05)
        self.submit(order)

    async def work(self, level: int) -> None:
        """Brings the number of working orders to `level`."""
        number = len(self.venue.working)
        while number < level:
            self.submit(self.order(number, Side.BUY if number % 2 else Side.SELL, away=100))
            number += 1
            if number % 50 == 0:
                await asyncio.sleep(0.002)
        await self.journal.flush()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def bed(
    directory: Path,
    durability: Literal["power", "process"],
    *strategies: StrategyConfig,
    inline: bool = False,
    reconcile_every: float = 5.0,
    cancel_rate: int = WIDE.cancel_rate,
) -> AsyncIterator[Bed]:
    """A started engine on a market that stands still; collector and threads are set as in the application.
    `cancel_rate`: messages a second for cancels, as a venue's limit would have it."""
    config = EngineConfig(
        journal=JournalConfig(durability=durability, ballast_mb=0),
        risk=WIDE.model_copy(update={"cancel_rate": cancel_rate}),
        strategies=strategies,
        reconcile=ReconcileConfig(every=reconcile_every),
        screen=ScreenConfig(),
    )

    made: list[InstantVenue] = []

    def make(clock: object) -> InstantVenue:
        made.append(InstantVenue(clock, [ES]))  # type: ignore[arg-type]
        return made[0]

    rig = Bed(directory, config, make)
    rig.inline = inline
    rig.logged = deque(maxlen=1_000)  # type: ignore[assignment]
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    await rig.open()
    rig.venue = made[0]
    await rig.until(lambda s: s.trading, "trading enabled")
    tame_collector()
    collector = Collector(rig.engine.metrics.stage)
    collector.start()
    rig.engine.pace.after_round = collector.after_round
    try:
        yield rig
    finally:
        collector.stop()
        rig.venue.expire_all()
        await rig.close()
        sys.setswitchinterval(interval)
        gc.unfreeze()
        gc.set_threshold(*thresholds)
