"""What follows from an execution that was booked, busted or corrected: alarms, metrics, who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.books import EXTERNAL, Applied
from engine.facts import AnyFact
from engine.model import Fill, OrderType, Purpose, Side
from engine.orders_groups import leg
from engine.reconcile_types import Kind

if TYPE_CHECKING:
    from engine.engine import Engine


class ExecutionNews:
    """Runs on the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._core = engine.core

    def filled(self, applied: Applied, correlation: str, source: str) -> None:
        engine, core = self._engine, self._core
        fill, record = applied.fill, applied.record
        assert fill is not None
        core.metrics.count("fills")
        engine.answers.memories.on_fill(fill, core.clock.now())
        if record is not None:
            order = record.order
            if record.life.cum == fill.qty:
                if record.sent:
                    core.metrics.stage("sent→first fill", core.clock.now() - record.sent)
                if record.acked:
                    core.metrics.stage("acknowledged→first fill", core.clock.now() - record.acked)
                core.metrics.count(f"filled.{order.type}")
            if order.arrival is not None and order.type is not OrderType.STOP:
                worse = (fill.price - order.arrival) * fill.side.sign
                core.metrics.slippage(fill.symbol, worse, fill.qty, order.strategy)
        ours_to_close = record is not None and record.order.purpose is Purpose.FLATTEN
        if not ours_to_close:
            for strategy, _ in applied.attribution:
                engine.controls.on_fill(strategy, fill.symbol, engine.view)
        core.log(
            "info",
            "fill",
            component="fills",
            order_id=fill.order_id or "",
            broker_id=fill.broker_id or "",
            symbol=fill.symbol,
            side=str(fill.side),
            qty=core.size(fill.symbol, fill.qty),
            price=core.price(fill.symbol, fill.price),
            position=core.size(fill.symbol, core.books.positions.qty(fill.symbol)),
            status=str(record.life.status) if record is not None else "UNKNOWN",
            exec_id=fill.key.exec_id,
            correlation_id=correlation,
        )
        if not ours_to_close and any(strategy == EXTERNAL for strategy, _ in applied.attribution):
            by_hand = source == "stream" and record is None and not fill.order_id
            self._traded_elsewhere(fill, by_hand)
        engine.strategies.on_fill(applied)
        engine.groups.on_fill(applied)

    def _traded_elsewhere(self, fill: Fill, by_hand: bool) -> None:
        """An execution that no order of ours explains; it is booked in any case, and told of once.

        `by_hand`: reported as it happened, and of no order that we know. The same policy holds then as for a
        trade that a comparison with the broker brings to light.
        """
        core = self._core
        sold = "bought" if fill.side is Side.BUY else "sold"
        size = core.size(fill.symbol, fill.qty)
        text = f"{sold} {size} by hand or by another program (execution {fill.key.exec_id})"
        halts = by_hand and core.config.reconcile.on_manual_trade == "halt"
        if halts and core.books.halts.instrument(fill.symbol) is None:
            text += f"; 'adopt {fill.symbol}' accepts it, 'flatten {fill.symbol}' closes it"
            self._engine.halt("instrument", fill.symbol, str(Kind.MANUAL_TRADE), text)
        else:
            core.alarm("critical", "foreign_fill", f"{text}; it is booked", symbol=fill.symbol)

    def revised(self, applied: Applied, correlation: str, fact: AnyFact) -> None:
        """A bust or a correction changed what had been booked."""
        core = self._core
        self._engine.answers.memories.revise(fact, core.clock.now())
        if applied.only_fee:
            core.metrics.count("fees_told")
            return
        core.metrics.count("revisions")
        record = applied.record
        what = record.order.id if record is not None else applied.symbol
        text = f"{what}: the venue took back or changed an execution; {self._left_open(applied)}"
        core.alarm("critical", "bust", text, symbol=applied.symbol, correlation=correlation)
        self._engine.strategies.on_position(applied.symbol)
        self._engine.reconcile_soon()

    def _left_open(self, applied: Applied) -> str:
        """What the position is after that, and whether something protects what is open again. Told once all
        that a bracket of the engine's calls for has been sent."""
        core, symbol, record = self._core, applied.symbol, applied.record
        held = core.books.positions.qty(symbol)
        if not held:
            return f"{symbol} is flat now"
        text = f"{symbol} is {'+' if held > 0 else '-'}{core.size(symbol, abs(held))} now"
        closed = record is None or record.order.side.sign * held < 0
        if closed and not any(
            leg(r).is_stop and r.order.side.sign * held < 0 for r in core.books.orders.working(symbol)
        ):
            text += f", and no stop works there: protect it, or 'flatten {symbol}' closes it"
        return text
