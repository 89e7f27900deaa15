"""The orders that protect a month which is being left: they are fitted to what is left of it.

A bracket that the engine works shrinks by `engine.grouping`; one that the venue works would stand at its
size, and its stop would open a position where none is left. Only the children of brackets are touched, and
only once their entry is over: a stop that somebody placed alone may be meant for more, and is told of.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.core import Core
from engine.intake import Intake
from engine.model import NS, OrderStatus, OrderType, Purpose, Replace, Side
from engine.orders_record import OrderRecord
from engine.replacing import Replacer

_STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
_AGAIN: Final = NS
"""ns after which the same is asked for once more."""


class Fit(NamedTuple):
    """What a protective order is to be brought to; 0 lots: it is cancelled."""

    record: OrderRecord
    leaves: int


def guards(core: Core, symbol: str, side: Side) -> list[OrderRecord]:
    """Our orders that protect a position by orders on this side, oldest first."""
    return [
        r
        for r in core.books.orders.working(symbol)
        if not r.foreign
        and r.order.side is side
        and (r.order.purpose is Purpose.PROTECT or r.order.type in _STOPS)
    ]


def fits(records: list[OrderRecord], left: int) -> list[Fit]:
    """Children of brackets whose lots, of stops and of targets each, go beyond the `left` that are held; the
    oldest keep theirs."""
    found = []
    room = {True: max(0, left), False: max(0, left)}
    for record in records:
        if record.order.parent is None or record.order.emulated or record.held:
            continue
        is_stop = record.order.type in _STOPS
        leaves = record.life.worst_leaves
        kept = min(leaves, room[is_stop])
        room[is_stop] -= kept
        if kept < leaves:
            found.append(Fit(record, kept))
    return found


class Guarding:
    """Carries it out. Runs on the engine's thread."""

    def __init__(self, core: Core, intake: Intake, replacer: Replacer) -> None:
        self._core = core
        self._intake = intake
        self._replacer = replacer
        self._tried: dict[str, tuple[int, int]] = {}
        """What an order was last to be brought to, and when, monotonic ns."""

    def fit(self, symbol: str, side: Side, left: int, correlation: str) -> bool:
        """Asks for what is not asked for yet. True where something still stands beyond what is left."""
        mono = self._core.clock.mono()
        orders = self._core.books.orders
        over = []
        for child in guards(self._core, symbol, side):
            entry = orders.get(child.order.parent or "")
            if entry is None or entry.life.is_closed:
                over.append(child)
        open_fits = fits(over, left)
        for record, leaves in open_fits:
            order_id, life = record.order.id, record.life
            last, at = self._tried.get(order_id, (-1, 0))
            waits = life.pending_cancel or life.replaces or life.status is OrderStatus.UNKNOWN
            if waits or (last == leaves and mono - at < _AGAIN):
                continue
            self._tried[order_id] = leaves, mono
            if not leaves:
                self._intake.cancel(order_id, correlation)
                continue
            change = Replace(
                id=self._core.ids.order_id(record.order.strategy),
                order_id=order_id,
                qty=life.cum + leaves,
                limit=life.limit,
                stop=life.stop,
                correlation=record.order.correlation,
                created=self._core.clock.now(),
            )
            self._replacer.replace(change)
        return bool(open_fits)

    def forget(self) -> None:
        """Nothing is being rolled any more."""
        self._tried.clear()
