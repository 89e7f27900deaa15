"""What may be asked of the exchange: requests as immutable values. The answers are the engine's facts."""

from __future__ import annotations

from engine.facts import (
    AccountValues,
    Executions,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import Fill, Order, OrderStatus, OrderType, Replace, Side, TimeInForce, Value


class Request(Value, frozen=True, tag_field="request"):
    """Base of all requests. The account is that of the session that sends it."""


class New(Request, frozen=True, tag="new"):
    order: Order


class Cancel(Request, frozen=True, tag="cancel", kw_only=True):
    """Names the order by the broker's id where it is known (an order may have a twin), else by ours."""

    order_id: str
    broker_id: str | None = None


class Change(Request, frozen=True, tag="replace"):
    replace: Replace


class Deadline(Request, frozen=True, tag="deadline"):
    """The dead-man's switch of the account: everything is cancelled so many ns after this arrives, unless
    another one arrives before. None: it is off."""

    after: int | None


class QueryOrder(Request, frozen=True, tag="query_order", kw_only=True):
    order_id: str
    broker_id: str | None = None


class QueryOpenOrders(Request, frozen=True, tag="query_open"):
    pass


class QueryExecutions(Request, frozen=True, tag="query_executions"):
    since: int
    """Venue time, UTC ns, inclusive."""


class QueryPositions(Request, frozen=True, tag="query_positions"):
    pass


class QueryAccount(Request, frozen=True, tag="query_account"):
    pass


Action = New | Cancel | Change | Deadline
Query = QueryOrder | QueryOpenOrders | QueryExecutions | QueryPositions | QueryAccount
Answer = OrderReport | OrderNotFound | OpenOrders | Executions | Positions | AccountValues


class AuditOrder(Value, frozen=True, kw_only=True):
    """One order in the exchange's own books. `order_id` None: placed by hand or elsewhere."""

    order_id: str | None
    broker_id: str
    account: str
    symbol: str
    side: Side
    qty: int
    type: OrderType
    limit: int | None
    stop: int | None
    tif: TimeInForce
    status: OrderStatus
    cum: int
    received: int
    """Venue time of arrival, UTC ns."""
    copies: int = 1
    """How often a new order with this client id arrived; above 1 somebody sent it twice."""
    reason: str = ""


class Audit(Value, frozen=True, kw_only=True):
    """Everything that the exchange knows of one account or of all: the truth that tests compare with."""

    as_of: int
    orders: tuple[AuditOrder, ...]
    """Every order that ever arrived, refused ones included, oldest first."""
    executions: tuple[Fill, ...]
    """Every execution that stands, oldest first; busted ones are not among them."""
    busted: tuple[Fill, ...]
    positions: dict[str, dict[str, int]]
    """Signed lots by account and symbol."""
