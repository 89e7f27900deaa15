"""From the exchange's reports to the callbacks that clients see."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers.loopback.tws.executions import Execution
from brokers.loopback.tws.order import TwsOrder, open_values, status_values
from engine.facts import (
    Acknowledged,
    AnyFact,
    Busted,
    Canceled,
    CancelRejected,
    Corrected,
    Executed,
    Expired,
    ForeignOrder,
    MarketStateChanged,
    OrderFact,
    PendingCancel,
    Rejected,
    Released,
    Replaced,
    ReplaceRejected,
    Restated,
    Suspended,
    Triggered,
)
from engine.model import ExecutionKey, Fill, MarketState, OrderStatus, OrderType

if TYPE_CHECKING:
    from brokers.loopback.tws.client import Client
    from brokers.loopback.tws.gateway import Gateway


class Reports:
    """Keeps the gateway's orders in step with the exchange and tells whom it concerns."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def take_over(self, *, line_was_cut: bool) -> None:
        """Brings the gateway's orders and executions to what the exchange has. `line_was_cut`: what it does
        not know never reached it, and is over; otherwise it may still be under way."""
        gateway = self._gateway
        book, venue, executions = gateway.trading.book, gateway.exchange.books, gateway.executions
        for kept in venue.executions:
            known = executions.by_stem.get(executions.stem(kept.fill.key))
            if known is None and not kept.busted:
                self._executed(Executed(ts=kept.fill.ts, fill=kept.fill))
            elif known is not None and kept.busted and known.fill.key == kept.fill.key:
                self._revised(kept.fill.key, None)
        for order in book.open():
            at_venue = venue.find(order.account, order.xid or None, order.broker_id)
            if at_venue is None:
                if line_was_cut and order.transmitted and not (order.waiting or order.unsent):
                    self.ended(order, "Cancelled", "it never reached the exchange", told=False)
                continue
            order.live, order.broker_id = True, at_venue.broker_id
            self._protected(order, at_venue.limit)
            order.qty, order.limit, order.stop = at_venue.qty, at_venue.limit, at_venue.stop
            if at_venue.status is OrderStatus.REJECTED:
                order.broker_id = at_venue.broker_id
                self._rejected(order, at_venue.reason)
            elif at_venue.closed:
                self.ended(order, "Cancelled", at_venue.reason, told=True)
            else:
                self._stand(order)

    # -- whom it concerns

    def audience(self, client_id: int, *, foreign: bool = False) -> Iterator[Client]:
        """The placing client, the master client, and client 0 for manual orders that it binds."""
        gateway = self._gateway
        for client in gateway.clients.values():
            mine = client.client_id == client_id and (not foreign or client.binds)
            if mine or client.client_id == gateway.config.master_client:
                yield client

    def announce(self, order: TwsOrder) -> None:
        """openOrder and orderStatus, as they stand."""
        book = self._gateway.trading.book
        book.save(order)
        listed = self._gateway.contracts.of(order.symbol)
        for client in self.audience(order.client_id, foreign=order.foreign):
            client.send("open_order", open_values(order, listed))
            client.send("order_status", status_values(order, listed))

    def error(self, order: TwsOrder, code: int, text: str) -> None:
        for client in self.audience(order.client_id, foreign=order.foreign):
            client.error(order.order_id, code, text)

    def ended(self, order: TwsOrder, status: str, reason: str, *, told: bool) -> None:
        """An order is over. `told`: with code 202, as for every cancel."""
        order.done, order.done_at = True, self._gateway.clock.now()
        order.status, order.reason, order.why_held, order.waiting = status, reason, "", False
        if told:
            self.error(order, 202, f"Order Canceled - reason:{'' if reason == 'asked for' else reason}")
        self.announce(order)

    # -- facts

    def on_fact(self, account: str, fact: AnyFact) -> None:
        """One report of the exchange."""
        if isinstance(fact, Executed):
            self._executed(fact)
        elif isinstance(fact, Corrected):
            self._revised(fact.key, fact.fill)
        elif isinstance(fact, Busted):
            self._revised(fact.key, None)
        elif isinstance(fact, MarketStateChanged):
            self._market_state(account, fact)
        elif isinstance(fact, ForeignOrder):
            self._foreign(fact)
        elif isinstance(fact, OrderFact):
            order = self._gateway.trading.book.at_exchange(fact.order_id, fact.broker_id)
            if order is not None:
                self._of_order(order, fact)

    def _of_order(self, order: TwsOrder, fact: OrderFact) -> None:
        if order.broker_id is None and fact.broker_id is not None and not isinstance(fact, Rejected):
            order.broker_id, order.live = (
                fact.broker_id,
                True,
            )  # the first report need not be the acknowledgement
        if isinstance(fact, Acknowledged):
            self._stand(order)
        elif isinstance(fact, Rejected):
            if not fact.duplicate:
                order.broker_id = fact.broker_id
                self._rejected(order, fact.reason)
        elif isinstance(fact, Canceled):
            if order.status != "Filled":
                self.ended(order, "Cancelled", fact.reason, told=True)
        elif isinstance(fact, Expired):
            self.ended(order, "Cancelled", fact.reason, told=False)
        elif isinstance(fact, PendingCancel):
            order.status = "PendingCancel"
            self.announce(order)
        elif isinstance(fact, CancelRejected):
            self._cancel_refused(order, fact)
        elif isinstance(fact, Replaced):
            self._replaced(order, fact)
        elif isinstance(fact, ReplaceRejected):
            order.changing, order.to_ioc = [], False
            self.error(order, 201, f"Order rejected - reason:{fact.reason}")
        elif isinstance(fact, Suspended | Released):
            self._stand(order)
        elif isinstance(fact, Triggered):
            order.status, order.why_held = "Submitted", ""
            self.announce(order)
        elif isinstance(fact, Restated):
            order.qty = fact.qty
            if not self._protected(order, fact.limit):
                self.announce(order)

    def _protected(self, order: TwsOrder, limit: int | None) -> bool:
        """Whether the exchange works a market order as a limit order from now on."""
        if order.type is not OrderType.MARKET or limit is None:
            return False
        order.type, order.limit = OrderType.LIMIT, limit
        order.shown = self._gateway.config.protected_as
        price = self._gateway.contracts.of(order.symbol).instrument.price(limit)
        self.error(
            order, 2161, f"In accordance with our regulatory obligations, a cap price of {price} is set."
        )
        self.announce(order)
        return True

    def _rejected(self, order: TwsOrder, reason: str) -> None:
        self.error(order, 201, f"Order rejected - reason:{reason}")
        self.ended(order, self._gateway.config.rejected_as, reason, told=False)

    def _stand(self, order: TwsOrder) -> None:
        """Status of a live order by what it is and what its market does."""
        exchange = self._gateway.exchange
        at_venue = exchange.books.find(order.account, order.xid or None, order.broker_id)
        if order.done:
            return
        order.status, order.why_held = "PreSubmitted", ""
        if at_venue is not None and at_venue.held:
            order.why_held = "child"
        elif at_venue is not None and at_venue.is_stop:
            order.why_held = "trigger"
        elif exchange.market(order.symbol).matching:
            order.status = "Submitted"
        self.announce(order)

    def _cancel_refused(self, order: TwsOrder, fact: CancelRejected) -> None:
        if fact.status is None:
            text = f"OrderId {order.order_id} that needs to be cancelled is not found."
            self.error(order, 10147, text)
        elif fact.status in (OrderStatus.WORKING, OrderStatus.PARTIAL_FILL):
            self.error(
                order,
                161,
                f"Cancel attempted when order is not in a cancellable state. Order permId ={order.perm_id}",
            )
        else:
            self.error(
                order,
                10148,
                f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, state: "
                f"{order.status}.",
            )

    def _replaced(self, order: TwsOrder, fact: Replaced) -> None:
        book = self._gateway.trading.book
        if order.broker_id is not None and fact.broker_id not in (None, order.broker_id):
            # The old order stayed live: the changed one goes on as another order under the same number.
            changed = replace(order, perm_id=book.next_perm(), broker_id=fact.broker_id)
            order.qty, order.fills, order.changing = order.leaves, {}, []
            book.add(changed)
            self.announce(order)
            order = changed
        if order.changing:
            order.raw, order.changing = order.changing, []
        order.qty, order.limit, order.stop = fact.qty, fact.limit, fact.stop
        if order.to_ioc:
            self._gateway.trading.end_as_ioc(order)
        if not order.done:
            self.announce(order)

    def _foreign(self, fact: ForeignOrder) -> None:
        order = self._gateway.trading.book.at_exchange("", fact.broker_id)
        if order is None or order.done:
            return
        order.qty = fact.qty
        if fact.status.is_closed:
            if fact.status is not OrderStatus.FILLED:
                self.ended(order, "Cancelled", "asked for", told=True)
            return
        order.live = True
        self._stand(order)

    def _market_state(self, account: str, fact: MarketStateChanged) -> None:
        gateway = self._gateway
        if fact.state is not MarketState.CLOSED:
            gateway.trading.market_opened(fact.symbol)
        for order in gateway.trading.book.open(account):
            if order.symbol == fact.symbol and order.live and not order.why_held:
                matching = gateway.exchange.market(fact.symbol).matching
                if (order.status == "Submitted") != matching and order.status != "PendingCancel":
                    self._stand(order)

    # -- executions

    def _executed(self, fact: Executed) -> None:
        gateway, fill = self._gateway, fact.fill
        executions = gateway.executions
        stem = executions.stem(fill.key)
        known = executions.by_stem.get(stem)
        if known is not None:  # the exchange said it twice: so do we
            executions.add(known)
            self._tell(known)
            return
        book = gateway.trading.book
        order = book.at_exchange(fill.order_id or "", fill.broker_id)
        realized = gateway.accounts.book(fill)
        if order is not None:
            order.fills[stem] = (fill.qty, fill.price)
            order.last = fill.price
            order.live = True
            if order.leaves == 0:
                order.status, order.why_held, order.done = "Filled", "", True
                order.done_at = fill.ts
            elif not order.done:
                order.status, order.why_held = "Submitted", ""
        execution = self._execution(stem, 1, fill, order, realized)
        executions.add(execution)
        self._tell(execution, order)
        if order is not None and order.oca_type == 1:
            self._cancel_group(order)
        gateway.accounts.changed(fill.key.account, fill.symbol)

    def _execution(
        self, stem: str, revision: int, fill: Fill, order: TwsOrder | None, realized: Decimal | None
    ) -> Execution:
        listed = self._gateway.contracts.of(fill.symbol)
        price = listed.instrument.price(fill.price)
        return Execution(
            stem=stem,
            revision=revision,
            fill=fill,
            perm_id=_perm(fill) if order is None else order.perm_id,
            client_id=0 if order is None else order.client_id,
            order_id=0 if order is None else order.order_id,
            order_ref="" if order is None else order.request().get("orderRef", ""),
            cum=fill.qty if order is None else order.cum,
            average=price if order is None else order.average(listed),
            realized=realized,
        )

    def _tell(self, execution: Execution, order: TwsOrder | None = None) -> None:
        values = self._gateway.executions.values(execution, -1)
        commission = self._gateway.executions.commission(execution)
        foreign = order is not None and order.foreign
        audience = list(self.audience(execution.client_id, foreign=foreign and execution.order_id == 0))
        for client in audience:
            client.send("execution", values)
        if order is not None:
            self.announce(order)
        for client in audience:
            client.send("commission", commission)

    def _revised(self, key: ExecutionKey, fill: Fill | None) -> None:
        """A correction (a new fill under the old stem) or a bust (the same with size 0)."""
        gateway = self._gateway
        executions = gateway.executions
        old = executions.by_stem.get(executions.stem(key))
        if old is None or old.busted:
            return
        gateway.accounts.unbook(old.fill)
        realized = gateway.accounts.book(fill) if fill is not None else None
        order = gateway.trading.book.by_perm(old.perm_id)
        if order is not None:
            if fill is None:
                order.fills.pop(old.stem, None)
                at_venue = gateway.exchange.books.find(order.account, order.xid or None, order.broker_id)
                if order.status == "Filled" and at_venue is not None and not at_venue.closed:
                    order.done, order.status = False, "Submitted"
                    gateway.trading.book.reopen(order)
                elif order.status == "Filled" and order.leaves:
                    order.status = "Submitted"  # the exchange ends it next
            else:
                order.fills[old.stem] = (fill.qty, fill.price)
        new = self._execution(old.stem, old.revision + 1, fill or old.fill, order, realized)
        if order is None:  # forgotten in a restart; whose it was stands in what it had told
            new = replace(
                new,
                perm_id=old.perm_id,
                client_id=old.client_id,
                order_id=old.order_id,
                order_ref=old.order_ref,
                cum=old.cum - old.fill.qty + (0 if fill is None else fill.qty),
            )
        new.busted = fill is None
        executions.add(new)
        self._tell(new, order)
        gateway.accounts.changed(old.fill.key.account, old.fill.symbol)

    def _cancel_group(self, order: TwsOrder) -> None:
        """OCA type 1: any fill cancels the rest of the group (the exchange itself only reduces it)."""
        gateway = self._gateway
        for other in gateway.trading.book.open(order.account):
            if other is order or not other.oca or other.oca != order.oca:
                continue
            if other.live:
                gateway.exchange.cancel_order(other.account, other.xid, "OCA group")
            elif other.waiting or not other.transmitted:
                self.ended(other, "Cancelled", "OCA group", told=True)


def _perm(fill: Fill) -> int:
    """Permanent id of an order that the gateway has forgotten."""
    name = fill.order_id or ""
    return int(name[1:]) if name[:1] == "T" and name[1:].isdecimal() else 0
