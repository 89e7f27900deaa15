"""The adapter to Interactive Brokers: `engine.ports.Adapter` over TWS or IB Gateway.

It is on the engine's thread; the client library is on its own (`thread`), and what it decodes comes over by
an inbox. What a callback means is in `translate`, what leaves in `orders`, what is asked in `reads`; here the
session is opened and closed, and the state of the line is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from brokers.base import Outlet, require_recorded
from brokers.ib import codes, raw
from brokers.ib.config import IbConfig
from brokers.ib.confirm import Confirmer
from brokers.ib.contracts import Resolved
from brokers.ib.executions import Executions as ExecutionBook
from brokers.ib.idmark import IdMark
from brokers.ib.line import LineState
from brokers.ib.market import MarketData, OnTicks
from brokers.ib.orders import Outgoing, capabilities
from brokers.ib.pacing import Pacer
from brokers.ib.profit import Profit
from brokers.ib.questions import Questions
from brokers.ib.reads import Reads
from brokers.ib.setup import Setup
from brokers.ib.strangers import Strangers
from brokers.ib.terms import ACTIONS
from brokers.ib.thread import Inbox, library_thread
from brokers.ib.tickets import Ticket, Tickets
from brokers.ib.translate import Translator, is_ours
from brokers.ib.wire import Wire
from engine.facts import (
    AccountValues,
    AnyFact,
    BrokerNotice,
    Executions,
    Gap,
    LinkDown,
    LinkUp,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import NS, Instrument, Order, Replace, Side
from engine.ports import Clock, FactSink, NotSent, QueryFailed
from engine.sending import Recorded


class IbAdapter:
    """One account's session with TWS.

    `real_money`: what the user means; TWS's own account must agree. `mark`: file with the highest order
    number that was ever used. `connect` opens a session; a second call on a live one does nothing.
    `read_only`: it sends nothing that could change an order, and takes over none placed by hand.
    """

    def __init__(
        self,
        config: IbConfig,
        account: str,
        clock: Clock,
        *,
        real_money: bool = False,
        mark: Path | None = None,
        read_only: bool = False,
    ) -> None:
        self.name: Final = "ib" if real_money else "ib-paper"
        self.account = account
        self.config = config
        self.capabilities = capabilities(config)
        self.connects = 0
        """How often a session came up."""
        self.library = ""
        """Name and version of the client library, and the server's version."""
        self._read_only = read_only
        self._clock = clock
        self._outlet = Outlet(clock)
        self._mark = IdMark(mark)
        self._pacer = Pacer(clock, config.message_limit)
        self._tickets = Tickets(config.client_id)
        self._executions = ExecutionBook()
        self._questions = Questions(clock, round(config.answer_within * NS))
        self._resolved: dict[str, Resolved] = {}
        self._by_con_id: dict[int, Resolved] = {}
        self._strangers = Strangers(config.client_id, self._executions.filled_of, clock.now)
        self._wire: Wire | None = None
        self._inbox: Inbox | None = None
        self._held: list[AnyFact] | None = None
        """While a session opens: facts that go out after LinkUp."""
        self._opening = False
        self._prepared = False
        self.line = LineState()
        self.profit = Profit(clock, account, self._pacer, self._mark.take, self._send)
        self._reads = Reads(
            clock,
            account,
            self._tickets,
            self._executions,
            self._questions,
            self._pacer,
            where=self._by_con_id.get,
            send=self._send,
            number=self._mark.take,
            profit=self.profit.value,
        )
        self._confirmer = Confirmer(
            clock, self._reads, self._executions, tell=self.tell, gap=self.gap, up=lambda: self.line.up
        )
        self._translator = Translator(self._tickets, self, self._by_con_id.get, clock.now)
        self._outgoing = Outgoing(
            config,
            clock,
            self._tickets,
            self._mark,
            self._pacer,
            self.capabilities,
            where=self._resolved.get,
            bound=self._strangers.number_of,
            soon=clock.call_soon,
            place=lambda terms: self._send(lambda wire: wire.place(terms)),
            cancel=lambda number: self._send(lambda wire: wire.cancel(number)),
        )
        self.setup = Setup(
            config, account, real_money, self._questions, self._pacer, self._mark.take, self._send
        )
        self.market = MarketData(config, self._resolved, self._mark.take, self._send, self._notice)

    # -- the session

    def bind(self, sink: FactSink) -> None:
        self._outlet.bind(sink)

    async def connect(self) -> None:
        """Opens a session, reads what is open there, and says LinkUp. Raises `NotSent` with the remedy.

        While TWS itself has lost IB the session is kept and listened to, because delayed fills arrive by it;
        it comes back by itself.
        """
        if self.line.up:
            return
        if self.line.in_doubt and self._wire is not None:
            raise NotSent(f"{self.line.reason}; TWS brings the session back by itself")
        if not self._prepared:
            await self._open()
        self._prepared = False
        self._came_up("" if self.connects == 1 else "reports may be lost from while the link was down")

    async def prepare(self) -> Sequence[Instrument]:
        """Opens the session ahead of `connect`, which then only says so: the contracts are needed before an
        engine exists. What comes in meanwhile waits."""
        if not self.line.up and not self._prepared:
            await self._open()
            self._prepared = True
        return self.listed()

    async def _open(self) -> None:
        await self._shut("a new session is opened")
        config, thread = self.config, library_thread()
        loop = asyncio.get_running_loop()
        wire = Wire(lambda m: inbox.put(m), lambda t: inbox.put_ticks(t), read_only=self._read_only)
        inbox = Inbox(loop, lambda message: self._take(wire, message), self.market.take)
        self._wire, self._inbox, self._held, self._opening = wire, inbox, [], True
        self.line.opening()
        self.setup.begin()
        self.market.forget()
        self._tickets.new_session()
        self._strangers.new_session()
        self.profit.begin()
        try:
            version = await thread.run(
                wire.open(config.host, config.port if self.line.port is None else self.line.port,
                          config.client_id, config.answer_within)
            )  # fmt: skip
            self.library = f"{wire.library}, server version {version}"
            await self.setup.log_on(self._mark)
            if not self._resolved:
                for resolved in await self.setup.contracts(self.today()):
                    self.take_up(resolved)
            if self._strangers.binds and not self._read_only:
                await self._reads.bind_manual_orders()
            listed = await self._reads.listed()
            await self._reads.refresh()
            await self._reads.time()
            if self.line.in_doubt:
                raise NotSent(self.line.reason)
            halves = () if self._read_only else (order for order, _ in listed)
            for half in self._outgoing.withdraw_halves(halves):
                text = f"{half} waits there for the rest of its bracket, which was lost with the line"
                self._notice("half a bracket", f"{text}; it is taken back")
        except QueryFailed as error:
            await self._shut("it did not answer")
            raise NotSent(
                f"TWS took the log-on and then did not answer: {error}; look whether it hangs"
            ) from error
        except BaseException:
            await self._shut("it could not be opened")
            raise
        self._opening = False
        self.connects += 1

    def _came_up(self, missed: str) -> None:
        """Says LinkUp, then what waited for it, then what may have been missed."""
        self.line.came_up()
        now = self._clock.now()
        held, self._held = self._held or [], None
        self._outlet.soon(LinkUp(ts=now))
        for fact in held:
            self._outlet.soon(fact)
        if missed:
            self._outlet.soon(Gap(ts=now, reason=missed))
        if self.connects == 1 and self.setup.refused_orders:
            self._outlet.soon(BrokerNotice(ts=now, code="orders", text=self.setup.refused_orders))
        for resolved in self._resolved.values():
            if self.connects == 1:
                self._outlet.soon(BrokerNotice(ts=now, code="contract", text=resolved.told()))
            for text in self.setup.warnings(resolved, self.today()):
                self._outlet.soon(BrokerNotice(ts=now, code="expiry", text=text))
        self.market.resubscribe()

    async def close(self) -> None:
        self._prepared = False
        await self._shut("the adapter was closed")

    async def _shut(self, reason: str) -> None:
        wire, self._wire = self._wire, None
        self._opening, self._held = False, None
        self.line.shut()
        self._questions.fail_all(reason)
        self.setup.fail(reason)
        await self._confirmer.close()
        if wire is not None:
            library_thread().soon(wire.close)

    @property
    def ticks(self) -> tuple[int, int]:
        """How many ticks this session decoded, and how many deliveries a later one replaced."""
        if self._wire is None or self._inbox is None:
            return 0, 0
        return self._wire.ticks, self._inbox.conflated

    @property
    def up(self) -> bool:
        """True while orders may be sent."""
        return self.line.up

    async def probe(self) -> None:
        self._require_up_for_questions()
        await self._reads.time()
        self.market.again(self._clock.mono())

    def take_up(self, resolved: Resolved) -> None:
        """From now on this contract is one of ours."""
        self._resolved[resolved.instrument.symbol] = resolved
        self._by_con_id[resolved.contract.con_id] = resolved

    async def server_time(self) -> int:
        """TWS's clock, UTC seconds. Raises `QueryFailed`."""
        return await self._reads.time()

    def today(self) -> date:
        """UTC date of the engine's time."""
        return datetime.fromtimestamp(self._clock.now() // NS, UTC).date()

    # -- orders

    def submit(self, order: Recorded[Order]) -> None:
        require_recorded(order)
        self._require_up(writing=True)
        self._outgoing.submit(order.request)

    def replace(self, change: Recorded[Replace]) -> None:
        require_recorded(change)
        self._require_up(writing=True)
        self._outgoing.replace(change.request)

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        self._require_up(writing=True)
        self._outgoing.cancel(order_id, broker_id)

    def cancel_everything(self) -> None:
        """TWS's global cancel: every order of the log-in, also those of other programs and placed by hand."""
        self._require_up(writing=True)
        self._outgoing.cancel_everything(lambda: self._send(lambda wire: wire.global_cancel()))

    def arm_dead_man(self, after: int | None) -> None:  # noqa: ARG002 - part of the seam
        raise NotSent("TWS has no dead-man's switch: orders stay when the session ends")

    # -- questions

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        self._require_up_for_questions()
        return await self._reads.query_order(order_id, broker_id)

    async def open_orders(self) -> OpenOrders:
        self._require_up_for_questions()
        return await self._reads.open_orders()

    async def executions(self, since: int) -> Executions:
        self._require_up_for_questions()
        return await self._reads.executions(since)

    async def positions(self) -> Positions:
        self._require_up_for_questions()
        return await self._reads.positions()

    async def account_values(self) -> AccountValues:
        self._require_up_for_questions()
        return await self._reads.account_values()

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:
        self._require_up_for_questions()
        resolved = self._resolved.get(symbol)
        if resolved is None:
            raise QueryFailed(f"{symbol} is no contract of this session; name it in ib.contracts")
        return await self.setup.needed(resolved, ACTIONS[side], lots)

    async def instruments(self) -> Sequence[Instrument]:
        if not self._resolved:
            raise QueryFailed("the contracts are looked up with the first connection; connect first")
        return self.listed()

    def listed(self) -> tuple[Instrument, ...]:
        return tuple(resolved.instrument for resolved in self._resolved.values())

    def subscribe(self, symbols: Sequence[str]) -> None:
        """Asks for market data; they go to `market.on_ticks`. Raises `NotSent` for a symbol without a
        contract."""
        self._require_up()
        self.market.subscribe(symbols)

    def on_ticks(self, sink: OnTicks) -> None:
        self.market.on_ticks = sink

    # -- what comes in, on the engine's thread

    def _take(self, wire: Wire, message: raw.Raw) -> None:
        """One callback. What we fail to understand is not dropped in silence: everything is compared."""
        try:
            self._understand(wire, message)
        except Exception as error:  # noqa: BLE001 - it must neither stop what follows nor go unnoticed
            self.gap(f"a message of TWS was not understood: {error!r} at {message!r:.300}")

    def _understand(self, wire: Wire, message: raw.Raw) -> None:
        """Those of a session that was left are true all the same, unless they are about the
        session."""
        current = wire is self._wire
        if isinstance(message, raw.Closed):
            if current:
                self._lost(message.reason)
            return
        if isinstance(message, raw.Undecodable):
            self.gap(f"a message of TWS could not be read and is lost: {message.text[:300]}")
            return
        if isinstance(message, raw.Error) and current:
            self._error(message)
        elif isinstance(message, raw.OpenOrder):
            self._open_order(message)
        elif isinstance(message, raw.Status):
            self._translator.status(message)
            ended = self._strangers.status(message)
            if ended is not None and not self._opening:
                self.tell(ended)
        elif isinstance(message, raw.Execution):
            self._execution(message)
        elif isinstance(message, raw.Commission):
            charged = self._executions.charge(message, self._clock.now())
            if charged is not None:
                self.tell(charged)
        elif isinstance(message, raw.DataType):
            self.market.data_type(message)
        if current:
            self.setup.take(message)
            self.profit.take(message)
            self._questions.take(message)

    def _open_order(self, order: raw.OpenOrder) -> None:
        if order.what_if or order.client_id == -1 or order.account not in ("", self.account):
            return
        if self._translator.open_order(order) is not None or is_ours(order.ref):
            return
        resolved = self._by_con_id.get(order.contract.con_id)
        if resolved is None:
            return
        news = self._strangers.open_order(order, resolved)
        if news is not None and not self._opening:
            self.tell(news)

    def _execution(self, execution: raw.Execution) -> None:
        if execution.account != self.account:
            return
        resolved = self._by_con_id.get(execution.contract.con_id)
        if resolved is None:
            text = (
                f"{execution.side} {execution.qty} {execution.contract.local_symbol} at "
                f"{execution.price} was "
                f"executed at this account, in a contract that is not among ib.contracts"
            )
            if execution.req_id < 0:
                self._notice("execution", text)
            return
        live = execution.req_id < 0
        if not live and self._executions.is_known(execution.exec_id):
            return
        if live and execution.revised:
            self._notice("price revision", f"IB may still revise the price of execution {execution.exec_id}")
        ticket = self._tickets.by_perm(execution.perm_id)
        ours = execution.ref if is_ours(execution.ref) else ticket.ref if ticket is not None else None
        silent = self._opening and not live
        fact = self._executions.take(execution, resolved, ours, self._clock.now(), told=not silent)
        if fact is not None and not silent:
            self.tell(fact)

    def _error(self, error: raw.Error) -> None:
        change = self.line.hear(error)
        if change is not None:
            self._line_changed(change)
            return
        if error.code in codes.FARM_BACK and not self.market.farm_lost:
            return  # told at each log-on: all is well
        self.market.hear(error)
        if self._questions.error(error) or self.setup.error(error):
            return
        ticket = self._tickets.by_number(error.req_id)
        if ticket is not None:
            self._translator.error(ticket, error)
        else:
            self._notice(str(error.code), error.text)

    def _line_changed(self, change: str) -> None:
        """What a code about the line calls for."""
        reason = self.line.reason
        if change == "doubt":
            self._questions.fail_all(reason)
            if not self._opening:
                self._outlet.now(LinkDown(ts=self._clock.now(), reason=reason))
        elif change == "back":
            if self.line.data_lost:
                self.market.forget()
            self._came_up(reason)
        elif change == "gap":
            self.gap(reason)
        elif change == "leave":  # its port changed, or it speaks no sense any more
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        was_up, opening = self.line.up, self._opening
        wire, self._wire = self._wire, None
        self.line.shut()
        self._prepared = False
        self._questions.fail_all(reason)
        self.setup.fail(reason)
        if wire is not None:
            library_thread().soon(wire.close)
        if was_up and not opening:
            self._outlet.now(LinkDown(ts=self._clock.now(), reason=reason))

    # -- translate.Told

    def tell(self, fact: AnyFact) -> None:
        if self._held is not None:
            self._held.append(fact)
        else:
            self._outlet.now(fact)

    def confirm(self, ticket: Ticket) -> None:
        if self.line.up:
            self._confirmer.add(ticket)

    def gap(self, reason: str) -> None:
        self.tell(Gap(ts=self._clock.now(), reason=reason))

    def _notice(self, code: str, text: str) -> None:
        self.tell(BrokerNotice(ts=self._clock.now(), code=code, text=text))

    # -- helpers

    def _send(self, work: Callable[[Wire], None]) -> None:
        """Hands work to the library's thread. What it meets there on a dead line is told by `Closed`."""
        wire = self._wire
        if wire is None:
            raise NotSent("there is no session with TWS")
        library_thread().soon(work, wire)

    def _require_up(self, *, writing: bool = False) -> None:
        if writing and self._read_only:
            raise NotSent("this session with TWS only looks (stage = shadow): it sends no orders")
        if not self.line.up:
            raise NotSent(f"the session with TWS is not usable ({self.line.reason}); wait for LinkUp")

    def _require_up_for_questions(self) -> None:
        if not self.line.up:
            raise QueryFailed(f"the session with TWS is not usable ({self.line.reason})")
