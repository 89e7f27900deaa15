"""Orders that hang together at the venue: brackets (children released by fills), OCO groups, reduce-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brokers.exchange.orders import VenueOrder
from engine.facts import Released, Suspended
from engine.model import OrderStatus

if TYPE_CHECKING:
    from brokers.exchange.desk import OrderDesk


class Groups:
    """Follows fills and endings of one order through to the orders that depend on it."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk

    def objection(self, order: VenueOrder) -> str | None:
        """Why the order's parent or group does not let it in."""
        books = self._desk.books
        if order.parent is not None:
            parent = books.find(order.account, order.parent, None)
            if parent is None:
                return f"there is no entry order {order.parent}"
            if parent.closed and parent.cum == 0:
                return f"its entry order {order.parent} ended unfilled"
        filled = books.oco_filled.get(_group(order), 0) if order.oco is not None else 0
        if filled and (filled >= order.qty or self._desk.config.oco_on_partial == "cancel"):
            return f"another order of its group {order.oco} has filled already"
        return None

    def admit(self, order: VenueOrder) -> None:
        """Sets up an order that was accepted: a child waits for its entry, a late one of a group shrinks."""
        desk = self._desk
        if order.oco is not None:
            order.cut = desk.books.oco_filled.get(_group(order), 0)
            if order.cut:
                desk.restate(order, order.qty - order.cut, f"group {order.oco} has filled {order.cut}")
        if order.parent is None:
            return
        parent = desk.books.find(order.account, order.parent, None)
        assert parent is not None
        order.released = _released(order, parent)
        if order.live <= 0:
            order.held = True
            now = desk.clock.now()
            desk.report_order(order, lambda oid: Suspended(ts=now, order_id=oid, broker_id=order.broker_id))
        elif parent.closed:
            self._fit(order, parent)

    def filled(self, order: VenueOrder, qty: int) -> None:
        """`qty` lots of the order were executed: children wake, its group shrinks, reduce-only may end."""
        if order.oco is not None:
            self._shrink_group(order, qty)
        siblings = self._linked(order)
        if order.order_id is not None:
            for child in siblings:
                if child.parent == order.order_id:
                    self._wake(child, order)
        if order.closed:
            self._fit_children(order, siblings)
        position = self._desk.books.account(order.account).position(order.symbol)
        for other in siblings:
            if other.reduce_only and not other.held and position * other.side.sign >= 0 and not other.closed:
                reason = "reduce-only: nothing left to reduce"
                self._desk.end(other, OrderStatus.CANCELED, reason, unsolicited=True)

    def ended(self, order: VenueOrder) -> None:
        """The order closed without a further fill: children of an unfilled entry go with it."""
        if order.order_id is not None:
            self._fit_children(order, self._linked(order))

    def _linked(self, order: VenueOrder) -> list[VenueOrder]:
        """Open children and reduce-only orders of the account in the order's market."""
        linked = self._desk.markets[order.symbol].linked
        return [o for o in linked.values() if o.account == order.account] if linked else []

    def _shrink_group(self, order: VenueOrder, qty: int) -> None:
        desk = self._desk
        group = _group(order)
        desk.books.oco_filled[group] = desk.books.oco_filled.get(group, 0) + qty
        for other in desk.books.open_orders(order.account):
            if other is order or other.oco != order.oco or other.closed:
                continue
            if desk.config.oco_on_partial == "cancel" or other.leaves <= qty:
                reason = f"another order of its group {order.oco} has filled"
                desk.end(other, OrderStatus.CANCELED, reason, unsolicited=True)
                continue
            other.cut += qty
            if other.released is not None:
                other.released -= qty
            desk.restate(other, other.qty - qty, f"group {order.oco} has filled {qty}")

    def _wake(self, child: VenueOrder, parent: VenueOrder) -> None:
        if child.closed:
            return
        desk = self._desk
        child.released = _released(child, parent)
        desk.books.touch(child)
        if child.live <= 0:
            return
        if child.held:
            child.held = False
            now = desk.clock.now()
            desk.report_order(child, lambda oid: Released(ts=now, order_id=oid, broker_id=child.broker_id))
        market = desk.markets[child.symbol]
        if not market.placed(child):
            market.activate(child)

    def _fit_children(self, parent: VenueOrder, siblings: list[VenueOrder]) -> None:
        for child in siblings:
            if parent.order_id is not None and child.parent == parent.order_id and not child.closed:
                self._fit(child, parent)

    def _fit(self, child: VenueOrder, parent: VenueOrder) -> None:
        """The entry is over: a child covers what it filled and no more."""
        size = max(parent.cum - child.cut, 0)
        if size <= child.cum:
            reason = f"its entry order {child.parent} ended"
            self._desk.end(child, OrderStatus.CANCELED, reason, unsolicited=True)
        elif child.qty > size:
            self._desk.restate(child, size, f"its entry order filled {parent.cum}")


def _group(order: VenueOrder) -> str:
    return f"{order.account}/{order.oco}"


def _released(child: VenueOrder, parent: VenueOrder) -> int:
    return max(parent.cum - child.cut, 0)
