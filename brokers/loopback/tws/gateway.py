"""The gateway: one exchange behind the TWS protocol for many clients, with commands for what goes wrong."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from msgspec.structs import replace

from brokers.exchange import Exchange, Session
from brokers.loopback.tws.accounts import Accounts
from brokers.loopback.tws.client import Client
from brokers.loopback.tws.config import TwsConfig
from brokers.loopback.tws.contracts import ContractBook, Listed
from brokers.loopback.tws.door import listen
from brokers.loopback.tws.executions import Executions
from brokers.loopback.tws.farms import Code, Farms
from brokers.loopback.tws.handlers import HANDLERS
from brokers.loopback.tws.layout import Values
from brokers.loopback.tws.market import MarketRoom
from brokers.loopback.tws.order import TwsOrder
from brokers.loopback.tws.recording import Recorder
from brokers.loopback.tws.reports import Reports
from brokers.loopback.tws.script import How, Script
from brokers.loopback.tws.store import Store
from brokers.loopback.tws.trading import Trading
from engine.facts import AnyFact, LinkDown, LinkUp
from engine.feeds.mbo import MboMessage
from engine.model import NS, ExecutionKey, MarketState, OrderType, Quote, Side, TimeInForce, Trade
from engine.ports import Clock, NotSent

_log = logging.getLogger(__name__)

_MOST_PROBLEMS: Final = 1_000
"""Complaints that are kept; all are logged."""


class Gateway:
    """Serves one exchange to IB clients. Satisfies `engine.ports.MarketSink`: a feed is run into it.

    Everything happens on the clock's thread. `problems` holds what clients sent that the layouts do not
    explain. `store`: file in which the orders' names survive the process, as the exchange's ledger does the
    rest.
    """

    def __init__(
        self,
        exchange: Exchange,
        listed: tuple[Listed, ...],
        rng: random.Random,
        config: TwsConfig | None = None,
        *,
        recorder: Recorder | None = None,
        store: Path | None = None,
    ) -> None:
        self.exchange = exchange
        self.clock: Clock = exchange.clock
        self.config: TwsConfig = config or TwsConfig()
        self.contracts = ContractBook(listed, self.config.zone)
        self.script = Script(self.clock, rng)
        self.recorder = recorder
        self.clients: dict[int, Client] = {}
        """By client id: those that have logged on."""
        self.problems: list[str] = []
        self._lost: Literal[0, 1100, 2110] = 0
        """By command: the code that told of it."""
        self._away = False
        """The session to the exchange is down."""
        self._stale = False
        """What happened at the exchange meanwhile is still to be taken over."""
        self.mute = False
        """Whether new lines are accepted and never answered."""
        self.dribble: tuple[int, float] | None = None
        """Bytes at a time, and seconds between them; None: everything at once."""
        self.farms = Farms()
        self.executions: Executions = Executions(self)
        self.reports: Reports = Reports(self)
        self.trading: Trading = Trading(self)
        self.accounts: Accounts = Accounts(self)
        self.market: MarketRoom = MarketRoom(self)
        self._lines: dict[Client, asyncio.Task[None] | None] = {}
        self._count = 0
        self._sessions: dict[str, Session] = {}
        self._late_facts: list[tuple[str, AnyFact]] = []
        self._late_requests: list[Callable[[], None]] = []
        self._followers: dict[str, list[Listed]] = {}
        for contract in listed:
            if contract.follows is not None:
                self._followers.setdefault(contract.follows, []).append(contract)
        self._store = None if store is None else Store(store)
        if self._store is not None:
            self.trading.book.load(self._store)
            self.executions.load(self._store)

    # -- life

    def start(self) -> None:
        """Opens the sessions at the exchange and starts the timers."""
        for account in self.config.accounts:
            session = self.exchange.open_session(account, functools.partial(self._on_fact, account))
            self._sessions[account] = session
            session.open()
        for order in self.trading.book.open():
            order.unsent = False  # whatever waited for an earlier session is gone with its process
        self.reports.take_over(line_was_cut=True)
        self.accounts.start()
        self.market.start()

    async def listen(self, port: int = 0) -> tuple[asyncio.Server, int]:
        """Opens the door on 127.0.0.1; 0: any port. Returns the listener and the port."""
        return await listen(self.serve, port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one client until it leaves."""
        self._count += 1
        client = Client(self, self._count, writer)
        self._lines[client] = asyncio.current_task()
        await client.run(reader)

    def left(self, client: Client) -> None:
        """A line is over."""
        self._lines.pop(client, None)
        if self.clients.get(client.client_id) is client:
            del self.clients[client.client_id]
        if self.recorder is not None:
            self.recorder.flush()

    async def close(self) -> None:
        """Drops everybody, waits for the lines to end, and closes the books."""
        lines = [task for task in self._lines.values() if task is not None]
        self.drop_clients("fin")
        if lines and (await asyncio.wait(lines, timeout=1.0))[1]:
            self.drop_clients("rst")  # somebody does not read what was left for him
        await asyncio.gather(*lines, return_exceptions=True)
        self.accounts.stop()
        self.market.stop()
        if self._store is not None:
            self._store.close()
        self.exchange.close()
        if self.recorder is not None:
            self.recorder.close()

    @property
    def server_up(self) -> bool:
        """False after 1100: the gateway has lost the server."""
        return not self._lost and not self._away

    @property
    def data_up(self) -> bool:
        """True where market data flows."""
        return self.server_up and self.farms.market_data

    def problem(self, text: str) -> None:
        """Something that should not be: logged as an error and kept."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(text)
        _log.error("%s", text)

    # -- for the rooms

    def client(self, client_id: int) -> Client | None:
        return self.clients.get(client_id)

    def handle(self, client: Client, name: str, values: Values, raw: list[str]) -> None:
        """A request that has arrived; `raw`: its fields as they came."""
        if name == "place_order":
            self.trading.place(client, values, raw)
        else:
            HANDLERS[name](self, client, values)

    def session(self, account: str) -> Session:
        return self._sessions[account]

    def greetings(self) -> Iterator[tuple[int, str]]:
        """How the data farms are, for a client that has just logged on."""
        yield from self.farms.all()
        if not self.server_up:
            yield 1100, "Connectivity between IB and Trader Workstation has been lost."

    def when_restored(self, action: Callable[[], None]) -> None:
        """Keeps an order request until the server is back."""
        self._late_requests.append(action)

    def _on_fact(self, account: str, fact: AnyFact) -> None:
        if isinstance(fact, LinkDown):
            if self.server_up:
                self._tell_lost(1100)
            self._away = self._stale = True
            self._reopen(account)
        elif isinstance(fact, LinkUp):
            if self._away and all(s.up for s in self._sessions.values()):
                self._away = False
                if self.server_up:
                    self._restored(data_lost=False)
        elif self.server_up:
            self.reports.on_fact(account, fact)
        else:
            self._late_facts.append((account, fact))

    def _reopen(self, account: str) -> None:
        """Tries until the session to the exchange is back; what was missed meanwhile is then taken over."""
        session = self._sessions[account]
        if session.up:
            return
        try:
            session.open()
        except NotSent:
            self.clock.call_later(NS // 10, self._reopen, account)

    # -- market data (engine.ports.MarketSink)

    def on_mbo(self, message: MboMessage) -> None:
        """Order by order, for true places in the exchange's queues; clients see the quotes made from it."""
        self.exchange.on_mbo(message)

    def on_quote(self, quote: Quote) -> None:
        self.exchange.on_quote(quote)
        self.market.on_quote(quote)
        for other in self._followers.get(quote.symbol, ()):
            moved = replace(
                quote,
                symbol=other.instrument.symbol,
                bid=None if quote.bid is None else quote.bid + other.basis,
                ask=None if quote.ask is None else quote.ask + other.basis,
            )
            self.exchange.on_quote(moved)
            self.market.on_quote(moved)

    def on_trade(self, trade: Trade) -> None:
        self.exchange.on_trade(trade)
        self.market.on_trade(trade)
        for other in self._followers.get(trade.symbol, ()):
            moved = replace(trade, symbol=other.instrument.symbol, price=trade.price + other.basis)
            self.exchange.on_trade(moved)
            self.market.on_trade(moved)

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        self.exchange.on_market_state(symbol, state, ts)
        for other in self._followers.get(symbol, ()):
            self.exchange.on_market_state(other.instrument.symbol, state, ts)

    def on_batch_end(self, ts: int) -> None:
        self.exchange.on_batch_end(ts)

    def on_feed_end(self, reason: str) -> None:
        self.exchange.on_feed_end(reason)

    # -- commands: what goes wrong

    def error(self, code: int, text: str, subject: int = -1, client_id: int | None = None) -> None:
        """An error or notice at any moment, to one client or to all. `subject`: order or request id."""
        for client in list(self.clients.values()):
            if client_id in (None, client.client_id):
                client.error(subject, code, text)

    def lose_server(self, code: Literal[1100, 2110] = 1100) -> None:
        """The gateway loses IB; sockets stay open. Callbacks are kept, market data stops, orders wait."""
        self._lost = code
        self._tell_lost(code)

    def _tell_lost(self, code: Literal[1100, 2110]) -> None:
        texts = {
            1100: "Connectivity between IB and Trader Workstation has been lost.",
            2110: "Connectivity between Trader Workstation and server is broken. It will be restored "
            "automatically.",
        }
        self.error(code, texts[code])

    def restore_server(self, *, data_lost: bool = False) -> None:
        """IB is back: 1102, then the kept callbacks; or 1101, which ends all market data subscriptions. While
        the session to the exchange is down it waits for that."""
        self._lost = 0
        if not self._away:
            self._restored(data_lost=data_lost)

    def _restored(self, *, data_lost: bool) -> None:
        if data_lost:
            for client in self.clients.values():
                client.ticks.clear()
                client.tick_by_tick.clear()
                client.bars.clear()
            text = "Connectivity between IB and TWS has been restored- data lost."
            self.error(1101, text)
        else:
            text = "Connectivity between IB and Trader Workstation has been restored - data maintained."
            self.error(1102, text)
        facts, self._late_facts = self._late_facts, []
        for account, fact in facts:
            self.reports.on_fact(account, fact)
        if self._stale:
            self._stale = False
            self.reports.take_over(line_was_cut=True)
        requests, self._late_requests = self._late_requests, []
        for request in requests:
            request()

    def farm(self, code: Code, name: str) -> None:
        """A data farm changes its state; ticks and bars stand still until its market data is OK (2104)."""
        self.error(*self.farms.change(code, name))

    def drop_clients(self, how: How = "rst") -> None:
        """Ends every line, also those that have not logged on."""
        for client in list(self._lines):
            client.cut(how)

    def go_silent(self, *, new_lines: bool = False) -> None:
        """Every line that stands looks fine and nothing gets through any more. `new_lines`: those to come are
        accepted and never answered either, until `speak_again`."""
        self.mute = new_lines
        for client in self._lines:
            client.silent = True

    def speak_again(self) -> None:
        """New lines are answered again; those that went silent stay so."""
        self.mute = False

    def end_market_data(self, code: int, text: str) -> None:
        """All subscriptions to ticks end with this error (10197: another session has the data)."""
        for client in self.clients.values():
            for req_id in list(client.ticks):
                client.error(req_id, code, text)
            client.ticks.clear()

    def reissue_ids(self, client_id: int, next_id: int = 1) -> None:
        """Order ids from `next_id` on are handed out again, as after orders that were lost with the line."""
        self.trading.book.reissue_ids(client_id, next_id)

    def restart(
        self,
        how: How = "rst",
        *,
        forget_executions: bool = True,
        forget_ids: bool = True,
        lose_orders: bool = False,
    ) -> None:
        """The gateway restarts: everybody is dropped and what only it knew is gone (untransmitted orders,
        completed orders, and by choice executions and the counters of ids). `lose_orders`: open orders of
        clients are lost at the exchange too, without a word."""
        self.drop_clients(how)
        self._late_facts.clear()
        self._late_requests.clear()
        self._lost = 0
        self.reports.take_over(
            line_was_cut=False
        )  # what was kept back was known to the exchange all the time
        if forget_executions:
            self.executions.forget()
        book = self.trading.book
        for order in book.open():
            if not order.transmitted or order.unsent:
                order.done = True
            elif lose_orders and order.live and not order.foreign:
                order.done = True
                self.exchange.cancel_order(order.account, order.broker_id or order.xid, "lost in a restart")
        book.forget(ids=forget_ids, orders=False)

    def drip(self, size: int = 0, pause: float = 0.0) -> None:
        """From now on `size` bytes at a time with `pause` seconds between them; 0: everything at once."""
        self.dribble = (size, pause) if size > 0 else None

    # -- commands: what others do at the account

    def correct(self, exec_id: str, price: int, qty: int | None = None) -> None:
        """An execution is corrected to another price (ticks) or quantity (lots). Raises `KeyError`."""
        self.exchange.correct(self._standing(exec_id), price, qty)

    def bust(self, exec_id: str) -> None:
        """An execution is taken back. Raises `KeyError`."""
        self.exchange.bust(self._standing(exec_id))

    def pretend(self, perm_id: int, status: str, why_held: str = "") -> None:
        """Says once that an order has another status than it has (Inactive for one that is merely held, say);
        nothing changes at the exchange. Raises `KeyError`."""
        order = self.trading.book.by_perm(perm_id)
        if order is None:
            raise KeyError(f"there is no order with permanent id {perm_id}")
        said, order.status = order.status, status
        held, order.why_held = order.why_held, why_held
        self.reports.announce(order)
        order.status, order.why_held = said, held

    def _standing(self, exec_id: str) -> ExecutionKey:
        execution = self.executions.by_stem.get(exec_id.rpartition(".")[0])
        if execution is None or execution.busted:
            raise KeyError(f"there is no execution {exec_id}")
        return execution.fill.key

    def manual_order(
        self,
        symbol: str,
        side: Side,
        qty: int,
        *,
        limit: int | None = None,
        stop: int | None = None,
        tif: TimeInForce = TimeInForce.DAY,
        account: str | None = None,
    ) -> TwsOrder:
        """An order placed by hand in TWS. Client 0 hears of it if it binds manual orders."""
        name = account or self.config.accounts[0]
        kind = {
            (False, False): OrderType.MARKET,
            (True, False): OrderType.LIMIT,
            (False, True): OrderType.STOP,
            (True, True): OrderType.STOP_LIMIT,
        }[limit is not None, stop is not None]
        broker_id = self.exchange.foreign_order(name, symbol, side, qty, limit=limit, stop=stop, tif=tif)
        order = TwsOrder(
            perm_id=self.trading.book.next_perm(),
            client_id=0,
            order_id=0,
            account=name,
            symbol=symbol,
            side=side,
            qty=qty,
            type=kind,
            tif=tif,
            limit=limit,
            stop=stop,
            broker_id=broker_id,
            foreign=True,
        )
        self.trading.book.add(order)
        binder = self.clients.get(0)
        if binder is not None and binder.binds:
            self.trading.bind(binder, order)
        return order
