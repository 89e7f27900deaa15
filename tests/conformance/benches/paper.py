"""The paper adapter in virtual time, its exchange on the same thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from brokers.paper import PaperAdapter
from engine.facts import AnyFact
from engine.model import NS
from engine.ports import Adapter
from engine.sim.loop import VirtualClock, VirtualLoop
from tests.conformance.benches.venue import VenueBench, exchange
from tests.conformance.suite import Case

START = 1_700_000_000 * NS


class PaperBench(VenueBench):
    adapter: Adapter

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        super().__init__(exchange(clock, seed))
        self.adapter = PaperAdapter(self.exchange, self.account)
        self.facts: list[AnyFact] = []
        self.adapter.bind(self.facts.append)

    async def drop(self) -> None:
        self.exchange.drop_link(self.account)
        await self.settle()

    async def mute(self) -> None:
        await self.arm("half_open")
        self.adapter.cancel("none", None)  # the request on which the line goes silent

    async def settle(self) -> None:
        await self.clock.sleep(NS // 10)

    async def until(self, done: Callable[[], bool], what: str) -> None:
        for _ in range(50):
            if done():
                return
            await self.settle()
        raise AssertionError(f"it never came: {what}; facts: {self.facts}")


def run(case: Case) -> bool:
    """Runs a case against a fresh exchange. False where the venue lacks what it shows."""
    return play(case, PaperBench)


def play(case: Case, make: Callable[[VirtualClock, int], PaperBench]) -> bool:
    """Runs a case with a bench that `make` gives for its clock and seed."""
    loop = VirtualLoop(START)
    bench = make(VirtualClock(loop), case.number)

    async def play() -> bool:
        await bench.adapter.connect()
        await bench.quote(100, 20, 101, 10)
        await bench.settle()
        able = await case.run(bench)
        await bench.adapter.close()
        await asyncio.sleep(0)
        return able is not False

    able = loop.run_until_complete(play())
    assert not loop.errors
    return able
