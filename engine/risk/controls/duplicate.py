"""Duplicate orders: the same id never twice, the same order not again within a short time."""

from __future__ import annotations

from typing import Final

from engine.model import OrderStatus, Purpose
from engine.risk.ask import Ask
from engine.risk.control import Control, Refusal, ns
from engine.risk.view import RiskView

REMEMBERED: Final = 4096
"""Different orders that are remembered before old ones are forgotten."""

_TRADE: Final = Purpose.TRADE
_Key = tuple[str, str, str, str, int, int | None, int | None]


class Duplicates(Control):
    """A second order of one strategy with the same symbol, side, type, size and prices inside the window is
    taken for a repeat; and for as long as the outcome of the first is UNKNOWN, however long that is, because
    that is what a blind retry after a time-out looks like."""

    name = "duplicate"
    title = "Duplicate orders"
    quiet = True
    opening_only = False

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[_Key, tuple[int, str]] = {}
        self._window = 0

    @staticmethod
    def _key(ask: Ask) -> _Key:
        return (ask.strategy, ask.symbol, ask.side, ask.type, ask.qty, ask.limit, ask.stop)

    def check(self, ask: Ask, view: RiskView) -> Refusal | None:
        if ask.standing is not None:
            return None
        if view.order(ask.order.id) is not None:
            return self.refusal(f"the order id {ask.order.id} was used before; ids are never used twice")
        self._window = window = ns(ask.limits.duplicate_window)
        if window == 0 or ask.purpose is not _TRADE:
            return None
        before = self._seen.get(self._key(ask))
        if before is None:
            return None
        at, order_id = before
        if ask.mono - at < window:
            return self.refusal(
                f"the same order was sent {(ask.mono - at) // 1_000_000} ms ago as {order_id}; "
                f"wait {ask.limits.duplicate_window:g} s if you mean it",
                ask.symbol,
                at + window,
            )
        standing = view.order(order_id)
        if standing is not None and standing.status is OrderStatus.UNKNOWN:
            return self.refusal(
                f"the same order was sent as {order_id} and its outcome is not known; wait for the answer",
                ask.symbol,
            )
        return None

    def approved(self, ask: Ask, view: RiskView) -> None:
        if ask.standing is not None or ask.purpose is not _TRADE:
            return
        seen = self._seen
        key = self._key(ask)
        seen.pop(key, None)
        seen[key] = (ask.mono, ask.order.id)
        if len(seen) > REMEMBERED:
            self._forget(ask.mono, view)

    def _forget(self, mono: int, view: RiskView) -> None:
        """Drops what is past the window and has an outcome; oldest first."""
        for key, (at, order_id) in list(self._seen.items()):
            if mono - at < self._window:
                break
            standing = view.order(order_id)
            if standing is None or standing.status is not OrderStatus.UNKNOWN:
                del self._seen[key]
