"""Exposure counted anew, order by order, to hold the engine's sums against."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from engine.books import Books
from engine.model import Order, Side
from engine.orders_record import OrderRecord

_EXPOSED: Final = attrgetter("exposed")


class Recount:
    """What the orders of these books may still do. Trusts none of their sums."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._counted: tuple[int, str, list[OrderRecord]] = (-1, "", [])
        """Version of the books, symbol and orders of the last count: within one version it stays."""

    def exposure(self, symbol: str, side: Side) -> int:
        """Lots that may still be traded on one side (of an OCO group the largest)."""
        return lots_of(self.counting(symbol), side)

    def counting(self, symbol: str) -> list[OrderRecord]:
        """Orders that may still be executed. Closed ones too: of some the venue told more executions than
        have come."""
        version, orders = self._books.version, self._books.orders
        if self._counted[:2] != (version, symbol):
            closed = [r for r in filter(_EXPOSED, orders.recent_closed(400)) if r.order.symbol == symbol]
            self._counted = version, symbol, [*orders.working(symbol), *closed]
        return self._counted[2]

    def reduces(self, order: Order, lots: int) -> bool:
        """No sequence of fills lets this order, with so many lots, raise the position."""
        held = self._books.positions.qty(order.symbol)
        if held * order.side.sign >= 0:
            return False
        alike: list[OrderRecord] = []
        others: list[OrderRecord] = []
        for record in self.counting(order.symbol):
            if record.order.id == order.id:
                continue
            group = (record.order.oco, record.order.strategy) == (order.oco, order.strategy)
            (alike if order.oco is not None and group else others).append(record)
        together = max(lots, lots_of(alike, order.side))
        return lots_of(others, order.side) + together <= abs(held)


def lots_of(records: Iterable[OrderRecord], side: Side) -> int:
    """Lots that these orders may still trade on one side."""
    lots = 0
    groups: dict[tuple[str, str], int] = {}
    for record in records:
        if record.order.side is not side or record.held:
            continue
        leaves = record.life.worst_leaves
        group = record.order.oco
        if group is None:
            lots += leaves
        else:
            key = (group, record.order.strategy)
            groups[key] = max(groups.get(key, 0), leaves)
    return lots + sum(groups.values())
