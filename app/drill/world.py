"""A whole engine in virtual time on a scripted market: the real journal, gate, exchange, risk loop and kill.

Only the market and the operator are scripted; nothing is mocked. The drill's cases and the engine's own tests
run in it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

from brokers.exchange.config import AccountConfig, ExchangeConfig
from brokers.exchange.depth import ExchangeDepth
from brokers.exchange.exchange import Exchange
from brokers.paper.adapter import PaperAdapter, paper_connections
from engine.books import Books
from engine.config import EngineConfig, RiskLimits
from engine.control.commands import Answer, AnyCommand
from engine.control.snapshot import Snapshot
from engine.engine import Engine, Parts
from engine.ids import Ids
from engine.journal import Journal
from engine.model import NS, Instrument, Order, OrderType, Quote, Side, Trade
from engine.records import EMERGENCY, RunStarted, decode
from engine.risk.control import Reading
from engine.risk.gate import Refusal
from engine.sessions import calendar
from engine.sim.loop import VirtualClock, VirtualLoop

START = 1_767_796_200 * NS
"""2026-01-07 14:30 UTC, a Wednesday."""

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
CL = Instrument(
    symbol="CL",
    venue="SIM",
    asset_class="energy",
    tick=Decimal("0.01"),
    multiplier=Decimal(1000),
    nonpositive_price=True,
    initial_margin=Decimal(6_000),
    maintenance_margin=Decimal(5_500),
    fee=Decimal("2.40"),
)
TOUCH = {"ES": (24_000, 24_001), "CL": (7_000, 7_001)}
"""Bid and ask at which the two begin, ticks."""

QUOTE_EVERY = NS // 5
"""Time between two quotes of a quiet market, ns."""

T = TypeVar("T")


class SteppingClock(VirtualClock):
    """Virtual time whose host's wall clock can be set: `step` moves the wall clock and nothing else."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop)
        self._offset = 0

    def offset(self) -> int:
        return self._offset

    def step(self, by: int) -> None:
        """The host's wall clock jumps by `by` ns."""
        self._offset += by


@dataclass(slots=True)
class Plan:
    """What one run is made of."""

    directory: Path
    config: EngineConfig
    venue: ExchangeConfig = field(default_factory=ExchangeConfig)
    cash: Decimal = Decimal(1_000_000)
    instruments: Sequence[Instrument] = (ES, CL)
    touch: dict[str, tuple[int, int]] = field(default_factory=lambda: dict(TOUCH))
    start: int = START
    seed: int | None = None
    """None: what is drawn depends on the number of the run alone."""


class World:
    """One run of an engine. Use `run(plan, script)`: it makes the loop, starts all, and runs the script."""

    def __init__(self, plan: Plan, loop: VirtualLoop) -> None:
        self.plan = plan
        self.directory = plan.directory
        self.loop = loop
        self.clock = SteppingClock(loop)
        self.config = plan.config
        self.venue = plan.venue
        self.snapshots: list[Snapshot] = []
        self.logged: list[tuple[str, str, dict[str, object]]] = []
        self.answers: list[Answer] = []
        self.touch: dict[str, tuple[int, int]] = dict(plan.touch)
        self.sizes: dict[str, int] = {}
        self.path: list[tuple[int, str, int]] = []
        """How the market went: (UTC ns, symbol, bid + ask) whenever that changed."""
        self._mids: dict[str, int] = {}
        self.quoting = True
        self.next_limits: RiskLimits = plan.config.risk
        self.engine: Engine
        self.exchange: Exchange
        self.journal: Journal
        self.adapter: PaperAdapter
        self._quoter: asyncio.Task[None] | None = None

    # -- making one

    @classmethod
    def run(cls, plan: Plan, script: Callable[[Self], Awaitable[T]]) -> T:
        """Runs a script against a fresh engine (or one that finds its state in the plan's directory).

        Raises what the script raises, and what any callback of the loop raised.
        """
        loop = VirtualLoop(plan.start)
        world = cls(plan, loop)
        try:
            return loop.run_until_complete(world._live(script))
        finally:
            loop.close()
            problems = [c.get("exception") for c in loop.errors if c.get("exception") is not None]
            if problems:
                raise problems[0]

    async def _live(self, script: Callable[[Self], Awaitable[T]]) -> T:
        await self.open()
        try:
            return await script(self)
        finally:
            if self._quoter is not None:
                self._quoter.cancel()
            if not self.engine._stopping:
                await self.engine.stop("the script ended")
            await self.journal.close()
            self.exchange.close()

    async def open(self) -> None:
        """Opens journal and exchange, makes the engine and starts it; half a second later it trades."""
        plan = self.plan
        self.journal = await Journal.open(
            self.directory / "journal.db",
            self.config.journal,
            inline=True,
            clock=self.clock,
            emergency=EMERGENCY,
        )
        books = Books(self.config, plan.instruments)
        async for row in self.journal.rows():
            books.apply(decode(row.kind, row.body), row.ts)
        if books.last_ts > self.clock.now():
            self.clock.begin_at(books.last_ts)
        run = books.run.run + 1 if books.run is not None else 1
        seed = "" if plan.seed is None else f" {plan.seed}"
        self.exchange = Exchange(
            plan.instruments,
            self.clock,
            random.Random(f"exchange {run}{seed}"),
            self.venue,
            AccountConfig(cash=plan.cash),
            ledger=self.directory / "exchange.db",
        )
        self.adapter, *backups = paper_connections(self.exchange, self.config)
        self.engine = Engine(
            Parts(
                config=self.config,
                clock=self.clock,
                ids=Ids("test", run),
                journal=self.journal,
                adapter=self.adapter,
                books=books,
                instruments=list(plan.instruments),
                calendar=calendar,
                log=lambda level, event, **fields: self.logged.append((level, event, fields)),
                mode="PAPER",
                lockstep=True,
                speed=1.0,
                seed=1 if plan.seed is None else plan.seed,
                reload_limits=lambda: self.next_limits,
                backups=backups,
                depth=ExchangeDepth(self.exchange),
                publish=self.snapshots.append,
                rss_mb=lambda: None,
            )
        )
        self.engine.core.commit(
            RunStarted(
                install="test",
                run=run,
                mode="PAPER",
                account=self.config.account,
                broker="paper",
                instruments=tuple(plan.instruments),
            )
        )
        self.quote_all()
        await self.engine.start()
        self._quoter = asyncio.ensure_future(self._quote_on())
        await self.sleep(0.5)

    # -- the market

    def quote(self, symbol: str, bid: int | None, ask: int | None, size: int = 50) -> None:
        """Sends one quote to exchange and engine, and keeps it as the touch."""
        now = self.clock.now()
        self.deliver(
            Quote(symbol, now, bid, size if bid is not None else 0, ask, size if ask is not None else 0)
        )
        self.exchange.on_batch_end(now)
        self.engine.on_batch_end(now)

    def deliver(self, quote: Quote) -> None:
        """A quote of a recording: to exchange and engine, and kept as the touch."""
        if quote.bid is not None and quote.ask is not None:
            if self._mids.get(quote.symbol) != quote.bid + quote.ask:
                self._mids[quote.symbol] = quote.bid + quote.ask
                self.path.append((self.clock.now(), quote.symbol, quote.bid + quote.ask))
            self.touch[quote.symbol] = (quote.bid, quote.ask)
        self.exchange.on_quote(quote)
        self.engine.on_quote(quote)

    def trade(self, symbol: str, price: int, size: int, aggressor: Side) -> None:
        """Sends one print to exchange and engine."""
        now = self.clock.now()
        trade = Trade(symbol, now, price, size, aggressor)
        self.exchange.on_trade(trade)
        self.exchange.on_batch_end(now)
        self.engine.on_trade(trade)
        self.engine.on_batch_end(now)

    def quote_all(self) -> None:
        for symbol, (bid, ask) in sorted(self.touch.items()):
            self.quote(symbol, bid, ask, self.sizes.get(symbol, 50))

    def move(self, symbol: str, mid_low: int) -> None:
        """The market is one tick wide at this bid from now on. Walks there in steps that no bad-tick filter
        takes for an error."""
        bid = self.touch[symbol][0]
        step = 20 if mid_low > bid else -20
        while bid != mid_low:
            bid = mid_low if abs(mid_low - bid) <= abs(step) else bid + step
            self.quote(symbol, bid, bid + 1, self.sizes.get(symbol, 50))

    async def _quote_on(self) -> None:
        while True:
            await self.clock.sleep(QUOTE_EVERY)
            if self.quoting:
                self.quote_all()

    # -- the store

    async def break_store(self) -> None:
        """SQLite itself refuses every row of the journal from here on, as a full disk does."""
        trigger = (
            "CREATE TEMP TRIGGER broken BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
        await self.journal._store.run(lambda connection: connection.execute(trigger))

    async def mend_store(self) -> None:
        """Rows may be written again."""
        await self.journal._store.run(lambda connection: connection.execute("DROP TRIGGER broken"))

    # -- acting

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(int(seconds * NS))

    def order(
        self,
        side: Side,
        qty: int,
        limit: int | None = None,
        *,
        symbol: str = "ES",
        strategy: str = "manual",
        **fields: Any,
    ) -> Order:
        """An order, not yet submitted; without a limit a marketable limit at the far touch."""
        bid, ask = self.touch[symbol]
        if limit is None and fields.get("type", OrderType.LIMIT) is OrderType.LIMIT:
            limit = ask if side is Side.BUY else bid
        core = self.engine.core
        return Order(
            **{
                "id": core.ids.order_id(strategy),
                "strategy": strategy,
                "account": self.config.account,
                "symbol": symbol,
                "side": side,
                "qty": qty,
                "type": OrderType.LIMIT,
                "limit": limit,
                "created": self.clock.now(),
                "correlation": core.ids.correlation(),
                **fields,
            }
        )

    def send(
        self, side: Side, qty: int, limit: int | None = None, **fields: Any
    ) -> tuple[Order, Refusal | None]:
        """Submits; returns the order and the refusal, if any."""
        order = self.order(side, qty, limit, **fields)
        return order, self.engine.intake.submit(order)

    async def fill(self, side: Side, qty: int, symbol: str = "ES") -> Order:
        """Trades at the touch and waits for the execution. Raises `AssertionError` where the gate refuses."""
        order, refusal = self.send(side, qty, symbol=symbol)
        assert refusal is None, refusal
        await self.sleep(0.3)
        return order

    async def command(self, command: AnyCommand, wait: float = 30.0) -> Answer:
        """Gives a command and waits for its final answer; cancelled when none comes within `wait` s."""
        done: asyncio.Future[Answer] = self.loop.create_future()

        def answered(answer: Answer) -> None:
            self.answers.append(answer)
            if answer.final and not done.done():
                done.set_result(answer)

        self.engine.command(command, "test", answered)
        timer = self.clock.call_later(int(wait * NS), lambda: done.done() or done.cancel())
        try:
            return await done
        finally:
            timer.cancel()

    # -- looking

    def position(self, symbol: str = "ES") -> int:
        return self.engine.core.books.positions.qty(symbol)

    def venue_position(self, symbol: str = "ES") -> int:
        audit = self.exchange.audit(self.config.account)
        return sum(f.qty * f.side.sign for f in audit.executions if f.symbol == symbol)

    def status(self, order: Order) -> str:
        record = self.engine.core.books.orders.get(order.id)
        return "NONE" if record is None else str(record.life.status)

    def alerts(self) -> list[str]:
        return [row.code for row in self.engine.core.books.alerts.rows(500)]

    def reading(self, control: str, scope: str = "") -> Reading:
        """Raises `LookupError` where no such line is read."""
        for reading in self.engine.risk.readings():
            if reading.control == control and reading.scope == scope:
                return reading
        raise LookupError(f"no reading of {control} {scope}".strip())
