"""What the parts of the engine share: the handed-in seams, the books, and the one way to change them.

`Core.commit` applies a record to the books and appends it to the journal in the same breath, with nothing in
between; no other code writes either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from engine.alerts import Severity
from engine.books import Applied, Books
from engine.config import EngineConfig
from engine.journal import Journal
from engine.market import MarketBook
from engine.metrics import Metrics
from engine.model import NS
from engine.ports import Adapter, Clock, IdSource
from engine.records import KINDS, AlertCleared, AlertRaised, AnyRecord


class Log(Protocol):
    """Structured log; keys are those of the log's fixed schema."""

    def __call__(self, level: str, event: str, **fields: object) -> None: ...


def utc_text(ts: int) -> str:
    """UTC ns → `2026-11-21 14:30:07Z`."""
    return datetime.fromtimestamp(ts // NS, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@dataclass(slots=True)
class Core:
    """The shared handles of one running engine. Used on the engine's thread only."""

    config: EngineConfig
    clock: Clock
    ids: IdSource
    journal: Journal
    adapter: Adapter
    books: Books
    markets: MarketBook
    metrics: Metrics
    log: Log
    mode: str = "PAPER"
    link_up: bool = False
    link_text: str = "not connected"
    link_epoch: int = 0
    """Counts the changes of the link: what was asked in one epoch says nothing in the next."""
    tell: Callable[[AnyRecord, Applied, int, str, str], None] | None = None
    """Told of every record, what it did, its time (UTC ns), correlation and order id: the screens' news."""

    def commit(self, record: AnyRecord, correlation: str = "", order_id: str = "") -> Applied:
        """Applies and journals one record. The caller need not wait: what must be on disk first goes through
        `engine.intake`."""
        now = self.clock.now()
        applied = self.books.apply(record, now)
        kind = KINDS[type(record)]
        self.journal.append_nowait(
            kind,
            record,
            ts=now,
            correlation=correlation,
            order_id=order_id,
            key=applied.fill.key if applied.fill is not None else None,
        )
        if self.tell is not None:
            self.tell(record, applied, now, correlation, order_id)
        return applied

    def price(self, symbol: str, ticks: int | None) -> str | None:
        """Ticks as the log shows them: the exact price."""
        instrument = self.books.instruments.get(symbol)
        return None if ticks is None or instrument is None else str(instrument.price(ticks))

    def size(self, symbol: str, lots: int) -> str:
        """Lots as the log shows them: the exact size."""
        instrument = self.books.instruments.get(symbol)
        return str(lots) if instrument is None else str(instrument.size(lots))

    def story(self, level: str, event: str, order_id: str, cause: str = "", **fields: object) -> None:
        """A line of an order's story in the log: under the order's own correlation id, whoever asked for
        this step of it. `cause`: the correlation id of that asking, told where it is another one."""
        record = self.books.orders.get(order_id)
        if record is not None:
            order, life = record.order, record.life
            about: dict[str, object] = {
                "broker_id": life.broker_id or "",
                "symbol": order.symbol,
                "side": str(order.side),
                "qty": self.size(order.symbol, life.qty),
                "price": self.price(order.symbol, life.limit),
                "status": str(life.status),
                "correlation_id": order.correlation,
            }
            if cause and cause != order.correlation:
                about["cause_id"] = cause
            fields = {**about, **fields}
        self.log(level, event, component="orders", order_id=order_id, **fields)

    def clear_alarms(self, code: str, symbol: str = "") -> None:
        """What alarms of this code and symbol tell of is over; nothing is written where none stands."""
        if self.books.alerts.standing(code, symbol):
            self.commit(AlertCleared(code=code, symbol=symbol))

    def alarm(
        self,
        severity: Severity,
        code: str,
        text: str,
        *,
        symbol: str = "",
        correlation: str = "",
        order_id: str = "",
        cause: str = "",
    ) -> None:
        """Raises an alert, unless the same one was raised within its repeat time. `cause`: the part of the
        text that is the same each time; what comes again of it is no news to who has acknowledged it."""
        alert = self.books.alerts.make(
            self.clock.now(), severity, code, text, symbol=symbol, correlation=correlation, cause=cause
        )
        if alert is None:
            return
        self.commit(AlertRaised(alert=alert), correlation)
        level = {"info": "info", "warning": "warning", "critical": "error"}[severity]
        self.log(
            level,
            text,
            component="alert",
            order_id=order_id or None,
            symbol=symbol or None,
            status=code,
            correlation_id=correlation or None,
        )
