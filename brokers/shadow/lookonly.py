"""A real broker's adapter with everything taken away by which an order could be placed, changed or ended."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NoReturn

from engine.facts import AccountValues, Executions, OpenOrders, OrderNotFound, OrderReport, Positions
from engine.model import Instrument, Order, Replace, Side
from engine.ports import Adapter, Capabilities, FactSink, NotSent
from engine.sending import Recorded


class LookOnly:
    """`engine.ports.Adapter` that reads and never writes: the second lock, beside the adapter's own read-only
    mode. What it refuses, it counts: above zero something in this program is wrong."""

    def __init__(self, real: Adapter) -> None:
        self._real = real
        self.name: Final = real.name
        self.account = real.account
        self.refused = 0
        """Requests that were kept from the broker."""

    @property
    def capabilities(self) -> Capabilities:
        return self._real.capabilities

    # -- what would change something at the broker

    def submit(self, order: Recorded[Order]) -> NoReturn:  # noqa: ARG002 - part of the seam
        self._refuse("no order")

    def replace(self, change: Recorded[Replace]) -> NoReturn:  # noqa: ARG002
        self._refuse("no change of an order")

    def cancel(self, order_id: str, broker_id: str | None) -> NoReturn:  # noqa: ARG002
        self._refuse("no cancel")

    def cancel_everything(self) -> NoReturn:
        self._refuse("no global cancel")

    def arm_dead_man(self, after: int | None) -> NoReturn:  # noqa: ARG002
        self._refuse("no dead-man's switch")

    def _refuse(self, what: str) -> NoReturn:
        self.refused += 1
        raise NotSent(f"shadow trading only looks at {self.name}: {what} goes there")

    # -- what only asks

    def bind(self, sink: FactSink) -> None:
        self._real.bind(sink)

    async def connect(self) -> None:
        await self._real.connect()

    async def close(self) -> None:
        await self._real.close()

    async def probe(self) -> None:
        await self._real.probe()

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        return await self._real.query_order(order_id, broker_id)

    async def open_orders(self) -> OpenOrders:
        return await self._real.open_orders()

    async def executions(self, since: int) -> Executions:
        return await self._real.executions(since)

    async def positions(self) -> Positions:
        return await self._real.positions()

    async def account_values(self) -> AccountValues:
        return await self._real.account_values()

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:
        """A question, also where the broker's protocol asks it by an order that is marked as one."""
        return await self._real.what_if(symbol, side, lots)

    async def instruments(self) -> Sequence[Instrument]:
        return await self._real.instruments()

    def subscribe(self, symbols: Sequence[str]) -> None:
        self._real.subscribe(symbols)
