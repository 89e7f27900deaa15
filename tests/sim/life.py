"""One engine of a simulated world, from its start to its end, and the ways by which it is reached."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brokers.paper.adapter import PaperAdapter
from engine.engine import Engine
from engine.journal import Journal
from engine.model import MarketState, Order, Quote, Replace, Trade
from engine.sending import Recorded
from engine.sim.invariants import Broken, Watch
from engine.sim.schedule import SimClock
from engine.sim.store import LateStore
from tests.sim.wire import Wire


@dataclass(slots=True)
class Life:
    """One engine from its start to its end."""

    process: str
    context: contextvars.Context
    clock: SimClock
    wire: Wire
    engine: Engine | None = None
    watch: Watch | None = None
    journal: Journal | None = None
    store: LateStore | None = None
    started: bool = False
    """Its start is over: recovered, or as far as the broker let it."""
    stopping: bool = False
    sends: Callable[[object], None] = lambda _: None
    """Told of everything that is handed to the exchange, before it is."""
    feed: Feed | None = None
    """Its market data, once some has come."""


class WatchedAdapter(PaperAdapter):
    """The paper adapter; every order and replace is looked at as it is handed over."""

    def __init__(self, life: Life, account: str) -> None:
        super().__init__(life.wire, account)  # type: ignore[arg-type]
        self._life = life

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        self._life.sends(order_id)
        super().cancel(order_id, broker_id)

    def submit(self, order: Recorded[Order]) -> None:
        self._life.sends(order.request)
        super().submit(order)
        self._look(order)

    def replace(self, change: Recorded[Replace]) -> None:
        self._life.sends(change.request)
        super().replace(change)
        self._look(change)

    def _look(self, recorded: Recorded[Order] | Recorded[Replace]) -> None:
        watch = self._life.watch
        assert watch is not None
        try:
            watch.leaves(recorded.request, recorded.seq)
        except Broken as broken:
            watch.failed(broken)


class Feed:
    """Market data on its way into the engine's process; all up to the end of a batch arrives together."""

    def __init__(self, life: Life | None, also: Callable[..., None] | None = None) -> None:
        self._life = life
        self._also = also
        self._batch: list[tuple[str, tuple[Any, ...]]] = []

    def on_quote(self, quote: Quote) -> None:
        self._batch.append(("on_quote", (quote,)))

    def on_trade(self, trade: Trade) -> None:
        self._batch.append(("on_trade", (trade,)))

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        self._batch.append(("on_market_state", (symbol, state, ts)))

    def on_batch_end(self, ts: int) -> None:
        self._batch.append(("on_batch_end", (ts,)))
        self._send()

    def on_feed_end(self, reason: str) -> None:
        self._batch.append(("on_feed_end", (reason,)))
        self._send()

    def _send(self) -> None:
        batch, self._batch = self._batch, []
        if self._also is not None:
            for method, args in batch:
                self._also(method, *args)
        life = self._life
        if life is None:
            return
        assert life.engine is not None
        life.wire.into_engine(_arrive, life.engine, batch)


def _arrive(engine: Engine, batch: list[tuple[str, tuple[Any, ...]]]) -> None:
    for method, args in batch:
        getattr(engine, method)(*args)
