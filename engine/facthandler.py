"""Takes in reports about orders and executions, and sees to what follows from each: metrics, alarms, groups,
strategies, questions to the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.books import EXTERNAL, Applied
from engine.facts import (
    AnyFact,
    ForeignOrder,
    OrderNotFound,
    OrderReport,
    Rejected,
    require_readable,
)
from engine.intake import anomaly_text
from engine.lifecycle_types import Anomaly, Code, Request
from engine.model import NS, Fill, OrderStatus, OrderType, Purpose
from engine.orders_record import OrderRecord
from engine.reconcile_types import Kind
from engine.records import FactTaken, LostOrder

if TYPE_CHECKING:
    from engine.engine import Engine

QUIET: Final = frozenset(
    {
        Code.DUPLICATE,
        Code.LATE_ACK,
        Code.OUT_OF_SEQUENCE,
        Code.STALE_REPORT,
        Code.FILL_BEFORE_ACK,
        Code.FILL_BEFORE_REPLACED,
        Code.CANCEL_REJECTED_FILLED,
        Code.CANCEL_REJECTED_CLOSED,
        Code.NOT_FOUND,
        Code.LATE_FACT,
    }
)
"""Surprises that a healthy venue produces every day: counted and logged, not alarmed."""

NOT_FOUND_MEANS_LOST: Final = 2
"""Answers "no such order", at least `answer_after` apart, before an order is given up: the first may have
overtaken the order itself."""


class FactHandler:
    """Runs on the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core = engine.core
        self._missing_since: dict[str, int] = {}
        """When the venue first said that it has no such order (monotonic ns)."""

    def on_answer(self, fact: object) -> None:
        """The broker's answer to a question about one order."""
        assert isinstance(fact, OrderReport | OrderNotFound)
        self.handle(fact, "query")

    def handle(self, fact: AnyFact, source: str) -> Applied:
        """Books one report and does what it calls for. Raises `ValueError` for a malformed one, untaken."""
        require_readable(fact)
        core = self._core
        order_id = getattr(fact, "order_id", "") or ""
        before = core.books.orders.get(order_id) if order_id else None
        correlation = before.order.correlation if before is not None else ""
        was = before.life.status if before is not None else None
        fill = getattr(fact, "fill", None)
        if fill is not None and fill.order_id:
            order_id = fill.order_id
            owner = core.books.orders.get(order_id)
            if owner is not None:
                was, correlation = owner.life.status, owner.order.correlation
        applied = core.commit(FactTaken(fact=fact, source=source), correlation, order_id)
        record = applied.record
        for anomaly in applied.anomalies:
            self._surprise(anomaly, record, order_id, correlation)
        if applied.fill is not None:
            self._filled(applied, correlation, source)
        elif applied.symbol:
            self._revised(applied)
        if record is not None:
            self._follow(record, was, fact, correlation)
        if isinstance(fact, ForeignOrder):
            core.metrics.count("foreign_orders")
            core.alarm(
                "warning",
                "foreign_order",
                f"order {fact.broker_id} in {fact.symbol} was placed elsewhere; it counts in the exposure",
                symbol=fact.symbol,
            )
        if isinstance(fact, OrderNotFound) and record is not None:
            self._lost(record)
        self._engine.kill.poke()
        return applied

    def _follow(self, record: OrderRecord, was: OrderStatus | None, fact: AnyFact, correlation: str) -> None:
        """What a change of an order's status calls for."""
        engine, core = self._engine, self._core
        status = record.life.status
        if was is OrderStatus.PENDING_NEW and status is not OrderStatus.PENDING_NEW:
            sent = record.sent
            if sent and status is not OrderStatus.UNKNOWN:
                core.metrics.stage("sent→acknowledged", core.clock.now() - sent)
        if isinstance(fact, Rejected) and status is OrderStatus.REJECTED and was is not status:
            core.metrics.count("rejects")
            engine.controls.on_reject(record.order.strategy, record.order.symbol, fact.reason, engine.view)
            core.alarm(
                "warning",
                "rejected",
                f"{record.order.id} rejected: {fact.reason}",
                symbol=record.order.symbol,
                correlation=correlation,
            )
        if status is not was:
            core.log(
                "info",
                f"{record.order.id} {status}",
                component="orders",
                order_id=record.order.id,
                broker_id=record.life.broker_id or "",
                symbol=record.order.symbol,
                qty=core.size(record.order.symbol, record.life.qty),
                price=core.price(record.order.symbol, record.life.limit),
                status=str(status),
                correlation_id=correlation,
            )
        engine.strategies.on_order(record)
        engine.reactions.on_order(record, was)
        if record.life.is_closed:
            engine.intake.after_close(record)
            engine.strategies.targets.on_closed(record)
        elif record.life.in_flight is Request.QUERY and not isinstance(fact, OrderNotFound | OrderReport):
            engine.intake.ask(record.order.id)

    def _filled(self, applied: Applied, correlation: str, source: str) -> None:
        engine, core = self._engine, self._core
        fill, record = applied.fill, applied.record
        assert fill is not None
        core.metrics.count("fills")
        if record is not None:
            order = record.order
            if record.life.cum == fill.qty:
                if record.sent:
                    core.metrics.stage("sent→first fill", core.clock.now() - record.sent)
                core.metrics.count(f"filled.{order.type}")
            if order.arrival is not None and order.type is not OrderType.STOP:
                worse = (fill.price - order.arrival) * fill.side.sign
                core.metrics.slippage(fill.symbol, worse, fill.qty)
        for strategy, _ in applied.attribution:
            engine.controls.on_fill(strategy, fill.symbol, engine.view)
        core.log(
            "info",
            "fill",
            component="fills",
            order_id=fill.order_id or "",
            broker_id=fill.broker_id or "",
            symbol=fill.symbol,
            side=str(fill.side),
            qty=core.size(fill.symbol, fill.qty),
            price=core.price(fill.symbol, fill.price),
            position=core.size(fill.symbol, core.books.positions.qty(fill.symbol)),
            status=str(record.life.status) if record is not None else "UNKNOWN",
            exec_id=fill.key.exec_id,
            correlation_id=correlation,
        )
        if any(strategy == EXTERNAL for strategy, _ in applied.attribution):
            core.alarm(
                "critical",
                "foreign_fill",
                f"execution {fill.key.exec_id} of {fill.qty} lots {fill.symbol} belongs to no order of ours",
                symbol=fill.symbol,
            )
        engine.strategies.on_fill(applied)
        engine.reactions.on_fill(applied)
        if source == "stream" and record is None and not fill.order_id:
            self._traded_elsewhere(fill)

    def _traded_elsewhere(self, fill: Fill) -> None:
        """A trade by hand or by another program, reported as it happened: the same policy holds as for one
        that a comparison with the broker brings to light. It is booked in any case."""
        if self._core.config.reconcile.on_manual_trade != "halt":
            return
        self._engine.halt(
            "instrument",
            fill.symbol,
            str(Kind.MANUAL_TRADE),
            f"execution {fill.key.exec_id} was traded by hand or by another program; "
            f"'adopt {fill.symbol}' accepts it, 'flatten {fill.symbol}' closes it",
        )

    def _revised(self, applied: Applied) -> None:
        """A bust or a correction changed what had been booked."""
        core = self._core
        core.metrics.count("revisions")
        record = applied.record
        what = record.order.id if record is not None else applied.symbol
        core.alarm(
            "critical", "bust", f"{what}: the venue took back or changed an execution", symbol=applied.symbol
        )
        self._engine.strategies.on_position(applied.symbol)
        self._engine.reconcile_soon()

    def _surprise(
        self, anomaly: Anomaly, record: OrderRecord | None, order_id: str, correlation: str
    ) -> None:
        core = self._core
        core.metrics.count(f"anomaly.{anomaly.code}")
        text = anomaly_text(anomaly, record)
        symbol = record.order.symbol if record is not None else ""
        if anomaly.code in QUIET:
            core.log(
                "info", text, component="orders", order_id=order_id, status=str(anomaly.code), symbol=symbol
            )
        else:
            core.alarm("warning", str(anomaly.code).lower(), text, symbol=symbol, correlation=correlation)
        if anomaly.code in (Code.MISSING_FILL, Code.OVERFILL, Code.REOPENED):
            self._engine.reconcile_soon()
        if anomaly.code is Code.CANCEL_LOST and record is not None:
            self._engine.intake.cancel(record.order.id, correlation)

    def _lost(self, record: OrderRecord) -> None:
        """The broker said again that it has no such order: ask for executions, then give it up."""
        order_id = record.order.id
        if record.life.is_closed:
            return
        now = self._core.clock.mono()
        if record.not_found <= 1:
            self._missing_since[order_id] = now
        apart = int(self._core.config.orders.answer_after * NS)
        since = self._missing_since.setdefault(order_id, now)
        if record.not_found < NOT_FOUND_MEANS_LOST or now - since < apart:
            return
        del self._missing_since[order_id]
        self._engine.reconciler.executions_first(order_id, self._give_up)

    def _give_up(self, order_id: str) -> None:
        """Executions were read and hold nothing of it."""
        core = self._core
        record = core.books.orders.get(order_id)
        if record is None or record.life.is_closed or record.not_found < NOT_FOUND_MEANS_LOST:
            return
        reason = "the broker does not know it and has no execution of it"
        was = record.life.status
        applied = core.commit(LostOrder(order_id=order_id, reason=reason), record.order.correlation, order_id)
        core.alarm(
            "critical" if record.order.purpose is Purpose.PROTECT else "warning",
            "lost_order",
            f"{order_id} is lost: {reason}; it was not sent again",
            symbol=record.order.symbol,
        )
        if applied.record is not None:
            self._engine.strategies.on_order(applied.record)
            self._engine.reactions.on_order(applied.record, was)
            self._engine.strategies.targets.on_closed(applied.record)
