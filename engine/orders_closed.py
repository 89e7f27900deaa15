"""Orders that have ended and are still in memory, in the order in which they did."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice

from engine.orders_record import OrderRecord


class ClosedOrders:
    """By id. The list of those that closed last is made once and kept until one comes or goes: comparisons,
    pictures and recounts ask for it far more often than an order ends."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, OrderRecord] = OrderedDict()
        self._newest: list[OrderRecord] | None = None
        """The first of them, newest first; None where one has come or gone since it was made."""
        self._asked = 0
        """How many were ever asked for at once: no more are listed, however many there are."""

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: OrderRecord) -> None:
        """It has ended just now. One that is there already keeps its place."""
        self._newest = None
        self._records[record.order.id] = record

    def discard(self, order_id: str) -> None:
        """It has opened again, or leaves memory."""
        self._newest = None
        self._records.pop(order_id, None)

    def pop_oldest(self) -> OrderRecord:
        """Takes out the one that ended first. Raises `KeyError` where there is none."""
        self._newest = None
        return self._records.popitem(last=False)[1]

    def newest(self, count: int) -> list[OrderRecord]:
        """Those that ended last, newest first; a list of its own."""
        found = self._newest
        if found is None or count > self._asked:
            self._asked = max(count, self._asked)
            found = self._newest = list(islice(reversed(self._records.values()), self._asked))
        return found[:count]

    def ids(self) -> tuple[str, ...]:
        """In the order in which they ended."""
        return tuple(self._records)
