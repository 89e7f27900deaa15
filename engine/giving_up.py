"""When an order, or a change of one, is given up: the broker has no such order, or a person says it is gone.

Until then an order of which nobody knows what became of it counts in the exposure, and so does the change. An
alarm tells of an order that stays so although the broker answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.facts import OrderReport
from engine.model import NS, OrderStatus, Purpose
from engine.orders_record import OrderRecord
from engine.records import LostOrder, LostReplace

if TYPE_CHECKING:
    from engine.engine import Engine

NOT_FOUND_MEANS_LOST: Final = 2
"""Answers "no such order", at least `lost_after` apart, before an order is given up: the first may have
overtaken the order itself."""
TOLD_AFTER: Final = 4
"""Questions in a row that brought nothing, after which a person is told; they wait ever longer."""


class GivingUp:
    """Runs on the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core = engine.core
        self._missing_since: dict[str, int] = {}
        orders = self._core.config.orders
        self._apart = int(max(orders.answer_after, orders.lost_after) * NS)
        self._late_since: dict[str, dict[str, int]] = {}
        """Since when each late change of an order is one, monotonic ns, by order and id of the change."""

    def not_found(self, record: OrderRecord) -> None:
        """The broker said again that it has no such order: ask for executions, then give it up."""
        order_id = record.order.id
        if record.life.is_closed:
            return
        now = self._core.clock.mono()
        if record.not_found <= 1:
            self._missing_since[order_id] = now
        since = self._missing_since.setdefault(order_id, now)
        if record.not_found < NOT_FOUND_MEANS_LOST or now - since < self._apart:
            return
        del self._missing_since[order_id]
        self._engine.reconciler.executions_first(order_id, self._give_up)

    def _give_up(self, order_id: str) -> None:
        """Executions were read and hold nothing of it."""
        record = self._core.books.orders.get(order_id)
        if record is None or record.life.is_closed or record.not_found < NOT_FOUND_MEANS_LOST:
            return
        reason = "the broker does not know it and has no execution of it"
        kept = self._engine.lost.consider(record)
        self._end(record, reason, "it may be sent again" if kept else "it was not sent again")

    def by_person(self, order_id: str, who: str, correlation: str) -> str:
        """Ends an order of which the broker does not tell. Returns why not; empty: it is over.

        Only a person can know it, by the broker's own screen or by telephone: an order that the broker once
        had and lists nowhere may have ended, or may work. What fills of it later holds its instrument.
        """
        core = self._core
        record = core.books.orders.get(order_id)
        if record is None or record.foreign:
            return f"there is no order {order_id} of ours in memory"
        if record.life.status is not OrderStatus.UNKNOWN:
            text = f"{order_id} is {record.life.status}"
            return f"{text}: only an order in doubt can be declared gone; cancel it"
        compared = self._engine.reconciler.compared.row()
        word = self._engine.reconciler.words.get(record.order.symbol, "unknown")
        if not compared.holds or word != "agree":
            why = compared.why or f"the position of {record.order.symbol} is not the broker's ({word})"
            return f"{order_id} stays in doubt: {why}; wait for that first"
        self._end(record, f"{who} says that it is gone", "it was not sent again", correlation)
        return ""

    def _end(self, record: OrderRecord, reason: str, then: str, correlation: str = "") -> None:
        core, order, was = self._core, record.order, record.life.status
        applied = core.commit(
            LostOrder(order_id=order.id, reason=reason), correlation or order.correlation, order.id
        )
        core.alarm(
            "critical" if order.purpose is Purpose.PROTECT else "warning",
            "lost_order",
            f"{order.id} is lost: {reason}; {then}",
            symbol=order.symbol,
            correlation=order.correlation,
        )
        if applied.record is not None:
            self._engine.facts.moved(applied.record, was)

    # -- changes

    def reported(self, record: OrderRecord, fact: OrderReport) -> None:
        """The broker showed an order: what it still shows without its late changes after `lost_after` they
        never reached. Nothing waits for them meanwhile, but a slow line may yet bring them (simulated seed
        7818)."""
        life, order = record.life, record.order
        if not life.late:
            self._late_since.pop(order.id, None)
            return
        now = self._core.clock.mono()
        before = self._late_since.get(order.id, {})
        since = self._late_since[order.id] = {r.id: before.get(r.id, now) for r in life.late}
        gone = tuple(ident for ident, began in since.items() if now - began >= self._apart)
        if not gone or fact.ts < life.as_of or life.status is OrderStatus.UNKNOWN:
            return
        note = LostReplace(order_id=order.id, replace_ids=gone)
        applied = self._core.commit(note, order.correlation, order.id)
        self._engine.facts.stayed(record, life.status, applied, order.correlation)
        if not record.life.late:
            self._late_since.pop(order.id, None)  # where that ended the order it is gone already

    def ended(self, order_id: str) -> None:
        """Nothing of the order is waited for any more."""
        self._missing_since.pop(order_id, None)
        self._late_since.pop(order_id, None)

    # -- what stays in doubt

    def unanswered(self, record: OrderRecord, why: str) -> None:
        """The broker was asked about an order and could not say what became of it."""
        order = record.order
        if record.life.status is not OrderStatus.UNKNOWN or record.attempts < TOLD_AFTER:
            return
        # Questions that end with the engine's own connection are no answer of the broker's.
        if self._core.link_up and not self._engine.stopping:
            self._core.alarm(
                "critical" if order.purpose is Purpose.PROTECT else "warning",
                "in_doubt",
                f"{order.id} is in doubt, and the broker cannot say what became of it: it counts in the "
                f"exposure ({why})",
                symbol=order.symbol,
                correlation=order.correlation,
                order_id=order.id,
                cause=order.id,
            )

    def settled(self, record: OrderRecord) -> None:
        """An order is in doubt no longer."""
        orders = self._core.books.orders.working(record.order.symbol)
        if not any(one.life.status is OrderStatus.UNKNOWN for one in orders):
            self._core.clear_alarms("in_doubt", record.order.symbol)
