"""From an order to the wire: gate, journal, send; then replace, cancel, and what a silent broker calls for.

Everything here is plain synchronous code on the engine's thread. The only gap in it is the wait for the
journal's commit; when that returns, the state of the world is looked at again before anything is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from engine.control.commands import Answer
from engine.core import Core
from engine.kill import KillSwitch
from engine.lifecycle_types import Anomaly
from engine.model import Order, OrderStatus, Purpose, Replace, ReplacePolicy, TimeInForce
from engine.orders_record import OrderRecord
from engine.ports import NotSent, QueryFailed
from engine.records import KINDS, NotSentNote, OrderStored, Refused, ReplaceStored, Sent, Unanswered
from engine.risk.gate import Gate, Refusal
from engine.sending import Approved, Recorded
from engine.view import EngineView

Told = Callable[[Answer], None]


class Intake:
    """Takes orders, replaces and cancels; owns the way to the adapter."""

    def __init__(self, core: Core, gate: Gate, view: EngineView, kill: KillSwitch) -> None:
        self._core = core
        self._gate = gate
        self._view = view
        self._kill = kill
        self._perf: dict[str, int] = {}
        """Host counter at which an order was approved, until it is sent; for measuring."""
        self._waiting_cancel: dict[str, Replace] = {}
        """Replaces by cancel-then-new that wait for their cancel to be confirmed."""
        self._queries: set[asyncio.Task[None]] = set()
        self.new_order: Callable[[Order], None] = lambda _: None
        """Told of each order that passed the gate (order groups, strategies)."""

    # -- new orders

    def submit(self, order: Order, seen_perf: int = 0, on_answer: Told | None = None) -> Refusal | None:
        """Gate → journal → send. Returns the refusal, or None when the order is on its way.

        `seen_perf`: host counter when the tick that caused it arrived, 0 when no tick did.
        """
        core = self._core
        start = core.clock.perf()
        if seen_perf:
            core.metrics.stage("tick→intent", start - seen_perf)
        core.metrics.count("orders")
        core.metrics.count(f"orders.{order.type}")
        order = self._for_venue(order)
        lacking = self._lacking(order)
        verdict = self._gate.check(order, self._view) if not lacking else None
        if not isinstance(verdict, Approved):
            refusal = verdict.reasons[0] if verdict is not None else Refusal("capability", lacking)
            self._refused(order, refusal)
            if on_answer is not None:
                on_answer(Answer(ok=False, text=f"refused by {refusal.control}: {refusal.text}"))
            return refusal
        approved_at = core.clock.perf()
        core.metrics.stage("intent→approved", approved_at - start)
        now = core.clock.now()
        core.books.apply(OrderStored(order=order), now)
        self.new_order(order)
        future = core.journal.record(
            verdict,
            KINDS[OrderStored],
            ts=now,
            correlation=order.correlation,
        )
        future.add_done_callback(partial(self._stored, order, seen_perf, approved_at, on_answer))
        return None

    def _for_venue(self, order: Order) -> Order:
        """A GTD order goes as GTC where the venue keeps no dates: the engine cancels it at its time."""
        tifs = self._core.adapter.capabilities.tifs
        if order.tif is TimeInForce.GTD and TimeInForce.GTD not in tifs and TimeInForce.GTC in tifs:
            return msgspec.structs.replace(order, tif=TimeInForce.GTC)
        return order

    def _lacking(self, order: Order) -> str:
        """What the order needs that the venue cannot do; empty where it can do all of it."""
        can = self._core.adapter.capabilities
        wants = (
            (order.type not in can.order_types, f"orders of type {order.type}"),
            (order.tif not in can.tifs, f"time in force {order.tif}"),
            (order.post_only and not can.post_only, "post-only orders"),
            (order.reduce_only and not can.reduce_only, "reduce-only orders"),
            (order.parent is not None and not can.bracket, "brackets"),
            (order.oco is not None and not can.oco, "OCO groups"),
        )
        missing = [what for lacks, what in wants if lacks]
        if not missing:
            return ""
        return f"{self._core.adapter.name} cannot do {', '.join(missing)}; send it without"

    def _refused(self, order: Order, refusal: Refusal) -> None:
        core = self._core
        core.metrics.count("refused")
        core.metrics.count(f"refused.{refusal.control}")
        core.commit(
            Refused(order=order, control=refusal.control, reason=refusal.text), order.correlation, order.id
        )
        core.log(
            "warning",
            f"refused by {refusal.control}: {refusal.text}",
            component="gate",
            order_id=order.id,
            symbol=order.symbol,
            side=str(order.side),
            qty=core.size(order.symbol, order.qty),
            price=core.price(order.symbol, order.limit),
            status="REFUSED",
            correlation_id=order.correlation,
        )

    def _stored(
        self,
        order: Order,
        seen_perf: int,
        approved_at: int,
        on_answer: Told | None,
        future: asyncio.Future[Recorded[Order]],
    ) -> None:
        """The commit returned: look at the world again, then send."""
        core = self._core
        error = future.exception()
        if error is not None:
            self._not_sent(order, f"not stored: {error}", on_answer)
            core.alarm("critical", "store", f"order {order.id} was not stored and not sent: {error}")
            return
        stored_at = core.clock.perf()
        core.metrics.stage("approved→journalled", stored_at - approved_at)
        blocked = self.blocked(order)
        if blocked:
            self._not_sent(order, blocked, on_answer)
            return
        try:
            core.adapter.submit(future.result())
        except NotSent as problem:
            self._not_sent(order, str(problem), on_answer)
            core.alarm(
                "warning", "not_sent", f"order {order.id} was not sent: {problem}", symbol=order.symbol
            )
            return
        sent_at = core.clock.perf()
        core.metrics.stage("journalled→sent", sent_at - stored_at)
        if seen_perf:
            core.metrics.stage("tick→sent", sent_at - seen_perf)
        core.commit(Sent(order_id=order.id, what="submit"), order.correlation, order.id)
        core.log(
            "info",
            "sent",
            component="orders",
            order_id=order.id,
            symbol=order.symbol,
            side=str(order.side),
            qty=core.size(order.symbol, order.qty),
            price=core.price(order.symbol, order.limit),
            status="PENDING_NEW",
            journal_seq=future.result().seq,
            correlation_id=order.correlation,
        )
        if on_answer is not None:
            on_answer(Answer(ok=True, text=f"sent {order.id}", data={"order_id": order.id}))

    def blocked(self, order: Order) -> str:
        """Why an approved order must not leave after all; the world may have changed while it was stored."""
        if order.purpose is Purpose.FLATTEN:
            return ""
        if self._kill.covers(order.symbol):
            return "kill or flatten began before it was sent"
        reason = self._view.opening_blocked(order.symbol, order.strategy)
        if not reason or self._gate.is_reducing(order, self._view):
            return ""
        return f"{reason} before it was sent"

    def _not_sent(self, order: Order, reason: str, on_answer: Told | None) -> None:
        self._core.metrics.count("not_sent")
        self._core.commit(
            NotSentNote(order_id=order.id, what="submit", reason=reason), order.correlation, order.id
        )
        if on_answer is not None:
            on_answer(Answer(ok=False, text=f"{order.id} was not sent: {reason}"))

    # -- cancel

    def cancel(self, order_id: str, correlation: str = "") -> str:
        """Hands a cancel over at once; returns why it could not, else an empty text."""
        core = self._core
        record = core.books.orders.get(order_id)
        if record is None:
            return f"there is no order {order_id} in memory"
        if record.life.is_closed:
            return f"{order_id} is {record.life.status} already"
        wait = self._gate.cancel_wait(self._view)
        if wait > 0:
            core.clock.call_later(wait, self._cancel_later, order_id, correlation)
            return ""
        try:
            core.adapter.cancel(order_id, record.life.broker_id)
        except NotSent as problem:
            core.commit(
                NotSentNote(order_id=order_id, what="cancel", reason=str(problem)), correlation, order_id
            )
            return str(problem)
        core.metrics.count("cancels")
        core.commit(Sent(order_id=order_id, what="cancel"), correlation or record.order.correlation, order_id)
        return ""

    def _cancel_later(self, order_id: str, correlation: str) -> None:
        problem = self.cancel(order_id, correlation)
        if problem:
            self._core.log("warning", f"cancel not sent: {problem}", component="orders", order_id=order_id)

    # -- replace

    def replace(self, change: Replace, on_answer: Told | None = None) -> Refusal | None:
        """Changes a working order by its policy: in place, or a new order after the confirmed cancel."""
        core = self._core
        record = core.books.orders.get(change.order_id)
        if record is None or record.life.is_closed:
            text = "is not open" if record is not None else "is not known"
            refusal = Refusal("order", f"order {change.order_id} {text}")
            if on_answer is not None:
                on_answer(Answer(ok=False, text=refusal.text))
            return refusal
        in_place = (
            record.order.replace_policy is ReplacePolicy.IN_PLACE
            and core.adapter.capabilities.replace_in_place
        )
        if not in_place:
            self._waiting_cancel[change.order_id] = change
            problem = self.cancel(change.order_id, change.correlation)
            if problem:
                self._waiting_cancel.pop(change.order_id, None)
            if on_answer is not None:
                on_answer(Answer(ok=not problem, text=problem or "cancel first, then the new order"))
            return Refusal("order", problem) if problem else None
        verdict = self._gate.check(change, self._view)
        if not isinstance(verdict, Approved):
            refusal = verdict.reasons[0]
            core.metrics.count("refused")
            if on_answer is not None:
                on_answer(Answer(ok=False, text=f"refused by {refusal.control}: {refusal.text}"))
            return refusal
        now = core.clock.now()
        core.books.apply(ReplaceStored(replace=change), now)
        future = core.journal.record(
            verdict,
            KINDS[ReplaceStored],
            ts=now,
            correlation=change.correlation,
        )
        future.add_done_callback(partial(self._replace_stored, change, record.order, on_answer))
        return None

    def _replace_stored(
        self,
        change: Replace,
        order: Order,
        on_answer: Told | None,
        future: asyncio.Future[Recorded[Replace]],
    ) -> None:
        core = self._core
        problem = ""
        error = future.exception()
        if error is not None:
            problem = f"not stored: {error}"
        else:
            problem = self.blocked(order)
        if not problem:
            try:
                core.adapter.replace(future.result())
            except NotSent as refused:
                problem = str(refused)
        if problem:
            core.commit(
                NotSentNote(order_id=order.id, what="replace", reason=problem, replace_id=change.id),
                change.correlation,
                order.id,
            )
        else:
            core.metrics.count("replaces")
            core.commit(
                Sent(order_id=order.id, what="replace", replace_id=change.id), change.correlation, order.id
            )
        if on_answer is not None:
            on_answer(Answer(ok=not problem, text=problem or f"replace of {order.id} sent"))

    def after_close(self, record: OrderRecord) -> None:
        """An order closed: send the new one of a cancel-then-new, for what was not filled meanwhile."""
        change = self._waiting_cancel.pop(record.order.id, None)
        if change is None:
            return
        left = change.qty - record.life.cum
        if record.life.status is not OrderStatus.CANCELED or left <= 0:
            return
        old = record.order
        order = Order(
            **{
                **{f: getattr(old, f) for f in old.__struct_fields__},
                "id": self._core.ids.order_id(old.strategy),
                "qty": left,
                "limit": change.limit,
                "stop": change.stop,
                "created": self._core.clock.now(),
                "correlation": change.correlation or old.correlation,
            }
        )
        self.submit(order)

    # -- silence

    def watch(self) -> None:
        """Asks the broker about what was not answered in time. Called by the risk loop's round."""
        core = self._core
        orders = core.books.orders
        now = core.clock.now()
        for due in orders.due(now):
            core.metrics.count("unanswered")
            core.commit(Unanswered(order_id=due.order_id, what=due.kind.value), order_id=due.order_id)
            self.ask(due.order_id)
        for order_id in orders.remainders_due(now):
            self.cancel(order_id)
        for order_id in orders.expiries_due(now):
            # Where the venue keeps the date of a GTD order itself, ours is only a reminder to look.
            if TimeInForce.GTD in core.adapter.capabilities.tifs:
                self.ask(order_id)
            else:
                self.cancel(order_id)

    def ask(self, order_id: str) -> None:
        """Queries one order; the answer comes back as a fact, a failure leaves it as unknown as it was."""
        task = asyncio.get_running_loop().create_task(self._ask(order_id), name=f"query {order_id}")
        self._queries.add(task)
        task.add_done_callback(self._queries.discard)

    async def _ask(self, order_id: str) -> None:
        core = self._core
        record = core.books.orders.get(order_id)
        if record is None:
            return
        try:
            fact = await core.adapter.query_order(order_id, record.life.broker_id)
        except QueryFailed as error:
            core.metrics.count("query_failed")
            core.log("warning", f"query failed: {error}", component="orders", order_id=order_id)
            return
        self.on_answer(fact)

    on_answer: Callable[[object], None] = staticmethod(lambda _: None)
    """Where the answer to a query goes; the engine sets it to its own `on_fact`."""

    def next_due(self) -> int | None:
        return self._core.books.orders.next_due()


def anomaly_text(anomaly: Anomaly, record: OrderRecord | None) -> str:
    """One line for a person."""
    return f"{record.order.id if record is not None else 'order'}: {anomaly.text}"
