"""From an order to the wire: gate, journal, send; then cancel. `engine.silence` asks about the unanswered.

Everything here is plain synchronous code on the engine's thread. The only gap in it is the wait for the
journal's commit; when that returns, the state of the world is looked at again before anything is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from engine.books import Applied
from engine.control.commands import Answer
from engine.core import Core
from engine.journal import Stored, StoreFailed
from engine.kill import KillSwitch
from engine.margins import Margins
from engine.model import Order, OrderStatus, Purpose, Replace, Side, TimeInForce
from engine.orders_record import OrderRecord
from engine.ports import NotSent
from engine.records import KINDS, ChildrenHeld, NotSentNote, OrderStored, Refused, Sent
from engine.risk.gate import Gate, Refusal
from engine.sending import Approved
from engine.view import EngineView

Told = Callable[[Answer], None]


class Intake:
    """Takes orders, replaces and cancels; owns the way to the adapter."""

    def __init__(self, core: Core, gate: Gate, view: EngineView, kill: KillSwitch, margins: Margins) -> None:
        self._margins = margins
        self._core = core
        self._gate = gate
        self._view = view
        self._kill = kill
        self._withdrawn: dict[str, str] = {}
        """Orders that wait for the disk and must not leave after all, with the reason."""
        self._storing: set[str] = set()
        """Orders that wait for the disk, or for the broker's word on their margin."""
        self._followers: dict[str, list[Callable[[], None]]] = {}
        """What leaves after an order that is not sent yet: its protection."""
        self._protected: dict[str, int] = {}
        """Entries whose protection the venue works, and how many orders that is: they leave together, once
        all of them are stored."""
        self._ready: dict[str, Callable[[], None]] = {}
        """Entries that may leave as soon as their protection is stored as well."""
        self.new_order: Callable[[Order], None] = lambda _: None
        """Told of each order that passed the gate (order groups, strategies)."""
        self.stayed: Callable[[OrderRecord, OrderStatus, Applied, str], None] = lambda *_: None
        """Told of an order, or a change of one, that certainly did not leave, and of its status before."""

    # -- new orders

    def submit(
        self,
        order: Order,
        seen_perf: int = 0,
        on_answer: Told | None = None,
        held: Sequence[Order] = (),
    ) -> Refusal | None:
        """Gate → journal → send. Returns the refusal, or None when the order is on its way.

        `seen_perf`: host counter when the tick that caused it arrived, 0 when no tick did. `held`: protective
        orders that wait here for its fills; they are on disk before it is.
        """
        core = self._core
        start = core.clock.perf()
        if seen_perf:
            core.metrics.stage("tick→intent", start - seen_perf)
        core.metrics.count("orders")
        order = self._for_venue(order)
        lacking = self.lacking(order)
        verdict = self._gate.check(order, self._view) if not lacking else None
        if not isinstance(verdict, Approved):
            refusal = verdict.reasons[0] if verdict is not None else Refusal("capability", lacking)
            if refusal.control == "margin" and refusal.unsure:
                self._margins.retry(order.symbol, order.side)
            self._refused(order, refusal)
            if on_answer is not None:
                on_answer(Answer(ok=False, text=f"refused by {refusal.control}: {refusal.text}"))
            return refusal
        approved_at = core.clock.perf()
        core.metrics.stage("intent→approved", approved_at - start)
        now = core.clock.now()
        if held:
            core.commit(ChildrenHeld(orders=tuple(held)), order.correlation, order.id)
        core.books.apply(OrderStored(order=order), now)
        self.new_order(order)
        asked = self.margin_question(order, order)
        core.journal.record(
            verdict,
            KINDS[OrderStored],
            partial(self._stored, order, seen_perf, approved_at, on_answer, asked),
            ts=now,
            correlation=order.correlation,
        )
        self._storing.add(order.id)
        return None

    def margin_question(self, order: Order, request: Order | Replace) -> asyncio.Task[str] | None:
        """What an approved request that opens has to wait for before it leaves; None: nothing."""
        if order.purpose is not Purpose.TRADE or not self._core.adapter.capabilities.what_if:
            return None
        if self._gate.is_reducing(request, self._view):
            return None
        held = self._view.position(order.symbol)
        side = order.side if not held else Side.BUY if held > 0 else Side.SELL
        return self._margins.question(order.symbol, side, request.qty)

    def submit_bracket(
        self, entry: Order, children: Sequence[Order], seen_perf: int = 0, on_answer: Told | None = None
    ) -> Refusal | None:
        """`submit` of an entry and its protective orders: all of them pass the gate, or none leaves.

        All is decided before the first of them can have been stored, let alone sent. Where the engine works
        the bracket the children wait for the entry's fills, and pass the gate once more then.
        """
        if children and self._emulates(children):
            return self._submit_emulated(entry, children, seen_perf, on_answer)
        refusal = self.submit(entry, seen_perf, on_answer)
        if refusal is not None:
            return refusal
        for index, child in enumerate(children):
            refusal = self.submit(child)
            if refusal is None:
                continue
            reason = f"its protective order was refused by {refusal.control}: {refusal.text}"
            for order in (entry, *children[:index]):
                self.withdraw(order.id, reason)
            return None  # the entry's answer says so
        if children:
            self._protected[entry.id] = len(children)
        return None

    def _emulates(self, children: Sequence[Order]) -> bool:
        can = self._core.adapter.capabilities
        if self._core.config.orders.brackets == "engine":
            return True
        return not can.bracket or (len(children) > 1 and not can.oco)

    def _submit_emulated(
        self, entry: Order, children: Sequence[Order], seen_perf: int, on_answer: Told | None
    ) -> Refusal | None:
        held = [msgspec.structs.replace(child, emulated=True) for child in children]
        for child in held:
            refusal = self.objection(child)
            if refusal is not None:
                refusal = Refusal(refusal.control, f"its protective order: {refusal.text}")
                self._core.metrics.count("orders")
                self._refused(entry, refusal)
                if on_answer is not None:
                    on_answer(Answer(ok=False, text=f"refused by {refusal.control}: {refusal.text}"))
                return refusal
        return self.submit(entry, seen_perf, on_answer, held)

    def objection(self, order: Order) -> Refusal | None:
        """Why the order would be refused right now; None where it would pass. Charges nothing."""
        lacking = self.lacking(order)
        if lacking:
            return Refusal("capability", lacking)
        return next(iter(self._gate.preview(order, self._view)), None)

    def _for_venue(self, order: Order) -> Order:
        """A GTD order goes as GTC where the venue keeps no dates: the engine cancels it at its time."""
        if order.tif is not TimeInForce.GTD:
            return order
        tifs = self._core.adapter.capabilities.tifs
        if TimeInForce.GTD not in tifs and TimeInForce.GTC in tifs:
            return msgspec.structs.replace(order, tif=TimeInForce.GTC)
        return order

    def lacking(self, order: Order) -> str:
        """What the order needs that the venue cannot do; empty where it can do all of it."""
        can = self._core.adapter.capabilities
        missing = []
        if order.type not in can.order_types:
            missing.append(f"orders of type {order.type}")
        if order.tif not in can.tifs:
            missing.append(f"time in force {order.tif}")
        if order.post_only and not can.post_only:
            missing.append("post-only orders")
        if order.reduce_only and not can.reduce_only:
            missing.append("reduce-only orders")
        if order.parent is not None and not (can.bracket or order.emulated):
            missing.append("brackets")
        if order.oco is not None and not (can.oco or order.emulated):
            missing.append("OCO groups")
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
        asked: asyncio.Task[str] | None,
        stored: Stored[Order],
    ) -> None:
        """The commit returned: once the broker has said what it needs, it goes. A bracket of the venue's
        goes as a whole: a crash between two commits must not leave an entry there whose protection nobody
        knows."""
        go = partial(self._send, order, seen_perf, approved_at, on_answer, asked, stored)
        if asked is not None and not asked.done():
            asked.add_done_callback(lambda _: self._may_go(order.id, go))
        elif order.parent is not None and order.parent in self._storing:
            if isinstance(stored, StoreFailed):
                self.withdraw(order.parent, f"its protective order was not stored: {stored}")
            self._followers.setdefault(order.parent, []).append(go)
            if order.parent in self._ready:
                self._may_go(order.parent, self._ready[order.parent])
        else:
            self._may_go(order.id, go)

    def _may_go(self, order_id: str, go: Callable[[], None]) -> None:
        if len(self._followers.get(order_id, ())) < self._protected.get(order_id, 0):
            self._ready[order_id] = go
            return
        self._ready.pop(order_id, None)
        self._protected.pop(order_id, None)
        go()

    def _send(
        self,
        order: Order,
        seen_perf: int,
        approved_at: int,
        on_answer: Told | None,
        asked: asyncio.Task[str] | None,
        stored: Stored[Order],
    ) -> None:
        """Looks at the world again, then sends the order and what was to follow it."""
        self._storing.discard(order.id)
        self._send_one(order, seen_perf, approved_at, on_answer, asked, stored)
        for follower in self._followers.pop(order.id, ()):
            follower()

    def _send_one(
        self,
        order: Order,
        seen_perf: int,
        approved_at: int,
        on_answer: Told | None,
        asked: asyncio.Task[str] | None,
        stored: Stored[Order],
    ) -> None:
        core = self._core
        if isinstance(stored, StoreFailed):
            self._not_sent(order, f"not stored: {stored}", on_answer, stored=False)
            text = f"order {order.id} was not stored and not sent: {stored}"
            core.alarm("critical", "store", text, correlation=order.correlation)
            return
        stored_at = core.clock.perf()
        core.metrics.stage("approved→journalled", stored_at - approved_at)
        blocked = self.blocked(order, order, asked)
        if blocked:
            self._not_sent(order, blocked, on_answer)
            return
        try:
            core.adapter.submit(stored)
        except NotSent as problem:
            self._not_sent(order, str(problem), on_answer)
            text = f"order {order.id} was not sent: {problem}"
            core.alarm("warning", "not_sent", text, symbol=order.symbol, correlation=order.correlation)
            return
        sent_at = core.clock.perf()
        core.metrics.stage("journalled→sent", sent_at - stored_at)
        core.metrics.count("sent")
        core.metrics.count(f"sent.{order.type}")
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
            journal_seq=stored.seq,
            correlation_id=order.correlation,
        )
        if on_answer is not None:
            on_answer(Answer(ok=True, text=f"sent {order.id}", data={"order_id": order.id}))

    def blocked(self, order: Order, request: Order | Replace, asked: asyncio.Task[str] | None) -> str:
        """Why an approved order must not leave after all; the world may have changed while it was stored.
        `asked`: the question about its margin, which has ended."""
        withdrawn = self._withdrawn.pop(order.id, "")
        if withdrawn:
            return withdrawn
        if order.purpose is Purpose.FLATTEN:
            return ""
        if order.parent is not None:
            parent = self._core.books.orders.get(order.parent)
            if parent is not None and parent.life.status is OrderStatus.REJECTED:
                return f"its entry {order.parent} was not taken: {parent.life.reason}"
        if self._kill.covers(order.symbol):
            return "kill or flatten began before it was sent"
        # Behind an account's halt nothing leaves but protection that only reduces, as the gate has it.
        reason = self._view.halted()
        if reason:
            protects = self._gate.protects(request, self._view)
            return "" if protects else f"{reason} before it was sent"
        reason = self._view.opening_blocked(order.symbol, order.strategy)
        if not reason and asked is not None:
            reason = "the engine stopped" if asked.cancelled() else asked.result()
        if reason and self._gate.is_reducing(request, self._view):
            return ""
        if not reason and order.purpose is Purpose.TRADE:
            # Protection that was approved with its entry leaves with it, whatever came up since.
            reason = self._gate.held(request, self._view)
        return f"{reason} before it was sent" if reason else ""

    def withdraw(self, order_id: str, reason: str) -> bool:
        """Makes sure that an order which still waits for the disk does not leave when it is stored. False
        where it does not wait (any more)."""
        if order_id not in self._storing:
            return False
        self._withdrawn.setdefault(order_id, reason)
        return True

    def is_withdrawn(self, order_id: str) -> bool:
        """True for an order that waits for the disk and certainly does not leave after it."""
        return order_id in self._withdrawn and order_id in self._storing

    def _not_sent(self, order: Order, reason: str, on_answer: Told | None, *, stored: bool = True) -> None:
        self._core.metrics.count("not_sent")
        self._withdrawn.pop(order.id, None)
        for child in self._core.books.orders.children(order.id):
            self.drop(child, f"its entry was not sent: {reason}")
        self.note_not_sent(order, NotSentNote(order_id=order.id, what="submit", reason=reason, stored=stored))
        if on_answer is not None:
            on_answer(Answer(ok=False, text=f"{order.id} was not sent: {reason}"))

    def drop(self, record: OrderRecord, reason: str) -> None:
        """Forgets a protective order that waits here for its entry's fills; nothing of it is at the venue."""
        if record.held:
            note = NotSentNote(order_id=record.order.id, what="submit", reason=reason)
            self.note_not_sent(record.order, note)

    def note_not_sent(self, order: Order, note: NotSentNote, correlation: str = "") -> None:
        """Something about an order certainly did not leave: on the record, in the log, and whoever follows
        the order is told."""
        core, correlation = self._core, correlation or order.correlation
        record = core.books.orders.get(order.id)
        was = record.life.status if record is not None else OrderStatus.PENDING_NEW
        applied = core.commit(note, correlation, order.id)
        text = f"{note.what} not sent: {note.reason}"
        core.story("warning", text, order.id, correlation, status="NOT_SENT")
        if record is not None:
            self.stayed(record, was, applied, correlation)

    # -- cancel

    def cancel(self, order_id: str, correlation: str = "") -> str:
        """Takes an order back: hands a cancel over at once; returns why it could not, else an empty text.

        A new order that was to follow it (`engine.replacing`) is off as well.
        """
        self.taken_back(order_id)
        return self.send_cancel(order_id, correlation)

    def send_cancel(self, order_id: str, correlation: str = "") -> str:
        """The cancel alone, whatever is to follow it."""
        core = self._core
        record = core.books.orders.get(order_id)
        if record is None:
            return f"there is no order {order_id} in memory"
        if record.life.is_closed:
            return f"{order_id} is {record.life.status} already"
        if record.held:
            self.drop(record, "cancelled while it waited for its entry's fills")
            return ""
        if self.withdraw(order_id, "cancelled before it was sent"):  # a cancel must not overtake its order
            return ""
        wait = self._gate.cancel_wait(self._view)
        if wait > 0:
            core.clock.call_later(wait, self._cancel_later, order_id, correlation)
            return ""
        try:
            core.adapter.cancel(order_id, core.books.orders.broker_name(record))
        except NotSent as problem:
            if not record.life.pending_cancel:  # one that left before is still to be answered
                note = NotSentNote(order_id=order_id, what="cancel", reason=str(problem))
                self.note_not_sent(record.order, note, correlation)
            return str(problem)
        core.metrics.count("cancels")
        core.commit(Sent(order_id=order_id, what="cancel"), correlation or record.order.correlation, order_id)
        core.story("info", "cancel sent", order_id, correlation)
        return ""

    def _cancel_later(self, order_id: str, correlation: str) -> None:
        self.send_cancel(order_id, correlation)

    taken_back: Callable[[str], None] = staticmethod(lambda _: None)
    """Told of an order that somebody wants cancelled for good."""
