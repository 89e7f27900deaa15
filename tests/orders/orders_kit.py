"""Small makers of orders, facts and fills for the tests of the order book and the state machine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.config import OrderConfig
from engine.facts import (
    Acknowledged,
    Canceled,
    CancelRejected,
    DoneForDay,
    Expired,
    ForeignOrder,
    Listed,
    OrderNotFound,
    OrderReport,
    PendingCancel,
    PendingReplace,
    Rejected,
    Released,
    Replaced,
    ReplaceRejected,
    Restated,
    Suspended,
    Triggered,
)
from engine.model import ExecutionKey, Fill, Order, OrderStatus, OrderType, Replace, Side, TimeInForce
from engine.orders import OrderBook

OID = "s-1"
S = OrderStatus


def order(oid: str = OID, qty: int = 10_000, **more: Any) -> Order:
    base: dict[str, Any] = {
        "id": oid,
        "strategy": "s",
        "account": "A",
        "symbol": "ES",
        "side": Side.BUY,
        "qty": qty,
        "type": OrderType.LIMIT,
        "limit": 100,
        "tif": TimeInForce.DAY,
    }
    return Order(**{**base, **more})


def rep(rid: str, qty: int, limit: int | None = 100, oid: str = OID, created: int = 0) -> Replace:
    return Replace(id=rid, order_id=oid, qty=qty, limit=limit, created=created)


def key(n: int | str, day: str = "2026-11-20") -> ExecutionKey:
    return ExecutionKey("X", "A", day, str(n))


def fill(n: int | str, qty: int = 1, oid: str | None = OID, **more: Any) -> Fill:
    base: dict[str, Any] = {
        "key": key(n),
        "symbol": "ES",
        "side": Side.BUY,
        "qty": qty,
        "price": 100,
        "ts": 1,
        "order_id": oid,
        "fee": Decimal("0.5"),
    }
    return Fill(**{**base, **more})


def book(**config: Any) -> OrderBook:
    return OrderBook(OrderConfig(**config), account="A")


class Venue:
    """Facts about one order, stamped with a venue clock that runs on by itself."""

    def __init__(self, oid: str = OID, broker_id: str | None = "b1") -> None:
        self.oid = oid
        self.broker_id = broker_id
        self.ts = 0

    def _base(self, ts: int | None) -> dict[str, Any]:
        self.ts += 1
        return {"ts": self.ts if ts is None else ts, "order_id": self.oid, "broker_id": self.broker_id}

    def ack(self, ts: int | None = None) -> Acknowledged:
        return Acknowledged(**self._base(ts))

    def rejected(self, reason: str = "no", ts: int | None = None) -> Rejected:
        return Rejected(**self._base(ts), reason=reason)

    def pending_cancel(self, ts: int | None = None) -> PendingCancel:
        return PendingCancel(**self._base(ts))

    def canceled(self, cum: int | None = None, ts: int | None = None, unsolicited: bool = False) -> Canceled:
        return Canceled(**self._base(ts), cum=cum, unsolicited=unsolicited)

    def cancel_rejected(self, status: OrderStatus | None = None, ts: int | None = None) -> CancelRejected:
        return CancelRejected(**self._base(ts), reason="too late", status=status)

    def pending_replace(self, rid: str, ts: int | None = None) -> PendingReplace:
        return PendingReplace(**self._base(ts), replace_id=rid)

    def replaced(
        self,
        rid: str | None,
        qty: int,
        cum: int | None = None,
        limit: int | None = None,
        ts: int | None = None,
    ) -> Replaced:
        return Replaced(**self._base(ts), replace_id=rid, qty=qty, limit=limit, cum=cum)

    def replace_rejected(
        self, rid: str | None, status: OrderStatus | None = None, ts: int | None = None
    ) -> ReplaceRejected:
        return ReplaceRejected(**self._base(ts), replace_id=rid, reason="no", status=status)

    def expired(self, cum: int | None = None, ts: int | None = None) -> Expired:
        return Expired(**self._base(ts), cum=cum)

    def done(self, cum: int | None = None, ts: int | None = None) -> DoneForDay:
        return DoneForDay(**self._base(ts), cum=cum)

    def listed(self, *names: tuple[str, int], ts: int | None = None) -> Listed:
        return Listed(**{**self._base(ts), "broker_id": None}, names=names)

    def suspended(self, ts: int | None = None) -> Suspended:
        return Suspended(**self._base(ts))

    def released(self, ts: int | None = None) -> Released:
        return Released(**self._base(ts))

    def triggered(self, ts: int | None = None) -> Triggered:
        return Triggered(**self._base(ts))

    def restated(self, qty: int, limit: int | None = 100, ts: int | None = None) -> Restated:
        return Restated(**self._base(ts), qty=qty, limit=limit)

    def report(
        self,
        status: OrderStatus,
        qty: int = 10_000,
        cum: int = 0,
        limit: int | None = 100,
        ts: int | None = None,
    ) -> OrderReport:
        return OrderReport(
            **self._base(ts), status=status, qty=qty, cum=cum, leaves=max(0, qty - cum), limit=limit
        )

    def not_found(self, ts: int | None = None) -> OrderNotFound:
        return OrderNotFound(**self._base(ts))

    def foreign(
        self, broker_id: str, qty: int, cum: int = 0, status: OrderStatus = S.WORKING, side: Side = Side.BUY
    ) -> ForeignOrder:
        self.ts += 1
        return ForeignOrder(
            ts=self.ts,
            broker_id=broker_id,
            symbol="ES",
            side=side,
            qty=qty,
            cum=cum,
            type=OrderType.LIMIT,
            status=status,
            limit=99,
        )
