"""What the engine and a strategy's process say to one another, how it is framed, and what is believed of it.

Messages are msgspec structs in MessagePack behind a four-byte length (measured against JSON: half the size,
a third less time). The engine sends `Start`, then one `Batch` at a time, and `Stop`; the process answers each
of them with `Ready`, `Done` or `Failed`. The process is not trusted: sizes are bounded, types are checked
while decoding, and `objection` looks at every action again before the engine acts on it.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import msgspec

from engine.model import Bar, Instrument, OrderStatus, OrderType, Quote, Side, TimeInForce, Trade, Value

MAX_FRAME: Final = 1 << 20
"""Bytes. Largest message that a strategy's process may send."""
MAX_ACTIONS: Final = 500
"""Largest number of actions in answer to one batch."""
MAX_SAVED: Final = 16_384
"""Bytes of a strategy's own variables as JSON."""
MAX_TIMERS: Final = 256
"""Timers that a strategy may have set at a time."""
MAX_LOTS: Final = 1_000_000_000
"""Largest quantity or intended position that is believed, in lots."""
MAX_TICKS: Final = 1_000_000_000_000
"""Largest price that is believed, in ticks."""
MAX_WAIT: Final = 7 * 86_400 * 1_000_000_000
"""Longest timer, ns."""

Kind = Literal["quote", "trade", "bar"]
KINDS: Final[tuple[Kind, ...]] = ("quote", "trade", "bar")


class Malformed(ValueError):
    """A frame that is no message."""


# --- what a strategy sees of its own orders ---------------------------------------------------------------


class StrategyFill(Value, frozen=True, kw_only=True):
    """An execution of its own. `qty` in lots > 0, `price` in ticks, `fee` in the instrument's currency."""

    symbol: str
    side: Side
    qty: int
    price: int
    ts: int
    position: int
    """The strategy's own position in lots after this execution."""
    order_id: str = ""
    ref: int | None = None
    """What `buy` or `sell` returned; None for the engine's orders towards an intended position."""
    fee: Decimal = Decimal(0)
    maker: bool | None = None


class StrategyOrder(Value, frozen=True, kw_only=True):
    """Where one of the strategy's orders stands. Quantities in lots, prices in ticks."""

    symbol: str
    side: Side
    type: OrderType
    qty: int
    cum: int
    leaves: int
    status: OrderStatus
    order_id: str = ""
    """Empty until the engine has accepted it."""
    ref: int | None = None
    """What `buy` or `sell` returned; None for children of a bracket and orders from an intended position."""
    parent: int | None = None
    """Child of a bracket: ref of the entry order."""
    limit: int | None = None
    stop: int | None = None
    tif: TimeInForce = TimeInForce.DAY
    overlay: str = ""
    """`cancel?` or `replace?` while such a request is unanswered, else empty."""
    reason: str = ""


class Timer(Value, frozen=True):
    """A timer of the strategy ran out."""

    name: str


class PositionSet(Value, frozen=True):
    """The strategy's own position was corrected (bust, correction, adjustment, internal crossing); lots."""

    symbol: str
    lots: int
    intended: int | None = None
    """What counts as declared from now on, where it had declared something: 0 once the position was closed
    over its head and proven flat. None: what it declared stands."""


class Pause(Value, frozen=True):
    """Opening orders are refused from now on (or let through again)."""

    paused: bool
    reason: str = ""


Event = Quote | Trade | Bar | StrategyFill | StrategyOrder | Timer | PositionSet | Pause


# --- engine → strategy ------------------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag_field="message"):
    """Base of the messages and actions: arrays on the wire, the tag first."""


class Earlier(NamedTuple):
    """What an earlier run of a strategy left, handed over at its start."""

    positions: Mapping[str, int] = MappingProxyType({})
    """Its own, lots."""
    orders: tuple[StrategyOrder, ...] = ()
    """Those of its own that work."""
    next_ref: int = 1
    """The first ref that it may give."""
    quotes: tuple[Quote, ...] = ()
    intended: Mapping[str, int] = MappingProxyType({})
    """What it declared last, lots; not in force any more."""
    saved: str = ""
    """Its own variables as JSON; empty: none."""


NOTHING: Final = Earlier()


class Start(Message, frozen=True, tag="start"):
    """First message. `seed` feeds the strategy's own random numbers; `memory` in bytes; `cpu`: seconds of
    processor that its process may use in all, 0: any."""

    module: str
    name: str
    params: dict[str, str | int | float | bool]
    symbols: tuple[str, ...]
    instruments: dict[str, Instrument]
    positions: dict[str, int]
    orders: tuple[StrategyOrder, ...]
    next_ref: int
    quotes: tuple[Quote, ...]
    now: int
    seed: str
    memory: int
    files: int
    nice: int
    import_paths: tuple[str, ...]
    intended: dict[str, int] = {}
    saved: str = ""
    cpu: int = 0


class Check(Message, frozen=True, tag="check"):
    """Instead of `Start`, which follows later: load the class and check its parameters, and do no more. The
    answer is `Done` or `Failed`."""

    start: Start


class Batch(Message, frozen=True, tag="batch"):
    """Events in order of time: `kinds` has one letter for each, and each comes from the tuple of its kind.

    `marks` are the newest quotes of symbols whose quotes are not events here: they update `quote(symbol)`
    and call nothing back.
    """

    seq: int
    now: int
    kinds: str
    marks: tuple[Quote, ...] = ()
    quotes: tuple[Quote, ...] = ()
    trades: tuple[Trade, ...] = ()
    bars: tuple[Bar, ...] = ()
    fills: tuple[StrategyFill, ...] = ()
    orders: tuple[StrategyOrder, ...] = ()
    timers: tuple[Timer, ...] = ()
    positions: tuple[PositionSet, ...] = ()
    pauses: tuple[Pause, ...] = ()

    def events(self) -> Sequence[Any]:
        """The events in order of time, each of the type for which its letter in `kinds` stands."""
        kinds = self.kinds
        if len(kinds) == 1:  # by far the most frequent
            column: Sequence[Any] = getattr(self, COLUMNS[kinds])
            return column
        columns = {letter: iter(getattr(self, COLUMNS[letter])) for letter in set(kinds)}
        return [next(columns[letter]) for letter in kinds]


class Stop(Message, frozen=True, tag="stop"):
    """Last message: `on_stop` runs, its actions come back, the process ends. `quiet`: another process takes
    over, and `on_stop` does not run."""

    seq: int
    now: int
    reason: str
    quiet: bool = False


LETTERS: Final[dict[type, str]] = {
    Quote: "q",
    Trade: "t",
    Bar: "b",
    StrategyFill: "f",
    StrategyOrder: "o",
    Timer: "w",
    PositionSet: "p",
    Pause: "h",
}
COLUMNS: Final = {
    "q": "quotes",
    "t": "trades",
    "b": "bars",
    "f": "fills",
    "o": "orders",
    "w": "timers",
    "p": "positions",
    "h": "pauses",
}
"""The field of a batch that holds the events of a letter."""


# --- strategy → engine ------------------------------------------------------------------------------------


class Action(Message, frozen=True):
    """Base of what a strategy asks for.

    `cause` is the index in the batch of the event that led to it, −1 for start and stop; `bid` and `ask` are
    the touch in ticks that the strategy saw for the symbol at that moment.
    """

    cause: int
    bid: int | None
    ask: int | None


class Intend(Action, frozen=True, tag="intend"):
    """The position that the strategy wants from now on, in signed lots."""

    symbol: str
    lots: int


class Place(Action, frozen=True, tag="place"):
    """An explicit order. `qty` in lots, prices in ticks, `expire` UTC ns for GTD."""

    ref: int
    symbol: str
    side: Side
    qty: int
    type: OrderType
    limit: int | None = None
    stop: int | None = None
    tif: TimeInForce = TimeInForce.DAY
    expire: int | None = None
    reduce_only: bool = False
    post_only: bool = False
    take_profit: int | None = None
    stop_loss: int | None = None


class CancelRef(Action, frozen=True, tag="cancel"):
    ref: int


class ReplaceRef(Action, frozen=True, tag="replace"):
    """New total quantity and prices; None leaves a term as it is."""

    ref: int
    qty: int | None = None
    limit: int | None = None
    stop: int | None = None


class SetTimer(Action, frozen=True, tag="timer"):
    """Calls `on_timer(name)` once after `delay` ns of engine time; None takes the timer back."""

    name: str
    delay: int | None


AnyAction = Intend | Place | CancelRef | ReplaceRef | SetTimer


class Log(Message, frozen=True):
    """A line from `log`, or of what the strategy printed. `fields` are texts already."""

    level: Literal["info", "output"]
    text: str
    fields: dict[str, str]


class Ready(Message, frozen=True, tag="ready"):
    """`on_start` is through. `baseline`: bytes of resident memory before the strategy's module was loaded."""

    wants: tuple[Kind, ...]
    baseline: int
    actions: tuple[AnyAction, ...] = ()
    logs: tuple[Log, ...] = ()
    dropped: int = 0
    """Lines of log that went over the bound and are lost."""
    spent: tuple[int, ...] = ()
    """What `on_start` took, host ns."""
    saved: str | None = None
    """Its own variables as JSON, where they are to be kept."""


class Done(Message, frozen=True, tag="done"):
    """The batch `seq` was taken; also the answer to `Stop`."""

    seq: int
    actions: tuple[AnyAction, ...] = ()
    logs: tuple[Log, ...] = ()
    dropped: int = 0
    spent: tuple[int, ...] = ()
    """What each event of the batch took, in its order, host ns; empty where nobody measures."""
    saved: str | None = None


class Failed(Message, frozen=True, tag="failed"):
    """The strategy cannot go on. `trace` has code lines only, no values of variables."""

    reason: str
    trace: str = ""
    logs: tuple[Log, ...] = ()
    dropped: int = 0


Reply = Ready | Done | Failed
Instruction = Start | Check | Batch | Stop

_LENGTH: Final = struct.Struct("<I")
HEAD: Final = _LENGTH.size
_encoder: Final = msgspec.msgpack.Encoder(decimal_format="string")
_to_child: Final[msgspec.msgpack.Decoder[Instruction]] = msgspec.msgpack.Decoder(Instruction)
_to_engine: Final[msgspec.msgpack.Decoder[Reply]] = msgspec.msgpack.Decoder(Ready | Done | Failed)


def body_of(message: Message) -> bytes:
    """A message as it stands in a frame."""
    return _encoder.encode(message)


def frame(message: Message) -> bytes:
    """A message with its length in front, ready to be written."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def read_instruction(body: bytes) -> Instruction:
    """The message in a frame's body, as the strategy's process reads it."""
    return _to_child.decode(body)


def read_reply(body: bytes | memoryview) -> Reply:
    """The message in a frame's body, as the engine reads it. Raises `Malformed`."""
    try:
        return _to_engine.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"no message of the protocol: {error}") from None


class Splitter:
    """Cuts a stream of bytes into the bodies of frames. `limit`: bytes of the largest frame believed."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        self._buffer = b""
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Adds bytes and returns the bodies that are now complete. Raises `Malformed` over the limit."""
        if self._buffer:
            data = self._buffer + data
        bodies: list[bytes] = []
        at = 0
        while len(data) - at >= HEAD:
            (length,) = _LENGTH.unpack_from(data, at)
            if length > self._limit:
                raise Malformed(f"a message of {length:,} bytes; at most {self._limit:,} are allowed")
            if len(data) - at - HEAD < length:
                break
            bodies.append(data[at + HEAD : at + HEAD + length])
            at += HEAD + length
        self._buffer = data[at:] if at else data
        return bodies


def objection(
    action: AnyAction, events: int, symbols: Collection[str], instruments: Mapping[str, Instrument]
) -> str:
    """Why an action from a strategy's process cannot be believed, empty where it can.

    `events`: number of events in the batch that it answers. The strategy's own side of the API has refused
    all of this already, so that an objection means that the process is broken.
    """
    if not -1 <= action.cause < (events or 1):
        return f"cause {action.cause} names no event"
    if not (_believable(action.bid) and _believable(action.ask)):
        return "a touch beyond belief"
    match action:
        case SetTimer():
            if not 0 < len(action.name) <= 64:
                return "a timer's name must have 1 to 64 characters"
            if action.delay is not None and not 0 <= action.delay <= MAX_WAIT:
                return f"a timer of {action.delay} ns"
            return ""
        case CancelRef():
            return "" if 0 < action.ref < 1 << 62 else f"ref {action.ref}"
        case ReplaceRef():
            if not 0 < action.ref < 1 << 62:
                return f"ref {action.ref}"
            if action.qty is not None and not 0 < action.qty <= MAX_LOTS:
                return f"quantity {action.qty}"
            return "" if _believable(action.limit) and _believable(action.stop) else "a price beyond belief"
        case Intend() | Place():
            if action.symbol not in symbols or action.symbol not in instruments:
                return f"symbol {action.symbol[:40]!r} is not among its own"
            if isinstance(action, Intend):
                return "" if abs(action.lots) <= MAX_LOTS else f"an intended position of {action.lots} lots"
            return _order_objection(action, instruments[action.symbol])


def saved_objection(saved: str) -> str:
    """Why what a strategy saves cannot be believed, empty where it can."""
    if len(saved.encode("utf-8", "replace")) > MAX_SAVED:
        return f"it saves more than {MAX_SAVED:,} bytes"
    try:
        found = msgspec.json.decode(saved)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return f"what it saves is no JSON: {error}"
    return "" if isinstance(found, dict) else "what it saves is no table"


def _order_objection(order: Place, instrument: Instrument) -> str:
    prices = (order.limit, order.stop, order.take_profit, order.stop_loss)
    if not 0 < order.ref < 1 << 62:
        return f"ref {order.ref}"
    if not 0 < order.qty <= MAX_LOTS:
        return f"quantity {order.qty}"
    if not all(map(_believable, prices)):
        return "a price beyond belief"
    if not instrument.nonpositive_price and any(price is not None and price <= 0 for price in prices):
        return f"{instrument.symbol} cannot trade at or below zero"
    if (order.limit is not None) != (order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)):
        return f"limit {order.limit} with an order of type {order.type}"
    if (order.stop is not None) != (order.type in (OrderType.STOP, OrderType.STOP_LIMIT)):
        return f"stop {order.stop} with an order of type {order.type}"
    if (order.expire is not None) != (order.tif is TimeInForce.GTD):
        return f"expire {order.expire} with time in force {order.tif}"
    return ""


def _believable(price: int | None) -> bool:
    return price is None or -MAX_TICKS <= price <= MAX_TICKS
