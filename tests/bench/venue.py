"""A venue that acknowledges at once and fills what flattens, so that the engine alone is measured.

It keeps what it was sent, so that its answers to the engine's questions are true.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

from brokers.base import exchange_capabilities, require_recorded
from engine.facts import (
    AccountValues,
    Acknowledged,
    AnyFact,
    BrokerPosition,
    Canceled,
    Executed,
    Executions,
    Expired,
    LinkUp,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import ExecutionKey, Fill, Instrument, Order, OrderStatus, Purpose, Replace, Side
from engine.ports import Clock, FactSink, NotSent, QueryFailed
from engine.sending import Recorded

CASH = Decimal(10) ** 12
"""So much that no limit that goes by equity is ever near."""


class InstantVenue:
    """`engine.ports.Adapter`. Acknowledgements come with the next turn of the loop."""

    name = "instant"
    account = "PAPER"
    capabilities = exchange_capabilities(None)

    def __init__(self, clock: Clock, instruments: Sequence[Instrument]) -> None:
        self._clock = clock
        self._instruments = instruments
        self._sink: FactSink
        self.working: dict[str, Order] = {}
        self.fills: deque[Fill] = deque(maxlen=2_000)
        self.filled = 0
        self.position: dict[str, int] = {}
        self.on_submit: Callable[[Order], None] = lambda _: None
        """Told of each order as it is handed over."""
        self.on_acknowledged: Callable[[], None] = lambda: None
        """Told after the engine has taken an acknowledgement."""
        self.handed: dict[str, int] = {}
        """Host's performance counter when an order was handed over, ns."""
        self.last_cancel = 0
        self.answers_cancels = True
        self.trading_day = "2026-01-07"

    def bind(self, sink: FactSink) -> None:
        self._sink = sink

    async def connect(self) -> None:
        self._clock.call_soon(self._sink, LinkUp(ts=self._clock.now()))
        await self._clock.sleep(0)

    async def close(self) -> None: ...

    async def probe(self) -> None: ...

    # -- orders

    def submit(self, order: Recorded[Order]) -> None:
        self.handed[order.request.id] = time.perf_counter_ns()
        require_recorded(order)
        self.working[order.request.id] = order.request
        self.on_submit(order.request)
        self._clock.call_soon(self._acknowledge, order.request.id)

    def _acknowledge(self, order_id: str) -> None:
        if order_id in self.working:
            self._sink(Acknowledged(ts=self._clock.now(), order_id=order_id, broker_id=f"B{order_id}"))
            self.on_acknowledged()
            order = self.working.get(order_id)
            if order is not None and order.purpose is Purpose.FLATTEN:  # a marketable limit
                del self.working[order_id]
                self._sink(self.fill(order, order.qty))

    def replace(self, change: Recorded[Replace]) -> None:
        raise NotSent("this venue replaces nothing")

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        self.last_cancel = time.perf_counter_ns()
        if self.answers_cancels and self.working.pop(order_id, None) is not None:
            self._clock.call_soon(self._sink, Canceled(ts=self._clock.now(), order_id=order_id, cum=0))

    def expire_all(self) -> None:
        """Ends everything that works, as at the end of a day."""
        orders, self.working = self.working, {}
        for order_id in orders:
            self._sink(Expired(ts=self._clock.now(), order_id=order_id))

    def fill(self, order: Order, lots: int) -> AnyFact:
        """The report of an execution of a working order; the caller hands it to the engine."""
        self.filled += 1
        number = self.filled
        assert order.limit is not None
        fill = Fill(
            key=ExecutionKey("SIM", self.account, self.trading_day, f"E{number:08d}"),
            symbol=order.symbol,
            side=order.side,
            qty=lots,
            price=order.limit,
            ts=self._clock.now(),
            order_id=order.id,
            broker_id=f"B{order.id}",
            fee=Decimal("2.25") * lots,
        )
        self.fills.append(fill)
        self.position[order.symbol] = self.position.get(order.symbol, 0) + lots * order.side.sign
        return Executed(ts=fill.ts, fill=fill)

    # -- questions

    def _report(self, order: Order) -> OrderReport:
        return OrderReport(
            ts=self._clock.now(),
            order_id=order.id,
            broker_id=f"B{order.id}",
            status=OrderStatus.WORKING,
            qty=order.qty,
            cum=0,
            leaves=order.qty,
            limit=order.limit,
        )

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        order = self.working.get(order_id)
        return (
            OrderNotFound(ts=self._clock.now(), order_id=order_id) if order is None else self._report(order)
        )

    async def open_orders(self) -> OpenOrders:
        listed = OpenOrders(as_of=self._clock.now(), ours=tuple(map(self._report, self.working.values())))
        await self._clock.sleep(0)  # a broker's answer comes in a turn of its own
        return listed

    async def executions(self, since: int) -> Executions:
        fills = tuple(f for f in self.fills if f.ts >= since)
        return Executions(as_of=self._clock.now(), since=since, fills=fills)

    async def positions(self) -> Positions:
        held = tuple(BrokerPosition(symbol=s, qty=q) for s, q in self.position.items() if q)
        return Positions(as_of=self._clock.now(), positions=held)

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:
        raise QueryFailed(f"this venue says nothing of the margin of {lots} {symbol} {side}")

    async def account_values(self) -> AccountValues:
        zero = Decimal(0)
        return AccountValues(
            as_of=self._clock.now(),
            account=self.account,
            currency="USD",
            equity=CASH,
            cash=CASH,
            initial_margin=zero,
            maintenance_margin=zero,
        )

    async def instruments(self) -> Sequence[Instrument]:
        return self._instruments

    def subscribe(self, symbols: Sequence[str]) -> None:
        raise NotSent("this venue has no market data")
