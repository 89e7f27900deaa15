"""What clients ask about orders: place, change, transmit, cancel, list. The answers come from `reports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brokers.exchange.messages import Action, Cancel, Change, New
from brokers.loopback.tws import times
from brokers.loopback.tws.contracts import Listed
from brokers.loopback.tws.layout import Values
from brokers.loopback.tws.order import TwsOrder, completed_values, open_values, status_values
from brokers.loopback.tws.orderbook import OrderBook
from brokers.loopback.tws.terms import Refused, Terms, terms
from engine.model import MarketState, Order, Replace, Side, TimeInForce
from engine.ports import NotSent

if TYPE_CHECKING:
    from brokers.loopback.tws.client import Client
    from brokers.loopback.tws.gateway import Gateway


class Trading:
    """The order requests of all clients."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.book: OrderBook = OrderBook()
        self._changes = 0

    # -- new and changed orders

    def place(self, client: Client, values: Values, raw: list[str]) -> None:
        """Message 3: a new order, or a changed one where the client's order id is known."""
        order_id = values["orderId"]
        try:
            self._check_account(values)
            known = self.book.find(client.client_id, order_id)
            if known is not None:
                self._change(client, known, values, raw)
            else:
                self._new(client, values, raw)
        except Refused as refusal:
            client.error(order_id, refusal.code, refusal.text)

    def _check_account(self, values: Values) -> None:
        config = self._gateway.config
        if config.read_only:
            raise Refused(
                321,
                "Error validating request.-'bO' : cause - The API interface is currently in Read-Only mode.",
            )
        if not values["account"]:
            if len(config.accounts) > 1:
                raise Refused(436, "You must specify an allocation.")
            values["account"] = config.accounts[0]
        elif values["account"] not in config.accounts:
            raise Refused(
                321, f"Error validating request.-'bO' : cause - Invalid account {values['account']!r}"
            )

    def _new(self, client: Client, values: Values, raw: list[str]) -> None:
        gateway, book = self._gateway, self.book
        order_id = values["orderId"]
        if order_id is None or order_id < 0 or book.was_used(client.client_id, order_id):
            raise Refused(103, "Duplicate order id")
        listed = self._contract(values)
        wanted = terms(values, listed, gateway.config)
        parent = None
        if values["parentId"]:
            parent = book.find(client.client_id, values["parentId"])
            if parent is None or parent.done:
                raise Refused(10006, "Missing parent order.")
        if values["whatIf"]:
            self._what_if(client, values, raw, listed, wanted)
            return
        active = [o for o in book.open(values["account"]) if o.symbol == listed.instrument.symbol]
        if sum(o.side is wanted.side for o in active) >= gateway.config.max_active:
            raise Refused(
                201,
                f"Order rejected - reason:{gateway.config.max_active} orders are working for this contract "
                "and side, which is the limit",
            )
        order = self._make(client, values, raw, listed, wanted, book.next_perm())
        if parent is not None:
            order.parent_perm, order.parent_order_id = parent.perm_id, parent.order_id
            if not order.oca:
                order.oca = f"bracket-{parent.perm_id}"
        book.add(order)
        for code, text in wanted.notices:
            client.error(order_id, code, text)
        if values["transmit"]:
            self._transmit(order)
        else:
            order.transmitted = False
            gateway.reports.announce(order)

    def _make(
        self, client: Client, values: Values, raw: list[str], listed: Listed, wanted: Terms, perm: int
    ) -> TwsOrder:
        return TwsOrder(
            perm_id=perm,
            client_id=client.client_id,
            order_id=values["orderId"],
            account=values["account"],
            symbol=listed.instrument.symbol,
            side=wanted.side,
            qty=wanted.qty,
            type=wanted.type,
            tif=wanted.tif,
            limit=wanted.limit,
            stop=wanted.stop,
            expire=wanted.expire,
            raw=raw,
            version=client.version,
            xid=f"T{perm}",
            oca=values["ocaGroup"],
            oca_type=values["ocaType"] or 0,
        )

    def _contract(self, values: Values) -> Listed:
        found = self._gateway.contracts.find(values)
        if not found:
            raise Refused(200, "No security definition has been found for the request")
        if len(found) > 1:
            raise Refused(200, f"The contract description specified for {values['symbol']} is ambiguous.")
        return found[0]

    def _transmit(self, order: TwsOrder) -> None:
        """Sends an order; what was kept back of its family goes first, parents before children."""
        family = [order]
        if order.parent_perm:
            family = [
                o
                for o in self.book.open(order.account)
                if o.perm_id == order.parent_perm or o.parent_perm == order.parent_perm
            ]
        else:
            family += [o for o in self.book.open(order.account) if o.parent_perm == order.perm_id]
        for member in sorted(family, key=lambda o: o.order_id):
            if member is order or not member.transmitted:
                member.transmitted = True
                self.send(member)

    def send(self, order: TwsOrder) -> None:
        """To the exchange, or to the waiting room while its market is closed."""
        gateway = self._gateway
        if gateway.config.pending_submit:
            gateway.reports.announce(order)
        market = gateway.exchange.market(order.symbol)
        if market.state is MarketState.CLOSED:
            order.waiting, order.status = True, "PreSubmitted"
            client = gateway.client(order.client_id)
            gateway.reports.announce(order)
            if client is not None:
                side = "BUY" if order.side is Side.BUY else "SELL"
                client.error(
                    order.order_id,
                    399,
                    f"Order Message:\n{side} {order.qty} {gateway.contracts.of(order.symbol).local_symbol}\n"
                    "Warning: Your order will not be placed at the exchange until its market opens.",
                )
            return
        order.waiting = False
        parent = self.book.by_perm(order.parent_perm)
        request = New(
            Order(
                id=order.xid,
                strategy="tws",
                account=order.account,
                symbol=order.symbol,
                side=order.side,
                qty=order.qty,
                type=order.type,
                limit=order.limit,
                stop=order.stop,
                tif=order.tif,
                expire=order.expire,
                parent=None if parent is None else parent.xid,
                oco=order.oca or None,
                created=gateway.clock.now(),
            )
        )
        self.book.save(order)
        self._to_exchange(order, request)

    def _to_exchange(self, order: TwsOrder, request: Action) -> None:
        """Hands a request over; while the session to the exchange is down it waits for it."""
        order.unsent = False
        try:
            self._gateway.session(order.account).send(request)
        except NotSent:
            order.unsent = isinstance(request, New)
            self._gateway.when_restored(lambda: self._to_exchange(order, request))

    def market_opened(self, symbol: str) -> None:
        """Sends what waited for the market of an instrument."""
        for order in self.book.open():
            if order.waiting and order.symbol == symbol:
                self.send(order)

    def _change(self, client: Client, order: TwsOrder, values: Values, raw: list[str]) -> None:
        gateway = self._gateway
        listed = self._contract(values)
        if order.done:
            if order.status == "Filled":
                raise Refused(104, "Can't modify a filled order.")
            raise Refused(103, "Duplicate order id")
        wanted = terms(values, listed, gateway.config)
        for code, text in wanted.notices:
            client.error(order.order_id, code, text)
        if not order.transmitted or order.waiting:
            self._rewrite(order, values, raw, wanted)
            if order.waiting:
                gateway.reports.announce(order)
            elif values["transmit"]:
                self._transmit(order)
            else:
                gateway.reports.announce(order)
            return
        at_once = wanted.tif is TimeInForce.IOC and order.tif in (TimeInForce.DAY, TimeInForce.GTC)
        same = (
            listed.instrument.symbol == order.symbol
            and wanted.side is order.side
            and wanted.type is order.type
            and (at_once or (wanted.tif, wanted.expire) == (order.tif, order.expire))
            and values["account"] == order.account
        )
        if not same:
            raise Refused(105, "Order being modified does not match original order.")
        if wanted.qty < order.cum:
            raise Refused(201, "Order rejected - reason:the total quantity is below what has been filled")
        self._changes += 1
        order.changing = raw
        order.version = client.version
        change = Replace(
            id=f"{order.xid}-{self._changes}",
            order_id=order.xid,
            qty=wanted.qty,
            limit=wanted.limit,
            stop=wanted.stop,
        )
        order.to_ioc = at_once
        self._to_exchange(order, Change(change))

    @staticmethod
    def _rewrite(order: TwsOrder, values: Values, raw: list[str], wanted: Terms) -> None:
        order.raw = raw
        order.side, order.qty, order.type = wanted.side, wanted.qty, wanted.type
        order.limit, order.stop = wanted.limit, wanted.stop
        order.tif, order.expire = wanted.tif, wanted.expire
        order.oca = values["ocaGroup"] or order.oca

    def _what_if(self, client: Client, values: Values, raw: list[str], listed: Listed, wanted: Terms) -> None:
        order = self._make(client, values, raw, listed, wanted, 0)
        order.status = "PreSubmitted"
        state: dict[str, Any] = {"whatIf": True}
        if self._gateway.config.what_if == "margins":
            state |= self._gateway.accounts.what_if(order, listed)
        client.send("open_order", open_values(order, listed, **state))

    # -- cancels

    def cancel(self, client: Client, order_id: int) -> None:
        """Message 4. Only the client that placed an order can cancel it."""
        order = self.book.find(client.client_id, order_id)
        if order is None:
            client.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif order.done:
            client.error(
                order_id,
                10148,
                f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}.",
            )
        else:
            self._cancel(order)

    def cancel_all(self) -> None:
        """Message 58: everybody's orders, also manual ones."""
        for order in self.book.open():
            self._cancel(order)

    def end_as_ioc(self, order: TwsOrder) -> None:
        """The exchange knows no change to IOC: whatever the new terms left is cancelled."""
        order.to_ioc, order.tif = False, TimeInForce.IOC
        at_venue = self._gateway.exchange.books.find(order.account, order.xid, order.broker_id)
        if at_venue is not None and not at_venue.closed:
            self._cancel(order)

    def _cancel(self, order: TwsOrder) -> None:
        gateway = self._gateway
        if not order.transmitted or order.waiting:
            gateway.reports.ended(order, "Cancelled", "asked for", told=True)
            for child in self.book.open(order.account):
                if child.parent_perm == order.perm_id:
                    self._cancel(child)
            return
        self._to_exchange(order, Cancel(order_id=order.xid, broker_id=order.broker_id))

    # -- lists

    def open_orders(self, client: Client) -> None:
        """Message 5: the client's own; client 0 also sees manual orders once they are bound to it."""
        mine = [o for o in self.book.open() if o.client_id == client.client_id and o.order_id != 0]
        self._list(client, mine)

    def all_open_orders(self, client: Client) -> None:
        """Message 16: everybody's; binds nothing."""
        self._list(client, list(self.book.open()))

    def _list(self, client: Client, orders: list[TwsOrder]) -> None:
        for order in orders:
            listed = self._gateway.contracts.of(order.symbol)
            client.send("open_order", open_values(order, listed))
            client.send("order_status", status_values(order, listed))
        client.send("open_order_end", {})

    def bind_manual_orders(self, client: Client, on: bool) -> None:
        """Message 15: only client 0 may; manual orders then get a negative order id of its own."""
        if client.client_id != 0:
            client.error(-1, 327, "Only the default client (i.e 0) can auto bind orders.")
            return
        client.binds = on
        if on:
            for order in self.book.open():
                if order.foreign:
                    self.bind(client, order)

    def bind(self, client: Client, order: TwsOrder) -> None:
        """Gives a manual order an order id of client 0 and tells it."""
        if order.order_id == 0:
            order.order_id = self.book.next_negative()
            client.send("order_bound", {"permId": order.perm_id, "clientId": 0, "orderId": order.order_id})
        self._gateway.reports.announce(order)

    def completed_orders(self, client: Client, api_only: bool) -> None:
        """Message 99: what ended today, without order and client ids."""
        gateway = self._gateway
        for order in self.book.completed():
            if not (api_only and order.foreign):
                listed = gateway.contracts.of(order.symbol)
                when = times.stamp(order.done_at, gateway.config.zone)
                client.send("completed_order", completed_values(order, listed, when))
        client.send("completed_orders_end", {})
