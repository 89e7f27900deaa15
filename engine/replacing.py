"""Changing a working order by its policy: in place, or by a new order after the old one's confirmed cancel.

A change in place is approved, stored and sent like an order, one at a time: what is asked for while one is
unanswered waits, the newest alone, since two under way may reach the venue in either order. In
cancel-then-new the change must pass the gate before the cancel leaves; the new order passes it again for what
is left of the old one by then. Neither wait is kept over a restart: a change that waited was never made, what
is cancelled stays cancelled, and its owner sees that.
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
from engine.journal import Stored, StoreFailed
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
        self._next: dict[str, tuple[Replace, Told | None]] = {}
        """Changes in place that wait for the one before them to be answered, by order. The gate judges them
        again when they go, and they are stored then: nothing but their maker knows of them."""
        self.succeeded: Callable[[OrderRecord, Order, Refusal | None], None] = lambda *_: None
        """Told of the new order that takes an old one's place, or of why the gate refused it."""
        self.fell: Callable[[OrderRecord], None] = lambda _: None
        """Told of an order whose change was refused after it had waited."""
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
            if record.life.replaces:
                return self._wait(change, record, on_answer)
            verdict = self._gate.check(change, self._view)
            if not isinstance(verdict, Approved):
                return self._refused(change, verdict.reasons[0], on_answer)
            now = core.clock.now()
            core.books.apply(ReplaceStored(replace=change), now)
            asked = self._intake.margin_question(order, change)
            told = partial(self._stored, change, order, on_answer, asked)
            core.journal.record(verdict, KINDS[ReplaceStored], told, ts=now, correlation=change.correlation)
            return None
        return self._cancel_first(change, record, on_answer)

    def _wait(self, change: Replace, record: OrderRecord, on_answer: Told | None) -> Refusal | None:
        reasons = self._gate.preview(change, self._view)
        if reasons:
            return self._refused(change, reasons[0], on_answer)
        self._drop(record, "a newer change was asked for")
        self._next[record.order.id] = (change, on_answer)
        text = "waits until the change before it is answered"
        self._core.story("info", f"change {text}", record.order.id, change.correlation)
        if on_answer is not None:
            on_answer(Answer(ok=True, text=text, final=False))
        return None

    def _drop(self, record: OrderRecord, why: str) -> None:
        """What waits for its turn never gets it."""
        waited = self._next.pop(record.order.id, None)
        if waited is not None:
            self._refused(waited[0], Refusal("order", why), waited[1])
            self.fell(record)

    def _take_turn(self, record: OrderRecord) -> None:
        """After anything that happened to an order: its next change goes once nothing else is under way."""
        order_id, life = record.order.id, record.life
        if order_id not in self._next:
            return
        if life.is_closed:
            self._drop(record, f"order {order_id} is {life.status}")
        elif life.pending_cancel:
            self._drop(record, "its cancel is on the way")
        elif not life.replaces:
            change, on_answer = self._next.pop(order_id)
            if self.replace(change, on_answer) is not None:
                self.fell(record)

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
        asked: asyncio.Task[str] | None,
        stored: Stored[Replace],
    ) -> None:
        """The commit returned: once the broker has said what it needs, look at the world again, then send."""
        if asked is not None and not asked.done():
            asked.add_done_callback(lambda _: self._stored(change, order, on_answer, asked, stored))
            return
        if isinstance(stored, StoreFailed):
            problem = f"not stored: {stored}"
        else:
            problem = (
                self._overtaken(order.id)
                or self._intake.blocked(order, change, asked)
                or self._send(change, order, stored)
            )
        if problem:
            note = NotSentNote(order_id=order.id, what="replace", reason=problem, replace_id=change.id)
            self._intake.note_not_sent(order, note, change.correlation)
        if on_answer is not None:
            on_answer(Answer(ok=not problem, text=problem or f"replace of {order.id} sent"))

    def _send(self, change: Replace, order: Order, recorded: Recorded[Replace]) -> str:
        """Hands the change to the adapter; returns why it did not leave."""
        core = self._core
        try:
            core.adapter.replace(recorded)
        except NotSent as refused:
            return str(refused)
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
            journal_seq=recorded.seq,
        )
        return ""

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
        record = self._core.books.orders.get(order_id)
        if record is not None:
            self._drop(record, "its cancel was asked for")

    def follow(self, record: OrderRecord, fact: AnyFact | None) -> None:
        """An order that something happened to: does a change of it wait, or is a new order to follow it?"""
        self._take_turn(record)
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
