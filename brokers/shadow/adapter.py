"""The shadow adapter: orders go to an exchange in this process, everything else is the real broker's.

It composes two adapters behind the one seam. Orders, executions, positions and figures are those of the
shadow account at the simulated exchange, which the real market data move. Sessions, instruments and margins
are the real broker's: when its line breaks, the shadow session breaks with it. The real account's positions
are told when they change, as notices, and count nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from brokers.base import Outlet
from brokers.exchange.exchange import Exchange
from brokers.paper.adapter import PaperAdapter, paper_connections
from brokers.shadow.lookonly import LookOnly
from engine.config import EngineConfig
from engine.facts import (
    AccountValues,
    AnyFact,
    BrokerNotice,
    Executions,
    Gap,
    LinkDown,
    LinkUp,
    MarketStateChanged,
    OpenOrders,
    OrderNotFound,
    OrderReport,
    Positions,
)
from engine.model import NS, Instrument, Order, Replace, Side
from engine.ports import Adapter, Capabilities, FactSink, NotSent, QueryFailed
from engine.sending import Recorded

LOOK_EVERY: Final = 60 * NS
"""ns between two looks at the positions of the real account."""


class ShadowAdapter:
    """One account's shadow. `real` is only looked at; `paper` trades at the exchange in this process.

    The shadow account opens with what the real one is worth at that moment, and lives in the exchange's
    ledger from then on.
    """

    def __init__(self, real: Adapter, paper: PaperAdapter) -> None:
        self._real = LookOnly(real)
        self._paper = paper
        self._exchange = paper.exchange
        self._clock = paper.exchange.clock
        self._outlet = Outlet(self._clock)
        self.name: Final = f"shadow-{real.name}"
        self.account = paper.account
        self._opening = False
        self._lost = ""
        """Why the real line broke while the session was being opened; empty: it did not."""
        self._waiting: list[AnyFact] = []
        """Notices from while a session is opened: LinkUp comes before them."""
        self._held: str | None = None
        """What the real account held when it was last told."""
        self._looked = -LOOK_EVERY
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def capabilities(self) -> Capabilities:
        """What both can do: a strategy meets in the shadow what it will meet at the broker."""
        return common(self._real.capabilities, self._paper.capabilities)

    @property
    def refused(self) -> int:
        """Requests that were kept from the real broker: none, ever."""
        return self._real.refused

    def bind(self, sink: FactSink) -> None:
        self._outlet.bind(sink)
        self._paper.bind(self._on_paper)
        self._real.bind(self._on_real)

    # -- the session: the real broker's line, and the shadow account's with it

    async def connect(self) -> None:
        """Opens the real session, then the shadow's; LinkUp follows. Raises `NotSent` with the remedy."""
        if self._paper.up:
            return
        self._opening, self._lost = True, ""
        try:
            await self._real.connect()
            await self._open_account()
            if self._lost:
                raise NotSent(self._lost)
            await self._paper.connect()
        except BaseException:
            self._opened()
            raise
        self._look()

    def _opened(self) -> None:
        """What was held back while the session was being opened goes out."""
        self._opening = False
        waiting, self._waiting = self._waiting, []
        for fact in waiting:
            self._outlet.soon(fact)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._paper.close()
        await self._real.close()

    @property
    def up(self) -> bool:
        """True while both sessions stand."""
        return self._paper.up

    async def probe(self) -> None:
        await self._real.probe()
        await self._paper.probe()
        self._look()

    async def _open_account(self) -> None:
        """Gives a new shadow account the real one's worth. Raises `NotSent` where that is not known."""
        if self._exchange.has_account(self.account):
            return
        try:
            values = await self._real.account_values()
        except QueryFailed as error:
            raise NotSent(f"the shadow account opens with what the real one is worth: {error}") from error
        ours = self._exchange.currency
        if values.currency != ours:
            raise NotSent(
                f"the real account is kept in {values.currency} and the shadow one in {ours}; set currency = "
                f"'{values.currency}'"
            )
        if values.equity is None:
            raise NotSent(f"{self._real.name} does not say what account {self.account} is worth; ask it anew")
        cash = self._exchange.fund(self.account, values.equity)
        told = f"shadow account {self.account} opens with {cash} {ours}"
        if cash != values.equity:
            told += f" (paper.cash), because the real one is worth {values.equity}"
        self._notice("shadow account", told)

    def _on_paper(self, fact: AnyFact) -> None:
        """What the exchange says of the shadow account."""
        self._outlet.now(fact)
        if isinstance(fact, LinkUp):
            self._opened()

    def _on_real(self, fact: AnyFact) -> None:
        """What the real broker says. Reports about orders and executions there are none of ours."""
        if isinstance(fact, LinkDown):
            self._lost = fact.reason
            self._exchange.data_lost()
            if self._paper.up:
                self._opened()
                self._paper.drop(fact.reason)
        elif isinstance(fact, LinkUp):
            if not self._opening and not self._paper.up:  # it came back by itself
                self._soon(self._reopen())
        elif isinstance(fact, MarketStateChanged) and fact.symbol in self._exchange.instruments:
            self._exchange.on_market_state(fact.symbol, fact.state, fact.ts)
            market = self._exchange.market(fact.symbol)
            if (market.low, market.high) != (fact.low_limit, fact.high_limit):
                self._exchange.set_limits(fact.symbol, fact.low_limit, fact.high_limit)
        elif isinstance(fact, Gap):
            self._notice("gap", f"{self._real.name}: {fact.reason}")
        elif isinstance(fact, BrokerNotice):
            self._tell(fact)

    async def _reopen(self) -> None:
        try:
            await self.connect()
        except NotSent as error:
            self._notice("shadow account", f"the session does not come back by itself: {error}")

    # -- the real account, for information

    def _look(self) -> None:
        """Now and then asks what the real account holds, aside: nothing waits for the answer."""
        now = self._clock.mono()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._soon(self._tell_real_positions())

    async def _tell_real_positions(self) -> None:
        try:
            positions = (await self._real.positions()).positions
        except QueryFailed:
            return  # its line has gone, or it is slow; another look follows
        held = ", ".join(f"{p.symbol} {p.qty:+d}" for p in positions if p.qty) or "nothing"
        if held != self._held and (held != "nothing" or self._held is not None):
            self._notice("real account", f"{self.account} really holds {held}: not touched, not counted here")
        self._held = held

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _notice(self, code: str, text: str) -> None:
        self._tell(BrokerNotice(ts=self._clock.now(), code=code, text=text))

    def _tell(self, notice: BrokerNotice) -> None:
        if self._opening:
            self._waiting.append(notice)
        else:
            self._outlet.soon(notice)

    # -- orders, and questions about them: the shadow account's

    def submit(self, order: Recorded[Order]) -> None:
        self._paper.submit(order)

    def replace(self, change: Recorded[Replace]) -> None:
        self._paper.replace(change)

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        self._paper.cancel(order_id, broker_id)

    def cancel_everything(self) -> None:
        self._paper.cancel_everything()

    def arm_dead_man(self, after: int | None) -> None:
        if not self.capabilities.dead_man:
            raise NotSent(f"{self._real.name} has no dead-man's switch, so its shadow has none")
        self._paper.arm_dead_man(after)

    async def query_order(self, order_id: str, broker_id: str | None) -> OrderReport | OrderNotFound:
        return await self._paper.query_order(order_id, broker_id)

    async def open_orders(self) -> OpenOrders:
        return await self._paper.open_orders()

    async def executions(self, since: int) -> Executions:
        return await self._paper.executions(since)

    async def positions(self) -> Positions:
        return await self._paper.positions()

    async def account_values(self) -> AccountValues:
        return await self._paper.account_values()

    # -- what the real broker says of its market

    async def what_if(self, symbol: str, side: Side, lots: int) -> Decimal:
        """The real broker's figure; where what is really held sets it off, what the contract lists."""
        needed = await self._real.what_if(symbol, side, lots)
        return max(needed, self._exchange.listed_margin(self.account, symbol, lots) or needed)

    async def instruments(self) -> Sequence[Instrument]:
        return await self._real.instruments()

    def subscribe(self, symbols: Sequence[str]) -> None:
        self._real.subscribe(symbols)


def common(real: Capabilities, paper: Capabilities) -> Capabilities:
    """What the real venue and the simulated one both can do. Figures that only the real account has (its own
    profit of the day) are not the shadow's; margins before an order are the real broker's alone."""
    both = ("replace_in_place", "reduce_only", "post_only", "oco", "bracket", "cancel_all", "dead_man")
    limits = [n for n in (real.message_limit, paper.message_limit) if n is not None]
    return msgspec.structs.replace(
        paper,
        order_types=real.order_types & paper.order_types,
        tifs=real.tifs & paper.tifs,
        what_if=real.what_if,
        message_limit=min(limits, default=None),
        **{name: getattr(real, name) and getattr(paper, name) for name in both},
    )


def shadow_connections(
    real: Sequence[Adapter], exchange: Exchange, config: EngineConfig
) -> list[ShadowAdapter]:
    """A shadow of each real connection; all of them lead to the one shadow account."""
    return [ShadowAdapter(r, p) for r, p in zip(real, paper_connections(exchange, config), strict=True)]
