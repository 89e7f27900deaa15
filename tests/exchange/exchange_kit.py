"""A small world around the exchange for tests: virtual time, a session that collects facts, short makers."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from brokers.exchange import AccountConfig, Exchange, ExchangeConfig, FaultConfig
from brokers.exchange.messages import Answer, Cancel, Change, New, Query
from engine.facts import AnyFact, Executed, Fact
from engine.model import (
    NS,
    Fill,
    Instrument,
    MarketState,
    Order,
    OrderType,
    Quote,
    Replace,
    Side,
    TimeInForce,
    Trade,
)
from engine.sim.loop import VirtualClock, VirtualLoop
from tests.instruments import CL, ES

F = TypeVar("F", bound=Fact)
MS = 1_000_000
START = 1_700_000_000 * NS
B, S = Side.BUY, Side.SELL
FAST = {"order_latency_ms": 1, "order_jitter_ms": 0, "report_latency_ms": 1, "report_jitter_ms": 0}

BTC = Instrument(
    symbol="BTC",
    venue="SIM",
    asset_class="crypto",
    tick=Decimal("0.1"),
    lot=Decimal("0.001"),
    currency="USDT",
    fee_rate=Decimal("0.0004"),
)


class World:
    """An exchange in virtual time with one logged-on account. Prices and sizes as ints throughout."""

    def __init__(
        self,
        *,
        seed: int = 7,
        faults: dict[str, float] | None = None,
        cash: int = 10_000_000,
        ledger: Path | None = None,
        instruments: tuple[Instrument, ...] = (ES, CL, BTC),
        fx: dict[str, Decimal] | None = None,
        start: int = START,
        **config: Any,
    ) -> None:
        self.loop = VirtualLoop(start)
        self.clock = VirtualClock(self.loop)
        settings = ExchangeConfig(**{**FAST, **config, "faults": FaultConfig(**(faults or {}))})
        self.exchange = Exchange(
            instruments,
            self.clock,
            random.Random(seed),
            settings,
            AccountConfig(cash=Decimal(cash), fx=fx or {}),
            ledger=ledger,
        )
        self.facts: list[AnyFact] = []
        self.session = self.exchange.open_session("A", self.facts.append)
        self.session.open()
        self.count = 0
        self.run(5)
        self.facts.clear()

    def run(self, ms: float) -> None:
        """Lets virtual time pass."""
        self.loop.run_until_complete(self.clock.sleep(round(ms * MS)))
        assert not self.loop.errors, self.loop.errors

    # -- market

    def quote(
        self, bid: int | None, bid_size: int, ask: int | None, ask_size: int, symbol: str = "ES"
    ) -> None:
        self.exchange.on_quote(Quote(symbol, self.clock.now(), bid, bid_size, ask, ask_size))

    def trade(self, price: int, size: int, aggressor: Side | None = None, symbol: str = "ES") -> None:
        self.exchange.on_trade(Trade(symbol, self.clock.now(), price, size, aggressor))

    def state(self, state: MarketState, symbol: str = "ES") -> None:
        self.exchange.on_market_state(symbol, state, self.clock.now())

    # -- requests

    def order(
        self,
        side: Side,
        qty: int,
        limit: int | None = None,
        *,
        stop: int | None = None,
        symbol: str = "ES",
        id: str | None = None,
        **more: Any,
    ) -> Order:
        kinds = {
            (False, False): OrderType.MARKET,
            (True, False): OrderType.LIMIT,
            (False, True): OrderType.STOP,
            (True, True): OrderType.STOP_LIMIT,
        }
        self.count += 1
        return Order(
            id=id or f"t-{self.count}",
            strategy="t",
            account=more.pop("account", "A"),
            symbol=symbol,
            side=side,
            qty=qty,
            type=more.pop("type", kinds[limit is not None, stop is not None]),
            limit=limit,
            stop=stop,
            **more,
        )

    def send(self, side: Side, qty: int, limit: int | None = None, *, wait: float = 5, **more: Any) -> str:
        """Sends an order and lets the answers come (unless `wait` is 0). Returns its id."""
        order = self.order(side, qty, limit, **more)
        self.session.send(New(order))
        if wait:
            self.run(wait)
        return order.id

    def cancel(self, order_id: str, broker_id: str | None = None, wait: float = 5) -> None:
        self.session.send(Cancel(order_id=order_id, broker_id=broker_id))
        if wait:
            self.run(wait)

    def replace(
        self, order_id: str, qty: int, limit: int | None = None, stop: int | None = None, wait: float = 5
    ) -> str:
        self.count += 1
        change = Replace(id=f"r-{self.count}", order_id=order_id, qty=qty, limit=limit, stop=stop)
        self.session.send(Change(change))
        if wait:
            self.run(wait)
        return change.id

    def ask(self, query: Query, wait: float = 10) -> Answer | None:
        found: list[Answer] = []
        self.session.ask(query, found.append)
        self.run(wait)
        return found[0] if found else None

    # -- what came

    def of(self, kind: type[F], order_id: str | None = None) -> list[F]:
        return [
            f
            for f in self.facts
            if isinstance(f, kind) and (order_id is None or getattr(f, "order_id", None) == order_id)
        ]

    def fills(self, order_id: str | None = None) -> list[Fill]:
        fills = [f.fill for f in self.facts if isinstance(f, Executed)]
        return [f for f in fills if order_id is None or f.order_id == order_id]

    def pairs(self, order_id: str | None = None) -> list[tuple[int, int]]:
        """Fills as (qty, price)."""
        return [(f.qty, f.price) for f in self.fills(order_id)]

    def names(self) -> list[str]:
        return [type(f).__name__ for f in self.facts]

    def position(self, symbol: str = "ES") -> int:
        return self.exchange.books.account("A").position(symbol)


__all__ = ["BTC", "CL", "ES", "MS", "START", "B", "MarketState", "S", "TimeInForce", "World"]
