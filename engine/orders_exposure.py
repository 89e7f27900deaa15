"""Worst-case exposure and own best prices, kept up to date by differences: no look-up scans the orders."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final, TypeVar

from engine.model import Order, Purpose, Side
from engine.orders_record import Exposure, OrderRecord

_NONE: Final = Exposure(0, 0)
_BUY: Final = Side.BUY
"""Under a name of its own, as below: to look one up in an enumeration takes as long as ten other steps."""
_FLATTEN: Final = Purpose.FLATTEN
Key = TypeVar("Key")


class ExposureBook:
    """Lots that may still be filled by symbol, by strategy and symbol, and by OCO group.

    Of an OCO group only the largest member of a strategy, symbol and side counts: one cancels the others.
    """

    def __init__(self) -> None:
        self._symbols: dict[str, Exposure] = {}
        self._strategies: dict[tuple[str, str], Exposure] = {}
        self._flatten: dict[str, Exposure] = {}
        self._groups: dict[tuple[str, str, str, Side], dict[str, int]] = {}

    def put(self, order: Order, before: int, after: int) -> None:
        """The order's own worst case changed from `before` to `after` lots."""
        if order.oco is not None:
            delta = self._group_delta(order, after)
        else:
            delta = after - before
        if delta:
            buys = order.side is _BUY
            _add(self._symbols, order.symbol, buys, delta)
            _add(self._strategies, (order.strategy, order.symbol), buys, delta)
            if order.purpose is _FLATTEN:
                _add(self._flatten, order.symbol, buys, delta)

    def _group_delta(self, order: Order, after: int) -> int:
        assert order.oco is not None
        key = (order.oco, order.symbol, order.strategy, order.side)
        members = self._groups.setdefault(key, {})
        largest = max(members.values(), default=0)
        if after:
            members[order.id] = after
        else:
            members.pop(order.id, None)
            if not members:
                del self._groups[key]
        return max(members.values(), default=0) - largest

    def of_symbol(self, symbol: str) -> Exposure:
        return self._symbols.get(symbol, _NONE)

    def of_strategy(self, strategy: str, symbol: str) -> Exposure:
        return self._strategies.get((strategy, symbol), _NONE)

    def of_flatten(self, symbol: str) -> Exposure:
        return self._flatten.get(symbol, _NONE)

    def of_group(self, group: str, symbol: str, strategies: Iterable[str], side: Side) -> int:
        """Lots that a group adds to one side of a symbol, over these strategies."""
        total = 0
        for strategy in strategies:
            members = self._groups.get((group, symbol, strategy, side))
            if members:
                total += max(members.values())
        return total

    def others_in_group(self, order: Order) -> int:
        """The largest worst case among the other members of an order's group."""
        if order.oco is None:
            return 0
        members = self._groups.get((order.oco, order.symbol, order.strategy, order.side), {})
        return max((lots for member, lots in members.items() if member != order.id), default=0)

    def symbols(self) -> list[str]:
        """Symbols with any exposure, sorted."""
        return sorted(s for s, sides in self._symbols.items() if sides[0] or sides[1])

    def state(self) -> tuple[object, ...]:
        return (
            sorted((s, *sides) for s, sides in self._symbols.items() if any(sides)),
            sorted((*k, *sides) for k, sides in self._strategies.items() if any(sides)),
        )


def _add(table: dict[Key, Exposure], key: Key, buys: bool, delta: int) -> None:
    buy, sell = table.get(key, _NONE)
    table[key] = Exposure(buy + delta, sell) if buys else Exposure(buy, sell + delta)


class OwnPrices:
    """The most aggressive limit among our own open orders, by symbol and side."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Side], dict[int, int]] = {}
        self._heaps: dict[tuple[str, Side], list[int]] = {}

    def change(self, record: OrderRecord, price: int | None) -> None:
        """The order now stands at `price` ticks; None: nowhere."""
        old = record.own_price
        if old == price:
            return
        order = record.order
        key = (order.symbol, order.side)
        record.own_price = price
        counts = self._counts.setdefault(key, {})
        if old is not None:
            left = counts[old] - 1
            if left:
                counts[old] = left
            else:
                del counts[old]
        if price is not None:
            known = counts.get(price, 0)
            counts[price] = known + 1
            if not known:
                heap = self._heaps.setdefault(key, [])
                heapq.heappush(heap, -price if order.side is _BUY else price)

    def best(self, symbol: str, side: Side) -> int | None:
        """Highest own buy or lowest own sell in ticks; None where there is none."""
        key = (symbol, side)
        heap = self._heaps.get(key)
        if not heap:
            return None
        counts = self._counts[key]
        sign = -1 if side is _BUY else 1
        while heap and sign * heap[0] not in counts:
            heapq.heappop(heap)
        return sign * heap[0] if heap else None
