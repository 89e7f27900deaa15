"""What a silent broker calls for: it is asked about what stayed unanswered, and our own deadlines are kept.

Not knowing is a state: a question that fails leaves an order as unknown as it was, and is asked again. Plain
synchronous code on the engine's thread but for the wait for an answer, which comes back as a fact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.core import Core
from engine.model import OrderStatus, TimeInForce
from engine.orders_record import OrderRecord
from engine.ports import QueryFailed
from engine.records import Unanswered


class Silence:
    """Asks, one order at a time. `cancel`: withdraws an order for good; returns why it could not."""

    def __init__(self, core: Core, cancel: Callable[[str], str]) -> None:
        self._core = core
        self._cancel = cancel
        self._queries: set[asyncio.Task[None]] = set()
        self.moved: Callable[[OrderRecord, OrderStatus], None] = lambda *_: None
        """Told of an order that is in doubt now, and of its status before."""
        self.on_answer: Callable[[object], None] = lambda _: None
        """Where the answer to a query goes."""
        self.on_silence: Callable[[OrderRecord, str], None] = lambda *_: None
        """Told of an order about which a question brought nothing, and why."""

    def watch(self) -> int | None:
        """Asks the broker about what was not answered in time. Called with the engine's chores. Returns when
        the next question or deadline falls due, monotonic ns; None where nothing waits."""
        core = self._core
        orders = core.books.orders
        due = orders.next_due()
        if due is None:
            return None
        now = core.clock.now()
        if due <= now:
            self._act(now)
            due = orders.next_due()
        # Orders keep engine time, chores come by the monotonic clock.
        return None if due is None else core.clock.mono() + due - now

    def _act(self, now: int) -> None:
        """Does what is due at `now`, engine time in ns."""
        core = self._core
        orders = core.books.orders
        for due in orders.due(now):
            core.metrics.count("unanswered")
            record = orders.get(due.order_id)
            assert record is not None, "what is due is in memory"
            was = record.life.status
            note = Unanswered(order_id=due.order_id, what=due.kind.value)
            core.commit(note, record.order.correlation, due.order_id)
            core.story("warning", f"{due.kind.value} unanswered: the broker is asked", due.order_id)
            if record.life.status is not was:
                self.moved(record, was)
            self.ask(due.order_id)
        for order_id in orders.remainders_due(now):
            self._cancel(order_id)
        for order_id in orders.expiries_due(now):
            # Where the venue keeps the date of a GTD order itself, ours is only a reminder to look.
            if TimeInForce.GTD in core.adapter.capabilities.tifs:
                self.ask(order_id)
            else:
                self._cancel(order_id)

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
            fact = await core.adapter.query_order(order_id, core.books.orders.broker_name(record))
        except QueryFailed as error:
            core.metrics.count("query_failed")
            core.story("warning", f"query failed: {error}", order_id)
            self.on_silence(record, str(error))
            return
        self.on_answer(fact)
