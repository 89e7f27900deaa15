"""Orders on their way out: what may be sent, under which number, and with which transmit flags.

Everything here is on the engine's thread. What cannot be sent for certain is refused with `NotSent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from brokers.ib import raw
from brokers.ib.config import IbConfig
from brokers.ib.contracts import Resolved
from brokers.ib.idmark import IdMark
from brokers.ib.pacing import Lane, Pacer
from brokers.ib.terms import OrderTerms, terms_of
from brokers.ib.tickets import Ticket, Tickets
from engine.connection_rules import window_end
from engine.model import NS, Order, OrderType, Purpose, Replace, TimeInForce
from engine.ports import Capabilities, Clock, NotSent

_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_NOT_TRANSMITTED: Final = frozenset({"", "ApiPending", "PendingSubmit", "Inactive"})
"""Statuses of an order that waits in TWS to be transmitted."""
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def capabilities(config: IbConfig) -> Capabilities:
    """What TWS can do for futures, as the conformance suite observes it (tests/conformance).

    There is no reduce-only and no post-only order; both are refused instead of being sent without the word.
    """
    return Capabilities(
        order_types=frozenset(OrderType),
        tifs=frozenset(TimeInForce),
        replace_in_place=True,
        oco=True,
        bracket=True,
        cancel_all=True,
        tells=frozenset({"day_pnl", "excess_liquidity"}),
        what_if=config.what_if,
        message_limit=config.message_limit,
    )


class Outgoing:
    """`place` and `cancel` hand over to the library's thread; `soon` runs at the end of this turn; `bound`
    gives the number of an order placed by hand that is bound to this session, by its permId."""

    def __init__(
        self,
        config: IbConfig,
        clock: Clock,
        tickets: Tickets,
        mark: IdMark,
        pacer: Pacer,
        can: Capabilities,
        *,
        where: Callable[[str], Resolved | None],
        bound: Callable[[int], int],
        soon: Callable[[Callable[[], None]], object],
        place: Callable[[OrderTerms], None],
        cancel: Callable[[int], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._tickets = tickets
        self._mark = mark
        self._pacer = pacer
        self._can = can
        self._where = where
        self._bound = bound
        self._soon = soon
        self._place = place
        self._cancel = cancel
        self._batch: list[OrderTerms] = []

    # -- new orders

    def submit(self, order: Order) -> None:
        """Takes an order. It leaves at the end of this turn of the loop, together with its bracket."""
        if order.purpose is not Purpose.FLATTEN:
            self._not_now()
        resolved = self._check(order)
        parent = self._parent(order)
        self._pacer.take(Lane.ORDERS)
        number = self._mark.take()
        terms = terms_of(
            order,
            resolved.instrument,
            resolved.contract,
            number,
            parent.number if parent else 0,
            resolved.magnifier,
        )
        terms = terms._replace(outside_rth=resolved.outside_rth)
        self._tickets.add(
            Ticket(
                ref=order.id,
                symbol=order.symbol,
                side=order.side,
                type=order.type,
                contract=resolved.contract,
                sent=terms,
                number=number,
                client_id=self._tickets.client_id,
            )
        )
        if not self._batch:
            self._soon(self._flush)
        self._batch.append(terms)

    def _check(self, order: Order) -> Resolved:
        can = self._can
        resolved = self._where(order.symbol)
        if resolved is None:
            raise NotSent(f"{order.symbol} is no contract of this session; name it in ib.contracts")
        lacking = [
            what
            for lacks, what in (
                (order.type not in can.order_types, f"orders of type {order.type}"),
                (order.tif not in can.tifs, f"time in force {order.tif}"),
                (order.post_only and not can.post_only, "post-only orders"),
                (order.reduce_only and not can.reduce_only, "reduce-only orders"),
            )
            if lacks
        ]
        if lacking:
            raise NotSent(f"IB has no {', no '.join(lacking)}")
        if self._tickets.by_ref(order.id) is not None:
            raise NotSent(f"order {order.id} was sent before; the same order never goes twice")
        objection = resolved.objection(order.limit) or resolved.objection(order.stop)
        if objection:
            raise NotSent(objection)
        active = sum(t.symbol == order.symbol and t.side is order.side and not t.over for t in self._tickets)
        if active >= self._config.max_active:
            raise NotSent(
                f"{active} orders to {order.side.name.lower()} {order.symbol} are at work, and IB takes "
                f"no more than {self._config.max_active} per contract and side"
            )
        return resolved

    def _not_now(self) -> None:
        """Raises `NotSent` in a quiet window."""
        end = window_end(self._config.quiet, self._clock.now())
        if end is not None:
            until = datetime.fromtimestamp(end // NS, UTC)
            raise NotSent(
                f"in the quiet window of ib.quiet, until {until:%H:%M} UTC, only cancels and flattening go"
            )

    def _parent(self, order: Order) -> Ticket | None:
        if order.parent is None or order.emulated:
            return None
        parent = self._tickets.by_ref(order.parent)
        if parent is None or not parent.number or parent.client_id != self._tickets.client_id:
            raise NotSent(f"the entry {order.parent} of {order.id} is not among this session's orders at IB")
        if parent.over:
            raise NotSent(
                f"the entry {order.parent} of {order.id} has ended; IB attaches nothing to it any more"
            )
        return parent

    def _flush(self) -> None:
        """Of each bracket that leaves together only the last order is to be transmitted: TWS then sends all
        of it, so that no entry works for a moment without its stop."""
        batch, self._batch = self._batch, []
        here = {terms.order_id for terms in batch}
        family = {t.order_id: t.parent_id if t.parent_id in here else t.order_id for t in batch}
        last = {family[t.order_id]: t for t in batch}
        for terms in batch:
            releasing = last[family[terms.order_id]]
            ticket = self._tickets.by_ref(terms.ref)
            if ticket is not None and releasing is not terms:
                ticket.released_by = releasing.ref
            self._place(terms._replace(transmit=releasing is terms))

    def withdraw_halves(self, listed: Iterable[raw.OpenOrder]) -> list[str]:
        """In a new session: takes back what waits in TWS for a part of its bracket that was lost with the
        line, because a click there would send it without its stop. Returns our ids of them."""
        there = list(listed)
        refs = {order.ref for order in there}
        halves: list[str] = []
        for order in there:
            ticket = self._tickets.by_ref(order.ref)
            if ticket is None or not ticket.number or order.status not in _NOT_TRANSMITTED:
                continue
            if ticket.released_by and ticket.released_by not in refs and not ticket.filled:
                self._pacer.take(Lane.CANCELS)
                self._cancel(ticket.number)
                halves.append(order.ref)
        return halves

    # -- changes and cancels

    def replace(self, change: Replace) -> None:
        self._not_now()
        ticket = self._own(change.order_id)
        resolved = self._where(ticket.symbol)
        if resolved is None:
            raise NotSent(f"{ticket.symbol} is no contract of this session")
        if ticket.over:
            raise NotSent(f"order {change.order_id} has ended at IB ({ticket.status})")
        if ticket.twins:
            raise NotSent(
                f"order {change.order_id} is {1 + len(ticket.twins)} orders at IB, and a change would "
                f"reach one "
                f"of them; cancel it"
            )
        if change.qty < ticket.filled:
            raise NotSent(
                f"{ticket.filled} lots of {change.order_id} are filled already, {change.qty} is below"
            )
        stands = ticket.standing
        if ticket.turned:
            raise NotSent(
                f"IB works the market order {change.order_id} as a limit order and takes no change of it; "
                f"cancel it and send another"
            )
        limit, stop = change.limit, change.stop
        if ticket.type in _LIMITED and limit is None and stands is not None:
            limit = stands.limit
        if ticket.type in _STOPS and stop is None and stands is not None:
            stop = stands.stop
        objection = resolved.objection(limit) or resolved.objection(stop)
        if objection:
            raise NotSent(objection)
        if stands is not None and (change.qty, limit, stop) == stands:
            raise NotSent(f"order {change.order_id} stands at these terms already")
        self._pacer.take(Lane.ORDERS)
        instrument = resolved.instrument
        ticket.changes.append(msgspec.structs.replace(change, limit=limit, stop=stop))
        self._place(
            ticket.sent._replace(  # a copy: what stands is known only when openOrder shows it
                order_id=ticket.number,
                qty=instrument.size(change.qty),
                limit=None if limit is None else instrument.price(limit) * resolved.magnifier,
                stop=None if stop is None else instrument.price(stop) * resolved.magnifier,
                transmit=True,
            )
        )

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        perm = int(broker_id) if broker_id is not None and broker_id.isdecimal() else 0
        ticket = self._tickets.by_ref(order_id) or self._tickets.by_perm(perm)
        if ticket is None and (number := self._bound(perm)):
            self._pacer.take(Lane.CANCELS)
            self._cancel(number)
            return
        if ticket is None:
            what = f"order {broker_id}" if broker_id else f"order {order_id}"
            raise NotSent(
                f"{what} was not placed by client id {self._tickets.client_id}, and IB lets only the placing "
                f"client cancel it: do it in TWS, or cancel everything at once"
            )
        self._own(ticket.ref)
        self._pacer.take(Lane.CANCELS)
        ticket.cancel_asked = True
        self._cancel(ticket.number)

    def cancel_everything(self, send: Callable[[], None]) -> None:
        """All orders of the account, of every client: marks ours as asked for and sends one request."""
        self._pacer.take(Lane.CANCELS)
        for ticket in self._tickets:
            ticket.cancel_asked = ticket.cancel_asked or not ticket.over
        send()

    def _own(self, order_id: str) -> Ticket:
        ticket = self._tickets.by_ref(order_id)
        if ticket is not None and ticket.client_id != self._tickets.client_id:
            raise NotSent(
                f"order {order_id} was placed by client id {ticket.client_id}, and only that one can change "
                f"or cancel it; set ib.client_id = {ticket.client_id}, or do it in TWS"
            )
        if ticket is None or not ticket.number:
            raise NotSent(
                f"order {order_id} is not known at IB in this session; ask for the open orders first"
            )
        return ticket
