"""What the kill procedure may do in the engine: the narrow door through which it cancels, reads and sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.core import Core, utc_text
from engine.facts import ForeignOrder, OpenOrders, OrderReport, Positions
from engine.kill_shares import leave_none
from engine.kill_types import LiveOrder, Touch
from engine.model import Instrument, MarketState, Order, OrderStatus, Purpose
from engine.ports import NotSent
from engine.records import AnyRecord, Halted, KillBegan, KillEnded, KillStep, Sent
from engine.risk.bucket import TokenBucket
from engine.risk.controls.price_sanity import flatten_range
from engine.risk.gate import Gate
from engine.view import EngineView

if TYPE_CHECKING:
    from engine.intake import Intake


class EngineKillHost:
    """Implements `engine.kill_types.KillHost` over the engine's parts."""

    intake: Intake
    gate: Gate
    reconcile_soon: Callable[[], None]
    take_report: Callable[[OrderReport | ForeignOrder], None]
    hurry_link: Callable[[], None]
    emptied: Callable[[str], None]
    """Told of each instrument in which no strategy holds or wants anything any more."""

    def __init__(self, core: Core, view: EngineView) -> None:
        self._core = core
        self._view = view
        self.clock = core.clock
        self._venue = TokenBucket(1, 1)

    def commit(self, record: AnyRecord, correlation: str = "") -> None:
        self._core.commit(record, correlation)
        if isinstance(record, KillStep):
            self._core.log(
                "warning", record.text, component="kill", status="STEP", correlation_id=correlation or None
            )
        if isinstance(record, KillBegan):
            self.hurry_link()
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
                limit=r.life.limit,
            )
            for r in self._core.books.orders.working()
            # What waits for a disk that hangs, and cannot leave any more, holds no verdict up.
            if not self.intake.is_withdrawn(r.order.id)
        ]

    def executed(self) -> Mapping[str, int]:
        return {p.symbol: p.held.qty for p in self._core.books.positions if p.held.qty}

    def touch(self, symbol: str) -> Touch:
        core = self._core
        held = core.books.positions.get(symbol).held
        paid = round(held.average) if held.average is not None else None
        market = core.markets.get(symbol)
        if market is None:
            return Touch(None, None, None, MarketState.UNKNOWN, None, None, paid)
        quote = market.quote
        return Touch(
            bid=quote.bid if quote is not None else None,
            ask=quote.ask if quote is not None else None,
            last=market.last,
            state=market.state(core.clock.now()),
            low_limit=market.low_limit,
            high_limit=market.high_limit,
            paid=paid,
            sane=flatten_range(self._view, symbol),
        )

    def instrument(self, symbol: str) -> Instrument | None:
        return self._core.books.instruments.get(symbol)

    def cancel_wait(self) -> int:
        limit, mono = self._core.adapter.capabilities.message_limit, self.clock.mono()
        if limit is None:
            return self.gate.cancel_wait(self._view, urgent=True)
        # Seven tenths of what the venue takes in a second at the most: the rest is for the flatten orders.
        self._venue.configure(max(1, limit * 6 // 10), max(1, limit // 10))
        if not self._venue.ready(mono):
            return max(1, self._venue.when(mono) - mono)
        wait = self.gate.cancel_wait(self._view, urgent=True)
        if wait == 0:
            self._venue.take(mono)
        return wait

    def send_cancel(self, order_id: str, broker_id: str | None, correlation: str) -> str:
        core = self._core
        record = core.books.orders.get(order_id)
        self.intake.taken_back(order_id)
        if record is not None and record.held:
            self.intake.drop(record, "kill or flatten began while it waited for its entry's fills")
            return ""
        if self.intake.withdraw(order_id, "kill or flatten began before it was sent"):
            return ""
        if record is not None:
            broker_id = core.books.orders.broker_name(record)
        try:
            core.adapter.cancel(order_id, broker_id)
        except NotSent as problem:
            return str(problem)
        core.metrics.count("cancels")
        core.commit(Sent(order_id=order_id, what="cancel"), correlation, order_id)
        core.story("info", "cancel sent", order_id, correlation)
        return ""

    def send_flatten(self, order: Order) -> str:
        assert order.purpose is Purpose.FLATTEN
        refusal = self.intake.submit(order)
        return f"refused by {refusal.control}: {refusal.text}" if refusal is not None else ""

    def refusal(self, order_id: str) -> tuple[str, bool]:
        record = self._core.books.orders.get(order_id)
        if record is None or record.life.status is not OrderStatus.REJECTED:
            return "", False
        return record.life.reason or "no reason given", record.sent > 0

    def take(self, report: OrderReport | ForeignOrder) -> None:
        self.take_report(report)

    def new_order_id(self, strategy: str) -> str:
        return self._core.ids.order_id(strategy)

    def new_correlation(self) -> str:
        return self._core.ids.correlation()

    async def read_positions(self) -> Positions:
        return await self._core.adapter.positions()

    async def read_open_orders(self) -> OpenOrders:
        return await self._core.adapter.open_orders()

    def latch(self, symbol: str | None, reason: str, who: str, correlation: str) -> None:
        scope = "account" if symbol is None else "instrument"
        halted = Halted(scope=scope, target=symbol or "", code="kill", reason=reason)  # type: ignore[arg-type]
        if not self._core.commit(halted, correlation).changed:
            return
        # What a person wanted has no cause to be found: its remedy is another one.
        code = "operator_halt" if who else "halt"
        text = f"{symbol or 'account'} halted: {reason}"
        self._core.alarm("critical", code, text, symbol=symbol or "", correlation=correlation)

    def leave_no_shares(self, emptied: Callable[[str], bool], correlation: str) -> Sequence[str]:
        said = []
        for symbol, text in leave_none(self._core, emptied, correlation):
            self.emptied(symbol)
            said.append(text)
        return said

    def alarm(self, code: str, text: str, correlation: str) -> None:
        self._core.alarm("critical", code, text, correlation=correlation)

    def utc(self, ts: int) -> str:
        return utc_text(ts)
