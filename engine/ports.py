"""The seams: everything that the engine is handed instead of reaching for it.

Clock and timers, ids, the broker adapter, the market data feed. The real implementations, the simulated ones
and those of a recorded day all satisfy these protocols; the engine cannot tell which it has.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, Protocol

from engine.facts import AccountValues, AnyFact, Executions, OpenOrders, OrderNotFound, OrderReport, Positions
from engine.model import (
    Instrument,
    MarketState,
    Order,
    OrderType,
    Quote,
    Replace,
    Side,
    TimeInForce,
    Trade,
    Value,
)
from engine.sending import Recorded


class TimerHandle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time in UTC ns. In a replay or a simulation `now` and `mono` follow the recording."""

    def now(self) -> int:
        """Engine time: the wall clock when live, the recording's time in a replay. May step."""

    def mono(self) -> int:
        """Never steps back; for time-outs. Same pace as `now`."""

    def perf(self) -> int:
        """The host's performance counter, for measuring only: nothing may be decided by it."""

    def offset(self) -> int:
        """Host's wall clock − engine time, ns: a step of the wall clock shows here. 0 in a recording."""

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Calls back on the engine's thread after `delay` ns of engine time."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> TimerHandle: ...

    async def sleep(self, delay: int) -> None:
        """Sleeps `delay` ns of engine time."""


class NotSent(Exception):
    """Raised by an adapter that is certain that nothing left: link down, lane closed, not supported."""


class QueryFailed(Exception):
    """A question to the broker got no usable answer. Never to be read as an empty answer."""


Figure = Literal["day_pnl", "excess_liquidity"]
"""A figure of `AccountValues` that not every broker tells."""


class Capabilities(Value, frozen=True, kw_only=True):
    """What a venue can do, as observed by the conformance suite."""

    order_types: frozenset[OrderType]
    tifs: frozenset[TimeInForce]
    replace_in_place: bool
    reduce_only: bool = False
    post_only: bool = False
    oco: bool = False
    bracket: bool = False
    query_order: bool = True
    executions_history: bool = True
    positions: bool = True
    cancel_all: bool = False
    """One request cancels every order of the account, whoever placed it."""
    what_if: bool = False
    """It says what an order would need in margin before it is sent."""
    tells: frozenset[Figure] = frozenset()
    """Figures of the account that this broker tells; where one is missing all the same, it is not known."""
    dead_man: bool = False
    """The venue cancels every order of the account by itself unless it is told again and again not to."""
    message_limit: int | None = None
    """Messages per second that the venue accepts."""


FactSink = Callable[[AnyFact], None]


class Adapter(Protocol):
    """A thin translator between the engine and one broker session.

    It owns no order state, retries nothing, queues nothing while the link is down. `submit`, `replace` and
    `cancel` hand over at once and return; answers arrive as facts, on the engine's thread, never from
    within the call. They raise `NotSent` only when it is certain that nothing left: the line is down or in
    doubt, its lane is full for this second, the venue lacks what is asked, the order is not one that this
    session can touch, or the same order went before. Queries raise `QueryFailed`; they never answer with
    something empty because they could not ask, and "not found" only where the broker never had the order.

    It keeps the venue's message limit in lanes, cancels first, and keeps nothing for later. After every
    session but the first, LinkUp is followed by a Gap; another Gap comes whenever something may have been
    missed or is not as it was told: a message that could not be read, one order that has become two, an ended
    order that is open. What an adapter decodes on a thread of its own, it hands over without loss and in
    order. `tests/conformance` holds each of these sentences against every adapter.
    """

    name: Final[str]  # type: ignore[misc]
    account: str

    @property
    def capabilities(self) -> Capabilities: ...

    def bind(self, sink: FactSink) -> None:
        """Where facts go; called once, before `connect`."""

    async def connect(self) -> None:
        """Opens the session, at first or again after LinkDown; LinkUp follows. One call is one attempt: when
        to try again is the engine's business. Raises `NotSent` with the remedy when it cannot."""

    async def close(self) -> None:
        """Ends the session; LinkDown need not follow. `connect` may open another one later."""

    async def probe(self) -> None:
        """A heartbeat: the smallest thing that the broker answers. Raises `QueryFailed` where it does not."""

    def submit(self, order: Recorded[Order]) -> None: ...

    def replace(self, change: Recorded[Replace]) -> None: ...

    def cancel(self, order_id: str, broker_id: str | None) -> None: ...

    def cancel_everything(self) -> None:
        """The venue's own cancel of every order of the account, also those placed by hand or by other
        programs. Never sent but by a person's word. Raises `NotSent` where there is none (`cancel_all`)."""

    def arm_dead_man(self, after: int | None) -> None:
        """The venue's dead-man's switch: it cancels every order of the account, protective ones too, `after`
        ns from now, unless it is armed anew before; None disarms it. It outlives the session. Raises
        `NotSent` where there is none (`dead_man`)."""

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound: ...

    async def open_orders(self) -> OpenOrders: ...

    async def executions(self, since: int) -> Executions: ...

    async def positions(self) -> Positions: ...

    async def account_values(self) -> AccountValues: ...

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:
        """Initial margin, account currency, that so many more lots would need beside what is held; nothing is
        placed. Raises `QueryFailed` where the broker refuses, does not say, or is not one that does
        (`Capabilities.what_if`)."""

    async def instruments(self) -> Sequence[Instrument]: ...

    def subscribe(self, symbols: Sequence[str]) -> None:
        """Market data from the broker itself; an adapter without any raises `NotSent`."""


class MarketSink(Protocol):
    """Where a feed delivers, in order of time, on the engine's thread."""

    def on_quote(self, quote: Quote) -> None: ...

    def on_trade(self, trade: Trade) -> None: ...

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None: ...

    def on_batch_end(self, ts: int) -> None:
        """All records with this stamp (or of this read) have been delivered."""

    def on_feed_end(self, reason: str) -> None:
        """The recording is over, or the feed stopped for good."""


class Feed(Protocol):
    """A source of market data."""

    name: str
    instruments: Sequence[Instrument]

    def start_time(self) -> int | None:
        """UTC ns at which the recording starts; None for a live or live-looking feed."""

    async def run(self, clock: Clock, sink: MarketSink, resume_after: int | None = None) -> None:
        """Delivers until it ends or is cancelled. `resume_after`: skip what is stamped up to then."""

    def progress(self) -> float | None:
        """Share of the recording that was delivered, 0 to 1; None where there is no end."""


class IdSource(Protocol):
    """Ids that are ours, unique for ever."""

    def order_id(self, strategy: str) -> str: ...

    def gave(self, order_id: str) -> bool:
        """Whether it was given in this run."""

    def correlation(self) -> str: ...


class BookLevel(NamedTuple):
    """One price of a book: ticks, lots, and how many orders stand there (None: not published)."""

    price: int
    lots: int
    orders: int | None


class QueuePlace(NamedTuple):
    """What stands before an order of ours at its price, in lots; `exact` or an estimate."""

    ahead: int
    exact: bool


class DepthSource(Protocol):
    """What somebody knows of a market beyond the touch. For looking only: nothing is decided by it."""

    def levels(self, symbol: str, most: int) -> tuple[list[BookLevel], list[BookLevel]] | None:
        """Bids and asks, best first, at most so many each; None where only the touch is known. Raises
        `KeyError` for a symbol that it does not have."""

    def places(self, symbol: str, order_ids: Container[str]) -> dict[str, QueuePlace]:
        """Places in the queue of those of our orders that rest; the others are left out."""
