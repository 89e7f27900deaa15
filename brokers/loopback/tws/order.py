"""An order in the gateway's books: who placed it, what the wire said, where it stands at the exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from brokers.loopback.tws.contracts import Listed
from brokers.loopback.tws.layout import Values, decode, names
from brokers.loopback.tws.order_layout import COMPLETED_ORDER, OPEN_ORDER, PLACE_ORDER
from engine.model import OrderType, Side, TimeInForce

_OPEN_NAMES: Final = frozenset(names(OPEN_ORDER))
_COMPLETED_NAMES: Final = frozenset(names(COMPLETED_ORDER))
_ZERO: Final = Decimal(0)

TYPES: Final = {
    "MKT": OrderType.MARKET,
    "LMT": OrderType.LIMIT,
    "STP": OrderType.STOP,
    "STP LMT": OrderType.STOP_LIMIT,
}
TYPE_NAMES: Final = {kind: name for name, kind in TYPES.items()}


class TwsOrder(msgspec.Struct, kw_only=True, eq=False):
    """Mutable; changed by `trading` and `reports` only. Prices in ticks, sizes in lots, times in UTC ns."""

    perm_id: int
    client_id: int
    order_id: int
    """The client's number; 0 for a manual order that nobody has bound, negative when client 0 has."""
    account: str
    symbol: str
    """At the exchange."""
    side: Side
    qty: int
    type: OrderType
    tif: TimeInForce
    limit: int | None = None
    stop: int | None = None
    expire: int | None = None
    raw: list[str] = msgspec.field(default_factory=list)
    """The request as it came (message 3), for everything that is only echoed. Empty: placed by hand."""
    version: int = 0
    xid: str = ""
    """Client order id at the exchange; empty for a manual order."""
    broker_id: str | None = None
    status: str = "PendingSubmit"
    why_held: str = ""
    transmitted: bool = True
    waiting: bool = False
    """Held here until its market opens."""
    unsent: bool = False
    """Held here because the session to the exchange was down."""
    live: bool = False
    """The exchange has taken it; from then on a refusal concerns a change only."""
    done: bool = False
    done_at: int = 0
    reason: str = ""
    parent_perm: int = 0
    parent_order_id: int = 0
    oca_type: int = 0
    oca: str = ""
    """Group at the exchange."""
    fills: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    """Execution stem → lots, ticks; a correction replaces its stem's entry."""
    last: int | None = None
    foreign: bool = False
    shown: str = ""
    """Type that a market order is shown with since it has a limit; empty: its own."""
    to_ioc: bool = False
    """The change under way makes it IOC."""
    changing: list[str] = msgspec.field(default_factory=list)
    """The request of a change that the exchange has not answered."""

    @property
    def cum(self) -> int:
        return sum(qty for qty, _ in self.fills.values())

    @property
    def leaves(self) -> int:
        return max(self.qty - self.cum, 0)

    def average(self, listed: Listed) -> Decimal:
        """Average price of its fills; 0 without any."""
        cum = self.cum
        if not cum:
            return _ZERO
        ticks = Decimal(sum(qty * price for qty, price in self.fills.values())) / cum
        return round(ticks * listed.instrument.tick, 8).normalize() + _ZERO

    def request(self) -> Values:
        """What the client asked for, decoded."""
        return decode(PLACE_ORDER, self.raw, self.version) if self.raw else {}


def status_values(order: TwsOrder, listed: Listed) -> Values:
    """Message 3."""
    instrument = listed.instrument
    return {
        "orderId": order.order_id,
        "status": order.status,
        "filled": instrument.size(order.cum),
        "remaining": instrument.size(order.leaves),
        "avgFillPrice": order.average(listed),
        "permId": order.perm_id,
        "parentId": order.parent_order_id,
        "lastFillPrice": _ZERO if order.last is None else instrument.price(order.last),
        "clientId": order.client_id,
        "whyHeld": order.why_held,
        "mktCapPrice": instrument.price(order.limit) if order.shown and order.limit is not None else _ZERO,
    }


def _common(order: TwsOrder, listed: Listed, known: frozenset[str]) -> Values:
    asked = order.request()
    instrument = listed.instrument
    values: dict[str, Any] = {name: value for name, value in asked.items() if name in known}
    for name in ("lmtPrice", "auxPrice"):
        if values.get(name) is None:
            values[name] = _ZERO
    if order.limit is not None:
        values["lmtPrice"] = instrument.price(order.limit)
    if order.stop is not None:
        values["auxPrice"] = instrument.price(order.stop)
    values |= listed.contract11(asked.get("exchange") or listed.exchange)
    values |= {
        "action": "BUY" if order.side is Side.BUY else "SELL",
        "totalQuantity": instrument.size(order.qty),
        "orderType": order.shown or TYPE_NAMES[order.type],
        "tif": str(order.tif),
        "account": order.account,
        "permId": order.perm_id,
        "trailStopPrice": asked.get("trailStopPrice"),
        "trailStopPrice2": asked.get("trailStopPrice"),
        "status": order.status,
    }
    if order.oca.startswith("bracket-") and not values.get("ocaGroup"):
        values |= {"ocaGroup": str(order.parent_perm), "ocaType": 3}
    return values


def open_values(order: TwsOrder, listed: Listed, **state: Any) -> Values:
    """Message 5. `state`: margins and commission of a what-if."""
    return {
        **_common(order, listed, _OPEN_NAMES),
        "orderId": order.order_id,
        "clientId": order.client_id,
        "parentId": order.parent_order_id,
        "commissionCurrency": "",
        **state,
    }


def completed_values(order: TwsOrder, listed: Listed, completed: str) -> Values:
    """Message 101; `completed`: the time as text."""
    filled = listed.instrument.size(order.cum)
    if order.status == "Filled":
        told = f"Filled Size: {filled}"
    else:
        told = f"{order.status} by {'Trader' if order.reason == 'asked for' else 'System'}"
    return {
        **_common(order, listed, _COMPLETED_NAMES),
        "filledQuantity": filled,
        "parentPermId": order.parent_perm,
        "completedTime": completed,
        "completedStatus": told,
    }
