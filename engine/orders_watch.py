"""What is unanswered for too long, which remainders to cancel, which orders have passed their date.

Pure data: the book arms and disarms, the engine asks what is due and acts. All times are engine time in ns.
What is returned as due is armed again, so that an action that fails comes round once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.config import OrderConfig
from engine.lifecycle_types import Request
from engine.model import NS, OrderStatus, PartialFillPolicy
from engine.orders_record import InFlight, OrderRecord
from engine.orders_timers import Timers

_REPLACE: Final = Request.REPLACE
"""Under a name of its own, as below: to look one up in an enumeration takes as long as ten other steps."""
_QUERY: Final = Request.QUERY
_UNKNOWN: Final = OrderStatus.UNKNOWN
_CANCEL_REMAINDER: Final = PartialFillPolicy.CANCEL_REMAINDER

Find = Callable[[str], OrderRecord | None]


class Watch:
    """The deadlines of all orders of one book."""

    def __init__(self, config: OrderConfig) -> None:
        self._answer_after = int(config.answer_after * NS)
        self._longest = max(self._answer_after, int(config.answer_backoff_max * NS))
        self._flights = Timers()
        self._remainders = Timers()
        self._expiries = Timers()

    def follow(self, record: OrderRecord, now: int, *, asked: bool) -> None:
        """After a change of the order. `asked`: it left just now.

        Neither a later request nor the answer to it puts off the question about an unanswered one: an order
        that is cancelled again and again is asked about all the same.
        """
        flight = None if record.held else record.life.in_flight
        if flight is None:
            if record.flight is not None:
                record.flight = None
                self._flights.disarm(record.order.id)
            return
        if flight is not record.flight or asked:
            record.flight = flight
            record.flight_since = now
            record.attempts = 0
            # a contradiction is asked about at once, an answer is waited for
            wait = 0 if flight is _QUERY else self._answer_after
            due, before = now + wait, self._flights.when(record.order.id)
            if before is not None and record.life.status is _UNKNOWN:
                due = min(due, before)
            if flight is _REPLACE and before is not None and not asked:
                # What came between has been answered; the replace has waited since it was asked for.
                due = max(now, min(due, *(r.created + self._answer_after for r in record.life.unanswered)))
            self._flights.arm(record.order.id, due)

    @property
    def in_flight(self) -> int:
        """How many questions are open."""
        return len(self._flights)

    def put_back(self, record: OrderRecord, local_expiry: bool) -> None:
        """An open order out of a saved state: what is unanswered is due when it first was, or at once."""
        if record.flight is not None:
            wait = 0 if record.flight is _QUERY else self._answer_after
            self._flights.arm(record.order.id, record.flight_since + wait)
        self.opened(record, local_expiry)
        if record.first_fill:
            self.filled(record)

    def opened(self, record: OrderRecord, local_expiry: bool) -> None:
        order = record.order
        # Also a GTC order with a date: it stands for a GTD one at a venue that keeps none.
        if local_expiry and order.expire is not None:
            self._expiries.arm(order.id, order.expire)

    def filled(self, record: OrderRecord) -> None:
        """After the first fill of an order."""
        order = record.order
        if order.partial_fill is _CANCEL_REMAINDER:
            self._remainders.arm(order.id, record.first_fill + order.remainder_after)

    def ended(self, record: OrderRecord) -> None:
        order_id = record.order.id
        self._remainders.disarm(order_id)
        self._expiries.disarm(order_id)

    def due(self, now: int, find: Find) -> list[InFlight]:
        """What has gone unanswered; each question waits twice as long as the one before it."""
        found = []
        for order_id in self._flights.take_due(now):
            record = find(order_id)
            if record is None or record.flight is None:
                continue
            found.append(InFlight(order_id, record.flight, record.attempts))
            wait = min(self._answer_after << min(record.attempts, 30), self._longest)
            record.attempts += 1
            self._flights.arm(order_id, now + wait)
        return found

    def hurry(self, now: int, find: Find) -> None:
        """Everything unanswered is due now, as after a reconnect; the waits start over."""
        for order_id in self._flights.armed():
            record = find(order_id)
            if record is not None:
                record.attempts = 0
            self._flights.arm(order_id, now)

    def remainders_due(self, now: int, find: Find) -> list[str]:
        """Partly filled orders whose rest is to be cancelled by policy."""
        return self._to_cancel(self._remainders, now, find, partly=True)

    def expiries_due(self, now: int, find: Find) -> list[str]:
        """Orders past their date where the engine keeps the date."""
        return self._to_cancel(self._expiries, now, find, partly=False)

    def _to_cancel(self, timers: Timers, now: int, find: Find, *, partly: bool) -> list[str]:
        found = []
        for order_id in timers.take_due(now):
            record = find(order_id)
            if record is None or record.life.is_closed:
                continue
            if partly and not record.life.cum:  # its fills were busted; the next one arms it again
                continue
            timers.arm(order_id, now + self._answer_after)
            # a cancel under way, or an order in doubt, is the in-flight watch's matter first
            if not record.life.pending_cancel and record.life.status is not _UNKNOWN:
                found.append(order_id)
        return found

    def next_due(self) -> int | None:
        """The earliest time at which any of the above may have something, ns; None: nothing is armed."""
        earliest = self._flights.next()
        for timers in (self._remainders, self._expiries):
            due = timers.next()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest
