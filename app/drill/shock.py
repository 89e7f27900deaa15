"""A fast market: the recorded minute of a news release where there is one, else a seeded one like it.

The recorded minute is 2023-05-01 14:00 UTC in gold, the ISM release: −47 ticks within a second, 241 prints in
the worst second, the spread from one tick to eight. The made one has those measures.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from app.drill.notes import NotPossible
from app.drill.virtual import BEFORE, RELEASE, VirtualDrill
from engine.feeds.errors import FeedError
from engine.feeds.instruments import lookup
from engine.feeds.replay import ReplayFeed
from engine.model import MarketState, Quote, Side, Trade

DROP = 49
"""Ticks by which the made market falls."""


def recording(folder: Path) -> Path:
    """The recorded day below a data folder. Raises `NotPossible`."""
    for path in (folder / "gc_l5_20230501" / "gc_l5_20230501.csv.gz", folder / "gc_l5_20230501.csv.gz"):
        if path.exists():
            return path
    raise NotPossible(f"there is no gc_l5_20230501.csv.gz below {folder}")


class _Market:
    """Hands a recording to exchange and engine, up to a moment. Satisfies `engine.ports.MarketSink`."""

    def __init__(self, drill: VirtualDrill) -> None:
        self._world = drill.world
        self.ended = asyncio.Event()

    def on_quote(self, quote: Quote) -> None:
        self._world.deliver(quote)

    def on_trade(self, trade: Trade) -> None:
        self._world.exchange.on_trade(trade)
        self._world.engine.on_trade(trade)

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        self._world.exchange.on_market_state(symbol, state, ts)
        self._world.engine.on_market_state(symbol, state, ts)

    def on_batch_end(self, ts: int) -> None:
        self._world.exchange.on_batch_end(ts)
        self._world.engine.on_batch_end(ts)

    def on_feed_end(self, reason: str) -> None:  # noqa: ARG002 - the drill ends before the day does
        self.ended.set()


def play_recorded(d: VirtualDrill) -> asyncio.Task[None]:
    """The recorded minute begins in `BEFORE`; the task is cancelled by whoever has seen enough."""
    assert d.context.data is not None
    try:
        feed = ReplayFeed([recording(d.context.data)], lookup)
    except FeedError as error:
        raise NotPossible(str(error)) from error
    d.world.quoting = False
    return asyncio.ensure_future(feed.run(d.world.clock, _Market(d), RELEASE - BEFORE))


async def play_made(
    d: VirtualDrill,
    rng: random.Random,
    symbol: str = "ES",
    drop: int = DROP,
    on_start: Callable[[], None] | None = None,
) -> None:
    """Falls by `drop` ticks within 0.2 s while the book empties, then swings and calms down over 3 s."""
    world = d.world
    world.quoting = False
    bid = world.touch[symbol][0]
    if on_start is not None:
        on_start()
    fallen = 0
    while fallen < drop:
        step = min(rng.randint(2, 8), drop - fallen)
        fallen += step
        bid -= step
        spread = rng.randint(3, 8)
        world.trade(symbol, bid, rng.randint(5, 60), Side.SELL)
        world.quote(symbol, bid, bid + spread, rng.randint(1, 3))
        await world.sleep(0.02)
    for n in range(60):
        bid += rng.randint(-4, 4)
        spread = max(1, rng.randint(1, 8) - n // 12)
        world.quote(symbol, bid, bid + spread, rng.randint(1, 4 + n // 4))
        if rng.random() < 0.5:
            side = Side.SELL if rng.random() < 0.5 else Side.BUY
            world.trade(symbol, bid if side is Side.SELL else bid + spread, rng.randint(1, 20), side)
        await world.sleep(0.05)
    world.touch[symbol] = (bid, bid + 1)
    world.sizes[symbol] = 50
    world.quoting = True
