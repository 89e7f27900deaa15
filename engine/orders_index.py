"""Which orders are open, by symbol, strategy and account, always in the order of their creation."""

from __future__ import annotations

from engine.orders_record import OrderRecord


class _Row:
    """Open orders under one name. An order that opens again takes its old place: sorted when next read."""

    __slots__ = ("_dirty", "_newest", "_records")

    def __init__(self) -> None:
        self._records: dict[str, OrderRecord] = {}
        self._newest = 0
        self._dirty = False

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: OrderRecord) -> None:
        if record.seq < self._newest:
            self._dirty = True
        else:
            self._newest = record.seq
        self._records[record.order.id] = record

    def discard(self, order_id: str) -> None:
        self._records.pop(order_id, None)

    def records(self) -> list[OrderRecord]:
        if self._dirty:
            ordered = sorted(self._records.values(), key=lambda r: r.seq)
            self._records = {r.order.id: r for r in ordered}
            self._dirty = False
        return list(self._records.values())


class OpenIndex:
    """Open orders, counted and listed without a scan of the closed ones."""

    def __init__(self) -> None:
        self._all = _Row()
        self._symbols: dict[str, _Row] = {}
        self._strategies: dict[str, _Row] = {}
        self._accounts: dict[str, _Row] = {}

    def _rows(self, record: OrderRecord) -> tuple[_Row, _Row, _Row, _Row]:
        order = record.order
        return (
            self._all,
            _row(self._symbols, order.symbol),
            _row(self._strategies, order.strategy),
            _row(self._accounts, order.account),
        )

    def add(self, record: OrderRecord) -> None:
        for row in self._rows(record):
            row.add(record)

    def discard(self, record: OrderRecord) -> None:
        order_id = record.order.id
        for row in self._rows(record):
            row.discard(order_id)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._all._records

    def records(
        self, symbol: str | None = None, strategy: str | None = None, account: str | None = None
    ) -> list[OrderRecord]:
        """Open orders that fit, oldest first; a list of its own, safe to change the book while walking it."""
        rows = self._fitting(symbol, strategy, account)
        if not rows:
            return self._all.records()
        rows.sort(key=len)
        found = rows[0].records()
        if len(rows) == 1:
            return found
        return [
            r
            for r in found
            if (symbol is None or r.order.symbol == symbol)
            and (strategy is None or r.order.strategy == strategy)
            and (account is None or r.order.account == account)
        ]

    def count(
        self, symbol: str | None = None, strategy: str | None = None, account: str | None = None
    ) -> int:
        """How many are open; by one name without a scan."""
        rows = self._fitting(symbol, strategy, account)
        if not rows:
            return len(self._all)
        return len(rows[0]) if len(rows) == 1 else len(self.records(symbol, strategy, account))

    def _fitting(self, symbol: str | None, strategy: str | None, account: str | None) -> list[_Row]:
        rows = []
        if symbol is not None:
            rows.append(_row(self._symbols, symbol))
        if strategy is not None:
            rows.append(_row(self._strategies, strategy))
        if account is not None:
            rows.append(_row(self._accounts, account))
        return rows


def _row(table: dict[str, _Row], name: str) -> _Row:
    row = table.get(name)
    if row is None:
        row = table[name] = _Row()
    return row
