"""Changing a working order by its policy: in place, or by a new order after the old one's confirmed cancel.

A change in place is approved, stored and sent like an order. In cancel-then-new the change must pass the gate
before the cancel leaves; the new order passes it again for what is left of the old one by then. The wait for
the cancel is not kept over a restart: what is cancelled then stays cancelled, and its owner sees that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from engine.control.commands import Answer
from engine.core import Core
from engine.facts import AnyFact, CancelRejected
from engine.intake import Intake, Told
from engine.model import Order, OrderStatus, Replace, ReplacePolicy
from engine.orders_record import OrderRecord
from engine.ports import NotSent
from engine.records import (
    KINDS,
    ChildrenHeld,
    NotSentNote,
    ReplaceRefused,
    ReplaceStored,
    ReplaceWaits,
    Sent,
)
from engine.risk.gate import Gate, Refusal
from engine.sending import Approved, Recorded
from engine.view import EngineView


def as_changed(order: Order, change: Replace) -> Order:
    """The order on the terms that were asked for."""
    return msgspec.structs.replace(order, qty=change.qty, limit=change.limit, stop=change.stop)


class Replacer:
    """Runs on the engine's thread, in plain synchronous code."""

    def __init__(self, core: Core, gate: Gate, view: EngineView, intake: Intake) -> None:
        self._core = core
        self._gate = gate
        self._view = view
        self._intake = intake
        self._waiting: dict[str, Replace] = {}
        """Changes by cancel-then-new that wait for their cancel to be confirmed, by order."""
        self.succeeded: Callable[[OrderRecord, Order, Refusal | None], None] = lambda *_: None
        """Told of the new order that takes an old one's place, or of why the gate refused it."""
        intake.taken_back = self.taken_back

    def replace(self, change: Replace, on_answer: Told | None = None) -> Refusal | None:
        """Asks for the change. Returns the refusal, or None when it is on its way."""
        core = self._core
        record = core.books.orders.get(change.order_id)
        if record is None or record.life.is_closed:
            text = "is not open" if record is not None else "is not known"
            return self._refused(change, Refusal("order", f"order {change.order_id} {text}"), on_answer)
        if record.held:
            return self._change_here(change, record, on_answer)
        order = record.order
        if order.replace_policy is ReplacePolicy.IN_PLACE and core.adapter.capabilities.replace_in_place:
            verdict = self._gate.check(change, self._view)
            if not isinstance(verdict, Approved):
                return self._refused(change, verdict.reasons[0], on_answer)
            now = core.clock.now()
            core.books.apply(ReplaceStored(replace=change), now)
            future = core.journal.record(
                verdict, KINDS[ReplaceStored], ts=now, correlation=change.correlation
            )
            future.add_done_callback(partial(self._stored, change, order, on_answer))
            return None
        return self._cancel_first(change, record, on_answer)

    def _change_here(self, change: Replace, record: OrderRecord, on_answer: Told | None) -> Refusal | None:
        """A protective order that waits here for its entry's fills: the venue has nothing of it yet."""
        order = as_changed(record.order, change)
        refusal = self._intake.objection(order)
        if refusal is not None:
            return self._refused(change, refusal, on_answer)
        self._core.commit(ChildrenHeld(orders=(order,)), change.correlation, order.id)
        self._core.story("info", "changed while it waits", order.id, change.correlation)
        if on_answer is not None:
            on_answer(Answer(ok=True, text=f"{order.id} waits on the new terms"))
        return None

    def _refused(self, change: Replace, refusal: Refusal, on_answer: Told | None) -> Refusal:
        core = self._core
        core.metrics.count("refused")
        core.metrics.count(f"refused.{refusal.control}")
        note = ReplaceRefused(replace=change, control=refusal.control, reason=refusal.text)
        core.commit(note, change.correlation, change.order_id)
        text = f"replace refused by {refusal.control}: {refusal.text}"
        core.story("warning", text, change.order_id, change.correlation, status="REFUSED")
        if on_answer is not None:
            on_answer(Answer(ok=False, text=f"refused by {refusal.control}: {refusal.text}"))
        return refusal

    def _stored(
        self,
        change: Replace,
        order: Order,
        on_answer: Told | None,
        future: asyncio.Future[Recorded[Replace]],
    ) -> None:
        """The commit returned: look at the world again, then send."""
        core = self._core
        problem = ""
        error = future.exception()
        if error is not None:
            problem = f"not stored: {error}"
        else:
            problem = self._overtaken(order.id) or self._intake.blocked(order, change)
        if not problem:
            try:
                core.adapter.replace(future.result())
            except NotSent as refused:
                problem = str(refused)
        if problem:
            note = NotSentNote(order_id=order.id, what="replace", reason=problem, replace_id=change.id)
            self._intake.note_not_sent(order, note, change.correlation)
        else:
            core.metrics.count("replaces")
            core.commit(
                Sent(order_id=order.id, what="replace", replace_id=change.id), change.correlation, order.id
            )
            core.story(
                "info",
                "replace sent",
                order.id,
                change.correlation,
                qty=core.size(order.symbol, change.qty),
                price=core.price(order.symbol, change.limit),
                journal_seq=future.result().seq,
            )
        if on_answer is not None:
            on_answer(Answer(ok=not problem, text=problem or f"replace of {order.id} sent"))

    def _overtaken(self, order_id: str) -> str:
        """What happened to the order while the change waited for the disk, and makes it pointless."""
        record = self._core.books.orders.get(order_id)
        if record is None or record.life.is_closed:
            return "the order has ended"
        return "its cancel is on the way" if record.life.pending_cancel else ""

    # -- cancel, then new

    def _cancel_first(self, change: Replace, record: OrderRecord, on_answer: Told | None) -> Refusal | None:
        reasons = self._gate.preview(change, self._view)
        if reasons:
            return self._refused(change, reasons[0], on_answer)
        order_id = change.order_id
        self._core.commit(ReplaceWaits(replace=change), change.correlation, order_id)
        self._waiting[order_id] = change
        if not record.life.pending_cancel:
            problem = self._intake.send_cancel(order_id, change.correlation)
            if problem:
                self._waiting.pop(order_id, None)
                return self._refused(change, Refusal("order", problem), on_answer)
        if on_answer is not None:
            on_answer(Answer(ok=True, text="cancel first, then the new order"))
        return None

    def taken_back(self, order_id: str) -> None:
        """Somebody wants the order cancelled for good."""
        self._waiting.pop(order_id, None)

    def follow(self, record: OrderRecord, fact: AnyFact | None) -> None:
        """An order that something happened to: is it one that a new order is to follow?"""
        change = self._waiting.get(record.order.id)
        if change is None:
            return
        life = record.life
        if isinstance(fact, CancelRejected) and not life.pending_cancel and not life.is_closed:
            self._off(record, f"the venue refused to cancel it: {fact.reason}")
        elif life.is_closed:
            # Fills that the venue counts and that are on their way leave less for the new order.
            left = change.qty - max(life.cum, life.told)
            if life.status is not OrderStatus.CANCELED or life.presumed:
                self._off(record, f"the old one is {life.status} {life.reason}".rstrip())
            elif left <= 0:
                self._off(record, "nothing is left of it")
            else:
                del self._waiting[record.order.id]
                self._succeed(record, change, left)

    def _off(self, record: OrderRecord, why: str) -> None:
        change = self._waiting.pop(record.order.id)
        self._refused(change, Refusal("order", f"no new order follows {record.order.id}: {why}"), None)

    def _succeed(self, record: OrderRecord, change: Replace, left: int) -> None:
        core = self._core
        old = record.order
        order = msgspec.structs.replace(
            old,
            id=core.ids.order_id(old.strategy),
            qty=left,
            limit=change.limit,
            stop=change.stop,
            created=core.clock.now(),
            correlation=change.correlation or old.correlation,
        )
        refusal = self._intake.submit_bracket(order, self._children(old, order))
        self.succeeded(record, order, refusal)

    def _children(self, old: Order, new: Order) -> Sequence[Order]:
        """Protective orders of the old entry, made anew for the new one.

        Those of the old one keep protecting what has filled of it, and end with it where nothing has.
        """
        return [
            msgspec.structs.replace(
                child.current(),
                id=self._core.ids.order_id(old.strategy),
                qty=new.qty,
                parent=new.id,
                oco=f"oco-{new.id}",
                created=new.created,
                correlation=new.correlation,
            )
            for child in self._core.books.orders.children(old.id)
        ]
