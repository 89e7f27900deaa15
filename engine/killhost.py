"""What the kill procedure may do in the engine: the narrow door through which it cancels, reads and sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.core import Core, utc_text
from engine.facts import OpenOrders, Positions
from engine.kill import LiveOrder, Touch
from engine.model import Instrument, MarketState, Order, Purpose
from engine.ports import NotSent
from engine.records import AnyRecord, Halted, KillEnded, Sent
from engine.view import EngineView

if TYPE_CHECKING:
    from engine.intake import Intake


class EngineKillHost:
    """Implements `engine.kill.KillHost` over the engine's parts."""

    intake: Intake
    reconcile_soon: Callable[[], None]

    def __init__(self, core: Core, view: EngineView) -> None:
        self._core = core
        self._view = view
        self.clock = core.clock

    def commit(self, record: AnyRecord, correlation: str = "") -> None:
        self._core.commit(record, correlation)
        if isinstance(record, KillEnded):
            # The three views are compared at once, so that the screen shows what was just proven.
            self.reconcile_soon()

    def live_orders(self) -> Sequence[LiveOrder]:
        return [
            LiveOrder(
                id=r.order.id,
                broker_id=r.life.broker_id,
                symbol=r.order.symbol,
                side=r.order.side,
                leaves=r.life.worst_leaves,
                purpose=r.order.purpose,
                since=r.order.created,
                foreign=r.foreign,
            )
            for r in self._core.books.orders.working()
        ]

    def executed(self) -> Mapping[str, int]:
        return {p.symbol: p.held.qty for p in self._core.books.positions if p.held.qty}

    def touch(self, symbol: str) -> Touch:
        market = self._core.markets.get(symbol)
        if market is None:
            return Touch(None, None, None, MarketState.UNKNOWN, None, None)
        quote = market.quote
        return Touch(
            bid=quote.bid if quote is not None else None,
            ask=quote.ask if quote is not None else None,
            last=market.last,
            state=market.state(self._core.clock.now()),
            low_limit=market.low_limit,
            high_limit=market.high_limit,
        )

    def instrument(self, symbol: str) -> Instrument | None:
        return self._core.books.instruments.get(symbol)

    def send_cancel(self, order: LiveOrder) -> str:
        """Straight to the adapter: a budget must not hold a kill back."""
        core = self._core
        try:
            core.adapter.cancel(order.id, order.broker_id)
        except NotSent as problem:
            return str(problem)
        core.metrics.count("cancels")
        core.commit(Sent(order_id=order.id, what="cancel"), "", order.id)
        return ""

    def send_flatten(self, order: Order) -> str:
        assert order.purpose is Purpose.FLATTEN
        refusal = self.intake.submit(order)
        return f"refused by {refusal.control}: {refusal.text}" if refusal is not None else ""

    def new_order_id(self, strategy: str) -> str:
        return self._core.ids.order_id(strategy)

    async def read_positions(self) -> Positions:
        return await self._core.adapter.positions()

    async def read_open_orders(self) -> OpenOrders:
        return await self._core.adapter.open_orders()

    def latch(self, symbol: str | None, reason: str) -> None:
        scope = "account" if symbol is None else "instrument"
        halted = Halted(scope=scope, target=symbol or "", code="kill", reason=reason)  # type: ignore[arg-type]
        if self._core.commit(halted).changed:
            self._core.alarm(
                "critical", "halt", f"{symbol or 'account'} halted: {reason}", symbol=symbol or ""
            )

    def alarm(self, code: str, text: str, symbol: str = "") -> None:
        self._core.alarm("critical", code, text, symbol=symbol)

    def utc(self, ts: int) -> str:
        return utc_text(ts)
