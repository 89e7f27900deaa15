"""One adapter at one loopback gateway, for tests of the wire: `play` runs a coroutine over a bench."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from brokers.ib import IbAdapter, IbConfig, library
from brokers.loopback.tws import TwsConfig
from engine.clock import RealClock
from engine.facts import Acknowledged, AnyFact, Gap
from tests.conformance.benches.ib import ACCOUNT, CONTRACTS, PATIENCE, IbBench, gateway
from tests.conformance.suite import B, of, submit, until_seen

needs_library = pytest.mark.skipif(bool(library.problem()), reason="needs one client library for IB")

Script = Callable[[IbBench], Awaitable[None]]


def play(
    script: Script,
    *,
    tws: dict[str, Any] | None = None,
    connect: bool = True,
    excuse_problems: bool = False,
    **ib: Any,
) -> None:
    """Runs a script against a fresh gateway. `tws`: settings of the gateway; others: of the adapter."""

    async def run() -> None:
        clock = RealClock(asyncio.get_running_loop())
        venue = gateway(clock, 7, TwsConfig(**{"max_active": 1_000, **(tws or {})}))
        venue.start()
        listener, port = await venue.listen()
        bench = IbBench(clock, venue, ib.pop("port", port), **ib)
        try:
            await bench.quote(100, 20, 101, 10)
            if connect:
                await bench.adapter.connect()
                await bench.settle()
            await script(bench)
            assert excuse_problems or not venue.problems, venue.problems
        finally:
            await bench.adapter.close()
            listener.close()
            await venue.close()

    asyncio.run(run())


async def reconnect(bench: IbBench) -> None:
    """Opens a new session and waits for its Gap."""
    gaps = len(of(bench, Gap))
    await bench.adapter.connect()
    await bench.until(lambda: len(of(bench, Gap)) > gaps, "a Gap")


def second_adapter(
    bench: IbBench, *, mark: Path | None = None, **settings: Any
) -> tuple[IbAdapter, list[AnyFact]]:
    """Another run of the engine at the same gateway: it knows nothing but what TWS tells."""
    config = IbConfig(
        **{
            "port": bench.port,
            "contracts": CONTRACTS,
            "answer_within": PATIENCE,
            "what_if": False,
            **settings,
        }
    )
    adapter = IbAdapter(config, ACCOUNT, bench.clock, mark=mark)
    facts: list[AnyFact] = []
    adapter.bind(facts.append)
    return adapter, facts


async def working(bench: IbBench, qty: int = 2, limit: int = 99) -> str:
    """A buy order that rests at the gateway; its id."""
    order_id = await submit(bench, B, qty, limit)
    await until_seen(bench, Acknowledged, order_id)
    return order_id
