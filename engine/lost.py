"""Orders that were sent and that the broker never knew: handed to their strategy as lost, or sent once more.

By default they are handed over. Where `on_lost = "resubmit"` says so, a plain order goes again with a new id,
through gate and journal like any other, but only when a comparison has found all views in agreement after it
was given up, while its strategy runs and has not taken it back. What serves a declared position needs none of
this: the position is worked towards anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from engine.core import Core
from engine.intake import Intake
from engine.model import NS, Order, OrderType, Purpose, TimeInForce
from engine.orders_record import OrderRecord
from engine.records import SentAgain
from engine.view import EngineView

_REMEMBERED: Final = 5_000
"""Cancelled orders that are remembered; more than ever work at a time."""


class LostHooks(Protocol):
    """What is asked of the strategies' desk."""

    def knows(self, strategy: str) -> bool:
        """One of ours, and it runs."""

    def rebind(self, order_id: str, new_id: str) -> None:
        """The strategy's ref for the one means the other from now on."""

    def on_order(self, record: OrderRecord) -> None:
        """Tells the owner where its order stands."""


class LostOrders:
    """Runs on the engine's thread."""

    def __init__(self, core: Core, intake: Intake, view: EngineView, hooks: LostHooks) -> None:
        self._core = core
        self._intake = intake
        self._view = view
        self._hooks = hooks
        self._policy = {s.name: s.on_lost or core.config.orders.on_lost for s in core.config.strategies}
        self._within = int(core.config.orders.resubmit_within * NS)
        self._held: dict[str, int] = {}
        """Given up and not decided about yet, with the time until which that may take, monotonic ns."""
        self._unwanted: dict[str, None] = {}
        """Orders that somebody has asked to cancel, whatever came of it; the newest."""
        follow = intake.taken_back
        intake.taken_back = lambda order_id: self._taken_back(order_id, follow)

    def holds(self, order_id: str) -> bool:
        """Its owner is told once it is decided."""
        return order_id in self._held

    def consider(self, record: OrderRecord) -> bool:
        """Before the order is given up: True where it may be sent again, and is kept for that."""
        order, life = record.order, record.life
        asked_back = life.pending_cancel or order.id in self._unwanted
        wanted = not (asked_back or life.unanswered or life.cum or life.missing)
        plain = (
            order.purpose is Purpose.TRADE
            and order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
            and order.tif not in (TimeInForce.IOC, TimeInForce.FOK)
            and order.parent is None
            and order.oco is None
            and not self._core.books.orders.children(order.id)
        )
        if not (self._policy.get(order.strategy) == "resubmit" and plain and wanted and not record.foreign):
            return False
        self._held[order.id] = self._core.clock.mono() + self._within
        self._core.clock.call_later(self._within, self._overdue, order.id)
        return True

    def compared(self, agreed: bool) -> None:
        """After a comparison: the moment for what waits, if all views agree and trading is enabled."""
        if agreed and self._view.enabled:
            for order_id in list(self._held):
                self._send_again(order_id)

    def _send_again(self, order_id: str) -> None:
        core = self._core
        record = core.books.orders.get(order_id)
        del self._held[order_id]
        if record is None:
            return
        old = record.order
        blocked = self._view.opening_blocked(old.symbol, old.strategy)
        overdue = old.tif is TimeInForce.GTD and old.expire is not None and old.expire <= core.clock.now()
        if not record.life.is_closed or blocked or overdue or not self._hooks.knows(old.strategy):
            self._hooks.on_order(record)
            return
        new: Order = msgspec.structs.replace(
            old, id=core.ids.order_id(old.strategy), created=core.clock.now()
        )
        core.commit(SentAgain(lost=order_id, order_id=new.id), old.correlation, new.id)
        self._hooks.rebind(order_id, new.id)
        refusal = self._intake.submit(new)
        if refusal is not None:
            self._hooks.rebind(new.id, order_id)
            self._hooks.on_order(record)
            return
        core.metrics.count("resubmitted")
        core.alarm(
            "warning",
            "resubmitted",
            f"{order_id} was lost and is sent again as {new.id}",
            symbol=old.symbol,
            correlation=old.correlation,
        )

    def _let_go(self, order_id: str) -> None:
        if self._held.pop(order_id, None) is not None:
            record = self._core.books.orders.get(order_id)
            if record is not None:
                self._hooks.on_order(record)

    def _overdue(self, order_id: str) -> None:
        if self._core.clock.mono() >= self._held.get(order_id, 1 << 62):
            self._let_go(order_id)

    def _taken_back(self, order_id: str, follow: Callable[[str], None]) -> None:
        follow(order_id)
        self._unwanted[order_id] = None
        if len(self._unwanted) > _REMEMBERED:
            del self._unwanted[next(iter(self._unwanted))]
        self._let_go(order_id)
