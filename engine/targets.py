"""Brings each instrument to the position that the strategies intend together: nets, crosses inside, orders.

One symbol at a time; never overshoots, because everything in flight counts. What our gate refuses is looked
at again after a second; what the broker rejects is not sent again until somebody wants something else, except
that a position which is to be closed is tried again after a while. Of both the strategies are told that want
the position: who goes on wanting what is refused has it refused each second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from engine.books import NET
from engine.core import Core
from engine.intake import Intake
from engine.model import NS, Order, OrderStatus, OrderType, TimeInForce
from engine.orders_record import OrderRecord
from engine.records import Transferred
from engine.strategy.netting import Working, cross, needs, plan
from engine.view import EngineView

_RETRY: Final = NS
_REJECTED_EXIT: Final = 10 * NS
"""Time after which an order that closes a position is tried again when the venue rejected it, ns."""
_LOOK: Final = NS // 2
"""While an order that serves an intention is out, the market may leave it behind: time between looks, ns."""


class Cause(NamedTuple):
    """What led a strategy to its intention: correlation id, host counter of the tick, the touch it saw."""

    correlation: str
    arrived: int = 0
    bid: int | None = None
    ask: int | None = None


class Targets:
    """Serves declared intentions."""

    def __init__(self, core: Core, intake: Intake, view: EngineView) -> None:
        self._core = core
        self._intake = intake
        self._view = view
        self._due: dict[str, int] = {}
        self._rejected: dict[str, str] = {}
        """Symbols in which an order towards the target was rejected, with the reason: what was refused is not
        asked for again until somebody wants something else."""
        self._causes: dict[str, Cause] = {}
        """What led to the newest intention of a symbol; whatever is sent for it later belongs to it."""
        self._refused: dict[str, str] = {}
        """Symbols in which our gate refuses the order towards the target, with the control; the strategies
        have been told."""
        self.turned_down: Callable[[Order, str, Iterable[str]], None] = lambda *_: None
        """Told of an order towards a target that was refused or rejected, of why, and of the strategies that
        need it."""
        self.transferred: Callable[[str], None] = lambda _: None
        """Told of a symbol in which lots passed from one strategy to another."""

    def intend(self, symbol: str, cause: Cause) -> None:
        """A strategy declared a position: from now on orders in the symbol are for this cause."""
        self._causes[symbol] = cause
        self._rejected.pop(symbol, None)
        self._refused.pop(symbol, None)
        self.serve(symbol, cause.arrived)

    def release(self, symbol: str) -> None:
        """A person lets it go on after a rejection."""
        if self._rejected.pop(symbol, None) is not None:
            self.serve(symbol)

    def serve(self, symbol: str, arrived: int = 0) -> None:
        """Compares intention and position of one symbol and sends or cancels what is needed."""
        if symbol in self._rejected:
            return
        core = self._core
        cause = self._causes.get(symbol)
        if cause is None:
            cause = self._causes[symbol] = Cause(core.ids.correlation())
        correlation = cause.correlation
        position = core.books.positions.get(symbol)
        intended = position.intended
        if not intended:
            return
        market = core.markets.get(symbol)
        if market is None or market.mark_twice is None:
            self._due[symbol] = core.clock.mono() + _RETRY
            return
        for part in cross(intended, self._held(symbol)):
            core.commit(
                Transferred(
                    symbol=symbol,
                    seller=part.seller,
                    buyer=part.buyer,
                    lots=part.qty,
                    price=market.mark_twice // 2,
                ),
                correlation,
            )
            self.transferred(symbol)
        now = core.clock.now()
        working = [
            Working(
                id=r.order.id,
                side=r.order.side,
                leaves=r.life.worst_leaves,
                limit=r.life.limit,
                # One in doubt is being asked about; until the answer a further cancel adds nothing.
                cancelling=r.life.pending_cancel or r.life.status is OrderStatus.UNKNOWN,
                age=now - r.order.created,
            )
            for r in core.books.orders.working(symbol, NET)
        ]
        instrument = market.instrument
        step = plan(
            sum(intended.values()),
            sum(self._held(symbol).values()),
            working,
            market.quote,
            max_qty=self._largest(symbol),
            lowest=None if instrument.nonpositive_price else 1,
        )
        for order_id in step.cancels:
            self._intake.cancel(order_id, correlation)
        if step.order is None:
            if working or step.waiting:
                self._due[symbol] = core.clock.mono() + _LOOK
            else:
                self._due.pop(symbol, None)
            return
        wanted = step.order
        seen = cause.ask if wanted.side.sign > 0 else cause.bid
        order = Order(
            id=core.ids.order_id(NET),
            strategy=NET,
            account=core.config.account,
            symbol=symbol,
            side=wanted.side,
            qty=wanted.qty,
            type=OrderType.LIMIT,
            limit=wanted.limit,
            tif=TimeInForce.DAY,
            created=now,
            correlation=correlation,
            # What it costs to follow the market is slippage too: the price that the strategy saw counts.
            arrival=wanted.limit if seen is None else seen,
        )
        refusal = self._intake.submit(order, arrived)
        self._due[symbol] = core.clock.mono() + (_RETRY if refusal is not None else _LOOK)
        if refusal is None:
            self._refused.pop(symbol, None)
        elif self._refused.get(symbol) != refusal.control:
            self._refused[symbol] = refusal.control
            self._turn_down(order, f"{refusal.control}: {refusal.text}")

    def _turn_down(self, order: Order, reason: str) -> None:
        intended = self._core.books.positions.get(order.symbol).intended
        self.turned_down(order, reason, needs(order.side, intended, self._held(order.symbol)))

    def _held(self, symbol: str) -> dict[str, int]:
        books = self._core.books.positions
        return {s: books.strategy_qty(s, symbol) for s in books.get(symbol).intended}

    def _largest(self, symbol: str) -> int:
        limits = self._view.limits()
        own = limits.instruments.get(symbol)
        if own is not None and own.max_order_qty is not None:
            return own.max_order_qty
        return limits.max_order_qty

    def on_closed(self, record: OrderRecord) -> None:
        """An order that served an intention ended: look again soon, but not after a rejection."""
        order, life = record.order, record.life
        if order.strategy != NET:
            return
        mono = self._core.clock.mono()
        if life.status is not OrderStatus.REJECTED or life.presumed:
            self._due[order.symbol] = mono
            return
        if self._core.books.positions.qty(order.symbol) * order.side.sign < 0:
            # Risk that was to go must not stay for good because a market was shut for a moment.
            self._due[order.symbol] = mono + _REJECTED_EXIT
            what = f"it is tried again after {_REJECTED_EXIT // NS} s"
        else:
            self._due.pop(order.symbol, None)
            self._rejected[order.symbol] = life.reason
            what = "nothing more is sent until an intention changes or a strategy is resumed"
        self._turn_down(order, life.reason)
        self._core.alarm(
            "warning",
            "target_held",
            f"{order.symbol}: the order towards the intended position was rejected ({life.reason}); {what}",
            symbol=order.symbol,
            correlation=order.correlation,
        )

    def watch(self, mono: int) -> None:
        """From the risk round: retries what was refused, and looks after orders that still rest."""
        if not self._due:
            return
        for symbol in [s for s, due in self._due.items() if due <= mono]:
            self._due.pop(symbol, None)
            self.serve(symbol)

    def next_due(self) -> int | None:
        return min(self._due.values(), default=None)
