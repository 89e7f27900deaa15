"""What goes over the control socket: the messages, their frames, and where the socket lies.

A frame is four bytes of length (big endian) and that many bytes of JSON. The client speaks first, with
`Hello`; everything else is refused until the versions agree. Either side may be killed at any byte.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from engine.control.commands import Answer, AnyCommand
from engine.control.frames import Frame
from engine.control.questions import AnyQuestion
from engine.control.snapshot import (
    AlertRow,
    Comparison,
    HealthRow,
    KillView,
    OrderRow,
    PositionRow,
    RiskRow,
    ScreenRow,
    SentinelRow,
    Snapshot,
    StrategyRow,
)
from engine.model import OrderStatus, Value

PROTOCOL: Final = 2
"""Version of these messages; both sides must have the same."""

MAX_REQUEST: Final = 64 * 1024
"""Bytes of the largest message that the engine takes from a client."""

MAX_REPLY: Final = 64 * 1024 * 1024
"""Bytes of the largest message that a client takes from the engine."""

SOCKET_NAME: Final = "control.sock"
"""Name of the socket within the state directory."""

Topic = Literal["status", "orders", "positions", "risk", "alerts", "health", "strategies", "kill", "snapshot"]
TOPICS: Final[tuple[str, ...]] = get_args(Topic)

_HEAD: Final = struct.Struct(">I")


class WireError(Exception):
    """The other side sent something that is no message of this protocol."""


class Hello(Value, frozen=True, tag_field="msg", tag="hello", kw_only=True):
    """First message of a client. `tty` is what it says of itself; uid and pid come from the kernel."""

    version: int
    client: str = ""
    tty: str = ""


class Ask(Value, frozen=True, tag_field="msg", tag="ask", kw_only=True):
    """A question, answered from the newest snapshot. `id` comes back with the reply."""

    id: int
    topic: Topic


class Do(Value, frozen=True, tag_field="msg", tag="do", kw_only=True):
    """A command; answered once or more, the last answer has `final`."""

    id: int
    command: AnyCommand


class Attach(Value, frozen=True, tag_field="msg", tag="attach", kw_only=True):
    """Makes this connection a screen's: `Attached` comes back, then a snapshot, then frames and news. `mark`:
    that of the client's build, `engine.control.mark`; `rate`: frames a second at the most; `run` and `after`:
    the news that it has had already, of which run."""

    id: int
    mark: str
    read_only: bool = False
    take_control: bool = False
    rate: float = 20.0
    run: str = ""
    after: int = 0


class Query(Value, frozen=True, tag_field="msg", tag="query", kw_only=True):
    """A screen's question; `Answered` with this id comes back."""

    id: int
    question: AnyQuestion


class Again(Value, frozen=True, tag_field="msg", tag="again", kw_only=True):
    """A screen has lost the thread and wants a whole snapshot."""


class Goodbye(Value, frozen=True, tag_field="msg", tag="goodbye", kw_only=True):
    """A screen goes on purpose; one that goes without this was lost."""

    why: str = ""


class Welcome(Value, frozen=True, tag_field="msg", tag="welcome", kw_only=True):
    """The engine's answer to `Hello`."""

    version: int
    pid: int
    build: str = ""
    account: str = ""
    mode: str = ""


class Picture(Value, frozen=True, tag_field="msg", tag="picture", kw_only=True):
    """The reply to a question. `data` is the JSON of the topic, as of engine time `ts` (UTC ns)."""

    id: int
    topic: Topic
    seq: int
    ts: int
    data: msgspec.Raw


class Reply(Value, frozen=True, tag_field="msg", tag="reply", kw_only=True):
    """An answer to the command `id`."""

    id: int
    answer: Answer


class Attached(Value, frozen=True, tag_field="msg", tag="attached", kw_only=True):
    """The screen's number among `Snapshot.screens`; the run of the engine that its news belong to, the number
    of the newest, and how that run began (the journal's row of kind `run_started`; null: not known)."""

    id: int
    seat: int
    run: str
    last: int = 0
    started: msgspec.Raw = msgspec.Raw(b"null")


class Whole(Value, frozen=True, tag_field="msg", tag="whole", kw_only=True):
    """A whole snapshot. `at`: when it was published, by the host's monotonic clock, s."""

    at: float
    snapshot: msgspec.Raw


class Change(Value, frozen=True, tag_field="msg", tag="change", kw_only=True):
    """What has changed since the last one. `at` as in `Whole`."""

    at: float
    frame: Frame


class Told(Value, frozen=True, kw_only=True):
    """An event, see `engine.control.news`; kind and body are those of the journal's row."""

    seq: int
    ts: int
    kind: str
    body: msgspec.Raw
    correlation: str = ""
    order_id: str = ""


class Events(Value, frozen=True, tag_field="msg", tag="events", kw_only=True):
    """News, oldest first. `missed`: how many before the first are no longer in the engine's history."""

    events: tuple[Told, ...]
    missed: int = 0


class Answered(Value, frozen=True, tag_field="msg", tag="answered", kw_only=True):
    """The answer to a screen's question, see `engine.control.questions.decode_reply`."""

    id: int
    reply: msgspec.Raw


ProblemCode = Literal[
    "malformed", "version", "hello", "too_large", "no_snapshot", "no_screens", "busy", "internal"
]


class Problem(Value, frozen=True, tag_field="msg", tag="problem", kw_only=True):
    """A message that was not understood or not allowed. `id` 0: it belongs to no request."""

    id: int
    code: ProblemCode
    text: str


FromClient = Hello | Ask | Do | Attach | Query | Again | Goodbye
Addressed = Picture | Reply | Problem | Attached | Answered
"""Messages of the engine that belong to a request."""
FromEngine = Welcome | Picture | Reply | Problem | Attached | Answered | Whole | Change | Events


class Status(Value, frozen=True, kw_only=True):
    """The topic `status`: the head of a snapshot, with the rows counted."""

    mode: str
    account: str
    currency: str
    feed: str
    feed_progress: float | None
    halted: bool
    halt_reason: str
    paused: tuple[str, ...]
    trading: bool
    trading_text: str
    equity: Decimal | None
    day_pnl: Decimal | None
    day_limit: Decimal | None
    limits_version: int
    working: int
    """Orders that are not closed, UNKNOWN ones included."""
    unknown: int
    """Orders whose state is not known."""
    open_positions: int
    """Symbols with a position by our executions or by the broker's word."""
    drift: int
    """Symbols on which the broker's and our position differ."""
    alerts: int
    """Alerts that nobody has acknowledged."""
    broker: str
    data: str
    engine: str
    journal: str
    uptime: float
    ts: int
    kill: KillView | None
    screens: tuple[ScreenRow, ...] = ()
    comparison: Comparison = Comparison()
    sentinel: SentinelRow = SentinelRow()


_CLOSED: Final = frozenset(s.value for s in OrderStatus if s.is_closed)


def status_of(snapshot: Snapshot) -> Status:
    """The head of a snapshot, with its rows counted."""
    working = [o for o in snapshot.orders if o.status not in _CLOSED]
    health = snapshot.health
    return Status(
        mode=snapshot.mode,
        account=snapshot.account,
        currency=snapshot.currency,
        feed=snapshot.feed,
        feed_progress=snapshot.feed_progress,
        halted=snapshot.halted,
        halt_reason=snapshot.halt_reason,
        paused=tuple(hold.whole for hold in snapshot.paused),
        trading=snapshot.trading,
        trading_text=snapshot.trading_text,
        equity=snapshot.equity,
        day_pnl=snapshot.day_pnl,
        day_limit=snapshot.day_limit,
        limits_version=snapshot.limits_version,
        working=len(working),
        unknown=sum(1 for o in working if o.status == OrderStatus.UNKNOWN),
        open_positions=sum(1 for p in snapshot.positions if p.executed or p.broker),
        drift=sum(1 for p in snapshot.positions if p.diff),
        alerts=sum(1 for a in snapshot.alerts if a.waits),
        broker=health.broker,
        data=health.data,
        engine=health.engine,
        journal=health.journal,
        uptime=health.uptime,
        ts=snapshot.ts,
        kill=snapshot.kill,
        screens=snapshot.screens,
        sentinel=snapshot.health.sentinel,
        comparison=snapshot.comparison,
    )


Topical = (
    Status
    | Snapshot
    | HealthRow
    | KillView
    | tuple[OrderRow, ...]
    | tuple[PositionRow, ...]
    | tuple[RiskRow, ...]
    | tuple[AlertRow, ...]
    | tuple[StrategyRow, ...]
    | None
)

TOPIC_TYPES: Final[dict[str, object]] = {
    "status": Status,
    "orders": tuple[OrderRow, ...],
    "positions": tuple[PositionRow, ...],
    "risk": tuple[RiskRow, ...],
    "alerts": tuple[AlertRow, ...],
    "health": HealthRow,
    "strategies": tuple[StrategyRow, ...],
    "kill": KillView | None,
    "snapshot": Snapshot,
}
"""What the data of each topic decodes to."""


def topic_of(snapshot: Snapshot, topic: Topic) -> Topical:
    """The part of a snapshot that a topic shows."""
    if topic == "status":
        return status_of(snapshot)
    if topic == "snapshot":
        return snapshot
    part: Topical = getattr(snapshot, topic)
    return part


_encoder: Final = msgspec.json.Encoder()
_from_client: Final[msgspec.json.Decoder[FromClient]] = msgspec.json.Decoder(FromClient)
_from_engine: Final[msgspec.json.Decoder[FromEngine]] = msgspec.json.Decoder(FromEngine)
_BAD: Final = (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError)
"""What the decoder raises on anything that is no message."""


def encode(value: object) -> bytes:
    """JSON of a message or of a topic's data; decimals as text, so that they stay exact."""
    return _encoder.encode(value)


def raw(body: bytes) -> msgspec.Raw:
    """JSON that is encoded already, as part of a message."""
    return msgspec.Raw(body)


def frame(body: bytes) -> bytes:
    """A body with its length before it."""
    return _HEAD.pack(len(body)) + body


def decode_request(body: bytes) -> FromClient:
    """Raises `WireError` that says what is wrong with the message."""
    try:
        request = _from_client.decode(body)
    except _BAD as error:
        raise WireError(str(error) or type(error).__name__) from error
    if isinstance(request, Do):
        for name in request.command.__struct_fields__:
            value = getattr(request.command, name)
            if isinstance(value, Decimal) and not _is_sane(value):
                raise WireError(f"{value} is no price or size - at `$.command.{name}`")
    return request


def _is_sane(value: Decimal) -> bool:
    """False for NaN, infinities, and for exponents whose exact arithmetic alone would stop an engine."""
    return value.is_finite() and abs(value.adjusted()) <= 18 and len(value.as_tuple().digits) <= 36


def decode_reply(body: bytes) -> FromEngine:
    """Raises `WireError` that says what is wrong with the message."""
    try:
        return _from_engine.decode(body)
    except _BAD as error:
        raise WireError(str(error) or type(error).__name__) from error


def decode_topic(topic: str, data: bytes | msgspec.Raw) -> Any:
    """The data of a picture as what `TOPIC_TYPES` says. Raises `WireError`."""
    try:
        return msgspec.json.decode(data, type=TOPIC_TYPES[topic])
    except _BAD as error:
        raise WireError(str(error)) from error


class Deframer:
    """Cuts a stream of bytes, in whatever pieces it comes, into the bodies of its frames."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes that came and are not yet a whole frame; never more than the limit and a head."""
        return len(self._buffer)

    def rest(self) -> bytes:
        """Those bytes, for whoever reads on from here."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields each body that is complete. Raises `WireError` as soon as a length is beyond the limit."""
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            (length,) = _HEAD.unpack_from(self._buffer)
            if length > self._limit:
                raise WireError(f"a message of {length} bytes is announced, {self._limit} are allowed")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_HEAD.size : end])
            del self._buffer[:end]
            yield body


def socket_path(state_dir: Path) -> Path:
    """Where the engine with this state directory listens."""
    return state_dir / SOCKET_NAME


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """The address to bind or connect to. A path beyond the 107 bytes that the kernel takes is reached
    through its directory's descriptor, which is open within the context only."""
    if len(os.fsencode(path)) <= 107:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
