"""Orders at the account that are not ours: of other clients, and placed by hand in TWS.

All of them are listed when open orders are asked for. News of them come live only to the master client id,
and to client 0, to whose session TWS binds what is placed by hand: under a negative number, by which it can
be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from brokers.ib import raw
from brokers.ib.contracts import Resolved
from brokers.ib.translate import ENDED, foreign
from engine.facts import ForeignOrder
from engine.model import OrderStatus

BINDING_CLIENT: Final = 0
"""The one client id to which TWS binds orders placed by hand."""
_KEPT: Final = 4_000


class Strangers:
    """`filled_of`: lots executed under a permId. `now`: UTC ns."""

    def __init__(
        self, client_id: int, filled_of: Callable[[str | None], int], now: Callable[[], int]
    ) -> None:
        self.binds = client_id == BINDING_CLIENT
        """Whether this session asks TWS to bind what is placed by hand."""
        self._filled_of = filled_of
        self._now = now
        self._last: dict[int, tuple[raw.OpenOrder, Resolved]] = {}
        """What was last shown, by permId."""

    def new_session(self) -> None:
        """Bound numbers are those of one session."""
        for perm, (order, resolved) in self._last.items():
            self._last[perm] = order._replace(order_id=0), resolved

    def open_order(self, order: raw.OpenOrder, resolved: Resolved) -> ForeignOrder | None:
        """One as TWS shows it; the fact that it is news, None for a repeat and for what executions tell."""
        if not order.perm_id or order.status == "Filled":
            return None
        before = self._last.get(order.perm_id)
        if len(self._last) >= _KEPT:
            del self._last[next(iter(self._last))]
        self._last[order.perm_id] = order, resolved
        if before is not None and _seen(before[0]) == _seen(order):
            return None
        return self._told(order, resolved)

    def status(self, status: raw.Status) -> ForeignOrder | None:
        """An orderStatus of one that was shown: only that it has ended is news."""
        shown = self._last.get(status.perm_id)
        if shown is None or status.status not in ENDED or shown[0].status in ENDED:
            return None
        order = shown[0]._replace(status=status.status)
        self._last[status.perm_id] = order, shown[1]
        return self._told(order, shown[1])

    def number_of(self, perm: int) -> int:
        """The number by which this session can cancel it; 0 where it cannot."""
        shown = self._last.get(perm)
        if not self.binds or shown is None or shown[0].client_id != BINDING_CLIENT:
            return 0
        return shown[0].order_id

    def _told(self, order: raw.OpenOrder, resolved: Resolved) -> ForeignOrder:
        fact = foreign(order, resolved, self._filled_of(str(order.perm_id)), self._now())
        if order.status in ENDED:
            return msgspec.structs.replace(fact, status=OrderStatus.CANCELED)
        return fact


def _seen(order: raw.OpenOrder) -> tuple[object, ...]:
    return order.qty, order.limit, order.aux, order.status
