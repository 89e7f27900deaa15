"""What benches over the simulated exchange share: its market, its faults and its books, in this process."""

from __future__ import annotations

import random
from typing import Any

from brokers.exchange import Exchange, ExchangeConfig, FaultConfig
from brokers.exchange.messages import Audit
from engine.model import ExecutionKey, MarketState, Quote, Side, Trade
from engine.ports import Clock
from tests.instruments import CL, ES

QUICK = FaultConfig(
    late_ack_ms=60, delay_ms=60, reorder_ms=20, bust_ms=20, disconnect_ms=50, half_open_ms=60_000
)
"""Faults whose delays are short, because most benches run in real time."""


def exchange(clock: Clock, seed: int, **more: Any) -> Exchange:
    """A fast exchange that lists ES and CL."""
    config = ExchangeConfig(
        order_latency_ms=1,
        order_jitter_ms=0,
        report_latency_ms=1,
        report_jitter_ms=0,
        **{"faults": QUICK, "message_limit": 40, **more},
    )
    return Exchange((ES, CL), clock, random.Random(seed), config)


class VenueBench:
    """The half of a bench that moves the venue. `account`: the one that is traded."""

    def __init__(self, exchange: Exchange, account: str = "A") -> None:
        self.exchange = exchange
        self.clock: Clock = exchange.clock
        self.account = account

    async def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        self.exchange.on_quote(Quote("ES", self.clock.now(), bid, bid_size, ask, ask_size))

    async def trade(self, price: int, size: int, aggressor: Side) -> None:
        self.exchange.on_trade(Trade("ES", self.clock.now(), price, size, aggressor))

    async def arm(self, fault: str, times: int = 1) -> None:
        self.exchange.faults.arm(fault, times)

    async def calm(self) -> None:
        self.exchange.faults.clear()

    async def state(self, state: MarketState) -> None:
        self.exchange.set_state("ES", state)

    async def limits(self, low: int, high: int) -> None:
        self.exchange.set_limits("ES", low, high)

    async def manual_trade(self, side: Side, qty: int) -> None:
        self.exchange.manual_trade(self.account, "ES", side, qty)

    async def foreign_order(self, side: Side, qty: int, limit: int) -> None:
        self.exchange.foreign_order(self.account, "ES", side, qty, limit=limit)

    async def end_order(self, order_id: str) -> None:
        assert self.exchange.cancel_order(self.account, order_id)

    async def bust(self, key: ExecutionKey) -> None:
        self.exchange.bust(key)

    async def correct(self, key: ExecutionKey, price: int, qty: int | None = None) -> None:
        self.exchange.correct(key, price, qty)

    async def truth(self) -> Audit:
        return self.exchange.audit(self.account)
