"""Answers to what a screen asks: immutable values that encode to JSON.

Numbers are as in the snapshot: exact decimals in natural units, times in UTC ns, ages in seconds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from engine.model import Value

Amount = Decimal


class Reply(Value, frozen=True, tag_field="reply", kw_only=True):
    """Base of all answers to questions."""


class Declined(Reply, frozen=True, tag="declined"):
    """There is no answer: why, and what to do."""

    text: str


class StoryLine(Value, frozen=True, kw_only=True):
    """One row of a story."""

    row: int
    """Number in the journal."""
    ts: int
    since: int
    """ns since the story's first row."""
    gap: int
    """ns since the row before."""
    kind: str
    order_id: str = ""
    correlation: str = ""
    text: str
    """What happened, in words."""


class Latency(Value, frozen=True, kw_only=True):
    """Time between two steps of a story, ns of engine time."""

    stage: str
    ns: int


class StoryTold(Reply, frozen=True, tag="story"):
    """A story, oldest row first."""

    ident: str
    symbol: str = ""
    orders: tuple[str, ...] = ()
    correlations: tuple[str, ...] = ()
    lines: tuple[StoryLine, ...] = ()
    latencies: tuple[Latency, ...] = ()
    left_out: int = 0
    """Rows in the middle that an answer has no room for."""
    note: str = ""
    """What is not known, for example that its beginning is older than what is at hand."""


class Level(Value, frozen=True, array_like=True):
    """One price of a book. `size` None: not published."""

    price: Amount
    size: Amount | None
    orders: int | None = None
    """How many orders stand there; None: not published."""


class OwnOrder(Value, frozen=True, kw_only=True):
    """One of our working orders."""

    id: str
    side: str
    """`BUY` or `SELL`."""
    type: str
    price: Amount | None
    """Its limit, or its stop where it waits for one; None at the market."""
    leaves: Amount
    status: str
    overlay: str = ""
    strategy: str = ""
    ahead: Amount | None = None
    """What stands before it in the queue; None: not known."""
    ahead_exact: bool = False
    """False: an estimate."""


class Print(Value, frozen=True, array_like=True):
    """One trade of the market, numbered since the engine started."""

    n: int
    ts: int
    price: Amount
    size: Amount | None
    aggressor: str
    """`B` a buyer took the offer, `S` a seller hit the bid, empty: not known."""


class Bar(Value, frozen=True, array_like=True):
    """What happened within one span. Where nothing traded the prices are the middle between bid and ask."""

    ts: int
    """Start of the span."""
    open: Amount
    high: Amount
    low: Amount
    close: Amount
    volume: Amount
    traded: bool


class FillMark(Value, frozen=True, array_like=True):
    """One of our executions, for a chart."""

    ts: int
    side: str
    """`B` or `S`."""
    price: Amount
    size: Amount
    order_id: str


class MarketSeen(Reply, frozen=True, tag="market"):
    """One market. What the feed does not publish is None or empty, and `depth_text` says so."""

    symbol: str
    ts: int
    tick: Amount
    currency: str
    bid: Amount | None
    bid_size: Amount | None
    ask: Amount | None
    ask_size: Amount | None
    last: Amount | None
    last_ts: int
    state: str
    """`MarketState` value."""
    data_state: str
    """As in `PositionRow.data_state`."""
    data_age: float | None
    low_limit: Amount | None
    high_limit: Amount | None
    position: Amount
    avg_price: Amount | None
    depth: Literal["orders", "top", "none"]
    """Whether `bids` and `asks` are a book (`orders`), or just the touch."""
    depth_text: str
    bids: tuple[Level, ...] = ()
    """Best first."""
    asks: tuple[Level, ...] = ()
    own: tuple[OwnOrder, ...] = ()
    own_left_out: int = 0
    prints: tuple[Print, ...] = ()
    """Oldest first."""
    prints_missed: int = 0
    """Prints after `tape_after` that are not kept any more, or did not fit."""
    last_print: int = 0
    """Number of the newest print; 0 before the first."""
    bars: tuple[Bar, ...] = ()
    """Oldest first; the last one is not over yet."""
    fills: tuple[FillMark, ...] = ()
    """Since the engine started, oldest first."""
    lot: Amount = Decimal(1)
    """Smallest step of a size, in contracts or coins."""


class DayPoint(Value, frozen=True, array_like=True):
    """The day's profit within one step: what it was at its end, and its extremes."""

    ts: int
    pnl: Amount
    low: Amount
    high: Amount


class DayRow(Value, frozen=True, kw_only=True):
    """What one strategy or one instrument made in the day, in account currency."""

    name: str
    position: Amount | None
    """None for a strategy, which may hold several instruments."""
    realised: Amount | None
    """Before fees, since the day opened; None where the day has not opened."""
    fees: Amount | None
    open: Amount | None
    """Of what is held now, against its average price; None where it has no mark."""
    net: Amount | None
    """realised + open − fees."""
    fills: int
    """Executions since the day opened."""
    lots: Amount
    """Lots of those."""
    slippage: float | None
    """Ticks a lot against the price that the order's maker saw, since the engine started; None: no fills."""


class AccountSeen(Value, frozen=True, kw_only=True):
    """What the broker said of the account last."""

    equity: Amount | None
    """Net liquidation, account currency."""
    at: int
    """When it was read, UTC ns."""
    counts: bool
    """Young enough to be reckoned with; else margin and the like are not known."""


class DaySeen(Reply, frozen=True, tag="day"):
    """The day so far."""

    trading_day: str
    currency: str
    ts: int
    pnl: Amount | None
    limit: Amount | None
    """Loss at which the day stops, as a positive amount."""
    opening_equity: Amount | None
    equity: Amount | None
    peak: Amount | None
    carried: Amount | None
    """Open profit of what was held when the day opened. The day's profit is the sum of `net` less this."""
    points: tuple[DayPoint, ...] = ()
    step: float = 0.0
    """Seconds between two points."""
    since: int = 0
    """When the curve begins."""
    partial: str = ""
    """Why the curve does not begin with the day; empty: it does."""
    strategies: tuple[DayRow, ...] = ()
    instruments: tuple[DayRow, ...] = ()
    account: AccountSeen | None = None


class LogLine(Value, frozen=True, kw_only=True):
    """One line of the log, secrets blanked out."""

    n: int
    ts: str
    """UTC, as it stands in the file."""
    level: str
    component: str
    event: str
    order_id: str = ""
    correlation: str = ""
    symbol: str = ""
    rest: str = ""
    """The other fields, as `key=value`."""


class LogLines(Reply, frozen=True, tag="log"):
    """Lines of the log, oldest first."""

    lines: tuple[LogLine, ...] = ()
    last: int = 0
    """Number of the newest line at hand, whether it fits the question or not: ask after this."""
    first: int = 0
    """Number of the oldest line at hand."""
    missed: int = 0
    """Lines after `after` that are not at hand any more."""


class RowsTold(Reply, frozen=True, tag="rows"):
    """Where the flight recorder stands, and the rows around it, oldest first."""

    at: int
    """Number of the row that was applied last; 0: before the first."""
    ts: int
    last: int
    """Number of the last row."""
    begins: int
    ends: int
    """Times of the first and the last row, UTC ns."""
    path: str
    speed: float = 0.0
    """At which it plays; 0: it stands."""
    rows: tuple[StoryLine, ...] = ()
    events: tuple[tuple[int, str], ...] = ()
    """What happened over the whole journal, thinned out: (UTC ns, `fill`, `alarm`, `halt` or `kill`)."""
    note: str = ""
    """What is wrong with the journal; empty: nothing."""
