"""Runs the conformance cases against the paper adapter (virtual time) and the remote one (real socket)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance import CASES, make_quote, make_trade
from exchange_kit import ES, FAST, START
from loopback_kit import ExchangeProcess, exchange_process

from brokers.exchange import Exchange, ExchangeConfig
from brokers.loopback.adapter import RemotePaperAdapter
from brokers.loopback.wire import Drill
from brokers.paper import PaperAdapter
from engine.clock import RealClock
from engine.facts import AnyFact, LinkDown
from engine.model import NS, MarketState, Side
from engine.ports import Adapter, QueryFailed
from engine.sim.loop import VirtualClock, VirtualLoop


class PaperBench:
    """The paper adapter in virtual time."""

    adapter: Adapter

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.clock = exchange.clock
        self.adapter = PaperAdapter(exchange, "A")
        self.facts: list[AnyFact] = []
        self.adapter.bind(self.facts.append)

    async def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        self.exchange.on_quote(make_quote(self.clock.now(), bid, bid_size, ask, ask_size))

    async def trade(self, price: int, size: int, aggressor: Side) -> None:
        self.exchange.on_trade(make_trade(self.clock.now(), price, size, aggressor))

    async def arm(self, fault: str) -> None:
        self.exchange.faults.arm(fault)

    async def state(self, state: MarketState) -> None:
        self.exchange.set_state("ES", state)

    async def manual_trade(self, side: Side, qty: int) -> None:
        self.exchange.manual_trade("A", "ES", side, qty)

    async def foreign_order(self, side: Side, qty: int, limit: int) -> None:
        self.exchange.foreign_order("A", "ES", side, qty, limit=limit)

    async def drop(self) -> None:
        self.exchange.drop_link("A")

    async def settle(self) -> None:
        await self.clock.sleep(NS // 10)


class RemoteBench:
    """The remote adapter over a real socket to a real process. A round trip settles everything before it."""

    def __init__(self, adapter: RemotePaperAdapter, clock: RealClock) -> None:
        self.remote = adapter
        self.adapter: Adapter = adapter
        self.clock = clock
        self.facts: list[AnyFact] = []
        self.down = asyncio.Event()
        adapter.bind(self._take)

    def _take(self, fact: AnyFact) -> None:
        self.facts.append(fact)
        if isinstance(fact, LinkDown):
            self.down.set()

    async def quote(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        self.remote.push(quote=make_quote(self.clock.now(), bid, bid_size, ask, ask_size))

    async def trade(self, price: int, size: int, aggressor: Side) -> None:
        self.remote.push(trade=make_trade(self.clock.now(), price, size, aggressor))

    async def arm(self, fault: str) -> None:
        await self.remote.drill(Drill(n=0, kind="arm", fault=fault))

    async def state(self, state: MarketState) -> None:
        await self.remote.drill(Drill(n=0, kind="state", symbol="ES", state=state))

    async def manual_trade(self, side: Side, qty: int) -> None:
        await self.remote.drill(Drill(n=0, kind="trade", account="A", symbol="ES", side=side, qty=qty))

    async def foreign_order(self, side: Side, qty: int, limit: int) -> None:
        await self.remote.drill(
            Drill(n=0, kind="foreign", account="A", symbol="ES", side=side, qty=qty, price=limit)
        )

    async def drop(self) -> None:
        with contextlib.suppress(QueryFailed):
            await self.remote.drill(Drill(n=0, kind="drop", account="A"))
        await self.down.wait()

    async def settle(self) -> None:
        # Requests, answers and reports keep their order, so an answer ends the wait for all before it.
        if self.remote.up:
            await self.adapter.account_values()
        await asyncio.sleep(0)


@pytest.mark.parametrize("number", sorted(CASES))
def test_paper(number: int) -> None:
    loop = VirtualLoop(START)
    exchange = Exchange((ES,), VirtualClock(loop), random.Random(number), ExchangeConfig(**FAST))
    bench = PaperBench(exchange)

    async def run() -> None:
        await bench.adapter.connect()
        await bench.quote(100, 20, 101, 10)
        await bench.settle()
        await CASES[number](bench)
        await bench.adapter.close()

    loop.run_until_complete(run())
    assert not loop.errors


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "exchange.json"
    path.write_text(ExchangeConfig(**{**FAST, "query_timeout": 0.4}).model_dump_json())
    return path


@pytest.fixture
def process(tmp_path: Path, config: Path) -> Iterator[ExchangeProcess]:
    with exchange_process(tmp_path, "--config", str(config), ledger=False) as running:
        yield running


@pytest.mark.parametrize("number", sorted(CASES))
def test_remote(number: int, process: ExchangeProcess) -> None:
    async def run() -> None:
        clock = RealClock(asyncio.get_running_loop())
        adapter = RemotePaperAdapter(process.address, "A", clock)
        bench = RemoteBench(adapter, clock)
        await adapter.connect()
        await bench.quote(100, 20, 101, 10)
        await bench.settle()
        try:
            await CASES[number](bench)
        finally:
            await adapter.close()

    asyncio.run(run())
