"""The sentinel's work at the broker: an engine of its own, without strategies, that does nothing but kill.

It is the same engine with the same gate, journal, order state machine and kill procedure, so that what is
true of a kill is true here: limits and never market orders, fills from executions only, flat only when the
broker has shown it twice. It starts from the broker's word alone, because the dead engine's journal may be
what killed it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from engine.books import Books
from engine.config import EngineConfig
from engine.core import Log
from engine.engine import Engine, Parts
from engine.facts import OpenOrders, Positions
from engine.journal import Journal, StoreFailed, StoreRefused
from engine.model import NS, Instrument, Mode
from engine.ports import Adapter, Clock, IdSource, QueryFailed
from engine.records import KINDS, AnyRecord, KillBegan, RunStarted, decode
from engine.records_sentinel import SentinelNote
from engine.sentinel.lease import Fence
from engine.sentinel.machine import Event
from engine.sessions import calendar
from engine.waiting import within

_LOOK_EVERY: Final = NS
"""ns between two looks at the broker after the proof."""
_RETRY: Final = (NS // 5, 5 * NS)
"""First and longest wait before the broker is tried again, ns."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A venue that was reached: its adapter, not connected yet, and what feeds prices into an engine."""

    adapter: Adapter
    instruments: Sequence[Instrument]
    run_feed: Callable[[Engine], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything that the work is handed."""

    config: EngineConfig
    clock: Clock
    journal: Journal
    ids: Callable[[], IdSource]
    fence: Fence
    log: Log
    reach: Callable[[], Awaitable[Ground]]
    """Reaches the venue anew. Raises where it cannot, with the reason."""
    mode: Mode = "PAPER"
    lockstep: bool = False
    """Virtual time: idle rounds are skipped."""
    draw: Callable[[], float] = lambda: 0.5
    rss_mb: Callable[[], float | None] = lambda: None


def emergency_config(config: EngineConfig) -> EngineConfig:
    """The engine's settings for the sentinel's: it takes the broker's word for all that it finds, runs no
    strategy, and no limit starts a procedure of its own, because nothing but the policy is to happen."""
    limits = {name: "refuse" for name in type(config.risk).model_fields if name.endswith("_action")}
    return config.model_copy(
        update={
            "strategies": (),
            "connections": (),
            "risk": config.risk.model_copy(update=limits),
            "reconcile": config.reconcile.model_copy(
                update={"on_manual_trade": "adopt", "on_drift": "adopt", "on_unknown_order": "adopt"}
            ),
            "orders": config.orders.model_copy(update={"on_stop": "keep"}),
            "link": config.link.model_copy(update={"resume": "agreed"}),
        }
    )


class Emergency:
    """Implements `engine.sentinel.watch.Work`."""

    def __init__(self, tools: Tools, see: Callable[[Event, str], None]) -> None:
        self._tools = tools
        self._see = see
        self._task: asyncio.Task[None] | None = None
        self.engine: Engine | None = None
        self._trouble = ""

    def begin(self, reason: str) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(reason), name="emergency")

    def stop(self) -> None:
        asyncio.get_running_loop().create_task(self._stop(), name="emergency stops")

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._see(Event.STOPPED, "")

    def note(self, text: str) -> None:
        """A note of trouble, once for each text."""
        if text != self._trouble:
            self._trouble = text
            tools = self._tools
            record = SentinelNote(event="trouble", text=text)
            tools.journal.append_nowait(KINDS[SentinelNote], record, ts=tools.clock.now())
            tools.log("warning", text, component="sentinel", status="TROUBLE")

    # -- the work

    async def _run(self, reason: str) -> None:
        wait = _RETRY[0]
        while True:
            try:
                await self._once(reason)
            except Exception as error:  # noqa: BLE001 - it goes on until it is done or stopped; it is noted
                self.note(f"the broker cannot be worked at: {error!r}")
            await self._tools.clock.sleep(wait)
            wait = min(2 * wait, _RETRY[1])

    async def _once(self, reason: str) -> None:
        tools = self._tools
        ground = await tools.reach()
        engine = await self._made(ground)
        self.engine = engine
        tasks = [asyncio.get_running_loop().create_task(ground.run_feed(engine), name="emergency feed")]
        try:
            starting = asyncio.get_running_loop().create_task(engine.start(), name="emergency start")
            tasks.append(starting)
            starting.add_done_callback(self._started)
            await asyncio.sleep(0)
            if not engine.kill.running:  # else the start went on with one that had not ended
                self._kill(engine, reason)
            while True:
                progress = await engine.kill.finished()
                self._see(Event.PROVEN, progress.verdict)
                await self._look(engine)
                self._see(Event.UNDONE, "the broker shows an order or a position again")
                self._kill(engine, f"{reason}; something arrived late")
        finally:
            self.engine = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end(engine)

    def _started(self, starting: asyncio.Task[None]) -> None:
        """The procedure goes on whatever becomes of the rest of the start."""
        if not starting.cancelled() and starting.exception() is not None:
            self.note(f"the start did not come to its end: {starting.exception()!r}")

    def _kill(self, engine: Engine, reason: str) -> None:
        flatten = self._tools.config.sentinel.policy == "flatten"
        engine.kill.begin(KillBegan(reason=reason, symbol=None, flatten=flatten))

    async def _look(self, engine: Engine) -> None:
        """Returns when the broker shows again what should be gone."""
        clock, flatten = self._tools.clock, self._tools.config.sentinel.policy == "flatten"
        while True:
            await clock.sleep(_LOOK_EVERY)
            try:
                orders = await engine.core.adapter.open_orders()
                positions = await engine.core.adapter.positions()
            except QueryFailed:
                continue  # the link's own alarm says so; nothing is concluded
            if _works(orders) or (flatten and _holds(positions)):
                return

    async def _end(self, engine: Engine) -> None:
        """Nothing of it sends any more, and its rows are on disk."""
        engine.kill.abandon("the sentinel stops")
        engine.end_loops()
        with contextlib.suppress(TimeoutError):
            await within(self._tools.clock, engine.core.adapter.close(), 5 * NS)
        try:
            await self._tools.journal.flush()
        except StoreFailed as error:
            self.note(f"the last rows are not on disk: {error}")

    async def _made(self, ground: Ground) -> Engine:
        tools, config = self._tools, emergency_config(self._tools.config)
        books = Books(config, ground.instruments)
        for ts, record in await since_fenced(tools.journal, self.note):
            books.apply(record, ts)
        run = books.run.run + 1 if books.run is not None else 1
        engine = Engine(
            Parts(
                config=config,
                clock=tools.clock,
                ids=tools.ids(),
                journal=tools.journal,
                adapter=ground.adapter,
                books=books,
                instruments=list(ground.instruments),
                calendar=calendar,
                log=tools.log,
                mode=tools.mode,
                lockstep=tools.lockstep,
                speed=1.0,
                seed=0,
                reload_limits=lambda: config.risk,
                publish=None,
                rss_mb=tools.rss_mb,
                draw=tools.draw,
                fence=tools.fence,
            )
        )
        engine.core.commit(
            RunStarted(
                install="sentinel",
                run=run,
                mode=engine.parts.mode,
                account=config.account,
                broker=ground.adapter.name,
                instruments=tuple(ground.instruments),
            )
        )
        return engine


async def since_fenced(journal: Journal, trouble: Callable[[str], None]) -> list[tuple[int, AnyRecord]]:
    """The records of the work that is under way, with their times: those since the lease was last taken. As
    many as a store in trouble gives, and without those that a newer build wrote and this one cannot read:
    what is missing the broker tells, and nothing waits for a disk or a build."""
    found: list[tuple[int, AnyRecord]] = []
    with contextlib.suppress(StoreFailed, StoreRefused):
        await journal.flush()
    with contextlib.suppress(StoreFailed, StoreRefused):
        async for row in journal.rows():
            try:
                record = decode(row.kind, row.body)
            except msgspec.MsgspecError as error:
                trouble(f"row {row.seq} of its journal is of another build and passed over: {error}")
                continue
            if not isinstance(record, SentinelNote):
                found.append((row.ts, record))
            elif record.event == "fenced":
                found = []
    return found


def _works(orders: OpenOrders) -> bool:
    return bool(orders.foreign) or any(o.leaves > 0 for o in orders.ours)


def _holds(positions: Positions) -> bool:
    return any(p.qty for p in positions.positions)
