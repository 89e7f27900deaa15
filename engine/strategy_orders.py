"""Turns what strategies ask for into orders, replaces, cancels, intentions, and reports in their terms.

A strategy knows its orders by refs of its own; the table between refs and order ids lives here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from engine.config import StrategyConfig
from engine.core import Core
from engine.intake import Intake
from engine.model import NS, Order, OrderStatus, Replace
from engine.orders_groups import bracket
from engine.orders_record import OrderRecord
from engine.records import Intended
from engine.replacing import Replacer
from engine.risk.gate import Refusal
from engine.strategy.messages import AnyAction, CancelRef, Intend, Place, ReplaceRef, StrategyOrder
from engine.strategy.reports import Origin
from engine.targets import Cause, Targets

_REFS_KEPT: Final = 20_000
"""Refs beyond which those of orders that have left memory are dropped."""


_WORDS: Final[dict[type, str]] = {
    Place: "order",
    CancelRef: "cancel",
    ReplaceRef: "replace",
    Intend: "position",
}


class StrategyOrders:
    """`told(strategy, report)` hands a report to the strategy's host."""

    def __init__(
        self,
        core: Core,
        intake: Intake,
        replacer: Replacer,
        targets: Targets,
        configs: Mapping[str, StrategyConfig],
        told: Callable[[str, StrategyOrder], None],
    ) -> None:
        self._core = core
        self._intake = intake
        self._replacer = replacer
        replacer.succeeded = self._succeeded
        replacer.fell = self._fell
        self._targets = targets
        targets.turned_down = self._turned_down
        self._configs = configs
        self._told = told
        self._refs: dict[tuple[str, int], str] = {}
        self._ref_of: dict[str, tuple[str, int]] = {}
        self._parents: dict[str, int] = {}
        self._last_ref: dict[str, int] = {}
        self.placed: dict[str, int] = {}
        """Orders asked for, by strategy."""

    def next_ref(self, name: str) -> int:
        """The first ref that a strategy that is started anew may give."""
        return 1 + self._last_ref.get(name, 0)

    def know(self, name: str, order_id: str) -> None:
        """Gives an order of an earlier run a ref, so that its strategy can act on it."""
        if order_id not in self._ref_of:
            ref = self.next_ref(name)
            self._last_ref[name] = ref
            self._refs[(name, ref)] = order_id
            self._ref_of[order_id] = (name, ref)

    def rebind(self, order_id: str, new_id: str) -> None:
        """The strategy's ref for the one order means the other from now on."""
        known = self._ref_of.pop(order_id, None)
        if known is not None:
            self._refs[known] = new_id
            self._ref_of[new_id] = known

    def ref(self, order_id: str, strategy: str) -> int | None:
        """By which ref the strategy knows the order; None where it is not its own."""
        known = self._ref_of.get(order_id)
        return known[1] if known is not None and known[0] == strategy else None

    def report(self, record: OrderRecord, refused: str = "") -> StrategyOrder:
        """One of its orders as the strategy is told of it."""
        order, life = record.order, record.life
        ref = self._ref_of.get(order.id)
        overlay = "cancel" if life.pending_cancel else "replace" if life.replaces else ""
        return StrategyOrder(
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            qty=life.qty,
            cum=life.cum,
            leaves=life.leaves,
            status=life.status,
            order_id=order.id,
            ref=None if ref is None else ref[1],
            parent=self._parents.get(order.id),
            limit=life.limit,
            stop=life.stop,
            tif=order.tif,
            overlay=overlay,
            reason=refused or life.reason,
        )

    def carry_out(self, name: str, action: AnyAction, origin: Origin) -> None:
        """One action; a refusal is told to the strategy as a rejected order."""
        correlation = self._core.ids.correlation()
        target = self._target(name, action)
        if target is not None:
            # What it asks of an order is part of that order's story.
            correlation = target.order.correlation
        self._tell(name, action, origin, correlation, target)
        match action:
            case Place():
                self._place(name, action, origin, correlation)
            case CancelRef():
                if target is not None and self._intake.cancel(target.order.id, correlation):
                    # It could not be sent: the strategy may ask again.
                    self._told(name, self.report(target))
            case ReplaceRef():
                if target is not None:
                    self._replace(name, action, target, correlation)
            case Intend(symbol=symbol, lots=lots):
                self._intend(name, symbol, lots, origin, correlation)

    def _target(self, name: str, action: AnyAction) -> OrderRecord | None:
        """The order that a cancel or a replace is about, where it is still in memory."""
        if not isinstance(action, CancelRef | ReplaceRef):
            return None
        order_id = self._refs.get((name, action.ref))
        return self._core.books.orders.get(order_id) if order_id is not None else None

    def _tell(
        self, name: str, action: AnyAction, origin: Origin, correlation: str, target: OrderRecord | None
    ) -> None:
        """The first line of an order's story: what was asked, and which tick led to it."""
        symbol = getattr(action, "symbol", "") or (target.order.symbol if target else origin.symbol)
        lots = action.lots if isinstance(action, Intend) else getattr(action, "qty", None)
        side = getattr(action, "side", None)
        self._core.log(
            "info",
            f"intent {_WORDS[type(action)]}",
            component=f"strategy.{name}",
            order_id=target.order.id if target is not None else None,
            symbol=symbol,
            side=None if side is None else str(side),
            qty=None if lots is None else self._core.size(symbol, lots),
            price=self._core.price(symbol, getattr(action, "limit", None)),
            status="INTENT",
            cause=origin.kind,
            cause_ts=origin.ts,
            bid=self._core.price(symbol, origin.bid),
            ask=self._core.price(symbol, origin.ask),
            correlation_id=correlation,
        )

    def _place(self, name: str, action: Place, origin: Origin, correlation: str) -> None:
        core = self._core
        config, policy = self._configs[name], core.config.orders
        remainder = policy.remainder_after if config.remainder_after is None else config.remainder_after
        arrival = origin.ask if action.side.sign > 0 else origin.bid
        entry = Order(
            id=core.ids.order_id(name),
            strategy=name,
            account=core.config.account,
            symbol=action.symbol,
            side=action.side,
            qty=action.qty,
            type=action.type,
            limit=action.limit,
            stop=action.stop,
            tif=action.tif,
            expire=action.expire,
            reduce_only=action.reduce_only,
            post_only=action.post_only,
            created=core.clock.now(),
            correlation=correlation,
            arrival=arrival,
            partial_fill=config.partial_fill or policy.partial_fill,
            remainder_after=int(remainder * NS),
            replace_policy=config.replace or policy.replace,
        )
        if len(self._refs) >= _REFS_KEPT:
            self._forget()
        self._refs[(name, action.ref)] = entry.id
        self._ref_of[entry.id] = (name, action.ref)
        self._last_ref[name] = max(self._last_ref.get(name, 0), action.ref)
        self.placed[name] = self.placed.get(name, 0) + 1
        children = bracket(entry, action.take_profit, action.stop_loss, lambda: core.ids.order_id(name))
        self._parents.update((child.id, action.ref) for child in children)
        refusal = self._intake.submit_bracket(entry, children, origin.arrived)
        if refusal is not None:
            self._told(name, _refusal(entry, action.ref, f"{refusal.control}: {refusal.text}"))

    def _succeeded(self, old: OrderRecord, new: Order, refusal: Refusal | None) -> None:
        """A new order took the place of one that was cancelled for it: it goes by the same ref."""
        known = self._ref_of.pop(old.order.id, None)
        if known is None:
            return
        name, ref = known
        self._refs[known] = new.id
        self._ref_of[new.id] = known
        for child in self._core.books.orders.children(new.id):
            self._parents[child.order.id] = ref
        if refusal is not None:
            self._told(name, _refusal(new, ref, f"{refusal.control}: {refusal.text}"))

    def _turned_down(self, order: Order, reason: str, wanted_by: Iterable[str]) -> None:
        """What strategies have declared cannot be had: each that needs it hears it as a rejected order."""
        for name in wanted_by:
            if name in self._configs:
                self._told(name, _refusal(order, None, reason))

    def _fell(self, record: OrderRecord) -> None:
        """A change that waited was refused: its owner hears how the order stands."""
        if record.order.id in self._ref_of:
            self._told(record.order.strategy, self.report(record))

    def _forget(self) -> None:
        """Drops the refs of orders that have left memory; nothing can be done about those any more."""
        orders = self._core.books.orders
        for key, order_id in list(self._refs.items()):
            if orders.get(order_id) is None:
                del self._refs[key]
                self._ref_of.pop(order_id, None)
        for child in [c for c in self._parents if orders.get(c) is None]:
            del self._parents[child]

    def _replace(self, name: str, action: ReplaceRef, record: OrderRecord, correlation: str) -> None:
        life = record.life
        refusal = self._replacer.replace(
            Replace(
                id=self._core.ids.order_id(name),
                order_id=record.order.id,
                qty=life.qty if action.qty is None else action.qty,
                limit=life.limit if action.limit is None else action.limit,
                stop=life.stop if action.stop is None else action.stop,
                correlation=correlation,
                created=self._core.clock.now(),
            )
        )
        if refusal is not None:
            self._told(name, self.report(record))

    def _intend(self, name: str, symbol: str, lots: int, origin: Origin, correlation: str) -> None:
        config = self._configs[name]
        if abs(lots) > config.max_position:
            self._core.alarm(
                "warning",
                "strategy_limit",
                f"{name} intends {lots:+d} lots of {symbol}; its limit is {config.max_position}",
                symbol=symbol,
            )
            lots = config.max_position if lots > 0 else -config.max_position
        self._core.commit(Intended(strategy=name, symbol=symbol, lots=lots), correlation)
        self._targets.intend(symbol, Cause(correlation, origin.arrived, origin.bid, origin.ask))


def _refusal(order: Order, ref: int | None, reason: str) -> StrategyOrder:
    return StrategyOrder(
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        qty=order.qty,
        cum=0,
        leaves=0,
        status=OrderStatus.REJECTED,
        order_id=order.id,
        ref=ref,
        limit=order.limit,
        stop=order.stop,
        tif=order.tif,
        reason=reason,
    )
