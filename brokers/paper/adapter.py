"""The paper adapter: `engine.ports.Adapter` over an exchange on the same thread and clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from brokers.base import Lanes, Outlet, exchange_capabilities, require_recorded
from brokers.exchange.exchange import Exchange
from brokers.exchange.gateways import FIRST
from brokers.exchange.messages import (
    Answer,
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
from brokers.exchange.session import Session
from engine.config import EngineConfig
from engine.facts import (
    AccountValues,
    AnyFact,
    Executions,
    LinkDown,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import NS, Instrument, Order, Replace, Side
from engine.ports import FactSink, NotSent, QueryFailed
from engine.sending import Recorded

A = TypeVar("A")


class PaperAdapter:
    """One account's session with an exchange in this process, by one of its gateways."""

    name: Final = "paper"

    def __init__(self, exchange: Exchange, account: str, gateway: str = FIRST) -> None:
        self.account = account
        self.gateway = gateway
        self.exchange = exchange
        self.capabilities = exchange_capabilities(exchange.config.message_limit, what_if=True)
        self._clock = exchange.clock
        self._outlet = Outlet(self._clock)
        self._lanes = Lanes(self._clock, exchange.config.message_limit)
        self._session: Session | None = None
        self._timeout = round(exchange.config.query_timeout * NS)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._asks = 0

    def bind(self, sink: FactSink) -> None:
        self._outlet.bind(sink)

    async def connect(self) -> None:
        """Logs on to the exchange; LinkUp follows. A second call on a live session does nothing."""
        if self._session is None or self._session.closed:
            self._session = self.exchange.open_session(self.account, self._on_fact, self.gateway)
        self._session.open()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
        self._fail_asked("the adapter was closed")

    def drop(self, reason: str) -> None:
        """The line breaks, because one on which it depends did; LinkDown follows. Not where it is down."""
        if self._session is not None:
            self._session.drop(reason)

    @property
    def up(self) -> bool:
        """True while the session to the exchange stands."""
        return self._session is not None and self._session.up

    # -- orders

    def submit(self, order: Recorded[Order]) -> None:
        require_recorded(order)
        session = self._require_session()
        self._lanes.take(cancel=False)
        session.send(New(order.request))

    def replace(self, change: Recorded[Replace]) -> None:
        require_recorded(change)
        session = self._require_session()
        self._lanes.take(cancel=False)
        session.send(Change(change.request))

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        session = self._require_session()
        self._lanes.take(cancel=True)
        session.send(Cancel(order_id=order_id, broker_id=broker_id))

    def cancel_everything(self) -> None:
        raise NotSent("this venue cancels order by order; say cancel-all")

    def arm_dead_man(self, after: int | None) -> None:
        session = self._require_session()
        self._lanes.take(cancel=True)
        session.send(Deadline(after))

    # -- questions

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        answer = await self._ask(QueryOrder(order_id=order_id, broker_id=broker_id))
        if isinstance(answer, OrderNotFound):
            return answer
        return _expect(answer, OrderReport)

    async def open_orders(self) -> OpenOrders:
        return _expect(await self._ask(QueryOpenOrders()), OpenOrders)

    async def executions(self, since: int) -> Executions:
        return _expect(await self._ask(QueryExecutions(since)), Executions)

    async def positions(self) -> Positions:
        return _expect(await self._ask(QueryPositions()), Positions)

    async def account_values(self) -> AccountValues:
        return _expect(await self._ask(QueryAccount()), AccountValues)

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:  # noqa: ARG002 - both sides need the same
        """At once, by what the exchange lists."""
        needed = self.exchange.listed_margin(self.account, symbol, lots)
        if needed is None or not self.up:
            raise QueryFailed(f"{symbol} is not listed, its currency has no rate, or the session is down")
        return needed

    async def instruments(self) -> Sequence[Instrument]:
        return tuple(self.exchange.instruments.values())

    def subscribe(self, symbols: Sequence[str]) -> None:
        raise NotSent(f"the paper broker has no market data of its own for {', '.join(symbols)}; use a feed")

    # -- helpers

    def _require_session(self) -> Session:
        if self._session is None or not self._session.up:
            raise NotSent(f"the session of {self.account} with the exchange is down; wait for LinkUp")
        return self._session

    async def probe(self) -> None:
        await self._answered(
            "a heartbeat", lambda session, future: session.ping(lambda: _answer(future, None))
        )

    async def _ask(self, query: Query) -> Answer:
        answer: Answer = await self._answered(
            type(query).__name__,
            lambda session, future: session.ask(query, lambda answer: _answer(future, answer)),
        )
        return answer

    async def _answered(self, what: str, send: Callable[[Session, asyncio.Future[Any]], None]) -> Any:
        """Raises `QueryFailed` when the line is down or drops, or nothing came within the time-out."""
        self._asks += 1
        number = self._asks
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        timer = self._clock.call_later(
            self._timeout, _fail, future, f"no answer to {what} within {self._timeout / NS:g} s"
        )
        try:
            send(self._require_session(), future)
            return await future
        except NotSent as error:
            raise QueryFailed(f"{what} was not asked: {error}") from error
        finally:
            timer.cancel()
            del self._asked[number]

    def _on_fact(self, fact: AnyFact) -> None:
        if isinstance(fact, LinkDown):
            self._fail_asked(f"the link went down: {fact.reason}")
        self._outlet.now(fact)

    def _fail_asked(self, reason: str) -> None:
        for future in list(self._asked.values()):
            _fail(future, reason)


def paper_connections(exchange: Exchange, config: EngineConfig) -> list[PaperAdapter]:
    """An adapter for each configured connection, by the gateway of that name; one where none is."""
    gateways = [c.name for c in config.connections] or [FIRST]
    return [PaperAdapter(exchange, config.account, gateway) for gateway in gateways]


def _answer(future: asyncio.Future[Any], answer: Answer | None) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: asyncio.Future[Any], reason: str) -> None:
    if not future.done():
        future.set_exception(QueryFailed(reason))


def _expect(answer: Answer, kind: type[A]) -> A:
    if not isinstance(answer, kind):
        raise QueryFailed(f"asked for {kind.__name__}, got {type(answer).__name__}")
    return answer
