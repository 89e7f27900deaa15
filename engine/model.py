"""The nouns of trading: instruments, quotes, trades, bars, orders and executions, as exact immutable values.

Prices are integers of ticks and quantities integers of lots everywhere inside the engine; `Instrument`
turns them into exact decimals at the edges. Prices may be zero or negative where the instrument says so.
Times are UTC nanoseconds since 1970.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal

import msgspec

NS: Final = 1_000_000_000
"""Nanoseconds in a second."""

Mode = Literal["LIVE", "PAPER", "REPLAY", "SHADOW"]
"""What a run is called on every screen. SHADOW: a real market, and orders that never leave the process."""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of all immutable values; encodes to JSON without the fields that have their default.

    None is the collector's business: what is made of values alone can be in no ring.
    """


class Side(StrEnum):
    BUY = "B"
    SELL = "S"

    @property
    def sign(self) -> int:
        """+1 for a buy, −1 for a sell."""
        return 1 if self is _BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is _BUY else _BUY


_BUY: Final = Side.BUY
"""Under a name of its own: to look one up in an enumeration takes as long as ten other steps."""


class OrderType(StrEnum):
    MARKET = "MKT"
    LIMIT = "LMT"
    STOP = "STP"
    STOP_LIMIT = "STL"


class TimeInForce(StrEnum):
    DAY = "DAY"
    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """Where an order stands. Pending cancel and pending replace are overlays, not statuses."""

    PENDING_NEW = "PENDING_NEW"
    WORKING = "WORKING"
    PARTIAL_FILL = "PARTIAL_FILL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_closed(self) -> bool:
        """True where nothing more is expected; a surprise may re-open the order all the same."""
        return self in _CLOSED


_CLOSED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


FLATTENER: Final = "flatten"
"""Owner of the orders that the kill and flatten procedure sends."""


class Purpose(StrEnum):
    """Why an order exists; decides which message budget it uses and which controls apply."""

    TRADE = "trade"
    """A strategy's or the operator's order; every control applies."""
    PROTECT = "protect"
    """Take-profit or stop of a bracket; reduces by construction."""
    FLATTEN = "flatten"
    """Sent by the kill and flatten procedure; never blocked by a control that limits new risk."""


class MarketState(StrEnum):
    """What a venue lets in. RESERVED: limit orders only, market orders are refused."""

    PRE_OPEN = "PRE_OPEN"
    OPEN = "OPEN"
    RESERVED = "RESERVED"
    HALTED = "HALTED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class PartialFillPolicy(StrEnum):
    LET_RIDE = "let_ride"
    CANCEL_REMAINDER = "cancel_remainder"


class ReplacePolicy(StrEnum):
    IN_PLACE = "in_place"
    CANCEL_THEN_NEW = "cancel_then_new"


class OffGrid(ValueError):
    """A price or quantity that is no exact multiple of the instrument's tick or lot."""


class Instrument(Value, frozen=True, kw_only=True, dict=True, gc=True):
    """A contract. Money amounts are in `currency`; margins and fees are per contract unit of `lot`.

    `tick` and `lot` are the smallest steps of price and size; `multiplier` is the money value of one
    whole unit of price for one whole unit of size (ES: 50 USD a point and contract).
    """

    symbol: str
    venue: str
    asset_class: str
    tick: Decimal
    lot: Decimal = Decimal(1)
    multiplier: Decimal = Decimal(1)
    currency: str = "USD"
    calendar: str = "always"
    """Name of the trading calendar in `engine.sessions`."""
    nonpositive_price: bool = False
    """True where a price of zero or below is legal (energy futures since 2020, spreads)."""
    initial_margin: Decimal = Decimal(0)
    """Margin to open one lot, in `currency`."""
    maintenance_margin: Decimal = Decimal(0)
    """Margin to keep one lot, in `currency`."""
    margin_known: bool = True
    """False where the broker was asked for the margins and did not say: they are unknown then, not zero, and
    what opens is refused."""
    fee: Decimal = Decimal(0)
    """Commission and exchange fee for one lot, in `currency`."""
    fee_rate: Decimal = Decimal(0)
    """Commission as a fraction of notional, added to `fee` (crypto venues)."""
    ends: int | None = None
    """UTC ns of the beginning of the last day on which it can be held safely: its last trading day, or its
    first notice day where that is earlier. None: it never ends, or nobody says."""

    @cached_property
    def tick_value(self) -> Decimal:
        """Money that one lot gains when the price rises by one tick, in `currency`."""
        return self.tick * self.lot * self.multiplier

    @property
    def unit(self) -> str:
        """What sizes are counted in, in words: contracts, shares, or coins where they can be parted."""
        if self.asset_class in ("equity", "stock", "etf"):
            return "shares"
        return "contracts" if self.lot == self.lot.to_integral_value() else "coins"

    def to_ticks(self, price: Decimal | str) -> int:
        """Exact price → ticks. Raises `OffGrid` where it is no multiple of the tick."""
        return _steps(
            Decimal(price), self.tick, f"price {price} of {self.symbol} is not on its tick {self.tick}"
        )

    def to_lots(self, size: Decimal | str) -> int:
        """Exact size → lots. Raises `OffGrid` where it is no multiple of the lot."""
        return _steps(Decimal(size), self.lot, f"size {size} of {self.symbol} is not on its lot {self.lot}")

    def nearest_ticks(self, price: Decimal | str) -> int:
        """Price → ticks, rounded half to even; for data, never for orders."""
        return int((Decimal(price) / self.tick).to_integral_value())

    def nearest_lots(self, size: Decimal | str) -> int:
        """Size → lots, rounded towards zero; for data, never for orders."""
        return int(Decimal(size) / self.lot)

    def price(self, ticks: int) -> Decimal:
        """Ticks → exact price with the tick's number of decimals."""
        return ticks * self.tick

    def size(self, lots: int) -> Decimal:
        """Lots → exact size."""
        return lots * self.lot

    def money(self, tick_lots: int) -> Decimal:
        """A product of ticks and lots (notional, profit) → money in `currency`, exact."""
        return tick_lots * self.tick_value


def _steps(value: Decimal, step: Decimal, complaint: str) -> int:
    if not value.is_finite():
        raise OffGrid(complaint)
    steps = value / step
    whole = int(steps)
    if whole != steps:
        raise OffGrid(complaint)
    return whole


class Quote(Value, frozen=True, array_like=True):
    """Top of book after an event. A side that is absent has price None and size 0.

    `bid`/`ask` in ticks, sizes in lots.
    """

    symbol: str
    ts: int
    bid: int | None
    bid_size: int
    ask: int | None
    ask_size: int

    @property
    def spread(self) -> int | None:
        """Ask − bid in ticks (negative when crossed); None when a side is absent."""
        if self.bid is None or self.ask is None:
            return None
        return self.ask - self.bid


class Trade(Value, frozen=True, array_like=True):
    """One print. `aggressor` is the side that took liquidity, None where it is not known."""

    symbol: str
    ts: int
    price: int
    size: int
    aggressor: Side | None = None


class Bar(Value, frozen=True, array_like=True):
    """Open, high, low, close in ticks and volume in lots over [start, start + span)."""

    symbol: str
    start: int
    span: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int


class Order(Value, frozen=True, kw_only=True):
    """What is asked of the broker, fixed when it is made. Where it stands is the order book's matter.

    `qty` in lots > 0; `limit` and `stop` in ticks; `expire` UTC ns for GTD.
    """

    id: str
    """Our client order id: unique for ever, starts with the strategy's name."""
    strategy: str
    account: str
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
    purpose: Purpose = Purpose.TRADE
    parent: str | None = None
    """Bracket child: id of the entry order; the child is released by the parent's fills."""
    oco: str | None = None
    """Orders with the same group cancel (or reduce) one another."""
    emulated: bool = False
    """The engine works its bracket (`engine.grouping`): the venue is told of neither parent nor group."""
    created: int = 0
    """Engine time at which it was made, ns."""
    correlation: str = ""
    """Leads from the tick or command that caused it to the position that results."""
    arrival: int | None = None
    """Mid or far touch in ticks that its maker saw; slippage is measured against it."""
    partial_fill: PartialFillPolicy = PartialFillPolicy.LET_RIDE
    remainder_after: int = 0
    """CANCEL_REMAINDER: ns after the first fill at which what is left is cancelled."""
    replace_policy: ReplacePolicy = ReplacePolicy.IN_PLACE


class Replace(Value, frozen=True, kw_only=True):
    """A change asked of a working order: new total quantity (lots), limit and stop (ticks)."""

    id: str
    """Our id of this request (FIX ClOrdID of the replace); unique for ever."""
    order_id: str
    qty: int
    limit: int | None = None
    stop: int | None = None
    correlation: str = ""
    created: int = 0


class ExecutionKey(Value, frozen=True, array_like=True):
    """Identity of an execution for ever: ids repeat over days and venues, this does not."""

    venue: str
    account: str
    trading_day: str
    """ISO date of the venue's trading day."""
    exec_id: str


class Fill(Value, frozen=True, kw_only=True):
    """One execution. `qty` in lots > 0, `price` in ticks, `fee` in the instrument's currency."""

    key: ExecutionKey
    symbol: str
    side: Side
    qty: int
    price: int
    ts: int
    """Venue time, UTC ns."""
    order_id: str | None = None
    """Our client order id, None where the broker gave none (foreign or manual trade)."""
    broker_id: str | None = None
    fee: Decimal = Decimal(0)
    maker: bool | None = None
