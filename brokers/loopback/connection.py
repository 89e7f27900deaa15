"""The exchange's end of one client's line: reads, answers, and cuts it off when faults say so."""

from __future__ import annotations

import asyncio
from typing import Protocol

from brokers.exchange import Exchange, Session
from brokers.exchange.gateways import FIRST
from brokers.exchange.messages import Answer
from brokers.exchange.session import DISPLACED
from brokers.loopback import wire
from brokers.loopback.wire import (
    PROTOCOL,
    Act,
    Ask,
    AskAudit,
    ClientMessage,
    Done,
    Drill,
    Failed,
    FromExchange,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Push,
    Reply,
    Report,
    State,
    Welcome,
    WireError,
)
from engine.facts import AnyFact, LinkDown, LinkUp
from engine.model import NS, Quote, Trade
from engine.ports import NotSent, TimerHandle

MAX_BACKLOG = 16 * 1024 * 1024
"""Bytes that may wait for a client that does not read; then it is cut off at the next message. One answer
may be larger: who reads it is not behind."""


class Market(Protocol):
    def on_quote(self, quote: Quote) -> None: ...

    def on_trade(self, trade: Trade) -> None: ...

    def shut(self, gateway: str) -> None:
        """A door goes out of order: no market data comes by it any more."""


class ClientLine:
    """One accepted connection."""

    def __init__(
        self,
        exchange: Exchange,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        market: Market,
        gateway: str = FIRST,
    ) -> None:
        self.market_data = False
        self.gateway = gateway
        self._heard = 0
        self._watch: TimerHandle | None = None
        self._exchange = exchange
        self._reader = reader
        self._writer = writer
        self._market = market
        self._session: Session | None = None
        self._cut = False
        self._large = 0
        """Size of the largest message that may still wait to be read."""

    async def run(self) -> None:
        """Until the client leaves, breaks the protocol, or is cut off."""
        try:
            hello = await wire.read_client(self._reader)
            if not isinstance(hello, Hello) or hello.version != PROTOCOL:
                self.cut(f"this exchange speaks version {PROTOCOL} and expects Hello first")
                return
            try:
                self._welcome(hello)
            except NotSent as refusal:
                self.cut(str(refusal))
                return
            while not self._cut:
                message = await wire.read_client(self._reader)
                if message is None:
                    return
                self._heard = self._exchange.clock.mono()
                self._handle(message)
        except WireError as error:
            self.cut(str(error))
        finally:
            self._cut = True
            if self._watch is not None:
                self._watch.cancel()
            if self._session is not None:
                self._session.close()
            self._writer.close()

    def send(self, message: FromExchange) -> None:
        """Sends, unless the line is gone; a client that does not read is cut off."""
        if self._cut or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG + self._large:
            self._abort()
            return
        data = wire.frame(message)
        if len(data) > wire.MAX_FRAME:
            data = wire.frame(_too_large(message, len(data)))
        self._writer.write(data)
        waits = self._writer.transport.get_write_buffer_size()
        self._large = min(waits, max(len(data), self._large))

    def cut(self, reason: str) -> None:
        """Says why and closes."""
        self.send(Goodbye(reason))
        self._cut = True
        self._writer.close()

    def _abort(self) -> None:
        self._cut = True
        self._writer.transport.abort()

    def _welcome(self, hello: Hello) -> None:
        exchange = self._exchange
        if hello.account is not None:
            self._session = exchange.open_session(hello.account, self._on_fact, self.gateway)
        elif hello.market_data and (refusal := exchange.gateways.refusal("", self.gateway)):
            raise NotSent(refusal)
        self.market_data = hello.market_data
        self.send(
            Welcome(
                version=PROTOCOL,
                instruments=tuple(exchange.instruments.values()),
                now=exchange.clock.now(),
                query_timeout=exchange.config.query_timeout,
                message_limit=exchange.config.message_limit,
            )
        )
        if self.market_data:
            for symbol in exchange.instruments:
                market = exchange.market(symbol)
                self.send(State(symbol, market.state, exchange.clock.now()))
                if market.book.top is not None:
                    self.send(wire.Data(quote=market.book.top))
        if self._session is not None:
            self._session.open()
        if hello.patience > 0:
            self._heard = exchange.clock.mono()
            self._listen(round(hello.patience * NS), self._heard)

    def _listen(self, patience: int, due: int) -> None:
        """Drops a client that has said nothing for so long; one look at a time, `due` when it was to come."""
        mono = self._exchange.clock.mono()
        # Who comes late himself gives the other one time to be read.
        until = self._heard + patience if mono - due < patience // 2 else mono + patience
        if mono >= until:
            self.cut(f"nothing heard from the client for {(mono - self._heard) / NS:g} s")
            self._abort()
            return
        self._watch = self._exchange.clock.call_later(until - mono, self._listen, patience, until)

    def _on_fact(self, fact: AnyFact) -> None:
        if isinstance(fact, LinkDown) and fact.reason == DISPLACED:
            self.cut(fact.reason)
        elif isinstance(fact, LinkDown):
            self._abort()  # a dropped session says nothing: the client sees the line break
        elif not isinstance(fact, LinkUp):  # the client knows itself when its line stands
            self.send(Report(fact))

    def _handle(self, message: ClientMessage) -> None:
        session = self._session
        if isinstance(message, Ping):
            self._pong(message.n)
        elif isinstance(message, Push):
            if message.quote is not None:
                self._market.on_quote(message.quote)
            if message.trade is not None:
                self._market.on_trade(message.trade)
        elif isinstance(message, AskAudit):
            self.send(Reply(message.n, wire.raw(self._exchange.audit(message.account))))
        elif isinstance(message, Drill):
            self._drill(message)
        elif isinstance(message, Hello):
            raise WireError("Hello comes once, at the beginning")
        elif session is None:
            raise WireError("this line was opened without an account and cannot trade")
        else:
            self._request(session, message)

    def _request(self, session: Session, message: Act | Ask) -> None:
        try:
            if isinstance(message, Act):
                session.send(message.action)
            else:
                session.ask(message.query, lambda answer: self._answer(message.n, answer))
        except NotSent:
            self._abort()  # the session dropped and the client has not seen it yet

    def _pong(self, n: int) -> None:
        if self._session is None:
            self.send(Pong(n))
            return
        try:
            self._session.ping(lambda: self.send(Pong(n)))
        except NotSent:
            self._abort()

    def _answer(self, n: int, answer: Answer) -> None:
        self.send(Reply(n, wire.raw(answer)))

    def _drill(self, drill: Drill) -> None:
        exchange = self._exchange
        try:
            if drill.kind == "arm":
                exchange.faults.arm(drill.fault, drill.times)
            elif drill.kind == "ratio":
                exchange.faults.set_ratios({drill.fault: drill.ratio})
            elif drill.kind == "clear":
                exchange.faults.clear()
            elif drill.kind == "state":
                exchange.set_state(drill.symbol, drill.state)
            elif drill.kind == "trade":
                exchange.manual_trade(drill.account, drill.symbol, drill.side, drill.qty, drill.price)
            elif drill.kind == "foreign":
                exchange.foreign_order(drill.account, drill.symbol, drill.side, drill.qty, limit=drill.price)
            elif drill.kind == "drop":
                exchange.drop_link(drill.account)
            elif drill.kind == "shut":
                exchange.shut_gateway(drill.gateway)
                self._market.shut(drill.gateway)
            elif drill.kind == "open":
                exchange.open_gateway(drill.gateway)
            else:
                raise ValueError(f"there is no drill {drill.kind!r}")
        except (KeyError, ValueError) as error:
            self.send(Failed(drill.n, str(error)))
            return
        self.send(Done(drill.n))


def _too_large(message: FromExchange, size: int) -> FromExchange:
    """What is said instead of a message that no client takes."""
    reason = f"the answer has {size} bytes and a message may have {wire.MAX_FRAME}; ask for less"
    return Failed(message.n, reason) if isinstance(message, Reply) else Goodbye(reason)
