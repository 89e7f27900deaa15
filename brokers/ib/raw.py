"""What TWS said, callback by callback, as immutable values: the vendor's words, but no unset markers.

"Not set" is None here, whatever the wire or the library calls it (1.797e308, 2³¹−1, NaN, an empty text).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple


class Contract(NamedTuple):
    con_id: int
    symbol: str
    sec_type: str
    expiry: str
    """Last trade date, yyyymmdd, or the contract month as it was asked for."""
    multiplier: str
    exchange: str
    currency: str
    local_symbol: str
    trading_class: str


class OpenOrder(NamedTuple):
    """openOrder and completedOrder. The latter has neither order id nor client id."""

    order_id: int
    client_id: int
    perm_id: int
    parent_id: int
    ref: str
    account: str
    contract: Contract
    action: str
    qty: Decimal | None
    type: str
    limit: Decimal | None
    aux: Decimal | None
    tif: str
    good_till: str
    oca_group: str
    what_if: bool
    status: str
    margins: tuple[Decimal | None, Decimal | None]
    """Change of the initial and of the maintenance margin; only in the answer to a what-if."""
    note: str
    """Warning, or how a completed order ended."""
    filled: Decimal | None


class Status(NamedTuple):
    """orderStatus."""

    order_id: int
    client_id: int
    perm_id: int
    parent_id: int
    status: str
    filled: Decimal
    remaining: Decimal
    why_held: str


class Error(NamedTuple):
    """error: `req_id` is an order id, a request id, or −1."""

    req_id: int
    code: int
    text: str


class Execution(NamedTuple):
    """execDetails. `req_id` −1 when it is live news and no answer."""

    req_id: int
    order_id: int
    client_id: int
    perm_id: int
    ref: str
    exec_id: str
    ts: int
    """UTC ns."""
    account: str
    contract: Contract
    side: str
    qty: Decimal
    price: Decimal
    revised: bool
    """TWS warns that the price may be revised."""


class Commission(NamedTuple):
    exec_id: str
    amount: Decimal | None
    currency: str


class Position(NamedTuple):
    account: str
    contract: Contract
    qty: Decimal
    average: Decimal | None
    """Average cost: price × multiplier."""


class Summary(NamedTuple):
    req_id: int
    account: str
    tag: str
    value: str
    currency: str


class Pnl(NamedTuple):
    """pnl: the account's profit of the day, by IB's day."""

    req_id: int
    daily: Decimal | None


class Details(NamedTuple):
    """contractDetails."""

    req_id: int
    contract: Contract
    min_tick: Decimal | None
    exchanges: str
    rules: str
    """Market rule numbers, in the order of `exchanges`."""
    magnifier: int
    name: str
    real_expiry: str
    zone: str


class Rule(NamedTuple):
    """marketRule: (from this price on, increment)."""

    number: int
    steps: tuple[tuple[Decimal, Decimal], ...]


class End(NamedTuple):
    """The end mark of an answer. `what`: orders, executions, positions, summary, details, completed."""

    what: str
    req_id: int


class Time(NamedTuple):
    """currentTime, whole seconds UTC."""

    seconds: int


class DataType(NamedTuple):
    """marketDataType: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""

    req_id: int
    kind: int


class Accounts(NamedTuple):
    names: tuple[str, ...]


class NextId(NamedTuple):
    order_id: int


class Undecodable(NamedTuple):
    """The library dropped a message because it could not read it."""

    text: str


class Closed(NamedTuple):
    """The socket is gone."""

    reason: str


class Ticks(NamedTuple):
    """The latest of one subscription; older ones of the same are replaced, never queued."""

    req_id: int
    bid: float | None
    bid_size: float
    ask: float | None
    ask_size: float
    last: float | None
    last_size: float
    prints: int
    """Prints since the former one."""
    halted: bool = False


Raw = (
    OpenOrder
    | Status
    | Error
    | Execution
    | Commission
    | Position
    | Summary
    | Pnl
    | Details
    | Rule
    | End
    | Time
    | DataType
    | Accounts
    | NextId
    | Undecodable
    | Closed
    | Ticks
)


def number(value: Any) -> Decimal | None:
    """A figure of the library's as an exact decimal; None where it is not set."""
    if value is None or value == "":
        return None
    found = Decimal(str(value))
    return found if found.is_finite() and abs(found) < Decimal("1e300") else None
