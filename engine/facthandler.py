"""Takes in reports about orders and executions, and sees to what follows from each: metrics, alarms, groups,
strategies, questions to the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.books import Applied
from engine.fact_executions import ExecutionNews
from engine.fact_surprises import Surprises
from engine.facts import (
    AnyFact,
    BrokerNotice,
    Busted,
    CancelRejected,
    Corrected,
    Executed,
    ForeignOrder,
    Gap,
    LinkDown,
    LinkUp,
    MarketStateChanged,
    OrderFact,
    OrderNotFound,
    OrderReport,
    ReplaceRejected,
    require_readable,
)
from engine.lifecycle_report import revived_by_a_picture
from engine.lifecycle_types import OrderLife, Request
from engine.model import OrderStatus, Purpose
from engine.orders_record import OrderRecord
from engine.records import FactTaken, LinkLost

if TYPE_CHECKING:
    from engine.engine import Engine


_PENDING_NEW: Final = OrderStatus.PENDING_NEW
"""Under a name of its own, as below: to look one up in an enumeration takes as long as ten other steps."""
_UNKNOWN: Final = OrderStatus.UNKNOWN


def _too_late(fact: ReplaceRejected | CancelRejected) -> bool:
    """The order had ended before the request arrived: an everyday race, which its last report settles. What
    the venue says and we do not know is asked about all the same."""
    return fact.status is not None and fact.status.is_closed


class FactHandler:
    """Runs on the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core = engine.core
        self._surprises = Surprises(engine)
        self._executions = ExecutionNews(engine)

    def take(self, fact: AnyFact) -> None:
        """A report of the adapter's stream."""
        engine, core = self._engine, self._core
        match fact:
            case OrderFact() | Executed():
                self.handle(fact, "stream")
            case LinkUp():
                engine.link.on_up(fact)
            case LinkDown():
                engine.link.on_down(fact)
            case Gap(reason=reason):
                core.commit(FactTaken(fact=fact))
                core.alarm("warning", "gap", f"messages may be missing: {reason}; reconciling")
                engine.reconcile_soon()
            case MarketStateChanged(symbol=symbol, state=state, low_limit=low, high_limit=high):
                if engine.markets.on_state(symbol, state, low, high, core.clock.now()):
                    core.commit(FactTaken(fact=fact))
                    engine.kill.poke()
            case BrokerNotice(code=code, text=text):
                core.commit(FactTaken(fact=fact))
                core.log("warning", f"broker says {code}: {text}", component="broker", status=code)
            case _:
                self.handle(fact, "stream")

    def on_answer(self, fact: object) -> None:
        """The broker's answer to a question about one order."""
        assert isinstance(fact, OrderReport | OrderNotFound)
        self.handle(fact, "query")

    def handle(self, fact: AnyFact, source: str) -> Applied:
        """Books one report and does what it calls for. Raises `ValueError` for a malformed one, untaken."""
        require_readable(fact)
        core = self._core
        order_id = self._named(fact)
        before = self._subject(fact)
        correlation, was_life, was = "", None, None
        if before is not None:
            order_id, correlation, was_life = before.order.id, before.order.correlation, before.life
            was = was_life.status
        applied = core.commit(FactTaken(fact=fact, source=source), correlation, order_id)
        record = applied.record
        for anomaly in applied.anomalies:
            self._surprises.tell(anomaly, applied, order_id, correlation)
        if applied.fill is not None:
            self._executions.filled(applied, correlation, source)
        if record is not None:
            self._follow(record, was, fact, correlation)
            if before is record and was_life is not None and self._revived(was_life, record, fact, applied):
                core.story("warning", "it works at the venue after its end: it is cancelled", order_id)
                self._engine.intake.send_cancel(order_id, correlation)
        if applied.fill is None and applied.symbol:
            self._executions.revised(applied, correlation, fact)
        if isinstance(fact, ForeignOrder):
            core.metrics.count("foreign_orders")
            core.alarm(
                "warning",
                "foreign_order",
                f"order {fact.broker_id} in {fact.symbol} was placed elsewhere; it counts in the exposure",
                symbol=fact.symbol,
            )
        if isinstance(fact, OrderNotFound) and record is not None:
            self._engine.giving_up.not_found(record)
        if isinstance(fact, OrderReport) and record is not None:
            self._engine.giving_up.reported(record, fact)
        self._engine.kill.poke()
        return applied

    @staticmethod
    def _named(fact: AnyFact) -> str:
        """The order id that a report gives, empty where it gives none."""
        fill = getattr(fact, "fill", None)
        return (fill.order_id if fill is not None else getattr(fact, "order_id", "")) or ""

    def _subject(self, fact: AnyFact) -> OrderRecord | None:
        """The order in memory that a report is about, by whatever identity it gives."""
        orders = self._core.books.orders
        if isinstance(fact, Busted):
            return orders.owner(fact.key)
        if isinstance(fact, Executed | Corrected):
            return orders.record_of(fact.fill)
        if isinstance(fact, ForeignOrder):
            return orders.stranger(fact)
        record = orders.get(self._named(fact))
        broker_id = getattr(fact, "broker_id", None)
        if record is None and broker_id is not None:
            record = orders.by_broker_id(broker_id)
        return record

    def _follow(self, record: OrderRecord, was: OrderStatus | None, fact: AnyFact, correlation: str) -> None:
        """What a change of an order's status calls for."""
        engine, core = self._engine, self._core
        status = record.life.status
        if was is _PENDING_NEW and status is not _PENDING_NEW:
            sent = record.sent
            if sent and status is not _UNKNOWN:
                core.metrics.stage("sent→acknowledged", core.clock.now() - sent)
        if was is not status and status is OrderStatus.REJECTED:
            core.metrics.count("rejects")
            self._rejected(record, "rejected", record.life.reason, correlation)
        elif isinstance(fact, ReplaceRejected | CancelRejected):
            what = "replace" if isinstance(fact, ReplaceRejected) else "cancel"
            core.metrics.count(f"{what}_rejects")
            if not _too_late(fact):
                self._rejected(record, f"{what}_rejected", fact.reason, correlation)
        if status is not was:
            core.log(
                "info",
                f"{record.order.id} {status}" + (f": {record.life.reason}" if record.life.reason else ""),
                component="orders",
                order_id=record.order.id,
                broker_id=record.life.broker_id or "",
                symbol=record.order.symbol,
                qty=core.size(record.order.symbol, record.life.qty),
                price=core.price(record.order.symbol, record.life.limit),
                status=str(status),
                correlation_id=correlation,
            )
        elif not isinstance(fact, Executed | OrderReport | OrderNotFound):
            # Overlays and terms changed: replaced, pending, suspended, a cancel refused.
            word = str(fact.__struct_config__.tag).replace("_", " ")
            why = getattr(fact, "reason", "")
            core.story("info", f"{record.order.id} {word}" + (f": {why}" if why else ""), record.order.id)
        self.moved(record, was, fact)
        if record.life.is_closed or isinstance(fact, OrderNotFound | OrderReport):
            return
        if record.life.in_flight is Request.QUERY:
            engine.silence.ask(record.order.id)

    @staticmethod
    def _revived(was: OrderLife, record: OrderRecord, fact: AnyFact, applied: Applied) -> bool:
        """Whether an order has come back to life that nobody counts on any more, so that it is to go. Of
        protective ones `engine.grouping` decides, of those placed elsewhere their owner."""
        ordinary = not record.foreign and record.order.purpose is not Purpose.PROTECT
        return ordinary and revived_by_a_picture(was, record.life, fact, applied.anomalies)

    def moved(
        self,
        record: OrderRecord,
        was: OrderStatus | None,
        fact: AnyFact | None = None,
    ) -> None:
        """An order changed, by a report or by what happened here: all that follow it are told."""
        engine = self._engine
        engine.replacer.follow(record, fact)
        refused = fact.reason if isinstance(fact, ReplaceRejected | CancelRejected) else ""
        if not engine.lost.holds(record.order.id):
            engine.strategies.on_order(record, refused)
        engine.groups.on_order(record, fact)
        if was is _UNKNOWN and record.life.status is not was:
            engine.giving_up.settled(record)
        if record.life.is_closed:
            engine.giving_up.ended(record.order.id)
            engine.strategies.targets.on_closed(record)

    def stayed(self, record: OrderRecord, was: OrderStatus, applied: Applied, correlation: str) -> None:
        """Something about an order certainly did not leave, which may show executions in another light."""
        for anomaly in applied.anomalies:
            self._surprises.tell(anomaly, applied, record.order.id, correlation)
        self.moved(record, was)

    def link_lost(self, lost: LinkLost) -> None:
        """What was in flight when the link broke is in doubt now."""
        core = self._core
        before = [(r, r.life.status) for r in core.books.orders.working()]
        core.commit(lost)
        for record, was in before:
            if record.life.status is not was:
                self.moved(record, was)

    def _rejected(self, record: OrderRecord, code: str, reason: str, correlation: str) -> None:
        """The broker refused an order, a replace or a cancel: never tried again by itself."""
        core, order = self._core, record.order
        if code != "cancel_rejected":
            self._engine.controls.on_reject(order.strategy, order.symbol, reason, self._engine.view)
        core.alarm(
            "warning",
            code,
            f"{order.id} {code.replace('_', ' ')}: {reason}",
            symbol=order.symbol,
            correlation=correlation,
            order_id=order.id,
            cause=reason,
        )
