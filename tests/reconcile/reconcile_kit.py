"""A small world for reconciliation: one true history, and what each side knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.config import ReconcileConfig
from engine.facts import BrokerPosition, Executions, OpenOrders, OrderReport, Positions
from engine.model import NS, ExecutionKey, Fill, OrderStatus, Side
from engine.reconcile import Finding, Kind, OwnOrder, ReconcileInput, SymbolView

NOW = 1_700_000_000 * NS
SETTLE = 2 * NS
OLD = NOW - 60 * NS
"""Long settled."""


def key(exec_id: str) -> ExecutionKey:
    return ExecutionKey("SIM", "PAPER", "2026-11-20", exec_id)


def fill(
    exec_id: str,
    signed: int,
    symbol: str = "ES",
    *,
    order_id: str | None = "demo-1",
    ts: int = OLD,
    price: int = 100,
) -> Fill:
    return Fill(
        key=key(exec_id),
        symbol=symbol,
        side=Side.BUY if signed > 0 else Side.SELL,
        qty=abs(signed),
        price=price,
        ts=ts,
        order_id=order_id,
    )


def own(order_id: str = "demo-1", signed: int = 5, **more: object) -> OwnOrder:
    fields: dict[str, object] = {
        "id": order_id,
        "symbol": "ES",
        "side": Side.BUY if signed > 0 else Side.SELL,
        "status": OrderStatus.WORKING,
        "qty": abs(signed),
        "cum": 0,
        "broker_id": f"b-{order_id}",
        "sent": OLD,
        "last_report": OLD,
    }
    return OwnOrder(**{**fields, **more})  # type: ignore[arg-type]


def reported(order: OwnOrder, **more: object) -> OrderReport:
    """The broker's view of an order, the same as ours but for what is given."""
    fields: dict[str, object] = {
        "ts": NOW,
        "order_id": order.id,
        "broker_id": order.broker_id,
        "status": order.status,
        "qty": order.qty,
        "cum": order.cum,
        "leaves": order.leaves,
        "limit": order.limit,
        "stop": order.stop,
    }
    return OrderReport(**{**fields, **more})  # type: ignore[arg-type]


@dataclass
class World:
    """All agrees to begin with; tests take something away on one side."""

    ours: list[Fill] = field(default_factory=list)
    """Executions that we booked."""
    venue: list[Fill] = field(default_factory=list)
    """Executions that the venue lists."""
    busted: list[ExecutionKey] = field(default_factory=list)
    orders: list[OwnOrder] = field(default_factory=list)
    reports: list[OrderReport] | None = None
    intended: dict[str, int] = field(default_factory=dict)
    broker: dict[str, int] | None = None
    """The broker's position; None: the sum of the venue's executions."""
    last_report: int = OLD
    last_fill: int | None = None
    as_of: int = NOW
    policy: ReconcileConfig = field(default_factory=ReconcileConfig)
    flying: bool = False
    blind: tuple[str, ...] = ()
    """Queries that failed: positions, open_orders, executions."""

    def both(self, *fills: Fill) -> World:
        self.ours += fills
        self.venue += fills
        return self

    def given(self) -> ReconcileInput:
        executed: dict[str, int] = {}
        for one in self.ours:
            executed[one.symbol] = executed.get(one.symbol, 0) + one.side.sign * one.qty
        broker = self.broker
        if broker is None:
            broker = {}
            for one in self.venue:
                if one.key not in self.busted:
                    broker[one.symbol] = broker.get(one.symbol, 0) + one.side.sign * one.qty
        booked = {one.key: one for one in self.ours}
        views = tuple(
            SymbolView(
                symbol=symbol,
                executed=executed.get(symbol, 0),
                intended=self.intended.get(symbol),
                in_flight=self.flying,
                last_report=self.last_report,
                last_fill=(
                    self.last_fill
                    if self.last_fill is not None
                    else max((one.ts for one in self.ours if one.symbol == symbol), default=0)
                ),
            )
            for symbol in {**executed, **self.intended}
        )
        reports = self.reports if self.reports is not None else [reported(order) for order in self.orders]
        return ReconcileInput(
            asked=NOW,
            settle=SETTLE,
            policy=self.policy,
            symbols=views,
            orders=tuple(self.orders),
            positions=None
            if "positions" in self.blind
            else Positions(
                as_of=self.as_of,
                positions=tuple(BrokerPosition(symbol=s, qty=q) for s, q in broker.items() if q),
            ),
            open_orders=None if "open_orders" in self.blind else OpenOrders(as_of=NOW, ours=tuple(reports)),
            executions=None
            if "executions" in self.blind
            else Executions(as_of=NOW, since=0, fills=tuple(self.venue), busted=tuple(self.busted)),
            known=booked.__contains__,
            booked=booked.get,
        )


def kinds(findings: tuple[Finding, ...]) -> list[Kind]:
    return [finding.kind for finding in findings]
