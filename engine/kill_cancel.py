"""The cancelling half of a kill: every order in scope, within the venue's budget, again until answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.config import KillConfig
from engine.facts import OpenOrders
from engine.kill_scope import Scope
from engine.kill_types import KillHost, LiveOrder
from engine.model import NS, Purpose

_LANE: Final = NS // 4
"""ns after which a cancel that could not be handed over is tried again."""
_BATCH: Final = NS // 10
"""ns for which tokens gather while the budget is used up, so that cancels go in groups."""
_TRIES: Final = 3
"""Cancels of one pass that may fail before the others wait for the next one."""
_NAMED: Final = 5
"""Orders of one pass that a step names; of the others it gives the number."""


class Canceller:
    """Hands cancels over and remembers when. One for each run of the procedure."""

    def __init__(
        self, host: KillHost, config: KillConfig, scope: Scope, say: Callable[[str], None], correlation: str
    ) -> None:
        self._host = host
        self._correlation = correlation
        self._wait = int(config.cancel_wait * NS)
        self._scope = scope
        self._say = say
        self._tried: dict[str, int] = {}
        """Order id → monotonic ns at which its cancel was last tried."""
        self._lane_due = 0
        """Monotonic ns before which no cancel can be handed over."""
        self._unsaid: list[str] = []
        self._say_due = 0
        self._trouble = ""
        """Why the last cancel that could not be handed over could not; said once."""

    def in_scope(self) -> list[LiveOrder]:
        """Orders that have to be gone before the final word."""
        return [o for o in self._host.live_orders() if self._scope.reaches(o.symbol, o.purpose)]

    def held_up(self) -> int:
        """ns until the next cancel can go; 0 where nothing holds it up."""
        return max(0, self._lane_due - self._host.clock.mono())

    def again(self) -> None:
        """What was handed over may have been lost: everything may be tried at once."""
        self._tried.clear()
        self._lane_due, self._trouble = 0, ""

    def orders(self) -> None:
        """Cancels every order in scope that is not ours to flatten with; again when unanswered."""
        sent: list[str] = []
        again: list[str] = []
        failed = 0
        for order in self.in_scope():
            if order.purpose is Purpose.FLATTEN and self._scope.closes(order.symbol):
                continue
            known = order.id in self._tried
            problem = self.one(order.id, order.broker_id)
            if problem == "":
                (again if known else sent).append(order.id)
            elif problem is not None:
                if problem != self._trouble:
                    self._trouble = problem
                    self._say(f"cancel {order.id} not sent: {problem}")
                failed += 1
                if failed == _TRIES:
                    self._lane_due = self._host.clock.mono() + _LANE
                    break
        if sent or again:
            self._trouble = ""
        self._unsaid += sent
        now = self._host.clock.mono()
        if self._unsaid and (now >= self._say_due or not self.held_up()):
            self._say(f"cancel {names(self._unsaid)}")
            self._unsaid = []
            self._say_due = now + NS
        if again:
            self._say(f"cancel {names(again)} again")

    def one(self, order_id: str, broker_id: str | None) -> str | None:
        """Empty: handed over. A text: why it could not be. None: not yet, it was tried not long ago or the
        budget has to fill up."""
        now = self._host.clock.mono()
        tried = self._tried.get(order_id)
        if now < self._lane_due or (tried is not None and now - tried < self._wait):
            return None
        wait = self._host.cancel_wait()
        if wait > 0:
            self._lane_due = now + max(wait, _BATCH)
            return None
        self._tried[order_id] = now
        return self._host.send_cancel(order_id, broker_id, self._correlation)

    def strangers(self, open_orders: OpenOrders) -> None:
        """Takes in what the broker shows and our book does not: placed elsewhere, or held for closed here."""
        live = self._host.live_orders()
        ids = {o.id for o in live}
        # Ids are given out again: one of ours with the same id hides no order from elsewhere.
        known = {(o.broker_id, o.symbol, o.side) for o in live}
        for report in open_orders.ours:
            if report.leaves > 0 and report.order_id not in ids:
                self._host.take(report)
                if all(o.id != report.order_id for o in self._host.live_orders()):
                    self.one(report.order_id, report.broker_id)
        for foreign in open_orders.foreign:
            terms = (foreign.broker_id, foreign.symbol, foreign.side)
            if self._scope.reaches(foreign.symbol, Purpose.TRADE) and terms not in known:
                self._host.take(foreign)

    def working(self, open_orders: OpenOrders) -> bool:
        """Whether our book or the broker still shows an order in scope."""
        if self.in_scope():
            return True
        known = {o.id for o in self._host.live_orders()}
        # One that our book holds for closed, or does not know, counts whatever the scope.
        return any(
            r.leaves > 0 and (self._scope.everything or r.order_id not in known) for r in open_orders.ours
        ) or any(self._scope.reaches(f.symbol, Purpose.TRADE) for f in open_orders.foreign)


def names(ids: list[str]) -> str:
    """The first few, and how many more."""
    more = len(ids) - _NAMED
    return ", ".join(ids[:_NAMED]) + (f" and {more} more" if more > 0 else "")
