"""Deadlines by order id as pure data: arm, disarm, and take what is due, without looking at the rest."""

from __future__ import annotations

import heapq


class Timers:
    """At most one deadline (ns) per order; equal deadlines fall due in the order in which they were armed."""

    def __init__(self) -> None:
        self._at: dict[str, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._at)

    def arm(self, order_id: str, at: int) -> None:
        """Sets or moves the deadline of an order."""
        self._count += 1
        self._at[order_id] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, order_id))
        if len(self._heap) > 2 * len(self._at) + 64:
            self._heap = [(at, n, i) for i, (at, n) in self._at.items()]
            heapq.heapify(self._heap)

    def disarm(self, order_id: str) -> None:
        self._at.pop(order_id, None)

    def take_due(self, now: int) -> list[str]:
        """Ids whose deadline has come, earliest first; they are disarmed."""
        due = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, n, order_id = heapq.heappop(heap)
            if self._at.get(order_id) == (at, n):
                del self._at[order_id]
                due.append(order_id)
        return due

    def when(self, order_id: str) -> int | None:
        """The deadline of one order, ns; None where none is armed."""
        armed = self._at.get(order_id)
        return None if armed is None else armed[0]

    def next(self) -> int | None:
        """The earliest deadline, ns; None where nothing is armed."""
        heap = self._heap
        while heap:
            at, n, order_id = heap[0]
            if self._at.get(order_id) == (at, n):
                return at
            heapq.heappop(heap)
        return None

    def armed(self) -> list[str]:
        """Ids with a deadline, in the order in which they were armed."""
        return list(self._at)
