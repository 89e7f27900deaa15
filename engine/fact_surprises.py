"""What follows from the surprises that the life cycle finds in a report: they are counted, logged or alarmed,
and where they call for it the broker is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.alarmkinds import UNKNOWN_FILL, UNKNOWN_REPORT
from engine.books import Applied
from engine.comparing import of_another_journal
from engine.holds import AFTER_END, HOLDING
from engine.lifecycle_types import Anomaly, Code
from engine.model import Fill
from engine.orders_groups import leg, served
from engine.orders_record import OrderRecord

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


class Surprises:
    """Runs on the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core = engine.core

    def tell(self, anomaly: Anomaly, applied: Applied, order_id: str, correlation: str) -> None:
        core, record = self._core, applied.record
        core.metrics.count(f"anomaly.{anomaly.code}")
        quiet = anomaly.code in QUIET or (anomaly.code is Code.UNKNOWN_ORDER and not order_id)
        if quiet or (anomaly.code is Code.UNSOLICITED_CANCEL and record is not None and self._served(record)):
            core.log(
                "info",
                _text(anomaly, record),
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
            text = _text(anomaly, record)
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
        text = _text(anomaly, applied.record)
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

    def _served(self, record: OrderRecord) -> bool:
        """What it was for is over: the venue ended it for that, as one that works brackets does every day."""
        books, order = self._core.books, record.order
        if order.reduce_only and books.positions.qty(order.symbol) * order.side.sign >= 0:
            return True
        parent = None if order.parent is None else books.orders.get(order.parent)
        if parent is None:
            return False
        return served(parent.life, [leg(child) for child in books.orders.children(parent.order.id)])


def _text(anomaly: Anomaly, record: OrderRecord | None) -> str:
    """One line for a person."""
    return f"{record.order.id if record is not None else 'order'}: {anomaly.text}"
