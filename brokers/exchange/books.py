"""The exchange's own books: accounts, orders, executions, counters, and what changed since the last save."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from brokers.exchange.accounts import Account, SavedAccount
from brokers.exchange.config import AccountConfig
from brokers.exchange.orders import VenueOrder
from engine.model import ExecutionKey, Fill, Instrument, Side

TradingDay = Callable[[Instrument, int], str]
"""ISO date of the trading day of an instrument at a time (UTC ns)."""


class Counters(msgspec.Struct, kw_only=True):
    """What numbers the venue has handed out."""

    uid: int = 0
    order: int = 0
    seq: int = 0
    executions: dict[str, int] = msgspec.field(default_factory=dict)
    """Executions by trading day, the latest days only."""


class Execution(msgspec.Struct, kw_only=True, eq=False):
    """One execution in the books. `uid`: of its order, None for a manual trade."""

    n: int
    fill: Fill
    uid: int | None
    busted: bool = False


class Store(Protocol):
    """Where books are kept (`brokers.exchange.ledger`)."""

    def save(self, books: Books) -> None: ...

    def find_order(self, account: str, order_id: str) -> VenueOrder | None:
        """An order that left memory."""


class Books:
    """State of the exchange. Everything that changes it marks what changed; `flush` puts that on disk."""

    def __init__(
        self, instruments: Mapping[str, Instrument], settings: AccountConfig, keep_closed: int
    ) -> None:
        self.instruments = instruments
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, VenueOrder] = {}
        """By uid, oldest first."""
        self.open: dict[int, VenueOrder] = {}
        self.executions: list[Execution] = []
        self.counters = Counters()
        self.working: dict[str, dict[str, list[int]]] = {}
        """Lots that work, [buys, sells] by account and symbol; without those that only reduce."""
        self.oco_filled: dict[str, int] = {}
        """Lots filled by account and OCO group ("account/group")."""
        self.store: Store | None = None
        self.dirty_orders: dict[int, VenueOrder] = {}
        self.dirty_executions: dict[int, Execution] = {}
        self.dirty = False
        self.settings = settings
        self._by_client: dict[tuple[str, str], list[VenueOrder]] = {}
        self._by_broker: dict[str, list[VenueOrder]] = {}
        self._by_key: dict[ExecutionKey, Execution] = {}
        self._times: list[int] = []
        self.busted: list[Execution] = []
        self._closed: deque[int] = deque()
        self._keep = keep_closed

    # -- accounts

    def account(self, name: str, cash: Decimal | None = None) -> Account:
        """The account; opened when it is first asked for, with `cash`, else with what is configured."""
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(name, self.settings, self.instruments)
            if cash is not None:
                account.start, self.dirty = cash, True
        return account

    # -- orders

    def next_order(self) -> tuple[int, str, int]:
        """A new uid, broker id and time priority."""
        counters = self.counters
        counters.uid += 1
        counters.order += 1
        counters.seq += 1
        self.dirty = True
        return counters.uid, f"X{counters.order:06d}", counters.seq

    def next_seq(self) -> int:
        self.counters.seq += 1
        return self.counters.seq

    def add(self, order: VenueOrder, *, older: bool = False) -> None:
        """Takes an order in. `older`: a twin; whoever asks for the client id gets the other one."""
        self.orders[order.uid] = order
        if not order.closed:
            self.open[order.uid] = order
        if order.order_id is not None:
            same = self._by_client.setdefault((order.account, order.order_id), [])
            same.insert(0 if older else len(same), order)
        self._by_broker.setdefault(order.broker_id, []).append(order)
        self.touch(order)

    def rename(self, order: VenueOrder, broker_id: str) -> None:
        """Gives an order another broker id."""
        self._by_broker[order.broker_id].remove(order)
        order.broker_id = broker_id
        self._by_broker.setdefault(broker_id, []).append(order)
        self.touch(order)

    def open_orders(self, account: str) -> list[VenueOrder]:
        return [order for order in self.open.values() if order.account == account]

    def reopen(self, order: VenueOrder) -> None:
        """An order that was closed works again."""
        self.open[order.uid] = order
        self.touch(order)

    def touch(self, order: VenueOrder) -> None:
        """Marks an order as changed, and counts its working lots anew."""
        lots = 0 if order.reduce_only or order.parent is not None else order.leaves
        if lots != order.counted:
            sums = self.working.setdefault(order.account, {}).setdefault(order.symbol, [0, 0])
            sums[order.side is not Side.BUY] += lots - order.counted
            order.counted = lots
        self.dirty_orders[order.uid] = order
        self.dirty = True

    def closed(self, order: VenueOrder) -> None:
        """Counts an order as closed; the oldest closed ones leave memory."""
        self.touch(order)
        self.open.pop(order.uid, None)
        self._closed.append(order.uid)
        while len(self._closed) > self._keep and self._closed[0] not in self.dirty_orders:
            old = self.orders.get(self._closed.popleft())
            if old is not None and old.closed:
                self._forget(old)

    def _forget(self, order: VenueOrder) -> None:
        del self.orders[order.uid]
        twins = self._by_broker.get(order.broker_id, [])
        if order in twins:
            twins.remove(order)
        if not twins:
            self._by_broker.pop(order.broker_id, None)
        if order.order_id is not None:
            same = self._by_client.get((order.account, order.order_id), [])
            if order in same:
                same.remove(order)
            if not same:
                self._by_client.pop((order.account, order.order_id), None)

    def find(self, account: str, order_id: str | None, broker_id: str | None) -> VenueOrder | None:
        """The order with that broker id (and ours, if it has one), else the newest with our id."""
        if broker_id is not None:
            for order in reversed(self._by_broker.get(broker_id, ())):
                if order.account == account and (not order_id or order.order_id in (None, order_id)):
                    return order
        if order_id:
            same = self._by_client.get((account, order_id))
            if same:
                return same[-1]
            if self.store is not None and len(self._closed) >= self._keep:
                return self.store.find_order(account, order_id)
        return None

    # -- executions

    def next_execution(self, day: str) -> str:
        """An execution id, unique within the trading day; the next day starts again at 1."""
        counts = self.counters.executions
        number = counts[day] = counts.get(day, 0) + 1
        if len(counts) > 8:
            del counts[min(counts)]
        return f"E{number:06d}"

    def record(self, fill: Fill, uid: int | None) -> Execution:
        """Writes an execution down."""
        execution = Execution(n=len(self.executions) + 1, fill=fill, uid=uid)
        self.insert(execution)
        self.dirty_executions[execution.n] = execution
        self.dirty = True
        return execution

    def insert(self, execution: Execution) -> None:
        self.executions.append(execution)
        self._by_key[execution.fill.key] = execution
        ts = execution.fill.ts
        self._times.append(max(ts, self._times[-1]) if self._times else ts)
        if execution.busted:
            self.busted.append(execution)

    def execution(self, key: ExecutionKey) -> Execution | None:
        return self._by_key.get(key)

    def bust(self, execution: Execution) -> None:
        execution.busted = True
        self.busted.append(execution)
        self.dirty_executions[execution.n] = execution
        self.dirty = True

    def since(self, account: str, since: int) -> tuple[list[Fill], list[ExecutionKey]]:
        """Standing executions of an account from `since` on, and all keys that were ever busted."""
        start = bisect_left(self._times, since)
        fills = [
            e.fill
            for e in self.executions[start:]
            if not e.busted and e.fill.key.account == account and e.fill.ts >= since
        ]
        busted = [e.fill.key for e in self.busted if e.fill.key.account == account]
        return fills, busted

    # -- on disk

    def flush(self) -> None:
        """Puts what changed on disk, in one transaction."""
        if not self.dirty:
            return
        if self.store is not None:
            self.store.save(self)
        self.dirty_orders.clear()
        self.dirty_executions.clear()
        self.dirty = False

    def load(
        self,
        counters: Counters,
        accounts: list[SavedAccount],
        orders: list[VenueOrder],
        executions: list[Execution],
        oco_filled: dict[str, int],
    ) -> None:
        """Takes over what a ledger kept."""
        self.counters = counters
        self.oco_filled = oco_filled
        for saved in accounts:
            self.account(saved.name).load(saved)
        for order in orders:
            order.counted = 0
            self.add(order)
            if order.closed:
                self._closed.append(order.uid)
        for execution in executions:
            self.insert(execution)
        self.dirty_orders.clear()
        self.dirty = False
