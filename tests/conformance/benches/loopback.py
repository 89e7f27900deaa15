"""The loopback adapter over a real Unix socket; its exchange serves it on the same loop, in real time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from brokers.exchange.gateways import FIRST
from brokers.loopback.adapter import RemotePaperAdapter
from brokers.loopback.server import Server, listen
from brokers.loopback.wire import Address
from engine.clock import RealClock
from engine.facts import AnyFact, LinkDown
from engine.ports import Adapter
from tests.conformance.benches.venue import VenueBench, exchange
from tests.conformance.suite import Case


class LoopbackBench(VenueBench):
    def __init__(self, clock: RealClock, address: Address, seed: int) -> None:
        super().__init__(exchange(clock, seed, query_timeout=0.4))
        self.remote = RemotePaperAdapter(address, self.account, clock)
        self.adapter: Adapter = self.remote
        self.facts: list[AnyFact] = []
        self.adapter.bind(self.facts.append)

    async def drop(self) -> None:
        self.exchange.drop_link(self.account)
        await self.until(lambda: bool(self.facts) and isinstance(self.facts[-1], LinkDown), "LinkDown")

    async def mute(self) -> None:
        await self.arm("half_open")
        self.adapter.cancel("none", None)

    async def settle(self) -> None:
        # Requests and answers take 1 ms each way; this is several of them, and the timers of quick faults.
        await asyncio.sleep(0.03)

    async def until(self, done: Callable[[], bool], what: str) -> None:
        for _ in range(200):
            if done():
                return
            await self.settle()
        raise AssertionError(f"it never came: {what}; facts: {self.facts}")


def run(case: Case) -> bool:
    """Runs a case against a fresh exchange behind a fresh socket. False where the venue lacks it."""

    async def play(folder: Path) -> bool:
        clock = RealClock(asyncio.get_running_loop())
        address = Address(path=folder / "x.sock")
        bench = LoopbackBench(clock, address, case.number)
        listener, _ = await listen(address, FIRST, Server(bench.exchange))
        try:
            await bench.adapter.connect()
            await bench.quote(100, 20, 101, 10)
            await bench.settle()
            return await case.run(bench) is not False
        finally:
            await bench.adapter.close()
            listener.close()
            bench.exchange.close()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(play(Path(folder)))
