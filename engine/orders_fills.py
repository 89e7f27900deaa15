"""Executions by their identity: which were seen, which are booked for whom, which were taken back.

Identities are remembered for ever, in sets of execution ids by venue, account and trading day; what an
execution said is kept only while its order is in memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from engine.model import ExecutionKey, Fill, Value
from engine.orders_record import OrderRecord


class ExecutionsImage(Value, frozen=True, kw_only=True):
    """The registry for a saved state of the books, but for the identities seen, which may be many."""

    booked: tuple[tuple[ExecutionKey, str | None, Fill], ...]
    """With the id of the order that each was booked for; all in their order."""
    loose: tuple[ExecutionKey, ...]
    busted: tuple[ExecutionKey, ...]
    successors: tuple[tuple[ExecutionKey, ExecutionKey], ...]
    corrected: frozenset[ExecutionKey]


Day = tuple[str, str, str]
"""Venue, account and trading day."""


class Executions:
    """The registry behind `OrderBook.apply_fill`, `bust` and `correct`."""

    def __init__(self, loose_kept: int) -> None:
        self._days: dict[Day, set[str]] = {}
        self._booked: dict[ExecutionKey, tuple[OrderRecord | None, Fill]] = {}
        self._loose: OrderedDict[ExecutionKey, None] = OrderedDict()
        self._loose_kept = loose_kept
        self._busted: dict[ExecutionKey, None] = {}
        self._successors: dict[ExecutionKey, ExecutionKey] = {}
        self._corrected: set[ExecutionKey] = set()
        self.count = 0
        """Identities seen."""

    def seen(self, key: ExecutionKey) -> bool:
        ids = self._days.get((key.venue, key.account, key.trading_day))
        return ids is not None and key.exec_id in ids

    def remember(self, key: ExecutionKey) -> bool:
        """Notes an identity. False where it was known."""
        day = (key.venue, key.account, key.trading_day)
        ids = self._days.get(day)
        if ids is None:
            ids = self._days[day] = set()
        before = len(ids)
        ids.add(key.exec_id)
        if len(ids) == before:
            return False
        self.count += 1
        return True

    def book(self, key: ExecutionKey, record: OrderRecord | None, fill: Fill) -> None:
        """What an identity stands for. Without a record only the latest few are kept."""
        self._booked[key] = (record, fill)
        if record is not None:
            record.keys.append(key)
            return
        self._loose[key] = None
        if len(self._loose) > self._loose_kept:
            oldest, _ = self._loose.popitem(last=False)
            self._booked.pop(oldest, None)

    def find_owner(self, broker_id: str, record: OrderRecord) -> list[Fill]:
        """Gives an order from elsewhere its executions that arrived before it; returns them in order."""
        found = []
        for key in list(self._loose):
            fill = self._booked[key][1]
            of_it = fill.order_id is None and fill.broker_id == broker_id
            if of_it and (fill.symbol, fill.side) == (record.order.symbol, record.order.side):
                self.forget(key)
                self.book(key, record, fill)
                found.append(fill)
        return found

    def booked(self, key: ExecutionKey) -> tuple[OrderRecord | None, Fill] | None:
        return self._booked.get(key)

    def forget(self, key: ExecutionKey) -> None:
        """Drops what an execution said; that it was seen stays known."""
        entry = self._booked.pop(key, None)
        if entry is not None:
            if entry[0] is None:
                self._loose.pop(key, None)
            else:
                entry[0].keys.remove(key)

    def evict(self, record: OrderRecord) -> None:
        """Drops what the executions of an order said that leaves memory."""
        for key in record.keys:
            self._booked.pop(key, None)

    def latest(self, key: ExecutionKey) -> ExecutionKey:
        """The identity under which an execution stands now, after corrections."""
        while key in self._successors:
            key = self._successors[key]
        return key

    def replace(self, old: ExecutionKey, new: ExecutionKey) -> None:
        """A correction put `new` in the place of `old`."""
        self._corrected.add(new)
        if old != new:  # `new` was never seen before, so this cannot close a circle
            self._successors[old] = new

    def contradicts(self, fill: Fill) -> bool:
        """Whether an execution that came again is not the one that is booked under its identity.

        An original that comes again after its correction says what it always said.
        """
        entry = self._booked.get(fill.key)
        if entry is None:
            return False
        ours = entry[1]
        same_order = None in (ours.order_id, fill.order_id) or ours.order_id == fill.order_id
        if not same_order or (ours.symbol, ours.side) != (fill.symbol, fill.side):
            return True
        return (ours.qty, ours.price) != (fill.qty, fill.price) and fill.key not in self._corrected

    def bust(self, key: ExecutionKey) -> bool:
        """Notes a bust. False where it was noted before."""
        if key in self._busted:
            return False
        self._busted[key] = None
        return True

    def is_busted(self, key: ExecutionKey) -> bool:
        return key in self._busted

    def image(self) -> ExecutionsImage:
        return ExecutionsImage(
            booked=tuple(
                (key, None if record is None else record.order.id, fill)
                for key, (record, fill) in self._booked.items()
            ),
            loose=tuple(self._loose),
            busted=tuple(self._busted),
            successors=tuple(self._successors.items()),
            corrected=frozenset(self._corrected),
        )

    def days(self) -> dict[Day, set[str]]:
        """Copies of the execution ids seen, by venue, account and trading day."""
        return {day: ids.copy() for day, ids in self._days.items()}

    def put_back(
        self, image: ExecutionsImage, days: dict[Day, set[str]], orders: Mapping[str, OrderRecord]
    ) -> None:
        """Takes over what an empty registry's like had. Raises `KeyError` where an order is not there."""
        self._days = days
        self.count = sum(map(len, days.values()))
        self._booked = {
            key: (None if order_id is None else orders[order_id], fill)
            for key, order_id, fill in image.booked
        }
        self._loose = OrderedDict.fromkeys(image.loose)
        self._busted = dict.fromkeys(image.busted)
        self._successors = dict(image.successors)
        self._corrected = set(image.corrected)

    def state(self) -> tuple[object, ...]:
        return (
            [(day, len(ids), _mark(ids)) for day, ids in sorted(self._days.items())],
            list(self._booked),
            list(self._busted),
            list(self._successors.items()),
        )


def _mark(ids: Iterable[str]) -> int:
    """A mark of these ids, whatever their order: sorting very many would keep the interpreter for long."""
    total = 0
    for one in ids:
        total += int.from_bytes(hashlib.blake2b(one.encode(), digest_size=16).digest())
    return total
