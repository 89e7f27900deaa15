"""The gateway's orders by all their names, and the counters of ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from brokers.loopback.tws.order import TwsOrder
from brokers.loopback.tws.store import Store

_FIRST_PERM: Final = 1_100_000_001
"""Permanent ids begin high, so that nobody mistakes one for an order id."""


class OrderBook:
    """Orders by (client id, order id), permanent id, and (exchange id, broker id)."""

    def __init__(self) -> None:
        self._orders: dict[int, TwsOrder] = {}
        self._open: dict[int, TwsOrder] = {}
        """Those that are not done; one that is done leaves with its next save."""
        self._by_xid: dict[str, list[TwsOrder]] = {}
        self._by_client: dict[tuple[int, int], TwsOrder] = {}
        self._used: dict[int, int] = {}
        """Highest order id by client."""
        self._perm = _FIRST_PERM
        self._negative = 0
        self._store: Store | None = None

    # -- ids

    def next_perm(self) -> int:
        self._perm += 1
        return self._perm - 1

    def next_negative(self) -> int:
        self._negative -= 1
        return self._negative

    def next_valid_id(self, client_id: int) -> int:
        return self._used.get(client_id, 0) + 1

    def was_used(self, client_id: int, order_id: int) -> bool:
        """True for an id that the client has used, or has passed by."""
        return order_id <= self._used.get(client_id, 0)

    def reissue_ids(self, client_id: int, next_id: int = 1) -> None:
        """The server hands ids out again from `next_id` on: orders of theirs that are known stay live, but
        the client's number now means whatever it places next."""
        self._used[client_id] = next_id - 1
        for key in [k for k in self._by_client if k[0] == client_id and k[1] >= next_id]:
            del self._by_client[key]

    # -- orders

    def add(self, order: TwsOrder) -> None:
        """Takes an order in under all its names; of two with one number the later one has it."""
        self._orders[order.perm_id] = order
        self._by_xid.setdefault(order.xid, []).append(order)
        if not order.done:
            self._open[order.perm_id] = order
        if order.order_id > 0:
            self._by_client[order.client_id, order.order_id] = order
            self._used[order.client_id] = max(self._used.get(order.client_id, 0), order.order_id)
        self.save(order)

    def find(self, client_id: int, order_id: int) -> TwsOrder | None:
        """The client's order with that number; for client 0 also a manual one that it has bound."""
        if order_id < 0 and client_id == 0:
            return next((o for o in self._by_xid.get("", ()) if o.order_id == order_id), None)
        return self._by_client.get((client_id, order_id))

    def by_perm(self, perm_id: int) -> TwsOrder | None:
        return self._orders.get(perm_id)

    def at_exchange(self, xid: str, broker_id: str | None) -> TwsOrder | None:
        """The order behind an exchange's report: that with the broker's id, else the first with ours. `xid`
        is empty for a manual order, which goes by the broker's id alone."""
        same = self._by_xid.get(xid, ())
        for order in same:
            if broker_id is not None and order.broker_id == broker_id:
                return order
        return same[0] if xid and same else None

    def all(self) -> list[TwsOrder]:
        """Every order that is remembered, oldest first."""
        return list(self._orders.values())

    def open(self, account: str | None = None) -> list[TwsOrder]:
        return [o for o in self._open.values() if not o.done and account in (None, o.account)]

    def reopen(self, order: TwsOrder) -> None:
        """An order that was over works again."""
        self._open[order.perm_id] = order

    def completed(self) -> Iterator[TwsOrder]:
        return (o for o in self._orders.values() if o.done and (o.live or o.cum or o.foreign))

    def forget(self, *, ids: bool, orders: bool) -> None:
        """A restart that forgets: what is over, and on request everything else."""
        for order in list(self._orders.values()):
            if orders or order.done:
                del self._orders[order.perm_id]
                self._open.pop(order.perm_id, None)
                self._by_xid[order.xid].remove(order)
                if self._store is not None:
                    self._store.forget_order(order)
                self._by_client.pop((order.client_id, order.order_id), None)
        if ids:
            self._used.clear()
            for order in self._orders.values():
                if order.order_id > 0:
                    self._used[order.client_id] = max(self._used.get(order.client_id, 0), order.order_id)

    # -- on disk

    def load(self, store: Store) -> None:
        """Keeps the orders in a file from now on, and takes over what it has."""
        for order in store.orders():
            self.add(order)
            self._negative = min(self._negative, order.order_id)
            self._perm = max(self._perm, order.perm_id + 1)
        self._store = store

    def save(self, order: TwsOrder) -> None:
        """After every change."""
        if order.done:
            self._open.pop(order.perm_id, None)
        if self._store is not None:
            self._store.save_order(order)
