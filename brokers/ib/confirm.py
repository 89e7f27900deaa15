"""Confirming reads: what one callback left open is settled by looking at open orders and executions.

A refusal is one only when TWS does not list the order; a cancel is provisional until no fill and no live
order is found; Inactive may be refused or merely held. Orders that ask at the same time are settled by one
look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from brokers.ib import raw
from brokers.ib.executions import Executions
from brokers.ib.reads import Reads
from brokers.ib.tickets import Ticket
from brokers.ib.translate import CLOSED, ENDED, report
from engine.facts import AnyFact, BrokerNotice, Rejected, Suspended
from engine.model import NS, OrderStatus
from engine.ports import Clock, QueryFailed

SOON: Final = NS // 20
APART: Final = NS // 2
TRIES: Final = 3


class Confirmer:
    """One look at a time, for all that wait."""

    def __init__(
        self,
        clock: Clock,
        reads: Reads,
        executions: Executions,
        *,
        tell: Callable[[AnyFact], None],
        gap: Callable[[str], None],
        up: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._reads = reads
        self._book = executions
        self._tell = tell
        self._gap = gap
        self._up = up
        self._waiting: dict[str, Ticket] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, ticket: Ticket) -> None:
        """Settle this order soon."""
        self._waiting[ticket.ref] = ticket
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="confirm with IB")

    async def close(self) -> None:
        """Forgets what waits: with the session everything is in doubt, and a Gap says so."""
        task, self._task = self._task, None
        self._waiting.clear()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        await self._clock.sleep(SOON)
        failures = 0
        while self._waiting and self._up():
            batch = {ref: t for ref, t in self._waiting.items() if not self._adds_up(t)}
            self._waiting.clear()
            if not batch:
                return
            try:
                listed = await self._reads.listed()
                await self._reads.refresh()
                for ticket in batch.values():
                    await self._settle(ticket, listed)
                failures = 0
            except QueryFailed as error:
                failures += 1
                if failures >= TRIES:
                    self._gap(f"{len(batch)} orders could not be confirmed with IB: {error}")
                    return
                self._waiting = {**batch, **self._waiting}
            await self._clock.sleep(APART)

    def _adds_up(self, ticket: Ticket) -> bool:
        """A filled order all of whose executions are here needs no look."""
        stands = ticket.standing
        return (
            ticket.status == "Filled" and stands is not None and self._book.filled(ticket.ref) >= stands.qty
        )

    async def _settle(self, ticket: Ticket, listed: list[tuple[raw.OpenOrder, raw.Status | None]]) -> None:
        live = [
            (order, status)
            for order, status in listed
            if (order.ref == ticket.ref or (order.perm_id and order.perm_id in {ticket.perm, *ticket.twins}))
            and (status.status if status is not None else order.status) not in CLOSED
        ]
        now, executed, perm = self._clock.now(), self._book.filled(ticket.ref), ticket.broker_id
        if live:
            self._is_live(ticket, [s.status if s is not None else o.status for o, s in live], now)
        elif ticket.over:
            if ticket.status == "Filled" and not self._adds_up(ticket):
                self._gap(f"IB counts {ticket.filled} lots of {ticket.ref} as filled and tells {executed}")
        elif ticket.status == "Inactive" or (ticket.refusal and not ticket.acked):
            if executed:
                self._gap(f"order {ticket.ref} is gone from IB's open orders with {executed} lots executed")
                return
            reason = ticket.refusal or "Inactive at IB, and not among its open orders"
            self._tell(Rejected(ts=now, order_id=ticket.ref, broker_id=perm, reason=reason))
            ticket.over = True
        elif ticket.acked and ticket.status not in ENDED:
            found = await self._reads.query_order(ticket.ref, perm)
            self._tell(found)

    def _is_live(self, ticket: Ticket, names: list[str], now: int) -> None:
        perm = ticket.broker_id
        if ticket.status == "Inactive":
            why = ticket.refusal or "no reason told"
            text = f"{ticket.ref} is held by IB (Inactive) and needs attention: {why}"
            self._tell(BrokerNotice(ts=now, code="inactive", text=text))
            self._tell(Suspended(ts=now, order_id=ticket.ref, broker_id=perm))
            ticket.acked = True
        elif ticket.over:
            ticket.over = False
            found = report(ticket, now, perm, name=names[0], reason="IB lists it as open")
            if found.status is not OrderStatus.PENDING_NEW:
                self._tell(found)
            self._gap(
                f"order {ticket.ref} was told as ended and is among IB's open orders ({', '.join(names)})"
            )
