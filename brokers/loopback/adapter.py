"""The adapter to an exchange in another process: says when the line broke and what it may have missed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from brokers.base import Lanes, Outlet, exchange_capabilities, require_recorded
from brokers.exchange.messages import (
    Action,
    Audit,
    Cancel,
    Change,
    Deadline,
    New,
    Query,
    QueryAccount,
    QueryExecutions,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
)
from brokers.loopback.feed import RemoteFeed
from brokers.loopback.line import Line
from brokers.loopback.wire import Act, Address, Drill, ExchangeMessage, Push, Report
from engine.facts import (
    AccountValues,
    AnyFact,
    Executions,
    Gap,
    LinkDown,
    LinkUp,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import NS, Instrument, Order, Quote, Replace, Side, Trade
from engine.ports import Clock, FactSink, NotSent, QueryFailed
from engine.sending import Recorded


class RemotePaperAdapter:
    """One account's session with `brokers.loopback.server`.

    When the line breaks it says LinkDown; `connect` opens another. From the second one on LinkUp is followed
    by a Gap, because reports of the time between are lost. Who finds that the exchange has gone silent is
    whoever calls `probe`; that we have, the exchange, after `patience` s (0: it waits for ever). `read_only`:
    it sends nothing that could change an order.
    """

    name: Final = "loopback"

    def __init__(
        self,
        address: Address,
        account: str,
        clock: Clock,
        *,
        patience: float = 0.0,
        read_only: bool = False,
    ) -> None:
        self._read_only = read_only
        self.account = account
        self.address = address
        self.capabilities = exchange_capabilities(None)
        self.connects = 0
        """How often the line came up."""
        self._clock = clock
        self._patience = patience
        self._outlet = Outlet(clock)
        self._lanes = Lanes(clock, None)
        self._line = Line(clock, self._on_message)
        self._task: asyncio.Task[None] | None = None
        self._timeout = 5 * NS
        self._instruments: tuple[Instrument, ...] = ()

    def bind(self, sink: FactSink) -> None:
        self._outlet.bind(sink)

    async def connect(self) -> None:
        """Opens the line, unless it stands. Raises `NotSent` with the remedy when nobody answers."""
        if self._line.up:
            return
        await self.close()
        line = Line(self._clock, self._on_message)
        welcome = await line.open(self.address, self.account, patience=self._patience)
        self._line = line
        self._instruments = welcome.instruments
        self._timeout = round(welcome.query_timeout * NS)
        self._lanes = Lanes(self._clock, welcome.message_limit)
        self.capabilities = exchange_capabilities(welcome.message_limit)
        self.connects += 1
        self._task = asyncio.get_running_loop().create_task(self._read(line))
        self._outlet.soon(LinkUp(ts=self._clock.now()))
        if self.connects > 1:
            reason = "reports may be lost from while the link was down"
            self._outlet.soon(Gap(ts=self._clock.now(), reason=reason))

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._line.close("the adapter was closed")

    async def probe(self) -> None:
        await self._line.ping(self._timeout)

    @property
    def up(self) -> bool:
        """True while the line stands."""
        return self._line.up

    def feed(self) -> RemoteFeed:
        """The exchange's market data, over a line of its own. Call it after `connect`."""
        return RemoteFeed(self.address, instruments=self._instruments)

    # -- orders

    def submit(self, order: Recorded[Order]) -> None:
        require_recorded(order)
        self._act(New(order.request), cancel=False)

    def replace(self, change: Recorded[Replace]) -> None:
        require_recorded(change)
        self._act(Change(change.request), cancel=False)

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        self._act(Cancel(order_id=order_id, broker_id=broker_id), cancel=True)

    def cancel_everything(self) -> None:
        raise NotSent("this venue cancels order by order; say cancel-all")

    def arm_dead_man(self, after: int | None) -> None:
        self._act(Deadline(after), cancel=True)

    def _act(self, action: Action, *, cancel: bool) -> None:
        if self._read_only:
            raise NotSent("this session with the exchange only looks (stage = shadow): it sends no orders")
        if not self._line.up:
            raise NotSent(f"the link to the exchange at {self.address} is down; wait for LinkUp")
        self._lanes.take(cancel=cancel)
        self._line.send(Act(action))

    # -- questions

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        answer: OrderReport | OrderNotFound = await self._ask(
            QueryOrder(order_id=order_id, broker_id=broker_id)
        )
        return answer

    async def open_orders(self) -> OpenOrders:
        answer: OpenOrders = await self._ask(QueryOpenOrders())
        return answer

    async def executions(self, since: int) -> Executions:
        answer: Executions = await self._ask(QueryExecutions(since))
        return answer

    async def positions(self) -> Positions:
        answer: Positions = await self._ask(QueryPositions())
        return answer

    async def account_values(self) -> AccountValues:
        answer: AccountValues = await self._ask(QueryAccount())
        return answer

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:  # noqa: ARG002
        raise QueryFailed(f"this exchange says nothing of margins before an order; {symbol} has those listed")

    async def instruments(self) -> Sequence[Instrument]:
        if not self._instruments:
            raise QueryFailed("the instruments come with the connection; connect first")
        return self._instruments

    def subscribe(self, symbols: Sequence[str]) -> None:
        raise NotSent(f"market data of {', '.join(symbols)} comes over a line of its own: use feed()")

    async def _ask(self, query: Query) -> Any:
        return await self._line.ask(query, self._timeout)

    # -- the harness

    async def audit(self, account: str | None = None) -> Audit:
        """The exchange's own books: every order that it ever received, every execution."""
        return await self._line.audit(account, self._timeout)

    async def drill(self, drill: Drill) -> None:
        """A command for a drill (faults, states, manual trades). Raises `QueryFailed` when refused."""
        await self._line.drill(drill, self._timeout)

    def push(self, quote: Quote | None = None, trade: Trade | None = None) -> None:
        """Plays the market at an exchange that has no feed of its own."""
        self._line.send(Push(quote=quote, trade=trade))

    # -- the line

    async def _read(self, line: Line) -> None:
        reason = await line.run()
        self._outlet.now(LinkDown(ts=self._clock.now(), reason=reason))

    def _on_message(self, message: ExchangeMessage) -> None:
        if isinstance(message, Report):
            self._fact(message.fact)

    def _fact(self, fact: AnyFact) -> None:
        self._outlet.now(fact)
