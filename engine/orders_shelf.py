"""The shelf under the order book: records by every name, open and closed, exposure, deadlines.

`_moved` is the one place where an order's life changes; it brings everything that is kept by differences up
to the new life, at a cost that does not depend on the number of orders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from engine.config import OrderConfig
from engine.lifecycle_types import OrderLife, born, evolve
from engine.model import ExecutionKey, Fill, Order, OrderType, Side, Value
from engine.orders_closed import ClosedOrders
from engine.orders_evicted import Evicted, EvictedImage
from engine.orders_exposure import ExposureBook, OwnPrices
from engine.orders_fills import Day, Executions, ExecutionsImage
from engine.orders_index import OpenIndex
from engine.orders_names import BrokerNames
from engine.orders_record import Exposure, InFlight, OrderRecord, RecordImage
from engine.orders_watch import Watch

_STOP_LIMIT: Final = OrderType.STOP_LIMIT
"""Under a name of its own, as below: to look one up in an enumeration takes as long as ten other steps."""
_BUY: Final = Side.BUY


class OrdersImage(Value, frozen=True, kw_only=True):
    """The order book for a saved state, without what may be many: the orders that left memory, and the
    identities of executions."""

    seq: int
    duplicates: int
    records: tuple[RecordImage, ...]
    """In the order of their creation."""
    closed: tuple[str, ...]
    """Ids of the closed ones, in the order in which they closed."""
    children: dict[str, list[str]]
    groups: dict[str, list[str]]
    local_expiry: frozenset[str]
    doubtful: frozenset[str]
    executions: ExecutionsImage


class OrderShelf:
    """Everything in the order book that is not about news from outside."""

    def __init__(self, config: OrderConfig, account: str = "") -> None:
        self._config = config
        self._account = account
        self._orders: dict[str, OrderRecord] = {}
        self._names = BrokerNames()
        self._children: dict[str, list[str]] = {}
        self._groups: dict[str, list[str]] = {}
        self._index = OpenIndex()
        self._closed = ClosedOrders()
        self._evicted = Evicted()
        """Orders that left memory: whose they are."""
        self._exposure = ExposureBook()
        self._prices = OwnPrices()
        self._executions = Executions(config.closed_in_memory)
        self._watch = Watch(config)
        self._local_expiry: set[str] = set()
        self._seq = 0
        self.duplicates = 0
        """Executions, busts and corrections that came again and were ignored."""

    # -- orders in

    def add(self, order: Order, now: int, *, held: bool = False, local_expiry: bool = True) -> OrderRecord:
        """Takes an order that is recorded and about to be sent; it counts from this moment.

        `held`: a bracket's child that waits here for its parent's fills: no exposure, no deadline, until
        `release`. `local_expiry`: the engine keeps a GTD order's date. An id that is known already gives the
        record that is there (ids are unique for ever, so it is the same order again).
        """
        known = self._orders.get(order.id)
        if known is not None:
            return known
        record = self._enter(order, born(order), now, held=held)
        if local_expiry:
            self._local_expiry.add(order.id)
        self._opened(record, now)
        return record

    def release(self, order: Order, now: int) -> OrderRecord | None:
        """A held child goes to the venue on these terms; None where there is no such child."""
        record = self._orders.get(order.id)
        if record is None or not record.held:
            return None
        record.held = False
        record.order = order
        record.drawn = None
        life = evolve(record.life, qty=order.qty, limit=order.limit, stop=order.stop)
        self._moved(record, life, now, asked=True)
        return record

    def _enter(
        self, order: Order, life: OrderLife, now: int, *, held: bool = False, foreign: bool = False
    ) -> OrderRecord:
        self._seq += 1
        record = OrderRecord(order, life, self._seq, now, foreign=foreign, held=held)
        self._orders[order.id] = record
        if order.parent is not None:
            self._children.setdefault(order.parent, []).append(order.id)
        if order.oco is not None:
            self._groups.setdefault(order.oco, []).append(order.id)
        return record

    def _opened(self, record: OrderRecord, now: int) -> None:
        """Enters a new record into every index by what its life says."""
        if record.life.is_closed:
            record.closed = now
            self._closed.add(record)
        else:
            self._index.add(record)
            self._watch.opened(record, record.order.id in self._local_expiry)
        self._refresh(record, now, asked=False)

    # -- looking

    def get(self, order_id: str) -> OrderRecord | None:
        """An order in memory: open, or closed not long ago."""
        return self._orders.get(order_id)

    def by_broker_id(self, broker_id: str) -> OrderRecord | None:
        """The order that got the broker's id last."""
        return self._names.newest(broker_id)

    def broker_name(self, record: OrderRecord) -> str | None:
        """The broker's id by which a request may name an order: None where that was given out again and the
        order has a name of ours, which the broker knows it by. That name does not do where the order has had
        several ids: a replace may have left two under it. The id is given then, unless a third one has it."""
        broker_id = record.life.broker_id
        if broker_id is None or record.foreign or not self._names.is_shared(broker_id):
            return broker_id
        return broker_id if len(record.brokers) > 1 and self._names.is_free(broker_id, record) else None

    def is_evicted(self, order_id: str) -> bool:
        """True for an order of ours that ended long ago; the journal has it."""
        return order_id in self._evicted

    def working(self, symbol: str | None = None, strategy: str | None = None) -> list[OrderRecord]:
        """Open orders in the order of their creation, UNKNOWN, foreign and held ones included."""
        return self._index.records(symbol, strategy)

    def rehold(self, order: Order, now: int) -> OrderRecord | None:
        """A held child waits on other terms from now on; None where there is no such child."""
        record = self._orders.get(order.id)
        if record is None or not record.held:
            return None
        record.order = order
        record.drawn = None
        life = evolve(record.life, qty=order.qty, limit=order.limit, stop=order.stop)
        self._moved(record, life, now)
        return record

    def rename(self, old: str, new: str, now: int) -> OrderRecord | None:
        """A held child goes on under another id; None where there is no such child, or the id is taken."""
        record = self._orders.get(old)
        if record is None or not record.held or new in self._orders:
            return None
        local_expiry = old in self._local_expiry
        self._index.discard(record)
        self._watch.ended(record)
        self._remove(record)
        return self.add(evolve(record.order, id=new), now, held=True, local_expiry=local_expiry)

    def at_venue(self) -> list[OrderRecord]:
        """`working` without the children that wait here."""
        return [record for record in self.working() if not record.held]

    def known(self) -> Iterable[OrderRecord]:
        """Every order in memory, in the order of their creation."""
        return self._orders.values()

    def recent_closed(self, count: int) -> list[OrderRecord]:
        """The orders that closed last, newest first."""
        return self._closed.newest(count)

    def open_count(
        self, symbol: str | None = None, strategy: str | None = None, account: str | None = None
    ) -> int:
        """How many orders are open."""
        return self._index.count(symbol, strategy, account)

    def children(self, parent: str) -> list[OrderRecord]:
        """The bracket children of an entry order, in the order of their creation."""
        return [r for r in map(self._orders.get, self._children.get(parent, ())) if r is not None]

    def group(self, oco: str) -> list[OrderRecord]:
        """The members of an OCO group, in the order of their creation."""
        return [r for r in map(self._orders.get, self._groups.get(oco, ())) if r is not None]

    # -- exposure

    def exposure(self, symbol: str) -> Exposure:
        """Worst-case lots that all orders of a symbol may still buy and sell."""
        return self._exposure.of_symbol(symbol)

    def strategy_exposure(self, strategy: str, symbol: str) -> Exposure:
        return self._exposure.of_strategy(strategy, symbol)

    def flatten_exposure(self, symbol: str) -> Exposure:
        """The part of `exposure` that belongs to the flatten procedure."""
        return self._exposure.of_flatten(symbol)

    def oco_exposure(self, group: str, symbol: str, side: Side) -> int:
        """The part of one side's `exposure` that belongs to an OCO group: its largest member."""
        strategies = dict.fromkeys(r.order.strategy for r in self.group(group))
        return self._exposure.of_group(group, symbol, strategies, side)

    def contribution(self, order_id: str) -> int:
        """Lots by which `exposure` would fall without this order; less than its own in an OCO group."""
        record = self._orders.get(order_id)
        if record is None:
            return 0
        return max(0, record.exposed - self._exposure.others_in_group(record.order))

    def exposed_symbols(self) -> list[str]:
        """Symbols in which anything may still be filled, sorted."""
        return self._exposure.symbols()

    def own_best(self, symbol: str, side: Side) -> int | None:
        """The most aggressive limit of our own open orders, in flight included, ticks."""
        return self._prices.best(symbol, side)

    # -- changes

    def _moved(self, record: OrderRecord, life: OrderLife, now: int, *, asked: bool = False) -> None:
        before = record.life
        if life is before:
            if asked:  # it left just now: nothing but what is waited for has changed
                record.drawn = None
                self._watch.follow(record, now, asked=True)
            return
        record.life = life
        record.drawn = None
        was_closed = before.is_closed
        if life.is_closed is not was_closed:
            if was_closed:
                record.closed = 0
                self._closed.discard(record.order.id)
                self._index.add(record)
                self._watch.opened(record, record.order.id in self._local_expiry)
                if life.cum:
                    self._watch.filled(record)
            else:
                record.closed = now
                record.held = False
                self._index.discard(record)
                self._watch.ended(record)
                self._closed.add(record)
        self._refresh(record, now, asked=asked)
        if not was_closed and record.closed and len(self._closed) > self._config.closed_in_memory:
            self._evict()

    def _refresh(self, record: OrderRecord, now: int, *, asked: bool) -> None:
        """Brings everything that is kept by differences up to the record's life."""
        life, order = record.life, record.order
        lots = 0 if record.held else life.worst_leaves
        if lots != record.exposed:
            self._exposure.put(order, record.exposed, lots)
            record.exposed = lots
        price = self._own_price(record)
        if price != record.own_price:
            self._prices.change(record, price)
        if life.broker_id is not None:
            self._names.bind(life.broker_id, record)
        self._watch.follow(record, now, asked=asked)

    @staticmethod
    def _own_price(record: OrderRecord) -> int | None:
        """The most aggressive limit at which an order may rest; None for what rests nowhere."""
        life, order = record.life, record.order
        limit = life.limit
        if limit is None or record.held or life.is_closed:
            return None
        if order.type is _STOP_LIMIT and not life.triggered:
            return None
        if not life.replaces and not life.late:
            return limit
        limits = [limit, *(r.limit for r in life.unanswered if r.limit is not None)]
        return max(limits) if order.side is _BUY else min(limits)

    # -- deadlines

    def due(self, now: int) -> list[InFlight]:
        """Submits, cancels, replaces and doubts unanswered for too long; asks again with a doubled wait."""
        return self._watch.due(now, self._orders.get)

    def remainders_due(self, now: int) -> list[str]:
        """Ids of partly filled orders whose rest the policy cancels now."""
        return self._watch.remainders_due(now, self._orders.get)

    def expiries_due(self, now: int) -> list[str]:
        """Ids of GTD orders past their date, where the engine keeps the date."""
        return self._watch.expiries_due(now, self._orders.get)

    def in_flight(self) -> int:
        """How many orders wait for an answer of the venue, or are in doubt."""
        return self._watch.in_flight

    def hurry(self, now: int) -> None:
        """Makes everything unanswered due at once: after a reconnect the broker can be asked again."""
        self._watch.hurry(now, self._orders.get)

    def next_due(self) -> int | None:
        """Earliest time at which `due`, `remainders_due` or `expiries_due` may have something, ns."""
        return self._watch.next_due()

    # -- memory

    def knows(self, key: ExecutionKey) -> bool:
        """Whether an execution was ever taken, booked or busted: reading it again brings nothing new."""
        return self._executions.seen(key) or self._executions.is_busted(key)

    def booked(self, key: ExecutionKey) -> Fill | None:
        """An execution as it counts now; None where it does not (a corrected one counts under its new id), or
        its order has left memory."""
        entry = self._executions.booked(key)
        return entry[1] if entry is not None else None

    def owner(self, key: ExecutionKey) -> OrderRecord | None:
        """The order in memory that an execution was booked for."""
        entry = self._executions.booked(self._executions.latest(key))
        return entry[0] if entry is not None else None

    def evicted_owner(self, order_id: str) -> str | None:
        """The strategy of an order that ended long ago; None where there is no such order."""
        return self._evicted.get(order_id)

    def _evict(self) -> None:
        """Lets the oldest closed orders go, but none whose executions are missing or whose children live."""
        tries = len(self._closed) - self._config.closed_in_memory
        for _ in range(min(tries, 8)):
            record = self._closed.pop_oldest()
            needed = record.exposed or any(not c.life.is_closed for c in self.children(record.order.id))
            if needed:
                self._closed.add(record)
                continue
            self._forget(record)

    def drop(self, order_id: str) -> None:
        """Takes a closed order out as if it had never been: its record could not be stored."""
        record = self._orders.get(order_id)
        if record is not None and record.life.is_closed and not record.keys:
            self._closed.discard(order_id)
            self._remove(record)

    def _forget(self, record: OrderRecord) -> None:
        self._executions.evict(record)
        self._evicted.add(record.order.id, record.order.strategy)
        self._remove(record)

    def _remove(self, record: OrderRecord) -> None:
        order = record.order
        del self._orders[order.id]
        self._local_expiry.discard(order.id)
        self._children.pop(order.id, None)
        for table, name in ((self._children, order.parent), (self._groups, order.oco)):
            members = table.get(name) if name is not None else None
            if name is not None and members is not None:
                members.remove(order.id)
                if not members:
                    del table[name]
        self._names.drop(record)

    def image(self) -> OrdersImage:
        """What a fold over the journal has put here, without `evicted` and `days`."""
        return OrdersImage(
            seq=self._seq,
            duplicates=self.duplicates,
            records=tuple(record.image() for record in self._orders.values()),
            closed=self._closed.ids(),
            children={parent: list(ids) for parent, ids in self._children.items()},
            groups={oco: list(ids) for oco, ids in self._groups.items()},
            local_expiry=frozenset(self._local_expiry),
            doubtful=self._names.doubtful(),
            executions=self._executions.image(),
        )

    def evicted(self) -> EvictedImage:
        """The orders that ended long ago."""
        return self._evicted.image()

    def days(self) -> dict[Day, set[str]]:
        """Copies of the identities of all executions ever seen."""
        return self._executions.days()

    def put_back(self, image: OrdersImage, evicted: EvictedImage, days: dict[Day, set[str]]) -> None:
        """Fills an empty book with a saved state; what is kept by differences is entered anew. Raises
        `KeyError` where the parts of the image do not fit each other."""
        self._seq, self.duplicates = image.seq, image.duplicates
        self._evicted.put_back(evicted)
        self._local_expiry = set(image.local_expiry)
        self._children = {parent: list(ids) for parent, ids in image.children.items()}
        self._groups = {oco: list(ids) for oco, ids in image.groups.items()}
        self._orders = {one.order.id: OrderRecord.of(one) for one in image.records}
        for record in self._orders.values():
            self._exposure.put(record.order, 0, record.exposed)
            self._prices.change(record, self._own_price(record))
            if not record.life.is_closed:
                self._index.add(record)
                self._watch.put_back(record, record.order.id in self._local_expiry)
        for order_id in image.closed:
            self._closed.add(self._orders[order_id])
        self._names.put_back(self._orders.values(), image.doubtful)
        self._executions.put_back(image.executions, days, self._orders)

    def digest(self) -> str:
        """Hash over all that the same events must bring about again. It is made bit by bit, so that nobody
        who makes it beside a running engine keeps the interpreter for long."""
        found = hashlib.sha256()
        for record in self._orders.values():
            found.update(msgspec.msgpack.encode(record.state()))
        for evicted in self._evicted.state():
            found.update(repr(evicted).encode())
        for part in (*self._executions.state(), self._exposure.state(), self.duplicates):
            found.update(repr(part).encode())
        return found.hexdigest()
