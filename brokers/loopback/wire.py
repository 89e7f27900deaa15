"""What goes over the loopback socket: frames of four bytes of length (big endian) and a JSON message."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from brokers.exchange.messages import (
    Action,
    Audit,
    Query,
    QueryAccount,
    QueryExecutions,
    QueryOpenOrders,
    QueryOrder,
    QueryPositions,
)
from engine.facts import (
    AccountValues,
    AnyFact,
    Executions,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import Instrument, MarketState, Quote, Side, Trade, Value

PROTOCOL: Final = 1
MAX_FRAME: Final = 64 * 1024 * 1024
"""Bytes of the largest message; a longer one means that the other side speaks something else."""

_HEAD: Final = struct.Struct(">I")
T = TypeVar("T")


class WireError(Exception):
    """The other side sent something that is no message of this protocol."""


class Address(Value, frozen=True, kw_only=True):
    """Where the exchange listens: a Unix socket, or a TCP port on 127.0.0.1."""

    path: Path | None = None
    port: int | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises `OSError` when nobody listens."""
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection("127.0.0.1", self.port)

    @classmethod
    def parse(cls, text: str) -> Address:
        """`127.0.0.1:PORT` or the path of a Unix socket."""
        host, _, port = text.rpartition(":")
        if host == "127.0.0.1" and port.isdecimal():
            return cls(port=int(port))
        return cls(path=Path(text))

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else f"127.0.0.1:{self.port}"


# -- client to exchange


class FromClient(Value, frozen=True, tag_field="msg"):
    """Base of what a client says."""


class Hello(FromClient, frozen=True, tag="hello", kw_only=True):
    """First message. `account` None: no trading, only market data, questions and drills."""

    version: int
    account: str | None = None
    market_data: bool = False
    patience: float = 0.0
    """Seconds of the client's silence after which the exchange drops the line; 0: never."""


class Act(FromClient, frozen=True, tag="act"):
    action: Action


class Ask(FromClient, frozen=True, tag="ask"):
    n: int
    query: Query


class AskAudit(FromClient, frozen=True, tag="audit"):
    """For the exchange's own books, of one account or of all."""

    n: int
    account: str | None = None


class Push(FromClient, frozen=True, tag="push", kw_only=True):
    """Market data from a harness that plays the market itself."""

    quote: Quote | None = None
    trade: Trade | None = None


class Drill(FromClient, frozen=True, tag="drill", kw_only=True):
    """A command for a drill; all fields that its `kind` does not need stay empty.

    arm (fault, times), ratio (fault, ratio), clear, state (symbol, state), trade (account, symbol, side,
    qty, price), foreign (the same; price = limit), drop (account), shut and open (gateway). Answered by Done
    or Failed.
    """

    n: int
    kind: str
    fault: str = ""
    times: int = 1
    ratio: float = 0.0
    account: str = ""
    symbol: str = ""
    state: MarketState = MarketState.UNKNOWN
    side: Side = Side.BUY
    qty: int = 0
    price: int | None = None
    gateway: str = ""


class Ping(FromClient, frozen=True, tag="ping"):
    n: int


ClientMessage = Hello | Act | Ask | AskAudit | Push | Drill | Ping


# -- exchange to client


class FromExchange(Value, frozen=True, tag_field="msg"):
    """Base of what the exchange says."""


class Welcome(FromExchange, frozen=True, tag="welcome", kw_only=True):
    version: int
    instruments: tuple[Instrument, ...]
    now: int
    query_timeout: float
    message_limit: int


class Report(FromExchange, frozen=True, tag="report"):
    fact: AnyFact


class Reply(FromExchange, frozen=True, tag="reply"):
    """`body`: JSON of the answer; its type follows from the question (`ANSWERS`)."""

    n: int
    body: msgspec.Raw


class Failed(FromExchange, frozen=True, tag="failed"):
    n: int
    reason: str


class Done(FromExchange, frozen=True, tag="done"):
    n: int


class Data(FromExchange, frozen=True, tag="data", kw_only=True):
    quote: Quote | None = None
    trade: Trade | None = None


class State(FromExchange, frozen=True, tag="state"):
    symbol: str
    state: MarketState
    ts: int


class Pong(FromExchange, frozen=True, tag="pong"):
    n: int


class Goodbye(FromExchange, frozen=True, tag="goodbye"):
    reason: str


ExchangeMessage = Welcome | Report | Reply | Failed | Done | Data | State | Pong | Goodbye

ANSWERS: Final[dict[type[Value], Any]] = {
    QueryOrder: OrderReport | OrderNotFound,
    QueryOpenOrders: OpenOrders,
    QueryExecutions: Executions,
    QueryPositions: Positions,
    QueryAccount: AccountValues,
    AskAudit: Audit,
}
"""Question → type of its answer."""

_encoder: Final = msgspec.json.Encoder()
_from_client: Final = msgspec.json.Decoder(ClientMessage)
_from_exchange: Final = msgspec.json.Decoder(ExchangeMessage)


def frame(message: FromClient | FromExchange) -> bytes:
    """A message as bytes with its length in front."""
    body = _encoder.encode(message)
    return _HEAD.pack(len(body)) + body


def raw(value: Value) -> msgspec.Raw:
    return msgspec.Raw(_encoder.encode(value))


def decode_answer(body: msgspec.Raw, kind: Any) -> Any:
    """Raises `WireError` when the answer is not of the type asked for."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise WireError(f"an answer could not be read: {error}") from error


async def read_client(reader: asyncio.StreamReader) -> ClientMessage | None:
    """The next message of a client; None at the end. Raises `WireError`."""
    body = await _read(reader)
    return None if body is None else _decode(_from_client, body)


async def read_exchange(reader: asyncio.StreamReader) -> ExchangeMessage | None:
    """The next message of the exchange; None at the end. Raises `WireError`."""
    body = await _read(reader)
    return None if body is None else _decode(_from_exchange, body)


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise WireError(f"{error}: {body[:120]!r}") from error


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readexactly(_HEAD.size)
        (length,) = _HEAD.unpack(head)
        if length > MAX_FRAME:
            raise WireError(f"a frame of {length} bytes is no message of this protocol")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
