"""What goes beyond the ordinary life of an order: busts, corrections, late fills, twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from brokers.exchange.books import Execution
from brokers.exchange.orders import VenueOrder
from engine.facts import Busted, Canceled, Corrected
from engine.model import OrderStatus

if TYPE_CHECKING:
    from brokers.exchange.desk import OrderDesk


class Revisions:
    """Takes back and changes what was reported already, by command or by fault."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk

    def bust(self, execution: Execution) -> None:
        """Takes an execution back. The lots work again only where the exchange is set so (`bust_reopens`)."""
        if execution.busted:
            return
        fill = execution.fill
        self._desk.books.bust(execution)
        self._desk.books.account(fill.key.account).unbook(fill)
        self._desk.report(fill.key.account, Busted(ts=self._desk.clock.now(), key=fill.key))
        order = None if execution.uid is None else self._desk.books.orders.get(execution.uid)
        if order is None:
            return
        if order.cum - fill.qty >= order.qty:  # it was one lot too many, and is none any more
            order.cum -= fill.qty
            self._desk.books.touch(order)
            return
        if self._desk.config.bust_reopens:
            order.cum -= fill.qty
            reopened = order.status is OrderStatus.FILLED
            if reopened or not order.closed:
                order.status = OrderStatus.PARTIAL_FILL if order.cum else OrderStatus.WORKING
            self._desk.books.touch(order)
            if reopened:
                order.seq = self._desk.books.next_seq()
                self._desk.books.reopen(order)
                self._desk.markets[order.symbol].accept(order)
            return
        self._lose_lots(order, fill.qty, "execution busted")

    def _lose_lots(self, order: VenueOrder, qty: int, reason: str) -> None:
        """`qty` filled lots are gone from an order and do not work again."""
        order.cum -= qty
        self._desk.books.touch(order)
        if not order.closed:
            order.status = OrderStatus.PARTIAL_FILL if order.cum else OrderStatus.WORKING
            self._desk.restate(order, order.qty - qty, reason)
        elif order.status is OrderStatus.FILLED and qty > 0 and order.cum < order.qty:
            order.status, order.reason = OrderStatus.CANCELED, reason
            now, bid, cum = self._desk.clock.now(), order.broker_id, order.cum
            self._desk.report_order(
                order,
                lambda oid: Canceled(
                    ts=now, order_id=oid, broker_id=bid, cum=cum, reason=reason, unsolicited=True
                ),
            )

    def correct(self, execution: Execution, price: int, qty: int | None = None) -> None:
        """Replaces an execution by one at another price (ticks) or quantity, under a new id."""
        if execution.busted:
            return
        old = execution.fill
        order = None if execution.uid is None else self._desk.books.orders.get(execution.uid)
        lots = old.qty if qty is None else qty
        new = self._desk.make_fill(old.key.account, old.symbol, old.side, lots, price, order, old.maker)
        account = self._desk.books.account(old.key.account)
        account.unbook(old)
        account.book(new)
        self._desk.books.bust(execution)
        self._desk.books.record(new, execution.uid)
        self._desk.report(old.key.account, Corrected(ts=self._desk.clock.now(), key=old.key, fill=new))
        if order is not None and lots != old.qty:
            self._lose_lots(order, old.qty - lots, "execution corrected")

    def leave_twin(self, order: VenueOrder) -> None:
        """The old order stays live under its broker id; the changed one goes on under a new one."""
        uid, broker_id, seq = self._desk.books.next_order()
        twin = msgspec.structs.replace(
            order,
            uid=uid,
            seq=seq,
            qty=order.leaves,
            cum=0,
            oco=None,
            parent=None,
            released=None,
            counted=0,
            held=False,
        )
        self._desk.books.rename(order, broker_id)
        self._desk.books.add(twin, older=True)
        self._desk.markets[order.symbol].accept(twin)

    def fill_beyond(self, order: VenueOrder, price: int) -> None:
        """One lot more than the order asked for."""
        if order.status is OrderStatus.FILLED and order.cum >= order.qty:
            self._desk.fill(order, 1, price, True)

    def fill_late(self, order: VenueOrder, qty: int) -> None:
        """A fill that happened before the cancel and is only reported now."""
        market = self._desk.markets[order.symbol]
        price = order.limit if order.limit is not None else market.mark()
        if price is not None and order.status is OrderStatus.CANCELED:
            self._desk.fill(order, min(qty, order.qty - order.cum), price, True)
