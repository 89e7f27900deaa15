"""The newest rows of a running engine's journal by id, in memory: stories without reading the disk.

A running engine holds its journal exclusively, and its rows have no index by id; so what was committed last
is kept here as it was written, as plain tuples that the collector does not have to look at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from engine.journal.rows import Row
from engine.records import AlertRaised, decode

KEPT: Final = 20_000
"""Most rows that are kept: some 4,000 orders with all that became of them, or about 12 MB."""
PARTS: Final = 40
"""Parts in which they are kept."""


class RecentRows:
    """Committed rows that carry an order id or a correlation id, and all alarms. For one thread.

    They are forgotten in parts of some hundred at a time, oldest first: to take each new row's oldest
    companion out of its lists by itself cost more than all else that is done with a row here.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._most = min(PARTS, kept)
        self._in_part = kept // self._most
        self._parts: deque[dict[str, list[tuple[object, ...]]]] = deque([{}])
        """By id; the last one is being filled."""
        self._ends: deque[int] = deque()
        """Number of the newest row of each part but the last."""
        self._filled = 0
        """Rows in the last part."""
        self._newest = 0
        """Number of the newest row."""
        self.forgotten = 0
        """Number of the newest row that is not at hand any more; 0: none."""

    def __len__(self) -> int:
        return len(self._ends) * self._in_part + self._filled

    def extend(self, rows: Iterable[Row]) -> None:
        """Takes over committed rows, in their order."""
        part = self._parts[-1]
        for row in rows:
            idents = self._idents(row)
            if not idents:
                continue
            if self._filled == self._in_part:
                self._begin_part()
                part = self._parts[-1]
            self._filled += 1
            self._newest = row.seq
            plain = tuple(row)
            for ident in idents:
                known = part.get(ident)
                if known is None:
                    part[ident] = [plain]
                else:
                    known.append(plain)

    def _begin_part(self) -> None:
        self._ends.append(self._newest)
        self._parts.append({})
        self._filled = 0
        if len(self._parts) > self._most:
            self._parts.popleft()
            self.forgotten = self._ends.popleft()

    def about(self, ident: str) -> list[Row]:
        """Rows with this order id, this correlation id, or (`#12`) of this alarm, in their order."""
        return [Row._make(plain) for part in self._parts for plain in part.get(ident, ())]

    @staticmethod
    def _idents(row: Row) -> Collection[str]:
        order_id, correlation = row.order_id, row.correlation
        if row.kind != "alert":  # three rows of each order come by here
            if not correlation or correlation == order_id:
                return (order_id,) if order_id else ()
            return (order_id, correlation) if order_id else (correlation,)
        idents = {order_id, correlation}
        try:
            record = decode(row.kind, row.body)
        except msgspec.ValidationError:  # of an older edition; it is found by its other ids
            record = None
        if isinstance(record, AlertRaised):
            idents.add(f"#{record.alert.id}")
            if record.alert.part_of:
                idents.add(f"#{record.alert.part_of}")
        return idents - {""}
