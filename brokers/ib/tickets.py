"""Which order of TWS's is which of ours. No order states live here: only names, and what was last said.

An order is known by permId, which is TWS's for good; by orderRef, which is our id and comes back in every
report; and by the order number, which means something only within one session and client id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from brokers.ib.terms import PROTECTED, OrderTerms, Wanted
from engine.model import OrderType, Replace, Side

KEPT: Final = 4_000
"""Tickets from which on ended ones are let go."""


class Standing(NamedTuple):
    """Terms that TWS confirmed: total quantity in lots, prices in ticks."""

    qty: int
    limit: int | None
    stop: int | None


@dataclass(slots=True, eq=False)
class Ticket:
    """One order of ours."""

    ref: str
    """Our id."""
    symbol: str
    side: Side
    type: OrderType
    contract: Wanted
    sent: OrderTerms
    """What was sent last, or what TWS showed of an order of an earlier run: the base of a change."""
    number: int = 0
    """TWS's order id in this session; 0: not known in it."""
    client_id: int = 0
    perm: int = 0
    twins: set[int] = field(default_factory=set)
    """Further permIds seen under the same order: it has become several."""
    standing: Standing | None = None
    acked: bool = False
    """It was shown as live at least once."""
    status: str = ""
    why_held: str = ""
    filled: int = 0
    """By orderStatus, lots; a check sum, never booked."""
    last: object = None
    """The last orderStatus, to tell a repeat."""
    released_by: str = ""
    """Our id of the order of its bracket that was to be transmitted for all; empty: it was sent to work at
    once."""
    changes: list[Replace] = field(default_factory=list)
    """Asked and not answered yet, oldest first."""
    cancel_asked: bool = False
    refusal: str = ""
    """Text of an error that a new order got."""
    reason: str = ""
    """Text of the last 202."""
    over: bool = False
    """It was reported as ended; more may come all the same."""

    @property
    def broker_id(self) -> str | None:
        return str(self.perm) if self.perm else None

    @property
    def turned(self) -> bool:
        """A market order that IB works with a limit of its own."""
        was_market = self.type is OrderType.MARKET or self.sent.type == PROTECTED
        return was_market and self.standing is not None and self.standing.limit is not None

    @property
    def is_child(self) -> bool:
        return self.sent.parent_id != 0

    @property
    def is_stop(self) -> bool:
        return self.type in (OrderType.STOP, OrderType.STOP_LIMIT)


class Tickets:
    """All tickets of this run."""

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        self._by_ref: dict[str, Ticket] = {}
        self._by_perm: dict[int, Ticket] = {}
        self._by_number: dict[int, Ticket] = {}

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._by_ref.values())

    def new_session(self) -> None:
        """Numbers of an earlier session may mean other orders in this one; they are learned anew."""
        self._by_number.clear()
        for ticket in self._by_ref.values():
            ticket.number = 0
            ticket.last = None

    def add(self, ticket: Ticket) -> Ticket:
        if len(self._by_ref) >= KEPT:
            self._forget()
        self._by_ref[ticket.ref] = ticket
        if ticket.number:
            self._by_number[ticket.number] = ticket
        if ticket.perm:
            self._by_perm[ticket.perm] = ticket
        return ticket

    def _forget(self) -> None:
        """Lets go of the older half of those that ended; memory must not grow with the day. What still comes
        for one of them is known by its reference."""
        ended = [t for t in self._by_ref.values() if t.over]
        for ticket in ended[: max(len(ended) // 2, 1)]:
            del self._by_ref[ticket.ref]
            for perm in (ticket.perm, *ticket.twins):
                self._by_perm.pop(perm, None)
            self._by_number.pop(ticket.number, None)

    def by_ref(self, ref: str) -> Ticket | None:
        return self._by_ref.get(ref)

    def by_perm(self, perm: int) -> Ticket | None:
        return self._by_perm.get(perm) if perm else None

    def by_number(self, number: int) -> Ticket | None:
        """The order with this number, of our client id and in this session."""
        return self._by_number.get(number) if number > 0 else None

    def find(self, *, perm: int, ref: str, client_id: int, number: int) -> Ticket | None:
        """By permId, then by our id, then by the number where it is of our client."""
        found = self.by_perm(perm) or (self._by_ref.get(ref) if ref else None)
        if found is None and client_id == self.client_id and not ref:
            found = self.by_number(number)
            if found is not None and perm and found.perm and perm != found.perm:
                return None  # the number is in use for another order by now
        return found

    def learn(self, ticket: Ticket, *, perm: int, client_id: int, number: int) -> bool:
        """Takes over what a report says of an order's names. True when it shows a second permId."""
        ticket.client_id = client_id
        if client_id == self.client_id and number > 0:
            ticket.number = number
            self._by_number[number] = ticket
        if not perm or perm == ticket.perm or perm in ticket.twins:
            return False
        self._by_perm[perm] = ticket
        if not ticket.perm:
            ticket.perm = perm
            return False
        ticket.twins.add(perm)
        return True
