"""What the outside tells us: every report that an adapter may hand to the engine, as immutable values.

Facts are raw truth from the wire, stamped with the venue's time. An adapter interprets nothing: it does not
drop repeats, order them, or guess what is missing. `order_id` is always our client order id.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from engine.model import ExecutionKey, Fill, MarketState, OrderStatus, OrderType, Side, TimeInForce, Value


class Fact(Value, frozen=True, tag_field="fact", kw_only=True):
    """Base of all facts. `ts`: venue time where the venue gives one, else time of receipt; UTC ns."""

    ts: int


class OrderFact(Fact, frozen=True, kw_only=True):
    """A fact about one order of ours."""

    order_id: str
    broker_id: str | None = None


class Acknowledged(OrderFact, frozen=True, tag="acknowledged"):
    """The venue took the order (FIX ExecType=New)."""


class Rejected(OrderFact, frozen=True, tag="rejected"):
    """The venue refused the order (ExecType=Rejected). `duplicate`: because it has one with this id already
    (OrdRejReason=6), so that the refusal is not of the order itself but of a second copy."""

    reason: str
    duplicate: bool = False


class Executed(Fact, frozen=True, tag="executed", kw_only=True):
    """A fill (ExecType=Trade). The order may be ours, foreign or unknown: see `fill.order_id`."""

    fill: Fill


class Busted(Fact, frozen=True, tag="busted", kw_only=True):
    """The venue cancelled an execution (ExecType=Trade Cancel)."""

    key: ExecutionKey


class Corrected(Fact, frozen=True, tag="corrected", kw_only=True):
    """The venue changed an execution (ExecType=Trade Correct): `fill` replaces the one with `key`.

    Under the same key where the venue revises an execution without giving it a new id. Also the way in which
    a commission becomes known that the venue tells apart: then only the fee differs.
    """

    key: ExecutionKey
    fill: Fill


class PendingCancel(OrderFact, frozen=True, tag="pending_cancel"):
    """The venue has the cancel request and is working on it."""


class Canceled(OrderFact, frozen=True, tag="canceled"):
    """Cancelled, asked for or not. `cum`: quantity filled by the venue's count, None if not told."""

    cum: int | None = None
    reason: str = ""
    unsolicited: bool = False


class CancelRejected(OrderFact, frozen=True, tag="cancel_rejected"):
    """The cancel request was refused. `status`: what the venue says of the order, if it does."""

    reason: str
    status: OrderStatus | None = None


class PendingReplace(OrderFact, frozen=True, tag="pending_replace"):
    """The venue has the replace request and is working on it."""

    replace_id: str


class Replaced(OrderFact, frozen=True, tag="replaced"):
    """The replace took effect: the order now stands with these terms (total qty in lots, ticks)."""

    replace_id: str | None
    qty: int
    limit: int | None = None
    stop: int | None = None
    cum: int | None = None


class ReplaceRejected(OrderFact, frozen=True, tag="replace_rejected"):
    replace_id: str | None
    reason: str
    status: OrderStatus | None = None


class Expired(OrderFact, frozen=True, tag="expired"):
    cum: int | None = None
    reason: str = ""


class DoneForDay(OrderFact, frozen=True, tag="done_for_day"):
    cum: int | None = None


class Suspended(OrderFact, frozen=True, tag="suspended"):
    """The venue holds the order inactive (trading halt); it may be released again."""


class Released(OrderFact, frozen=True, tag="released"):
    """A suspended order is active again, or a GT order is restated on a new day as working."""


class Restated(OrderFact, frozen=True, tag="restated"):
    """The venue changed the order by itself (ExecType=Restated): new total qty, prices."""

    qty: int
    limit: int | None = None
    stop: int | None = None
    reason: str = ""


class Triggered(OrderFact, frozen=True, tag="triggered"):
    """A stop was triggered and is now a live market or limit order."""


class OrderReport(OrderFact, frozen=True, tag="order_report", kw_only=True):
    """The venue's answer about one order: to a query, or as part of a list of open orders."""

    status: OrderStatus
    qty: int
    cum: int
    leaves: int
    limit: int | None = None
    stop: int | None = None
    reason: str = ""


class OrderNotFound(OrderFact, frozen=True, tag="order_not_found"):
    """The venue's positive answer that it has no order with this id (never a time-out)."""


class Listed(OrderFact, frozen=True, tag="listed"):
    """A list of what works at the broker names more under this id of ours than one order, or one that is over
    here. Told by the comparison that read the list; no adapter reports it."""

    names: tuple[tuple[str, int], ...]
    """The broker's name of each and the lots that it may still trade; empty: there is no more than the one
    that is known."""


class ForeignOrder(Fact, frozen=True, tag="foreign_order", kw_only=True):
    """An order at the account that did not come from this engine (placed by hand or elsewhere)."""

    broker_id: str
    symbol: str
    side: Side
    qty: int
    cum: int
    type: OrderType
    status: OrderStatus
    limit: int | None = None
    stop: int | None = None
    tif: TimeInForce = TimeInForce.DAY


class LinkUp(Fact, frozen=True, tag="link_up"):
    """The session to the broker is usable."""


class LinkDown(Fact, frozen=True, tag="link_down"):
    """The session is lost, or in doubt; orders in flight are UNKNOWN until asked about."""

    reason: str


class Gap(Fact, frozen=True, tag="gap"):
    """The adapter may have missed something; forces a reconciliation."""

    reason: str


class MarketStateChanged(Fact, frozen=True, tag="market_state"):
    symbol: str
    state: MarketState
    low_limit: int | None = None
    """Lowest price that the venue accepts, ticks."""
    high_limit: int | None = None


class BrokerNotice(Fact, frozen=True, tag="notice"):
    """A message of the broker that changes nothing by itself but belongs in the record."""

    code: str
    text: str


AnyFact = (
    Acknowledged
    | Rejected
    | Executed
    | Busted
    | Corrected
    | PendingCancel
    | Canceled
    | CancelRejected
    | PendingReplace
    | Replaced
    | ReplaceRejected
    | Expired
    | DoneForDay
    | Suspended
    | Released
    | Restated
    | Triggered
    | OrderReport
    | OrderNotFound
    | Listed
    | ForeignOrder
    | LinkUp
    | LinkDown
    | Gap
    | MarketStateChanged
    | BrokerNotice
)


_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[AnyFact]] = msgspec.json.Decoder(AnyFact)


def require_readable(fact: AnyFact) -> None:
    """Raises `ValueError` for a fact that could not be read back from the journal: a row that cannot be read
    would keep the engine from ever starting again. Costs about 3 µs."""
    try:
        _decoder.decode(_encoder.encode(fact))
    except (msgspec.MsgspecError, TypeError) as error:
        raise ValueError(f"the adapter's report is malformed ({error}): {fact!r}") from error


class OpenOrders(Value, frozen=True, kw_only=True):
    """All orders that the account has open, ours and foreign, read at `as_of` (venue time, ns)."""

    as_of: int
    ours: tuple[OrderReport, ...]
    foreign: tuple[ForeignOrder, ...] = ()


class Executions(Value, frozen=True, kw_only=True):
    """All executions of the account from `since` on, oldest first."""

    as_of: int
    since: int
    fills: tuple[Fill, ...]
    busted: tuple[ExecutionKey, ...] = ()


class BrokerPosition(Value, frozen=True, kw_only=True):
    """`qty` in signed lots. `avg_price` in (fractional) ticks, None where the broker gives none."""

    symbol: str
    qty: int
    avg_price: Decimal | None = None


class Positions(Value, frozen=True, kw_only=True):
    """All positions of the account. A symbol that is missing is flat *by this snapshot*."""

    as_of: int
    positions: tuple[BrokerPosition, ...]


class AccountValues(Value, frozen=True, kw_only=True):
    """Account figures in account currency. None means not known, never zero."""

    as_of: int
    account: str
    currency: str
    equity: Decimal | None = None
    """Net liquidation: cash plus open profit."""
    cash: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    excess_liquidity: Decimal | None = None
    """Equity above the maintenance margin by the broker's own count; below 0 it liquidates."""
    available_funds: Decimal | None = None
    """Equity above the initial margin by the broker's own count: what new orders may use."""
    next_margin: Decimal | None = None
    """Initial margin of what is held from the broker's next change of requirements on (nights, weekends)."""
    next_change: int | None = None
    """When that is, UTC ns; None where none is announced."""
    day_pnl: Decimal | None = None
    """Profit of the day, realised and open, by the broker's own count and from the time at which his day
    begins."""
