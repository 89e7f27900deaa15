"""Which orders are open, by symbol, strategy and account, always in the order of their creation."""

from __future__ import annotations

from engine.orders_record import OrderRecord


class _Row:
    """Open orders under one name. An order that opens again takes its old place: sorted when next read."""

    __slots__ = ("_dirty", "_newest", "orders")

    def __init__(self) -> None:
        self.orders: dict[str, OrderRecord] = {}
        """By id; in no order until `records` has been asked for."""
        self._newest = 0
        self._dirty = False

    def __len__(self) -> int:
        return len(self.orders)

    def add(self, record: OrderRecord) -> None:
        if record.seq < self._newest:
            self._dirty = True
        else:
            self._newest = record.seq
        self.orders[record.order.id] = record

    def discard(self, order_id: str) -> None:
        self.orders.pop(order_id, None)

    def records(self) -> list[OrderRecord]:
        if self._dirty:
            ordered = sorted(self.orders.values(), key=lambda r: r.seq)
            self.orders = {r.order.id: r for r in ordered}
            self._dirty = False
        return list(self.orders.values())


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
        return order_id in self._all.orders

    def records(
        self, symbol: str | None = None, strategy: str | None = None, account: str | None = None
    ) -> list[OrderRecord]:
        """Open orders that fit, oldest first; a list of its own, safe to change the book while walking it."""
        row = self._only(symbol, strategy, account)
        if row is not None:
            return row.records()
        fewest = min(self._fitting(symbol, strategy, account), key=len)
        return [
            r
            for r in fewest.records()
            if (symbol is None or r.order.symbol == symbol)
            and (strategy is None or r.order.strategy == strategy)
            and (account is None or r.order.account == account)
        ]

    def count(
        self, symbol: str | None = None, strategy: str | None = None, account: str | None = None
    ) -> int:
        """How many are open; by one name without a scan."""
        row = self._only(symbol, strategy, account)
        return len(row.orders if row is not None else self.records(symbol, strategy, account))

    def _only(self, symbol: str | None, strategy: str | None, account: str | None) -> _Row | None:
        """The row of all that fit; None where more than one name is given."""
        if symbol is not None:
            return _row(self._symbols, symbol) if strategy is None and account is None else None
        if strategy is not None:
            return _row(self._strategies, strategy) if account is None else None
        return self._all if account is None else _row(self._accounts, account)

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
