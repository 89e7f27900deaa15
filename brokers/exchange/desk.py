"""Where requests turn into orders and orders into reports: new, cancel, replace, executions, endings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from brokers.exchange import checks
from brokers.exchange.books import Books, TradingDay
from brokers.exchange.config import ExchangeConfig
from brokers.exchange.faults import FaultPlan
from brokers.exchange.groups import Groups
from brokers.exchange.market import Market
from brokers.exchange.messages import Cancel, Change, New
from brokers.exchange.orders import VenueOrder
from brokers.exchange.revisions import Revisions
from brokers.exchange.session import Session
from engine.facts import (
    Acknowledged,
    AnyFact,
    Canceled,
    CancelRejected,
    Executed,
    Expired,
    PendingCancel,
    PendingReplace,
    Rejected,
    Replaced,
    ReplaceRejected,
    Restated,
    Triggered,
)
from engine.model import ExecutionKey, Fill, Order, OrderStatus, OrderType, Replace, Side, TimeInForce
from engine.ports import Clock


class OrderDesk:
    """Handles requests and implements `market.Host`. Owns no books: it writes into `books`."""

    def __init__(
        self,
        books: Books,
        markets: Mapping[str, Market],
        clock: Clock,
        config: ExchangeConfig,
        faults: FaultPlan,
        trading_day: TradingDay,
        session_of: Callable[[str], Session | None],
    ) -> None:
        self.books = books
        self.markets = markets
        self.clock = clock
        self.config = config
        self.faults = faults
        self.trading_day = trading_day
        self._session_of = session_of
        self.revisions = Revisions(self)
        self._groups = Groups(self)
        self._held_acks: dict[int, Acknowledged] = {}

    def marks(self, symbol: str) -> int | None:
        """Mark price in ticks."""
        market = self.markets.get(symbol)
        return None if market is None else market.mark()

    # -- reports

    def report(self, account: str, fact: AnyFact) -> None:
        session = self._session_of(account)
        if session is not None:
            session.report(fact)

    def report_order(self, order: VenueOrder, make: Callable[[str], AnyFact]) -> None:
        """Reports about an order: as its fact for ours, as ForeignOrder for one placed elsewhere."""
        if order.order_id is None:
            self.report(order.account, order.foreign(self.clock.now()))
        else:
            self.report(order.account, make(order.order_id))

    # -- requests

    def handle(self, session: Session, request: New | Cancel | Change) -> None:
        """Acts on a request that has arrived."""
        over = session.over_limit(request)
        if isinstance(request, New):
            self.new(session.account, request.order, "too many messages per second" if over else None)
        elif isinstance(request, Cancel):
            self.cancel(session.account, request, over=over)
        else:
            self.replace(session.account, request.replace, over=over)

    def new(self, account: str, order: Order, objection: str | None = None) -> None:
        books, now = self.books, self.clock.now()
        known = books.find(account, order.id, None)
        if known is not None:
            known.copies += 1
            books.touch(known)
            reason = f"duplicate order id; the first is {known.broker_id}"
            self.report(account, Rejected(ts=now, order_id=order.id, reason=reason, duplicate=True))
            return
        market = self.markets.get(order.symbol)
        uid, broker_id, seq = books.next_order()
        day = self.trading_day(market.instrument, now) if market is not None else ""
        placed = VenueOrder.of(order, uid=uid, broker_id=broker_id, received=now, day=day, seq=seq)
        if order.account != account:
            objection = f"the session is that of account {account}, not {order.account}"
            placed.account = account
        if objection is None and self.faults.hit("reject_new"):
            objection = "refused by the exchange's fault plan"
        objection = (
            objection
            or checks.refusal(placed, books, market, self.config, self.marks, now)
            or self._groups.objection(placed)
        )
        books.add(placed)
        if objection is not None:
            placed.status, placed.reason = OrderStatus.REJECTED, objection
            books.closed(placed)
            self.report(
                account, Rejected(ts=now, order_id=order.id, broker_id=placed.broker_id, reason=objection)
            )
            return
        assert market is not None
        self._acknowledge(placed, now)
        self._groups.admit(placed)
        self.place(placed, market)

    def place(self, order: VenueOrder, market: Market) -> None:
        """Brings an accepted order to the market, with the timers that it needs."""
        self.arm_expiry(order)
        if order.type is OrderType.MARKET and self.faults.hit("protect"):
            self._protect(order, market)
        market.accept(order)
        if not order.closed and self.faults.hit("unsolicited_cancel"):
            delay = round(self.faults.config.bust_ms * 1e6)
            self.clock.call_later(delay, self._end_unasked, order, "cancelled by the exchange's fault plan")

    def _protect(self, order: VenueOrder, market: Market) -> None:
        """Turns a market order into a limit order at the touch, as venues do that protect it."""
        touch = market.book.best(order.side.opposite)
        if touch is not None:
            order.type, order.limit = OrderType.LIMIT, touch
            self.restate(order, order.qty, "worked as a limit order, which protects it")

    def arm_expiry(self, order: VenueOrder) -> None:
        if order.tif is TimeInForce.GTD and order.expire is not None:
            self.clock.call_later(max(order.expire - self.clock.now(), 0), self._expire, order)

    def cancel(self, account: str, request: Cancel, *, over: bool = False) -> None:
        now, faults = self.clock.now(), self.faults
        order = self.books.find(account, request.order_id, request.broker_id)
        refuse = self._cancel_rejected
        if over:
            refuse(account, request, "too many messages per second", order)
        elif order is None or faults.hit("unknown_order"):
            refuse(account, request, "unknown order", None)
        elif order.closed:
            refuse(account, request, f"too late to cancel: {order.status}", order)
        elif faults.hit("reject_cancel"):
            refuse(account, request, "refused by the exchange's fault plan", order)
        else:
            broker_id = order.broker_id
            if self.config.pending_reports:
                self.report_order(order, lambda oid: PendingCancel(ts=now, order_id=oid, broker_id=broker_id))
            late = order.live if faults.hit("fill_after_cancel") else 0
            self.end(order, OrderStatus.CANCELED, "asked for")
            if late > 0:
                delay = round(faults.config.reorder_ms * 1e6)
                self.clock.call_later(
                    delay, self.revisions.fill_late, order, 1 + faults.draw("fill_after_cancel", late)
                )

    def _cancel_rejected(self, account: str, request: Cancel, reason: str, order: VenueOrder | None) -> None:
        fact = CancelRejected(
            ts=self.clock.now(),
            order_id=request.order_id,
            broker_id=request.broker_id,
            reason=reason,
            status=None if order is None else order.status,
        )
        self.report(account, fact)

    def replace(self, account: str, change: Replace, *, over: bool = False) -> None:
        now, faults = self.clock.now(), self.faults
        order = self.books.find(account, change.order_id, None)
        if order is not None and faults.hit("unknown_order"):
            order = None
        objection = "too many messages per second" if over else self._replace_objection(order, change)
        if objection is not None:
            self.report(
                account,
                ReplaceRejected(
                    ts=now,
                    order_id=change.order_id,
                    broker_id=None if order is None else order.broker_id,
                    replace_id=change.id,
                    reason=objection,
                    status=None if order is None else order.status,
                ),
            )
            return
        assert order is not None
        if self.config.pending_reports:
            pending = PendingReplace(
                ts=now, order_id=change.order_id, broker_id=order.broker_id, replace_id=change.id
            )
            self.report(account, pending)
        if faults.hit("twin_replace"):
            self.revisions.leave_twin(order)
        self._change(order, change)

    def _replace_objection(self, order: VenueOrder | None, change: Replace) -> str | None:
        if order is None:
            return "unknown order"
        if order.closed:
            return f"too late to replace: {order.status}"
        if self.faults.hit("reject_replace"):
            return "refused by the exchange's fault plan"
        market = self.markets[order.symbol]
        wanted = msgspec.structs.replace(order, qty=change.qty, seq=order.seq)
        wanted.limit = order.limit if change.limit is None else change.limit
        wanted.stop = order.stop if change.stop is None else change.stop
        if change.limit is not None and order.limit is None:
            return f"a {order.type} order has no limit price"
        if change.stop is not None and order.stop is None:
            return f"a {order.type} order has no stop price"
        moved = wanted.limit != order.limit or wanted.stop != order.stop
        objection = None
        if change.qty <= 0:
            objection = f"quantity must be above 0, not {change.qty}"
        objection = objection or checks.bad_price(wanted.limit, wanted.stop, market.instrument)
        if objection is None and (moved or change.qty > order.qty):
            objection = (
                checks.wrong_state(wanted, market)
                or checks.outside_bands(order.side, wanted.limit, wanted.stop, market)
                or checks.cannot_carry(wanted, self.books, market, self.config, self.marks)
            )
        return objection

    def _change(self, order: VenueOrder, change: Replace) -> None:
        """Gives the order its new terms. Only a smaller quantity at the same price keeps its place."""
        market = self.markets[order.symbol]
        limit = order.limit if change.limit is None else change.limit
        stop = order.stop if change.stop is None else change.stop
        keeps = limit == order.limit and stop == order.stop and change.qty <= order.qty
        placed = market.placed(order)
        if not keeps and placed:
            market.withdraw(order)
        order.qty = max(change.qty, order.cum)
        order.limit, order.stop = limit, stop
        if not keeps:
            order.seq = self.books.next_seq()
        self.books.touch(order)
        done = order.leaves <= 0
        if done:
            self._close(order, OrderStatus.FILLED if order.cum else OrderStatus.CANCELED, "replaced down")
        fact = Replaced(
            ts=self.clock.now(),
            order_id=change.order_id,
            broker_id=order.broker_id,
            replace_id=change.id,
            qty=order.qty,
            limit=order.limit,
            stop=order.stop,
            cum=order.cum,
        )
        self.report(order.account, fact)
        if done:
            self._groups.ended(order)
        elif not keeps and placed:
            market.activate(order)

    # -- what happens to orders (market.Host)

    def execute(self, order: VenueOrder, qty: int, price: int, maker: bool | None) -> int:
        """Books up to `qty` lots; a reduce-only order never more than its position. Returns the lots."""
        qty = min(qty, order.live)
        if order.reduce_only:
            held = self.books.account(order.account).position(order.symbol)
            qty = min(qty, max(-held * order.side.sign, 0))
            if qty <= 0:
                self.end(order, OrderStatus.CANCELED, "reduce-only: nothing left to reduce", unsolicited=True)
        if qty <= 0:
            return 0
        self.fill(order, qty, price, maker)
        self._groups.filled(order, qty)
        return qty

    def fill(self, order: VenueOrder, qty: int, price: int, maker: bool | None) -> None:
        """Books an execution of an order and reports it; nothing else follows from it here."""
        fill = self.make_fill(order.account, order.symbol, order.side, qty, price, order, maker)
        self.books.account(order.account).book(fill)
        execution = self.books.record(fill, order.uid)
        order.cum += qty
        if not order.closed:
            order.status = OrderStatus.PARTIAL_FILL
            if order.leaves <= 0:
                self._close(order, OrderStatus.FILLED, "")
        self.books.touch(order)
        self.report(order.account, Executed(ts=fill.ts, fill=fill))
        self._release_ack(order)
        faults = self.faults
        delay = round(faults.config.bust_ms * 1e6)
        if order.status is OrderStatus.FILLED and order.cum == order.qty and faults.hit("overfill"):
            self.clock.call_later(
                round(faults.config.reorder_ms * 1e6), self.revisions.fill_beyond, order, price
            )
        if faults.hit("bust"):
            self.clock.call_later(delay, self.revisions.bust, execution)
        elif faults.hit("correct"):
            self.clock.call_later(delay, self.revisions.correct, execution, price + 1)

    def make_fill(
        self,
        account: str,
        symbol: str,
        side: Side,
        qty: int,
        price: int,
        order: VenueOrder | None,
        maker: bool | None,
    ) -> Fill:
        """An execution with its id and fees, not booked yet."""
        instrument, now = self.markets[symbol].instrument, self.clock.now()
        day = self.trading_day(instrument, now)
        fee = instrument.fee * qty
        if instrument.fee_rate:
            fee += abs(instrument.money(price * qty)) * instrument.fee_rate
        return Fill(
            key=ExecutionKey(instrument.venue, account, day, self.books.next_execution(day)),
            symbol=symbol,
            side=side,
            qty=qty,
            price=price,
            ts=now,
            order_id=None if order is None else order.order_id,
            broker_id=None if order is None else order.broker_id,
            fee=fee,
            maker=maker,
        )

    def end(self, order: VenueOrder, status: OrderStatus, reason: str, *, unsolicited: bool = False) -> None:
        """Closes an open order and reports it; its children and group follow."""
        if order.closed:
            return
        self._close(order, status, reason)
        self._release_ack(order)
        now, bid, cum = self.clock.now(), order.broker_id, order.cum
        if status is OrderStatus.EXPIRED:
            self.report_order(
                order, lambda oid: Expired(ts=now, order_id=oid, broker_id=bid, cum=cum, reason=reason)
            )
        else:
            self.report_order(
                order,
                lambda oid: Canceled(
                    ts=now, order_id=oid, broker_id=bid, cum=cum, reason=reason, unsolicited=unsolicited
                ),
            )
        self._groups.ended(order)

    def trigger(self, order: VenueOrder) -> None:
        now, bid = self.clock.now(), order.broker_id
        self.books.touch(order)
        self.report_order(order, lambda oid: Triggered(ts=now, order_id=oid, broker_id=bid))

    def restate(self, order: VenueOrder, qty: int, reason: str) -> None:
        """Changes the total quantity of an open order by the venue's own will."""
        order.qty = qty
        self.books.touch(order)
        now = self.clock.now()
        self.report_order(
            order,
            lambda oid: Restated(
                ts=now,
                order_id=oid,
                broker_id=order.broker_id,
                qty=qty,
                limit=order.limit,
                stop=order.stop,
                reason=reason,
            ),
        )

    # -- helpers

    def _acknowledge(self, order: VenueOrder, now: int) -> None:
        faults = self.faults
        assert order.order_id is not None
        ack = Acknowledged(ts=now, order_id=order.order_id, broker_id=order.broker_id)
        late = round(faults.config.late_ack_ms * 1e6)
        if faults.hit("no_ack"):
            return
        if faults.hit("late_ack"):
            session = self._session_of(order.account)
            if session is not None:
                session.report_late(ack, late)
        elif faults.hit("fill_before_ack"):
            self._held_acks[order.uid] = ack
            self.clock.call_later(late, self._release_ack, order)
        else:
            self.report(order.account, ack)

    def _release_ack(self, order: VenueOrder) -> None:
        if self._held_acks:
            ack = self._held_acks.pop(order.uid, None)
            if ack is not None:
                self.report(order.account, ack)

    def _close(self, order: VenueOrder, status: OrderStatus, reason: str) -> None:
        order.status, order.reason = status, reason
        self.markets[order.symbol].remove(order)
        self.books.closed(order)

    def _expire(self, order: VenueOrder) -> None:
        if order.expire is not None and self.clock.now() < order.expire:
            self.arm_expiry(order)
            return
        self.end(order, OrderStatus.EXPIRED, "its time is over")

    def _end_unasked(self, order: VenueOrder, reason: str) -> None:
        self.end(order, OrderStatus.CANCELED, reason, unsolicited=True)
