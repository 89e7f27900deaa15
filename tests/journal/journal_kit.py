"""What the journal's tests share: a clock to turn by hand, ways to run, hooks into a live connection."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from engine.config import JournalConfig
from engine.journal import Journal, Row, Stored, StoreFailed
from engine.journal.connection import JournalConnection
from engine.model import ExecutionKey as Key
from engine.model import Fill, Order, OrderType, Purpose, Replace, Side
from engine.sending import Approved, Recorded, _seals
from engine.sim.loop import VirtualLoop

T = TypeVar("T")

BACKENDS = ("aio", "inline", "virtual")
"""aiosqlite on its thread; sqlite3 in an ordinary loop; sqlite3 in a loop of virtual time."""
START = 1_700_000_000_000_000_000
EMERGENCY = frozenset({"fact", "halt"})
SMALL = JournalConfig(min_free_mb=0, ballast_mb=0)


class HandClock:
    """`now` and `mono` stand still until they are moved."""

    def __init__(self) -> None:
        self.time = START
        self.elapsed = 0

    def now(self) -> int:
        return self.time

    def mono(self) -> int:
        return self.elapsed

    def perf(self) -> int:
        return time.perf_counter_ns()

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay / 1e9, callback, *args)

    def call_soon(self, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(callback, *args)

    async def sleep(self, delay: int) -> None:
        await asyncio.sleep(delay / 1e9)


def run(backend: str, work: Coroutine[Any, Any, T]) -> T:
    """Runs a test's coroutine on the loop that belongs to a backend."""
    if backend != "virtual":
        return asyncio.run(work)
    loop = VirtualLoop(START)
    try:
        result: T = loop.run_until_complete(work)
        assert loop.errors == []
        return result
    finally:
        loop.close()


async def open_journal(
    path: Path, backend: str = "aio", config: JournalConfig = SMALL, **more: Any
) -> Journal:
    more.setdefault("clock", HandClock())
    more.setdefault("emergency", EMERGENCY)
    return await Journal.open(path, config, inline=backend != "aio", **more)


R = TypeVar("R", Order, Replace)


def record(journal: Journal, proof: Approved[R], *, ts: int) -> asyncio.Future[Recorded[R]]:
    """`Journal.record` to be awaited."""
    future: asyncio.Future[Recorded[R]] = asyncio.get_running_loop().create_future()

    def told(end: Stored[R]) -> None:
        if isinstance(end, StoreFailed):
            future.set_exception(end)
        else:
            future.set_result(end)

    kind = "order" if isinstance(proof.request, Order) else "replace"
    journal.record(proof, kind, told, ts=ts)
    assert not future.done(), "nobody is told before record has returned"
    return future


async def all_rows(journal: Journal) -> list[Row]:
    return [row async for row in journal.rows()]


async def poke(journal: Journal, job: Callable[[JournalConnection], T]) -> T:
    """Does something to the live connection, on its own thread."""
    return await journal._store.run(job)


async def forbid(journal: Journal, kind: str) -> None:
    """Makes SQLite itself fail at a row of this kind, in the middle of its batch."""
    await poke(
        journal,
        lambda c: c.execute(
            f"CREATE TEMP TRIGGER forbid BEFORE INSERT ON log WHEN NEW.kind = '{kind}' "
            "BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
        ),
    )


async def allow(journal: Journal) -> None:
    await poke(journal, lambda c: c.execute("DROP TRIGGER forbid"))


class Gate:
    """Holds a commit in the middle of its transaction, as a hung disk would (needs the thread of `aio`)."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    async def install(self, journal: Journal, kind: str) -> None:
        def hold() -> int:
            self.entered.set()
            assert self.release.wait(30)
            return 1

        def job(connection: sqlite3.Connection) -> None:
            connection.create_function("hold", 0, hold)
            connection.execute("PRAGMA trusted_schema=ON")
            connection.execute(
                f"CREATE TEMP TRIGGER gate BEFORE INSERT ON log WHEN NEW.kind = '{kind}' "
                "BEGIN SELECT hold(); END"
            )

        await poke(journal, job)

    async def until_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 30)


def approved(order_id: str = "demo-1", purpose: Purpose = Purpose.TRADE) -> Approved[Order]:
    order = Order(
        id=order_id,
        strategy="demo",
        account="PAPER",
        symbol="ES",
        side=Side.BUY,
        qty=2,
        type=OrderType.LIMIT,
        limit=18_000,
        purpose=purpose,
        correlation="c:1",
    )
    # The gate's own seal, without taking it: it must stay free for the gate.
    return Approved(order, _seals["approve"])


def approved_change(change_id: str) -> Approved[Replace]:
    return Approved(Replace(id=change_id, order_id="demo-1", qty=3, limit=18_000), _seals["approve"])


def key(exec_id: str) -> Key:
    return Key("SIM", "PAPER", "2026-11-20", exec_id)


def fill(exec_id: str) -> Fill:
    return Fill(key=key(exec_id), symbol="ES", side=Side.BUY, qty=1, price=18_000, ts=START)
