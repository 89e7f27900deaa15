"""All connections to one broker behind one adapter: exactly one of them is in use, the others are closed.

The engine speaks to `Links` as to any adapter. It forwards requests and questions to the connection in use,
lets no question hang, and turns what the connections say of themselves into one link that is up or down. It
decides nothing: which connection to use, and when, is `engine.connection_watch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from engine.facts import (
    AccountValues,
    AnyFact,
    Executions,
    LinkDown,
    LinkUp,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import NS, Instrument, Order, Replace, Side
from engine.ports import Adapter, Capabilities, Clock, FactSink, NotSent, QueryFailed
from engine.sending import Recorded
from engine.sentinel.lease import OPEN, Fence
from engine.waiting import finish, within

T = TypeVar("T")

_CLOSE_WITHIN = 5 * NS
"""A session that does not close in this time is left behind; ns."""


class Links:
    """`engine.ports.Adapter` over the connections to one broker account."""

    def __init__(
        self,
        adapters: Sequence[Adapter],
        names: Sequence[str],
        clock: Clock,
        answer_within: int,
        fence: Fence = OPEN,
    ) -> None:
        """`answer_within`: ns that a question may take. `fence`: whether anything may leave. Raises
        `ValueError` where names and adapters do not fit together, or accounts differ."""
        accounts = {a.account for a in adapters}
        if len(names) != len(adapters):
            raise ValueError(f"{len(names)} connections are configured, {len(adapters)} were made")
        if len(accounts) != 1:
            raise ValueError(f"all connections must lead to one account, not to {sorted(accounts)}")
        self.name = adapters[0].name
        self.account = adapters[0].account
        self.names = tuple(names)
        self.index = 0
        """The connection in use, or being tried."""
        self.open = False
        """Its session was opened and has not been lost."""
        self.heard = 0
        """When the broker last gave a sign of life, monotonic ns."""
        self.unanswered_since: int | None = None
        """Since when questions go unanswered; None after an answer."""
        self.on_stray: Callable[[str, str], None] = lambda *_: None
        """Told of what a connection says that is not in use: its name, and what."""
        self.ahead: Callable[[Order], None] = lambda _: None
        """Told of every order before it leaves."""
        self._adapters = tuple(adapters)
        self._clock = clock
        self._answer_within = answer_within
        self._fence = fence
        self._sink: FactSink | None = None
        self._shut = [False] * len(adapters)
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._asking: dict[asyncio.Future[None], None] = {}
        """In the order in which they were asked: a set would have them in that of their addresses."""

    # -- which connection

    @property
    def in_use(self) -> str:
        """Name of the connection in use."""
        return self.names[self.index]

    @property
    def capabilities(self) -> Capabilities:
        return self._adapters[self.index].capabilities

    def bind(self, sink: FactSink) -> None:
        self._sink = sink
        for index, adapter in enumerate(self._adapters):
            adapter.bind(lambda fact, i=index: self._take(i, fact))  # type: ignore[misc]

    async def connect(self) -> None:
        """Opens the session of the connection in use."""
        await self.use(self.index)

    async def use(self, index: int) -> None:
        """Opens one connection's session; all others are closed before. Raises `NotSent` when it cannot.

        The link is up when LinkUp has come, not before. While somebody else may send no session is opened:
        it could end that one's.
        """
        why = self._fence.why_not()
        if why:
            raise NotSent(f"no session while this side may not send: {why}")
        for other in range(len(self._adapters)):
            if other != index:
                self._close_soon(other)
        if self._closing:
            await asyncio.wait(list(self._closing.values()))
        self.index = index
        self._shut[index] = False
        await self._adapters[index].connect()
        self.open = True
        self.heard = self._clock.mono()
        self.unanswered_since = None

    def drop(self, reason: str) -> None:
        """Gives the link up: everybody is told LinkDown, questions fail at once, the session is closed."""
        was_open = self.open
        self._close_soon(self.index)
        self._failed(reason)
        if was_open:
            self._tell(LinkDown(ts=self._clock.now(), reason=reason))

    async def close(self) -> None:
        self._failed("the adapter was closed")
        for index in range(len(self._adapters)):
            self._close_soon(index)
        if self._closing:
            await asyncio.wait(list(self._closing.values()))

    def _close_soon(self, index: int) -> None:
        if self._shut[index] or index in self._closing:
            return
        self._shut[index] = True
        task = asyncio.get_running_loop().create_task(self._close(index), name=f"close {self.names[index]}")
        self._closing[index] = task
        task.add_done_callback(lambda _: self._closing.pop(index, None))

    async def _close(self, index: int) -> None:
        try:
            await within(self._clock, self._adapters[index].close(), _CLOSE_WITHIN)
        except Exception as error:  # noqa: BLE001 - a session that will not close must not keep the next one shut
            self.on_stray(self.names[index], f"did not close in order: {error!r}")

    # -- what comes in

    def _take(self, index: int, fact: AnyFact) -> None:
        mine = index == self.index and not self._shut[index]
        if isinstance(fact, LinkUp):
            if not mine:
                self.on_stray(self.names[index], "came up without being asked and is closed")
                self._shut[index] = False
                self._close_soon(index)
                return
            self.open = True
            self.heard = self._clock.mono()
            self.unanswered_since = None
        elif isinstance(fact, LinkDown):
            if not mine or not self.open:
                self.on_stray(self.names[index], f"says it is down: {fact.reason}")
                return
            self._failed(fact.reason)
        elif mine:
            self.heard = self._clock.mono()
        # What happened at the broker is true whichever connection says so.
        self._tell(fact)

    def _tell(self, fact: AnyFact) -> None:
        assert self._sink is not None, "bind it before it is connected"
        self._sink(fact)

    def _failed(self, reason: str) -> None:
        """The link is gone: whoever waits for an answer will not get one."""
        self.open = False
        asking, self._asking = self._asking, {}
        for waiting in asking:
            if not waiting.done():
                waiting.set_exception(QueryFailed(f"the link went down: {reason}"))

    # -- requests

    def _adapter(self) -> Adapter:
        if not self.open:
            raise NotSent(f"the link to {self.name} ({self.in_use}) is down; wait until it is back")
        return self._adapters[self.index]

    def _send(self, request: Callable[[Adapter], None]) -> None:
        """Makes a request of the connection while this side is sure that nobody else may send."""
        why = self._fence.enter()
        if why:
            raise NotSent(f"not sent: {why}")
        try:
            request(self._adapter())
        finally:
            self._fence.leave()

    def submit(self, order: Recorded[Order]) -> None:
        self.ahead(order.request)
        self._send(lambda adapter: adapter.submit(order))

    def replace(self, change: Recorded[Replace]) -> None:
        self._send(lambda adapter: adapter.replace(change))

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        self._send(lambda adapter: adapter.cancel(order_id, broker_id))

    def cancel_everything(self) -> None:
        self._send(lambda adapter: adapter.cancel_everything())

    def arm_dead_man(self, after: int | None) -> None:
        self._send(lambda adapter: adapter.arm_dead_man(after))

    def subscribe(self, symbols: Sequence[str]) -> None:
        self._adapter().subscribe(symbols)

    # -- questions

    async def probe(self) -> None:
        """A heartbeat. Its answer is a sign of life, but no answer to a question."""
        await self._wait_for("the heartbeat", lambda a: a.probe())

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        return await self._ask("the question about an order", lambda a: a.query_order(order_id, broker_id))

    async def open_orders(self) -> OpenOrders:
        return await self._ask("the question for open orders", lambda a: a.open_orders())

    async def executions(self, since: int) -> Executions:
        return await self._ask("the question for executions", lambda a: a.executions(since))

    async def positions(self) -> Positions:
        return await self._ask("the question for positions", lambda a: a.positions())

    async def account_values(self) -> AccountValues:
        return await self._ask("the question for the account", lambda a: a.account_values())

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:
        """One that is refused or not answered says nothing of the link."""
        return await self._wait_for("the what-if", lambda a: a.what_if(symbol, side, lots))

    async def instruments(self) -> Sequence[Instrument]:
        return await self._adapters[self.index].instruments()

    async def _ask(self, what: str, question: Callable[[Adapter], Coroutine[Any, Any, T]]) -> T:
        asked = self._clock.mono()
        try:
            answer = await self._wait_for(what, question)
        except QueryFailed:
            if self.open and self.unanswered_since is None:
                self.unanswered_since = asked
            raise
        self.unanswered_since = None
        return answer

    async def _wait_for(self, what: str, question: Callable[[Adapter], Coroutine[Any, Any, T]]) -> T:
        """The answer, within the time that every question has, or `QueryFailed`; at once when the link goes
        down meanwhile, so that nobody waits at a dead connection while another one stands."""
        try:
            adapter = self._adapter()
        except NotSent as error:
            raise QueryFailed(str(error)) from error
        task = asyncio.get_running_loop().create_task(question(adapter))
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking[over] = None
        task.add_done_callback(lambda done: finish(over, done))
        timer = self._clock.call_later(self._answer_within, finish, over, None)
        try:
            await over
        finally:
            timer.cancel()
            self._asking.pop(over, None)
            task.cancel()
        if not task.done() or task.cancelled():
            raise QueryFailed(f"{what} was not answered within {self._answer_within / NS:g} s")
        answer = task.result()
        self.heard = self._clock.mono()
        return answer
