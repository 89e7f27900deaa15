"""An order in the exchange's own books: what was asked, where it stands, its place in the queue."""

from __future__ import annotations

import msgspec

from brokers.exchange.messages import AuditOrder
from engine.facts import ForeignOrder, OrderReport
from engine.model import Order, OrderStatus, OrderType, Side, TimeInForce

WORKING = OrderStatus.WORKING


class VenueOrder(msgspec.Struct, kw_only=True, omit_defaults=True, eq=False):
    """Mutable; changed only by the exchange. Prices in ticks, sizes in lots, times in UTC ns."""

    uid: int
    """The exchange's own key; broker ids may be handed out twice by a fault."""
    broker_id: str
    order_id: str | None
    """The client's order id; None where the order was placed by hand or elsewhere."""
    account: str
    symbol: str
    side: Side
    qty: int
    type: OrderType
    tif: TimeInForce
    received: int
    day: str
    """Trading day of arrival; DAY orders end with it."""
    seq: int
    """Time priority; a new one whenever priority is lost."""
    limit: int | None = None
    stop: int | None = None
    expire: int | None = None
    reduce_only: bool = False
    post_only: bool = False
    parent: str | None = None
    oco: str | None = None
    status: OrderStatus = OrderStatus.WORKING
    cum: int = 0
    reason: str = ""
    copies: int = 1
    triggered: bool = False
    held: bool = False
    """Bracket child whose parent has not filled yet."""
    released: int | None = None
    """Bracket child: lots of it that the parent's fills have released so far; None: not a child."""
    cut: int = 0
    """Lots by which the fills of its OCO group have reduced it."""
    ahead: int = 0
    """Lots of others before us in the queue at our price."""
    suspended: bool = False
    counted: int = 0
    """Lots of it in the sums of working lots that the margin is worked out from."""

    @classmethod
    def of(cls, order: Order, *, uid: int, broker_id: str, received: int, day: str, seq: int) -> VenueOrder:
        return cls(
            uid=uid,
            broker_id=broker_id,
            order_id=order.id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            qty=order.qty,
            type=order.type,
            tif=order.tif,
            received=received,
            day=day,
            seq=seq,
            limit=order.limit,
            stop=order.stop,
            expire=order.expire,
            reduce_only=order.reduce_only,
            post_only=order.post_only,
            parent=None if order.emulated else order.parent,
            oco=None if order.emulated else order.oco,
        )

    @property
    def closed(self) -> bool:
        return self.status is not WORKING and self.status is not OrderStatus.PARTIAL_FILL

    @property
    def leaves(self) -> int:
        """Lots that may still be filled."""
        return 0 if self.closed else max(self.qty - self.cum, 0)

    @property
    def live(self) -> int:
        """Lots that may be matched now: of a bracket child no more than its parent has filled."""
        leaves = self.leaves
        if self.released is None:
            return leaves
        return max(min(leaves, self.released - self.cum), 0)

    @property
    def is_stop(self) -> bool:
        """True while it waits for its trigger."""
        return not self.triggered and self.type in _STOPS

    @property
    def is_market(self) -> bool:
        """True where no limit holds it: a market order or a plain stop."""
        return self.limit is None or self.type is OrderType.MARKET or self.type is OrderType.STOP

    @property
    def bound(self) -> int | None:
        """Its limit in ticks; None for a market order and a plain stop."""
        return None if self.is_market else self.limit

    def report(self, ts: int, asked_as: str = "") -> OrderReport:
        """Where it stands. `asked_as`: the client's name for an order placed elsewhere; else `ValueError`."""
        order_id = self.order_id or asked_as
        if not order_id:
            raise ValueError(f"order {self.broker_id} is foreign and has no client order id")
        return OrderReport(
            ts=ts,
            order_id=order_id,
            broker_id=self.broker_id,
            status=self.status,
            qty=self.qty,
            cum=self.cum,
            leaves=self.leaves,
            limit=self.limit,
            stop=self.stop,
            reason=self.reason,
        )

    def foreign(self, ts: int) -> ForeignOrder:
        return ForeignOrder(
            ts=ts,
            broker_id=self.broker_id,
            symbol=self.symbol,
            side=self.side,
            qty=self.qty,
            cum=self.cum,
            type=self.type,
            status=self.status,
            limit=self.limit,
            stop=self.stop,
            tif=self.tif,
        )

    def audit(self) -> AuditOrder:
        return AuditOrder(
            order_id=self.order_id,
            broker_id=self.broker_id,
            account=self.account,
            symbol=self.symbol,
            side=self.side,
            qty=self.qty,
            type=self.type,
            limit=self.limit,
            stop=self.stop,
            tif=self.tif,
            status=self.status,
            cum=self.cum,
            received=self.received,
            copies=self.copies,
            reason=self.reason,
        )


_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
