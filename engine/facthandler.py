"""Takes in reports about orders and executions, and sees to what follows from each: metrics, alarms, groups,
strategies, questions to the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.alarmkinds import UNKNOWN_FILL, UNKNOWN_REPORT
from engine.books import EXTERNAL, Applied
from engine.comparing import of_another_journal
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
    OrderNotFound,
    OrderReport,
    ReplaceRejected,
    require_readable,
)
from engine.holds import AFTER_END, HOLDING
from engine.intake import anomaly_text
from engine.lifecycle_types import Anomaly, Code, OrderLife, Request
from engine.model import Fill, OrderStatus, OrderType, Purpose, Side
from engine.orders_groups import leg, served
from engine.orders_record import OrderRecord
from engine.reconcile_types import Kind
from engine.records import FactTaken, LinkLost

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
"""Surprises that a healthy venue produces every day: counted and logged, not alarmed. So is an execution that
gives no order: it is alarmed as a trade made elsewhere."""

_LOOKED_INTO: Final = HOLDING | {Code.MISSING_FILL, Code.OVERFILL, Code.REOPENED, Code.EXECUTION_DIFFERS}
"""Surprises after which the broker is compared at once."""


def _too_late(fact: ReplaceRejected | CancelRejected) -> bool:
    """The order had ended before the request arrived: an everyday race, which its last report settles. What
    the venue says and we do not know is asked about all the same."""
    return fact.status is not None and fact.status.is_closed


def _works_after_its_end(was: OrderLife | None, applied: Applied, fact: AnyFact) -> bool:
    """Whether a picture shows for certain that an order works which the venue had said was over: as a rule
    the second of two that a replace left under its id. Nobody counts on it any more, so it is to go; of
    protective orders `engine.grouping` decides, and of what somebody made larger at the venue its owner."""
    record = applied.record
    if was is None or record is None or not isinstance(fact, OrderReport):
        return False
    over = was.is_closed or (was.status is OrderStatus.UNKNOWN and was.ended is not None)
    works = record.life.status in (OrderStatus.WORKING, OrderStatus.PARTIAL_FILL)
    codes = {anomaly.code for anomaly in applied.anomalies}
    raised = was.status is OrderStatus.FILLED and Code.UNSOLICITED_REPLACE in codes
    told = Code.REOPENED in codes and not raised
    ordinary = not record.foreign and record.order.purpose is not Purpose.PROTECT
    return over and not was.presumed and works and told and ordinary


class FactHandler:
    """Runs on the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core = engine.core
        """When the venue first said that it has no such order (monotonic ns)."""

    def take(self, fact: AnyFact) -> None:
        """A report of the adapter's stream."""
        engine, core = self._engine, self._core
        match fact:
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
            self._surprise(anomaly, applied, order_id, correlation)
        if applied.fill is not None:
            self._filled(applied, correlation, source)
        if record is not None:
            self._follow(record, was, fact, correlation)
            if before is record and _works_after_its_end(was_life, applied, fact):
                core.story("warning", "it works at the venue after its end: it is cancelled", order_id)
                self._engine.intake.send_cancel(order_id, correlation)
        if applied.fill is None and applied.symbol:
            self._revised(applied, correlation, fact)
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
        if was is OrderStatus.PENDING_NEW and status is not OrderStatus.PENDING_NEW:
            sent = record.sent
            if sent and status is not OrderStatus.UNKNOWN:
                core.metrics.stage("sent→acknowledged", core.clock.now() - sent)
        if status is OrderStatus.REJECTED and was is not status:
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
            engine.intake.ask(record.order.id)

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
        if was is OrderStatus.UNKNOWN and record.life.status is not was:
            engine.giving_up.settled(record)
        if record.life.is_closed:
            engine.strategies.targets.on_closed(record)

    def stayed(self, record: OrderRecord, was: OrderStatus, applied: Applied, correlation: str) -> None:
        """Something about an order certainly did not leave, which may show executions in another light."""
        for anomaly in applied.anomalies:
            self._surprise(anomaly, applied, record.order.id, correlation)
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

    def _filled(self, applied: Applied, correlation: str, source: str) -> None:
        engine, core = self._engine, self._core
        fill, record = applied.fill, applied.record
        assert fill is not None
        core.metrics.count("fills")
        engine.answers.memories.on_fill(fill, core.clock.now())
        if record is not None:
            order = record.order
            if record.life.cum == fill.qty:
                if record.sent:
                    core.metrics.stage("sent→first fill", core.clock.now() - record.sent)
                if record.acked:
                    core.metrics.stage("acknowledged→first fill", core.clock.now() - record.acked)
                core.metrics.count(f"filled.{order.type}")
            if order.arrival is not None and order.type is not OrderType.STOP:
                worse = (fill.price - order.arrival) * fill.side.sign
                core.metrics.slippage(fill.symbol, worse, fill.qty, order.strategy)
        ours_to_close = record is not None and record.order.purpose is Purpose.FLATTEN
        if not ours_to_close:
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
        if not ours_to_close and any(strategy == EXTERNAL for strategy, _ in applied.attribution):
            by_hand = source == "stream" and record is None and not fill.order_id
            self._traded_elsewhere(fill, by_hand)
        engine.strategies.on_fill(applied)
        engine.groups.on_fill(applied)

    def _traded_elsewhere(self, fill: Fill, by_hand: bool) -> None:
        """An execution that no order of ours explains; it is booked in any case, and told of once.

        `by_hand`: reported as it happened, and of no order that we know. The same policy holds then as for a
        trade that a comparison with the broker brings to light.
        """
        core = self._core
        sold = "bought" if fill.side is Side.BUY else "sold"
        size = core.size(fill.symbol, fill.qty)
        text = f"{sold} {size} by hand or by another program (execution {fill.key.exec_id})"
        halts = by_hand and core.config.reconcile.on_manual_trade == "halt"
        if halts and core.books.halts.instrument(fill.symbol) is None:
            text += f"; 'adopt {fill.symbol}' accepts it, 'flatten {fill.symbol}' closes it"
            self._engine.halt("instrument", fill.symbol, str(Kind.MANUAL_TRADE), text)
        else:
            core.alarm("critical", "foreign_fill", f"{text}; it is booked", symbol=fill.symbol)

    def _revised(self, applied: Applied, correlation: str, fact: AnyFact) -> None:
        """A bust or a correction changed what had been booked."""
        core = self._core
        self._engine.answers.memories.revise(fact, core.clock.now())
        if applied.only_fee:
            core.metrics.count("fees_told")
            return
        core.metrics.count("revisions")
        record = applied.record
        what = record.order.id if record is not None else applied.symbol
        text = f"{what}: the venue took back or changed an execution; {self._left_open(applied)}"
        core.alarm("critical", "bust", text, symbol=applied.symbol, correlation=correlation)
        self._engine.strategies.on_position(applied.symbol)
        self._engine.reconcile_soon()

    def _left_open(self, applied: Applied) -> str:
        """What the position is after that, and whether something protects what is open again. Told once all
        that a bracket of the engine's calls for has been sent."""
        core, symbol, record = self._core, applied.symbol, applied.record
        held = core.books.positions.qty(symbol)
        if not held:
            return f"{symbol} is flat now"
        text = f"{symbol} is {'+' if held > 0 else '-'}{core.size(symbol, abs(held))} now"
        closed = record is None or record.order.side.sign * held < 0
        if closed and not any(
            leg(r).is_stop and r.order.side.sign * held < 0 for r in core.books.orders.working(symbol)
        ):
            text += f", and no stop works there: protect it, or 'flatten {symbol}' closes it"
        return text

    def _served(self, record: OrderRecord) -> bool:
        """What it was for is over: the venue ended it for that, as one that works brackets does every day."""
        books, order = self._core.books, record.order
        if order.reduce_only and books.positions.qty(order.symbol) * order.side.sign >= 0:
            return True
        parent = None if order.parent is None else books.orders.get(order.parent)
        if parent is None:
            return False
        return served(parent.life, [leg(child) for child in books.orders.children(parent.order.id)])

    def _surprise(self, anomaly: Anomaly, applied: Applied, order_id: str, correlation: str) -> None:
        core, record = self._core, applied.record
        core.metrics.count(f"anomaly.{anomaly.code}")
        quiet = anomaly.code in QUIET or (anomaly.code is Code.UNKNOWN_ORDER and not order_id)
        if quiet or (anomaly.code is Code.UNSOLICITED_CANCEL and record is not None and self._served(record)):
            core.log(
                "info",
                anomaly_text(anomaly, record),
                component="orders",
                order_id=order_id,
                symbol=record.order.symbol if record is not None else "",
                status=str(anomaly.code),
                correlation_id=correlation,
            )
        elif anomaly.code in HOLDING and applied.fill is not None:
            self._held(anomaly, applied, applied.fill, order_id, correlation)
        else:
            symbol = record.order.symbol if record is not None else ""
            halted = anomaly.code is Code.OVERFILL and applied.halted
            text = anomaly_text(anomaly, record)
            core.alarm(
                "critical" if halted else "warning",
                UNKNOWN_REPORT if anomaly.code is Code.UNKNOWN_ORDER else str(anomaly.code).lower(),
                f"{symbol} halted: {text}" if halted else text,
                symbol=symbol,
                correlation=correlation,
                order_id=order_id,
            )
        if anomaly.code in _LOOKED_INTO:
            self._engine.reconcile_soon()
        if anomaly.code is Code.CANCEL_LOST and record is not None:
            self._engine.intake.send_cancel(record.order.id, correlation)

    def _held(self, anomaly: Anomaly, applied: Applied, fill: Fill, order_id: str, correlation: str) -> None:
        """The books hold the instrument of an execution that was not meant to be, or have halted it."""
        core, symbol = self._core, fill.symbol
        text = anomaly_text(anomaly, applied.record)
        if anomaly.code in AFTER_END and core.config.reconcile.on_late_fill == "halt":
            self._engine.halt("instrument", symbol, str(anomaly.code).lower(), text)
        elif applied.halted:
            text = f"{symbol} halted: {text}"
        elif core.books.halts.instrument(symbol) is None:
            text += f"; nothing opens in {symbol} until the broker agrees"
        if anomaly.code is Code.UNKNOWN_ORDER:
            text += of_another_journal(core)
        core.alarm(
            "critical" if applied.halted else "warning",
            UNKNOWN_FILL if anomaly.code is Code.UNKNOWN_ORDER else str(anomaly.code).lower(),
            text,
            symbol=symbol,
            correlation=correlation,
            order_id=order_id,
        )
