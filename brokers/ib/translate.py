"""From TWS's callbacks about orders to facts: pure, without socket or clock, so that a table can test it.

What TWS says in one callback is never the whole truth, so where a report leaves a question it asks for a
confirming read (`Told.confirm`) instead of concluding. It keeps names and last words, no order states.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, Protocol

from brokers.ib import codes, raw
from brokers.ib.contracts import Resolved
from brokers.ib.terms import PROTECTED, SIDES, TYPES_BACK, OrderTerms
from brokers.ib.tickets import Standing, Ticket, Tickets
from engine.facts import (
    Acknowledged,
    AnyFact,
    BrokerNotice,
    Canceled,
    CancelRejected,
    ForeignOrder,
    OrderReport,
    PendingCancel,
    Rejected,
    Released,
    Replaced,
    ReplaceRejected,
    Restated,
    Suspended,
    Triggered,
)
from engine.model import OrderStatus, OrderType, TimeInForce

LIVE: Final = frozenset({"PreSubmitted", "Submitted"})
ENDED: Final = frozenset({"Cancelled", "ApiCancelled"})
CLOSED: Final = ENDED | {"Filled"}
_OURS: Final = re.compile(r"[a-z][a-z0-9_]{0,11}-[0-9a-z]{5,}-[0-9a-z]+")
_TIFS: Final = {str(tif): tif for tif in TimeInForce}


def is_ours(ref: str) -> bool:
    """Whether an orderRef is one of our ids (`engine.ids`); what other programs write there is not."""
    return _OURS.fullmatch(ref) is not None


class Told(Protocol):
    """Where a translation goes."""

    def tell(self, fact: AnyFact) -> None: ...

    def confirm(self, ticket: Ticket) -> None:
        """Look at open orders and executions soon, and settle what this order left open."""

    def gap(self, reason: str) -> None:
        """Something is not as we hold it: everything must be compared."""


class Translator:
    """`where`: our instrument for a contract number. `now`: UTC ns, for reports without a stamp."""

    def __init__(
        self, tickets: Tickets, told: Told, where: Callable[[int], Resolved | None], now: Callable[[], int]
    ) -> None:
        self._tickets = tickets
        self._told = told
        self._where = where
        self._now = now

    # -- openOrder

    def open_order(self, order: raw.OpenOrder) -> Ticket | None:
        """An order as TWS holds it. Returns our ticket, None for one of others."""
        resolved = self._where(order.contract.con_id)
        if resolved is None or not (is_ours(order.ref) or self._by_names(order)):
            return None
        ticket = self._by_names(order) or self._take_up(order, resolved)
        second = self._tickets.learn(
            ticket, perm=order.perm_id, client_id=order.client_id, number=order.order_id
        )
        now, perm = self._now(), _broker_id(order.perm_id)
        standing = standing_of(order, resolved)
        if order.status in LIVE and not ticket.acked:
            ticket.acked = True
            self._told.tell(Acknowledged(ts=now, order_id=ticket.ref, broker_id=perm))
        if second or order.perm_id not in ticket.twins:
            self._terms(ticket, standing, now, perm, second=second)
        if second:
            self._told.gap(
                f"order {ticket.ref} has a second permanent id at IB, {order.perm_id} beside {ticket.perm}: "
                f"one order has become two"
            )
        return ticket

    def _by_names(self, order: raw.OpenOrder) -> Ticket | None:
        return self._tickets.find(
            perm=order.perm_id, ref=order.ref, client_id=order.client_id, number=order.order_id
        )

    def _take_up(self, order: raw.OpenOrder, resolved: Resolved) -> Ticket:
        """An order of ours from an earlier run."""
        sent = OrderTerms(
            order_id=order.order_id,
            contract=resolved.contract,
            ref=order.ref,
            account=order.account,
            action=order.action,
            qty=order.qty or Decimal(0),
            type=order.type,
            tif=order.tif,
            limit=order.limit if TYPES_BACK.get(order.type) in _LIMITED else None,
            stop=order.aux if TYPES_BACK.get(order.type) in _STOPS else None,
            good_till=order.good_till,
            parent_id=order.parent_id,
            oca_group=order.oca_group,
        )
        return self._tickets.add(
            Ticket(
                ref=order.ref,
                symbol=resolved.instrument.symbol,
                side=SIDES[order.action],
                type=TYPES_BACK.get(order.type, OrderType.LIMIT),
                contract=resolved.contract,
                sent=sent,
                client_id=order.client_id,
                perm=order.perm_id,
                acked=True,
            )
        )

    def _terms(
        self, ticket: Ticket, now_stands: Standing, now: int, perm: str | None, *, second: bool
    ) -> None:
        """Whether the terms that TWS shows are those that we asked for, or somebody else's."""
        before = ticket.standing
        if before is None and ticket.type is OrderType.MARKET and now_stands.limit is not None:
            before = now_stands._replace(limit=None)  # as it was sent
        if not second:
            ticket.standing = now_stands
        qty, limit, stop = now_stands
        for position, change in enumerate(ticket.changes):
            if (change.qty, change.limit, change.stop) == now_stands and (before != now_stands or second):
                for overtaken in ticket.changes[:position]:
                    self._told.tell(
                        ReplaceRejected(
                            ts=now,
                            order_id=ticket.ref,
                            broker_id=perm,
                            replace_id=overtaken.id,
                            reason=f"overtaken by {change.id}",
                        )
                    )
                del ticket.changes[: position + 1]
                self._told.tell(
                    Replaced(
                        ts=now,
                        order_id=ticket.ref,
                        broker_id=perm,
                        replace_id=change.id,
                        qty=qty,
                        limit=limit,
                        stop=stop,
                    )
                )
                return
        if before is not None and before != now_stands and not second:
            self._told.tell(
                Restated(
                    ts=now,
                    order_id=ticket.ref,
                    broker_id=perm,
                    qty=qty,
                    limit=limit,
                    stop=stop,
                    reason="IB works it as a limit order" if ticket.turned else "changed at TWS",
                )
            )

    # -- orderStatus

    def status(self, status: raw.Status) -> None:
        ticket = self._tickets.find(
            perm=status.perm_id, ref="", client_id=status.client_id, number=status.order_id
        )
        if ticket is None:
            return  # an order of others: what it does is seen in openOrder and executions
        resolved = self._where(ticket.contract.con_id)
        if ticket.last == status or resolved is None:
            return
        self._tickets.learn(ticket, perm=status.perm_id, client_id=status.client_id, number=status.order_id)
        was, ticket.last = ticket.status, status
        of_twin = bool(ticket.twins) and status.perm_id != ticket.perm
        name, perm, now = status.status, _broker_id(status.perm_id) or ticket.broker_id, self._now()
        lots = int(status.filled / resolved.instrument.lot)
        ticket.status, ticket.why_held, ticket.filled = name, status.why_held, max(lots, ticket.filled)
        if name in LIVE:
            self._live(ticket, was, status, perm, now)
        elif name == "PendingCancel":
            self._told.tell(PendingCancel(ts=now, order_id=ticket.ref, broker_id=perm))
        elif name in ENDED:
            self._ended(ticket, lots, perm, now, of_twin=of_twin)
        elif name == "Inactive":
            self._told.confirm(ticket)
        elif name == "Filled":
            ticket.over = True
            self._told.confirm(ticket)  # executions may be missing: the count is only a check sum

    def _live(self, ticket: Ticket, was: str, status: raw.Status, perm: str | None, now: int) -> None:
        ref, name = ticket.ref, status.status
        if not ticket.acked:
            ticket.acked = True
            self._told.tell(Acknowledged(ts=now, order_id=ref, broker_id=perm))
        if ticket.over:
            ticket.over = False
            self._told.tell(report(ticket, self._now(), perm, reason=f"IB shows it as {name} again"))
            self._told.gap(f"order {ref} was told as ended and is {name} at IB")
        elif ticket.is_child and name == "PreSubmitted" and status.why_held == "child" and was != name:
            self._told.tell(Suspended(ts=now, order_id=ref, broker_id=perm))
        elif was == "PreSubmitted" and name == "Submitted" and ticket.is_stop:
            self._told.tell(Triggered(ts=now, order_id=ref, broker_id=perm))
        elif (was == "Inactive" and name in LIVE) or (ticket.is_child and was == "PreSubmitted" != name):
            self._told.tell(Released(ts=now, order_id=ref, broker_id=perm))

    def _ended(self, ticket: Ticket, lots: int, perm: str | None, now: int, *, of_twin: bool) -> None:
        ref = ticket.ref
        if ticket.refusal and not ticket.acked and not lots:
            self._told.tell(Rejected(ts=now, order_id=ref, broker_id=perm, reason=ticket.refusal))
            ticket.over = True
            return
        if of_twin:
            self._told.gap(f"one of the two orders that {ref} is at IB has ended")
            return
        for change in ticket.changes:
            self._told.tell(
                ReplaceRejected(
                    ts=now,
                    order_id=ref,
                    broker_id=perm,
                    replace_id=change.id,
                    reason="the order ended",
                    status=OrderStatus.CANCELED,
                )
            )
        ticket.changes.clear()
        self._told.tell(
            Canceled(
                ts=now,
                order_id=ref,
                broker_id=perm,
                cum=lots,
                reason=ticket.reason,
                unsolicited=not ticket.cancel_asked,
            )
        )
        ticket.over, ticket.cancel_asked = True, False
        self._told.confirm(ticket)  # provisional: a fill may still come

    # -- error

    def error(self, ticket: Ticket, error: raw.Error) -> None:
        """An error or message with the number of an order of ours."""
        now, code = self._now(), error.code
        text = f"{error.text} [IB {code}]"
        ref, perm = ticket.ref, ticket.broker_id
        change_failed = bool(ticket.changes) and code in codes.CHANGE_FAILED
        if (codes.is_warning(code) and not change_failed) or code == codes.ENDED_BY_VENUE:
            if code == codes.ENDED_BY_VENUE:
                ticket.reason = text
                if ticket.cancel_asked and error.text.endswith("reason:"):
                    ticket.reason = ""  # the answer to our own cancel, which its status tells as well
                    return
            self._notice(ticket, code, error.text)
            return
        if ticket.cancel_asked and code in codes.CANCEL_FAILED | codes.NO_SUCH_ORDER:
            ticket.cancel_asked = False
            self._told.tell(CancelRejected(ts=now, order_id=ref, broker_id=perm, reason=text))
        elif change_failed or (ticket.changes and code in codes.REFUSED):
            change = ticket.changes.pop(0)
            self._told.tell(
                ReplaceRejected(ts=now, order_id=ref, broker_id=perm, replace_id=change.id, reason=text)
            )
        elif code in codes.REFUSED and not ticket.acked:
            ticket.refusal = text
            if ticket.status in ENDED:
                self._told.tell(Rejected(ts=now, order_id=ref, broker_id=perm, reason=text))
                ticket.over = True
                return
        else:
            self._notice(ticket, code, error.text)
        self._told.confirm(ticket)

    def _notice(self, ticket: Ticket, code: int, text: str) -> None:
        self._told.tell(BrokerNotice(ts=self._now(), code=str(code), text=f"{ticket.ref}: {text}"))


_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def _broker_id(perm: int) -> str | None:
    return str(perm) if perm else None


def standing_of(order: raw.OpenOrder, resolved: Resolved) -> Standing:
    """An order's terms in lots and ticks; prices that do not belong to its type are left out."""
    kind, instrument = TYPES_BACK.get(order.type), resolved.instrument
    limit = order.limit
    if order.type == PROTECTED and not limit:
        limit = None  # not set yet, which TWS shows as nothing or as zero
    return Standing(
        qty=int((order.qty or Decimal(0)) / instrument.lot),
        limit=_ticks(limit, resolved) if kind in _LIMITED else None,
        stop=_ticks(order.aux, resolved) if kind in _STOPS else None,
    )


def _ticks(price: Decimal | None, resolved: Resolved) -> int | None:
    return None if price is None else resolved.instrument.nearest_ticks(price / resolved.magnifier)


def report(
    ticket: Ticket,
    ts: int,
    perm: str | None,
    *,
    stands: Standing | None = None,
    cum: int | None = None,
    name: str = "",
    final: OrderStatus | None = None,
    reason: str = "",
) -> OrderReport:
    """An order of ours as a report. `name`: TWS's status where it is not the ticket's last; `final`: how it
    ended, where that is known."""
    stands = stands or ticket.standing or Standing(int(ticket.sent.qty), None, None)
    filled = ticket.filled if cum is None else cum
    name = name or ticket.status
    if final is not None:
        status = final
    elif name in ("PendingSubmit", "ApiPending", "") and not filled:
        status = OrderStatus.PENDING_NEW
    else:
        status = OrderStatus.PARTIAL_FILL if filled else OrderStatus.WORKING
    return OrderReport(
        ts=ts,
        order_id=ticket.ref,
        broker_id=perm,
        status=status,
        qty=stands.qty,
        cum=filled,
        leaves=0 if final is not None else max(stands.qty - filled, 0),
        limit=stands.limit,
        stop=stands.stop,
        reason=reason or ("held by IB (Inactive)" if name == "Inactive" else ""),
    )


def foreign(order: raw.OpenOrder, resolved: Resolved, filled: int, ts: int) -> ForeignOrder:
    """An order that is not ours. TWS's permId is its broker id, also while its number changes."""
    stands = standing_of(order, resolved)
    return ForeignOrder(
        ts=ts,
        broker_id=str(order.perm_id) if order.perm_id else f"number-{order.client_id}-{order.order_id}",
        symbol=resolved.instrument.symbol,
        side=SIDES[order.action],
        qty=stands.qty,
        cum=filled,
        type=TYPES_BACK.get(order.type, OrderType.LIMIT),
        status=OrderStatus.PARTIAL_FILL if filled else OrderStatus.WORKING,
        limit=stands.limit,
        stop=stands.stop,
        tif=_TIFS.get(order.tif, TimeInForce.DAY),
    )


def pairs(
    orders: list[raw.OpenOrder], statuses: list[raw.Status]
) -> Iterator[tuple[raw.OpenOrder, raw.Status | None]]:
    """The orders of an answer, each with the status that came with it."""
    by_perm = {s.perm_id: s for s in statuses if s.perm_id}
    by_number = {(s.client_id, s.order_id): s for s in statuses}
    for order in orders:
        yield order, by_perm.get(order.perm_id) or by_number.get((order.client_id, order.order_id))
