"""The client's end of the line: one connection with its reader, numbered questions, and a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from brokers.exchange.messages import Audit, Query
from brokers.loopback import wire
from brokers.loopback.wire import (
    ANSWERS,
    PROTOCOL,
    Address,
    Ask,
    AskAudit,
    Done,
    Drill,
    ExchangeMessage,
    Failed,
    FromClient,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Reply,
    Welcome,
    WireError,
)
from engine.model import NS
from engine.ports import Clock, NotSent, QueryFailed

MAX_BACKLOG = 4 * 1024 * 1024
"""Bytes that may wait in our own buffer; more means that the exchange does not read any more."""


class Line:
    """A connection that stands. `on_message` gets what is no answer to a question of ours."""

    def __init__(self, clock: Clock, on_message: Callable[[ExchangeMessage], None]) -> None:
        self.welcome: Welcome | None = None
        self.up = False
        self._clock = clock
        self._on_message = on_message
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, tuple[Any, asyncio.Future[Any]]] = {}
        self._numbers = 0
        self._heard = 0
        self._reason = ""

    async def open(
        self,
        address: Address,
        account: str | None,
        *,
        market_data: bool = False,
        patience: float = 0.0,
        timeout: float = 5.0,
    ) -> Welcome:
        """Connects and greets. Raises `NotSent` with the remedy when nobody answers properly. `patience`:
        seconds of our silence after which the exchange shall drop us; 0: never."""
        hello = Hello(version=PROTOCOL, account=account, market_data=market_data, patience=patience)
        try:
            async with asyncio.timeout(timeout):
                self._reader, self._writer = await address.connect()
                self._writer.write(wire.frame(hello))
                first = await wire.read_exchange(self._reader)
        except asyncio.CancelledError:
            self._drop()
            raise
        except (OSError, TimeoutError, WireError) as error:
            self._drop()
            raise NotSent(
                f"no exchange answers at {address} ({error!r}); start one with breakwater exchange"
            ) from error
        if not isinstance(first, Welcome):
            self._drop()
            reason = first.reason if isinstance(first, Goodbye) else f"it said {first!r}"
            raise NotSent(f"the exchange at {address} refused the line: {reason}")
        self.welcome, self.up = first, True
        self._heard = self._clock.mono()
        return first

    async def run(self, heartbeat: int | None = None) -> str:
        """Reads until the line breaks; returns why. `heartbeat`: ns between two pings, three of which may go
        unanswered; None: somebody else listens for its silence (`ping`)."""
        assert self._reader is not None
        beat = None
        if heartbeat is not None:
            beat = asyncio.get_running_loop().create_task(self._beat(heartbeat))
        self._reason = "the exchange closed the line"
        try:
            while self.up:
                message = await wire.read_exchange(self._reader)
                if message is None:
                    break
                self._heard = self._clock.mono()
                self._take(message)
        except WireError as error:
            self._reason = f"the exchange sent nonsense: {error}"
        finally:
            if beat is not None:
                beat.cancel()
            self.close(self._reason)
        return self._reason

    def close(self, reason: str) -> None:
        """Closes the line; whoever waits for an answer gets `QueryFailed`."""
        self.up = False
        self._reason = reason
        for _, future in list(self._asked.values()):
            if not future.done():
                future.set_exception(QueryFailed(f"the link went down: {reason}"))
        self._asked.clear()
        self._drop()

    def send(self, message: FromClient) -> None:
        """Hands a message to the socket. Raises `NotSent` when the line is down or does not drain."""
        writer = self._writer
        if not self.up or writer is None or writer.is_closing():
            raise NotSent("the link to the exchange is down; wait for LinkUp")
        if writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            raise NotSent("the exchange does not take messages any more; wait for the link to be renewed")
        writer.write(wire.frame(message))

    async def ask(self, query: Query, timeout: int) -> Any:
        """The answer to a question. Raises `QueryFailed`; `timeout` in ns."""
        return await self._ask(lambda n: Ask(n, query), ANSWERS[type(query)], timeout)

    async def ping(self, timeout: int) -> None:
        """A heartbeat and its answer. Raises `QueryFailed`; `timeout` in ns."""
        await self._ask(Ping, None, timeout)

    async def audit(self, account: str | None, timeout: int) -> Audit:
        answer: Audit = await self._ask(lambda n: AskAudit(n, account), Audit, timeout)
        return answer

    async def drill(self, drill: Drill, timeout: int) -> None:
        await self._ask(lambda n: Drill(**{**_fields(drill), "n": n}), None, timeout)

    async def _ask(self, make: Callable[[int], FromClient], kind: Any, timeout: int) -> Any:
        self._numbers += 1
        n = self._numbers
        message = make(n)
        what = type(message).__name__ if not isinstance(message, Ask) else type(message.query).__name__
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[n] = (kind, future)
        timer = self._clock.call_later(
            timeout, _fail, future, f"no answer to {what} within {timeout / NS:g} s"
        )
        try:
            self.send(message)
            return await future
        except NotSent as error:
            raise QueryFailed(f"{what} was not asked: {error}") from error
        finally:
            timer.cancel()
            self._asked.pop(n, None)

    def _take(self, message: ExchangeMessage) -> None:
        if isinstance(message, Goodbye):
            self._reason = message.reason
            self.up = False
            return
        if not isinstance(message, (Reply, Failed, Done, Pong)):
            self._on_message(message)
            return
        kind, future = self._asked.get(message.n, (None, None))
        if future is None or future.done():
            return  # the answer to a question that timed out
        if isinstance(message, Failed):
            future.set_exception(QueryFailed(message.reason))
        elif isinstance(message, (Done, Pong)):
            future.set_result(None)
        else:
            try:
                future.set_result(wire.decode_answer(message.body, kind))
            except WireError as error:
                future.set_exception(QueryFailed(str(error)))

    async def _beat(self, every: int) -> None:
        """Pings; when nothing at all came for three beats the line is cut, so that the reader ends."""
        while self.up:
            await self._clock.sleep(every)
            if self._clock.mono() - self._heard > 3 * every:
                self._reason = f"nothing heard from the exchange for {3 * every / NS:g} s"
                self.up = False
                self._drop()
                return
            self._numbers += 1
            try:
                self.send(Ping(self._numbers))
            except NotSent:
                return

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


def _fields(drill: Drill) -> dict[str, Any]:
    return {name: getattr(drill, name) for name in drill.__struct_fields__}


def _fail(future: asyncio.Future[Any], reason: str) -> None:
    if not future.done():
        future.set_exception(QueryFailed(reason))
