"""A whole engine in real time on a scripted market: asyncio, the journal on disk, strategies as processes.

Only the quotes are scripted. Tests wait for what they look for on the snapshots that a screen would draw.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from brokers.exchange.config import AccountConfig, ExchangeConfig
from brokers.exchange.exchange import Exchange
from brokers.paper.adapter import PaperAdapter
from engine.books import Books
from engine.clock import RealClock
from engine.config import EngineConfig, KillConfig, ScreenConfig, StrategyConfig
from engine.control.commands import Answer, AnyCommand
from engine.control.snapshot import Snapshot, StrategyRow
from engine.engine import Engine, Parts
from engine.ids import Ids
from engine.journal import Journal
from engine.model import Instrument, Quote
from engine.ports import Adapter, Clock
from engine.records import EMERGENCY, RunStarted, decode
from engine.sessions import calendar
from engine.sim.loop import VirtualClock, VirtualLoop
from engine.strategy.realtime import RealtimeHost

HERE = Path(__file__).parent
PATIENCE = 40.0
"""Seconds after which a test gives up waiting; nothing is judged by how long it took."""

ES = Instrument(
    symbol="ES",
    venue="SIM",
    asset_class="index",
    tick=Decimal("0.25"),
    multiplier=Decimal(50),
    initial_margin=Decimal(15_000),
    maintenance_margin=Decimal(13_500),
    fee=Decimal("2.25"),
)

T = TypeVar("T")
MakeVenue = Callable[[Clock], Adapter]


def strategy(cls: str, name: str = "bad", **changes: Any) -> StrategyConfig:
    """Configuration of a class of `tests/hostile/strategies.py`."""
    fields: dict[str, Any] = {
        "module": f"strategies:{cls}",
        "name": name,
        "symbols": ("ES",),
        "hang_timeout": 30.0,
        **changes,
    }
    return StrategyConfig(**fields)


class LiveRig:
    """One running engine. Make it with `running`. Without a `venue` it trades on the paper exchange."""

    inline = False
    """Whether the journal commits on the engine's own thread."""
    virtual: VirtualLoop | None = None
    """The loop, where time is virtual."""

    def __init__(self, directory: Path, config: EngineConfig, venue: MakeVenue | None = None) -> None:
        self.directory = directory
        self._make_venue = venue
        self.config = config
        self.snapshot: Snapshot | None = None
        self.logged: list[tuple[str, str, dict[str, object]]] = []
        self.bid = 24_000
        self.engine: Engine
        self.exchange: Exchange | None = None
        self.journal: Journal
        self._seen = asyncio.Event()

    async def open(self) -> None:
        loop = self.virtual
        clock = RealClock(asyncio.get_running_loop()) if loop is None else VirtualClock(loop)
        self.clock = clock
        self.journal = await Journal.open(
            self.directory / "journal.db",
            self.config.journal,
            inline=self.inline,
            clock=clock,
            emergency=EMERGENCY,
        )
        books = Books(self.config, [ES])
        async for row in self.journal.rows():
            books.apply(decode(row.kind, row.body), row.ts)
        run = books.run.run + 1 if books.run is not None else 1
        adapter = self._paper(run) if self._make_venue is None else self._make_venue(clock)
        self.engine = Engine(
            Parts(
                config=self.config,
                clock=clock,
                ids=Ids("live", run),
                journal=self.journal,
                adapter=adapter,
                books=books,
                instruments=[ES],
                calendar=calendar,
                log=lambda level, event, **fields: self.logged.append((level, event, fields)),
                mode="PAPER",
                lockstep=loop is not None,
                speed=1.0,
                seed=1,
                reload_limits=lambda: self.config.risk,
                publish=self._publish,
                rss_mb=lambda: None,
                import_paths=(str(HERE),),
            )
        )
        account = self.config.account
        self.engine.core.commit(
            RunStarted(install="live", run=run, mode="PAPER", account=account, broker="paper")
        )
        self.quote()
        await self.engine.start()

    def _paper(self, run: int) -> Adapter:
        self.exchange = Exchange(
            [ES],
            self.clock,
            random.Random(f"exchange {run}"),
            ExchangeConfig(),
            AccountConfig(cash=Decimal(1_000_000)),
            ledger=self.directory / "exchange.db",
        )
        return PaperAdapter(self.exchange, self.config.account)

    async def close(self) -> None:
        await self.engine.stop("the test ended", deadline=0.6)
        await self.journal.close()
        if self.exchange is not None:
            self.exchange.close()

    # -- the market

    def quote(self) -> None:
        """One quote, one tick wide, that walks up and down by a tick."""
        now = self.clock.now()
        self.bid += 1 if self.bid % 2 == 0 else -1
        quote = Quote("ES", now, self.bid, 200, self.bid + 1, 200)
        if self.exchange is not None:
            self.exchange.on_quote(quote)
            self.exchange.on_batch_end(now)
        self.engine.on_quote(quote)
        self.engine.on_batch_end(now)

    async def quote_on(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            self.quote()

    # -- looking

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._seen.set()

    async def until(self, look: Callable[[Snapshot], T | None], what: str) -> T:
        """The first answer of `look` that is true, asked of each snapshot."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    self._seen.clear()
                    found = look(self.snapshot) if self.snapshot is not None else None
                    if found:
                        return found
                    await self._seen.wait()
        except TimeoutError:
            raise AssertionError(f"never seen: {what}; {self.describe()}") from None

    def describe(self) -> str:
        if self.snapshot is None:
            return "no snapshot at all"
        rows = "; ".join(f"{r.name} {r.state} {r.reason!r}" for r in self.snapshot.strategies)
        alerts = "; ".join(a.text for a in self.snapshot.alerts[:5])
        return f"strategies: {rows}; newest alerts: {alerts}"

    async def state(self, name: str, *states: str) -> StrategyRow:
        return await self.until(
            lambda s: next((r for r in s.strategies if r.name == name and r.state in states), None),
            f"{name} {' or '.join(states)}",
        )

    async def holds(self, name: str, lots: int) -> None:
        """Waits until this strategy's own share of the position is `lots`."""
        await self.until(
            lambda s: any(p.by_strategy.get(name) == lots for p in s.positions), f"{name} holding {lots} lots"
        )

    async def goes_on(self, name: str, fills: int = 2) -> None:
        """Waits until a strategy has traded `fills` times more than now."""
        row = await self.state(name, "running")
        wanted = row.fills + fills
        await self.until(
            lambda s: any(r.name == name and r.fills >= wanted for r in s.strategies),
            f"{name} trading on",
        )

    def lost_lines(self, name: str) -> int:
        """Lines of log of a strategy that were not kept."""
        return self.engine.strategies._hosts[name].status().lines_lost

    async def reaped(self, name: str) -> None:
        """Waits until no process of this strategy is left."""
        host = self.engine.strategies._hosts[name]
        assert isinstance(host, RealtimeHost)
        await host.ended()

    def venue_position(self) -> int:
        assert self.exchange is not None
        audit = self.exchange.audit(self.config.account)
        return sum(f.qty * f.side.sign for f in audit.executions)

    # -- acting

    async def command(self, command: AnyCommand) -> Answer:
        """Gives a command and waits for its final answer."""
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answered(answer: Answer) -> None:
            if answer.final and not done.done():
                done.set_result(answer)

        self.engine.command(command, "test", answered)
        async with asyncio.timeout(PATIENCE):
            return await done


@asynccontextmanager
async def running(directory: Path, *strategies: StrategyConfig, **config: Any) -> AsyncIterator[LiveRig]:
    """A started engine with these strategies; stopped and closed at the end."""
    settings = EngineConfig(
        **{
            "strategies": strategies,
            "screen": ScreenConfig(frame_rate=20),
            "kill": KillConfig(confirm_every=0.1),
            **config,
        }
    )
    rig = LiveRig(directory, settings)
    await rig.open()
    quoting = asyncio.ensure_future(rig.quote_on())
    try:
        yield rig
    finally:
        await rig.close()
        quoting.cancel()


def play(
    directory: Path,
    script: Callable[[LiveRig], Awaitable[T]],
    *strategies: StrategyConfig,
    **config: Any,
) -> T:
    """Runs a script against a started engine, in a loop of its own."""

    async def main() -> T:
        async with running(directory, *strategies, **config) as rig:
            return await script(rig)

    return asyncio.run(main())


def alive(pid: int) -> bool:
    """True while the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def strategy_processes() -> list[int]:
    """Pids of the strategy processes of this process that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            ours = int(parent) == os.getpid() and b"engine.strategy.child" in (entry / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if ours and state != "Z":
            found.append(int(entry.name))
    return found
