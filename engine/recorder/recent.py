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
"""Rows that are kept: some 4,000 orders with all that became of them, or about 12 MB."""


class RecentRows:
    """Committed rows that carry an order id or a correlation id, and all alarms. For one thread."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._rows: deque[tuple[object, ...]] = deque()
        self._by_id: dict[str, list[tuple[object, ...]]] = {}
        self.forgotten = 0
        """Number of the newest row that is not at hand any more; 0: none."""

    def __len__(self) -> int:
        return len(self._rows)

    def extend(self, rows: Iterable[Row]) -> None:
        """Takes over committed rows, in their order."""
        for row in rows:
            if row.order_id or row.correlation or row.kind == "alert":
                plain = tuple(row)
                self._rows.append(plain)
                for ident in self._idents(row):
                    known = self._by_id.get(ident)
                    if known is None:
                        self._by_id[ident] = [plain]
                    else:
                        known.append(plain)
        while len(self._rows) > self._kept:
            self._forget(Row._make(self._rows.popleft()))

    def about(self, ident: str) -> list[Row]:
        """Rows with this order id, this correlation id, or (`#12`) of this alarm, in their order."""
        return [Row._make(plain) for plain in self._by_id.get(ident, ())]

    def _forget(self, row: Row) -> None:
        self.forgotten = row.seq
        for ident in self._idents(row):
            rows = self._by_id[ident]
            del rows[0]
            if not rows:
                del self._by_id[ident]

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
