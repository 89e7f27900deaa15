"""The exchange as others see it: market data in, sessions for clients, commands for drills, the audit."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from brokers.exchange.books import Books, Execution, TradingDay
from brokers.exchange.config import AccountConfig, ExchangeConfig
from brokers.exchange.desk import OrderDesk
from brokers.exchange.faults import FaultPlan
from brokers.exchange.gateways import FIRST, Gateways
from brokers.exchange.hours import Hours, calendar_day
from brokers.exchange.ledger import Ledger
from brokers.exchange.market import Market
from brokers.exchange.messages import Action, Answer, Audit, Deadline, Query
from brokers.exchange.orders import VenueOrder
from brokers.exchange.queries import Queries
from brokers.exchange.session import FactSink, Session
from engine.facts import Executed, MarketStateChanged, Released, Suspended
from engine.feeds.mbo import MboMessage
from engine.model import (
    ExecutionKey,
    Instrument,
    MarketState,
    OrderStatus,
    OrderType,
    Quote,
    Side,
    TimeInForce,
    Trade,
)
from engine.ports import Clock, NotSent, TimerHandle

__all__ = ["Audit", "Exchange"]


class Exchange:
    """A simulated exchange. Satisfies `engine.ports.MarketSink`; clients come in through `open_session`.

    `rng` decides latencies and faults; the same seed, input and requests give the same reports. `ledger`:
    file in which the books survive the process; found there, they are taken over. `trading_day` gives the
    day that execution ids and DAY orders belong to; by default each instrument's calendar does. All of it
    runs on `clock`'s thread.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        clock: Clock,
        rng: random.Random,
        config: ExchangeConfig | None = None,
        account: AccountConfig | None = None,
        *,
        ledger: Path | Ledger | None = None,
        trading_day: TradingDay = calendar_day,
    ) -> None:
        self.config = config or ExchangeConfig()
        self.clock = clock
        self.instruments = {i.symbol: i for i in instruments}
        self.faults = FaultPlan(self.config.faults, rng.getrandbits(64))
        self.books = Books(self.instruments, account or AccountConfig(), self.config.keep_closed)
        self._markets: dict[str, Market] = {}
        self.desk = OrderDesk(
            self.books, self._markets, clock, self.config, self.faults, trading_day, self.session
        )
        for instrument in instruments:
            self._markets[instrument.symbol] = Market(instrument, self.config, self.desk)
        self._queries = Queries(self.books, self.faults, self.desk.marks)
        self._trading_day = trading_day
        self._latency_rng = random.Random(rng.getrandbits(64))
        self._sessions: dict[str, Session] = {}
        self._deadlines: dict[str, TimerHandle] = {}
        """Dead-man's switches that are armed, by account. A restart of the exchange forgets them."""
        self.gateways = Gateways(clock)
        self._hours = Hours(instruments, clock, self.on_market_state)
        self.ledger: Ledger | None = None
        self.restored = False
        """True when the books were taken over from the ledger."""
        if ledger is not None:
            self.ledger = ledger if isinstance(ledger, Ledger) else Ledger(ledger)
            self.restored = self.ledger.load(self.books)
            self.books.store = self.ledger
            self._resume()

    # -- market input (engine.ports.MarketSink)

    def on_quote(self, quote: Quote) -> None:
        """A top of book. Quotes of instruments that are not listed here are ignored."""
        if quote.ts >= self._hours.due:
            self._hours.roll(quote.ts)
        market = self._markets.get(quote.symbol)
        if market is not None:
            market.on_quote(quote)

    def on_trade(self, trade: Trade) -> None:
        if trade.ts >= self._hours.due:
            self._hours.roll(trade.ts)
        market = self._markets.get(trade.symbol)
        if market is not None:
            market.on_trade(trade)

    def on_mbo(self, message: MboMessage) -> None:
        """An order-level message; gives true queue positions from then on (see `orderbook`)."""
        if message.ts >= self._hours.due:
            self._hours.roll(message.ts)
        market = self._markets.get(message.symbol)
        if market is not None:
            market.on_mbo(message)

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        """The market of an instrument changes its state. CLOSED ends the session: DAY orders expire."""
        market = self._markets.get(symbol)
        if market is None or market.state is state:
            return
        was = market.state
        market.set_state(state, ts)
        self._tell_state(market)
        if state is MarketState.CLOSED:
            for order in list(market.orders.values()):
                if order.tif is TimeInForce.DAY:
                    self.desk.end(order, OrderStatus.EXPIRED, "end of the session")
        if self.config.suspend_on_halt and MarketState.HALTED in (state, was):
            self._suspend(market, state is MarketState.HALTED)

    def on_batch_end(self, ts: int) -> None:  # noqa: ARG002 - the moment, not the stamp, matters
        """A good moment to put the books on disk."""
        self.books.flush()

    def data_lost(self) -> None:
        """What moves the markets has gone: orders that arrive wait for the next quote instead of meeting a
        book that may be no market any more."""
        for market in self._markets.values():
            market.data_lost()

    def on_feed_end(self, reason: str) -> None:  # noqa: ARG002 - the venue stays open without a feed
        self.books.flush()

    # -- clients

    @property
    def currency(self) -> str:
        """Of all accounts here."""
        return self.books.settings.currency

    def has_account(self, account: str) -> bool:
        """Whether it was ever opened, also in a life before this one."""
        return account in self.books.accounts

    def fund(self, account: str, cash: Decimal) -> Decimal:
        """Opens an account with `cash`, or with what is configured where that is not above zero. Returns what
        it opened with. An account that is there is left alone."""
        if not self.has_account(account):
            self.books.account(account, cash if cash > 0 else None)
        return self.books.account(account).start

    def open_session(self, account: str, sink: FactSink, gateway: str = FIRST) -> Session:
        """A line for the account's client; not up before `Session.open`. A former one is told and closed.
        Raises `NotSent` where that door is shut; then the former one stays."""
        refusal = self.gateways.refusal(account, gateway)
        if refusal:
            raise NotSent(refusal)
        former = self._sessions.get(account)
        if former is not None:
            former.displace()
        self.books.account(account)
        if self.config.follow_calendars:
            self._hours.start()
        session = self._sessions[account] = Session(
            self,
            account,
            sink,
            self.config.latency_ns(),
            random.Random(self._latency_rng.getrandbits(64)),
            self.config.message_limit,
            limit_cancels=self.config.limit_cancels,
            separate_queries=self.config.separate_queries,
            gateway=gateway,
        )
        return session

    def handle(self, session: Session, request: Action) -> None:
        if isinstance(request, Deadline):
            self._set_deadline(session.account, request.after)
        else:
            self.desk.handle(session, request)

    def _set_deadline(self, account: str, after: int | None) -> None:
        """Arms or disarms the account's dead-man's switch."""
        timer = self._deadlines.pop(account, None)
        if timer is not None:
            timer.cancel()
        if after is not None:
            self._deadlines[account] = self.clock.call_later(after, self._deadline, account)

    def _deadline(self, account: str) -> None:
        """Nobody has renewed it: every order goes that a program has placed, whatever it protects."""
        del self._deadlines[account]
        for order in self.books.open_orders(account):
            if order.order_id is not None:
                self.desk.end(order, OrderStatus.CANCELED, "dead-man's switch", unsolicited=True)

    def answer(self, account: str, query: Query) -> Answer | None:
        return self._queries.answer(account, query, self.clock.now())

    def before_reports(self) -> None:
        self.books.flush()

    def link_changed(self, session: Session, up: bool) -> None:
        if up:
            if self.faults.hit("reuse_ids"):
                self.books.counters.order = max(self.books.counters.order - 3, 0)
            for symbol in sorted(self._markets):
                self._tell_state(self._markets[symbol], session)
        elif self.config.cancel_on_disconnect:
            for order in self.books.open_orders(session.account):
                if order.tif is TimeInForce.DAY and order.order_id is not None:
                    self.desk.end(order, OrderStatus.CANCELED, "session lost", unsolicited=True)

    def refusal(self, session: Session) -> str:
        return self.gateways.refusal(session.account, session.gateway)

    def away(self, session: Session, down_for: int | None) -> None:
        if down_for is None:
            self.gateways.back(session)
        else:
            self.gateways.away(session, down_for)

    def session(self, account: str) -> Session | None:
        """The line of the account's client, whether it stands or not."""
        return self._sessions.get(account)

    # -- commands: states, limits, links

    def market(self, symbol: str) -> Market:
        """The market of an instrument. Raises `KeyError` with the listed ones."""
        market = self._markets.get(symbol)
        if market is None:
            raise KeyError(f"there is no instrument {symbol} here; listed are {', '.join(self._markets)}")
        return market

    def set_state(self, symbol: str, state: MarketState, *, until: int | None = None) -> None:
        """Halts, reserves, closes or opens an instrument now; with `until` (UTC ns) only up to then."""
        market = self.market(symbol)
        before = market.state
        self.on_market_state(symbol, state, self.clock.now())
        if until is not None:
            self.clock.call_later(until - self.clock.now(), self._state_over, symbol, state, before)

    def script(self, changes: Iterable[tuple[int, str, MarketState]]) -> None:
        """State changes to come: (UTC ns, symbol, state)."""
        for ts, symbol, state in changes:
            self.market(symbol)
            self.clock.call_later(max(ts - self.clock.now(), 0), self.on_market_state, symbol, state, ts)

    def set_limits(self, symbol: str, low: int | None, high: int | None) -> None:
        """New daily limits in ticks; told to all sessions."""
        market = self.market(symbol)
        market.low, market.high = low, high
        self._tell_state(market)

    def drop_link(
        self, account: str, reason: str = "dropped on command", down_for: int | None = None
    ) -> None:
        """Drops an account's session; its client may connect again at once. With `down_for` (ns) it cannot
        before that time is over, or `restore_link`; then the session comes back by itself."""
        session = self._sessions.get(account)
        if session is not None:
            session.drop(reason, down_for)

    def restore_link(self, account: str) -> None:
        session = self._sessions.get(account)
        if session is not None:
            self.gateways.back(session)
            session.open()

    def shut_gateway(self, gateway: str, reason: str = "shut on command") -> None:
        """One of the doors goes out of order: sessions by it drop, and no new one is taken."""
        self.gateways.close(gateway, reason)
        for session in self._sessions.values():
            if session.gateway == gateway:
                session.drop(reason)

    def open_gateway(self, gateway: str) -> None:
        """The door works again; clients come back by themselves."""
        self.gateways.open(gateway)

    # -- commands: what others do at the account

    def manual_trade(self, account: str, symbol: str, side: Side, qty: int, price: int | None = None) -> None:
        """A trade that no order of the client made. `price` in ticks; default: the mark."""
        market = self.market(symbol)
        at = price if price is not None else market.mark()
        if at is None or qty <= 0:
            raise ValueError(f"a manual trade of {qty} in {symbol} needs a quantity above 0 and a price")
        fill = self.desk.make_fill(account, symbol, side, qty, at, None, None)
        self.books.account(account).book(fill)
        self.books.record(fill, None)
        self.desk.report(account, Executed(ts=fill.ts, fill=fill))

    def foreign_order(
        self,
        account: str,
        symbol: str,
        side: Side,
        qty: int,
        *,
        limit: int | None = None,
        stop: int | None = None,
        tif: TimeInForce = TimeInForce.DAY,
    ) -> str:
        """An order placed by hand or elsewhere at the account. Returns its broker id."""
        market = self.market(symbol)
        kinds = {
            (False, False): OrderType.MARKET,
            (True, False): OrderType.LIMIT,
            (False, True): OrderType.STOP,
            (True, True): OrderType.STOP_LIMIT,
        }
        uid, broker_id, seq = self.books.next_order()
        now = self.clock.now()
        order = VenueOrder(
            uid=uid,
            broker_id=broker_id,
            order_id=None,
            account=account,
            symbol=symbol,
            side=side,
            qty=qty,
            type=kinds[limit is not None, stop is not None],
            tif=tif,
            received=now,
            day=self._trading_day(market.instrument, now),
            seq=seq,
            limit=limit,
            stop=stop,
        )
        self.books.add(order)
        self.desk.report(account, order.foreign(now))
        self.desk.place(order, market)
        return broker_id

    def cancel_order(self, account: str, order_id: str, reason: str = "cancelled by the exchange") -> bool:
        """Cancels an order without being asked. False when it is not open."""
        order = self.books.find(account, order_id, None) or self.books.find(account, None, order_id)
        if order is None or order.closed:
            return False
        self.desk.end(order, OrderStatus.CANCELED, reason, unsolicited=True)
        return True

    def bust(self, key: ExecutionKey) -> None:
        """Cancels an execution. Raises `KeyError` where there is none."""
        self.desk.revisions.bust(self._execution(key))

    def correct(self, key: ExecutionKey, price: int, qty: int | None = None) -> None:
        """Replaces an execution by one at another price (ticks) or quantity."""
        self.desk.revisions.correct(self._execution(key), price, qty)

    # -- the truth

    def listed_margin(self, account: str, symbol: str, lots: int) -> Decimal | None:
        """Initial margin of so many lots, account currency; None where instrument or rate is not known."""
        instrument = self.instruments.get(symbol)
        rate = None if instrument is None else self.books.account(account).rate(instrument)
        return None if instrument is None or rate is None else instrument.initial_margin * lots * rate

    def audit(self, account: str | None = None) -> Audit:
        """Every order that ever arrived and every execution, from the exchange's own books."""
        return self._queries.audit(account, self.clock.now())

    def close(self) -> None:
        """Saves the books and lets go of the ledger."""
        self.books.flush()
        for timer in self._deadlines.values():
            timer.cancel()
        for session in self._sessions.values():
            session.close()
        if self.ledger is not None:
            self.ledger.close()

    # -- helpers

    def _execution(self, key: ExecutionKey) -> Execution:
        execution = self.books.execution(key)
        if execution is None:
            raise KeyError(f"there is no execution {key.exec_id} on {key.trading_day} at {key.venue}")
        return execution

    def _state_over(self, symbol: str, state: MarketState, before: MarketState) -> None:
        if self._markets[symbol].state is state:
            self.on_market_state(symbol, before, self.clock.now())

    def _tell_state(self, market: Market, only: Session | None = None) -> None:
        fact = MarketStateChanged(
            ts=self.clock.now(),
            symbol=market.symbol,
            state=market.state,
            low_limit=market.low,
            high_limit=market.high,
        )
        for session in [only] if only is not None else self._sessions.values():
            session.tell(fact)

    def _suspend(self, market: Market, halted: bool) -> None:
        now = self.clock.now()
        for order in list(market.orders.values()):
            if order.order_id is not None and not order.held and order.suspended is not halted:
                order.suspended = halted
                self.books.touch(order)
                kind = Suspended if halted else Released
                self.desk.report(
                    order.account, kind(ts=now, order_id=order.order_id, broker_id=order.broker_id)
                )

    def _resume(self) -> None:
        """Brings restored open orders back: DAY orders of an earlier day and overdue GTD orders expire."""
        now = self.clock.now()
        for order in list(self.books.open.values()):
            market = self._markets.get(order.symbol)
            if market is None:
                order.status, order.reason = OrderStatus.CANCELED, "its instrument is not listed any more"
                self.books.closed(order)
                continue
            market.accept(order)
            over = order.tif is TimeInForce.DAY and order.day != self._trading_day(market.instrument, now)
            late = order.tif is TimeInForce.GTD and order.expire is not None and order.expire <= now
            if over or late:
                self.desk.end(order, OrderStatus.EXPIRED, "ended while the exchange was down")
            else:
                self.desk.arm_expiry(order)
