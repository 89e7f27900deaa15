"""Kill and flatten: a procedure that ends with proof of flat, or says NOT FLAT and goes on.

Halt, cancel everything in scope, wait for the answers, read the broker's positions, send marketable limits,
re-price until done, and say "flat" only when the broker has shown the targets with nothing working on
successive reads. One procedure runs at a time; a wider request widens it. It never waits for a strategy, a
screen or the store, and a failed read is never taken for an empty one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.config import KillConfig
from engine.facts import OpenOrders, Positions
from engine.model import NS, Instrument, MarketState, Order, OrderType, Purpose, Side, TimeInForce
from engine.ports import Clock, QueryFailed
from engine.records import AnyRecord, KillBegan, KillEnded, KillStep


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """What the procedure needs to know of an order that is open by our books."""

    id: str
    broker_id: str | None
    symbol: str
    side: Side
    leaves: int
    purpose: Purpose
    since: int
    """Engine time at which it was made, UTC ns."""
    foreign: bool


@dataclass(frozen=True, slots=True)
class Touch:
    """Where a marketable limit can be priced from, ticks."""

    bid: int | None
    ask: int | None
    last: int | None
    state: MarketState
    low_limit: int | None
    high_limit: int | None


@dataclass(frozen=True, slots=True)
class Aim:
    """What a procedure is to reach."""

    everything: bool
    """No order of the account works."""
    flat: bool
    """No position of the account is left."""
    targets: Mapping[str, int]
    """Signed lots by symbol that positions are brought down to, beside or instead of that."""


class KillHost(Protocol):
    """What the procedure may use of the engine."""

    clock: Clock

    def commit(self, record: AnyRecord, correlation: str = "") -> None: ...

    def live_orders(self) -> Sequence[LiveOrder]: ...

    def executed(self) -> Mapping[str, int]:
        """Executed positions that are not zero, signed lots."""

    def touch(self, symbol: str) -> Touch: ...

    def instrument(self, symbol: str) -> Instrument | None: ...

    def send_cancel(self, order: LiveOrder) -> str:
        """Hands over a cancel; returns why it could not, else an empty text."""

    def send_flatten(self, order: Order) -> str:
        """Gate, journal, send; returns why it was refused, else an empty text."""

    def new_order_id(self, strategy: str) -> str: ...

    async def read_positions(self) -> Positions: ...

    async def read_open_orders(self) -> OpenOrders: ...

    def latch(self, symbol: str | None, reason: str) -> None:
        """Latches the halt of one instrument, or with None of the account."""

    def alarm(self, code: str, text: str, symbol: str = "") -> None: ...

    def utc(self, ts: int) -> str:
        """Engine time as text."""


@dataclass(slots=True)
class Progress:
    """What screens show of the running or last procedure."""

    scope: str = ""
    running: bool = False
    steps: list[str] = field(default_factory=list)
    verdict: str = ""
    flat: bool = False


@dataclass(slots=True)
class _Symbol:
    """Work on one symbol."""

    attempts: int = 0
    last_sent: int | None = None
    seen: int | None = None
    """Broker's position on the read before, for figures that differ from our own."""
    problem: str = ""


class KillSwitch:
    """Runs the procedure. `begin` may be called at any time, from any state."""

    def __init__(self, host: KillHost, config: KillConfig, account: str) -> None:
        self._host = host
        self._config = config
        self._account = account
        self._everything = False
        """All orders of the account are cancelled."""
        self._flatten_all = False
        """All positions of the account are closed."""
        self._targets: dict[str, int] = {}
        """Signed lots to reach, by symbol, beside or below `_flatten_all`; it is never weakened."""
        self._task: asyncio.Task[None] | None = None
        self._changed: asyncio.Event | None = None
        self._work: dict[str, _Symbol] = {}
        self._cancelled: dict[str, int] = {}
        self._started = 0
        self._alarmed = False
        self._correlation = ""
        self._live_read: OpenOrders | None = None
        self.progress = Progress()
        self.done_callbacks: list[asyncio.Future[Progress]] = []

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def aim(self) -> Aim:
        """What the procedure that runs, or ran last, is to reach."""
        return Aim(self._everything, self._flatten_all, dict(self._targets))

    def covers(self, symbol: str) -> bool:
        """True while the procedure works on this symbol."""
        return self.running and (self._everything or symbol in self._targets)

    def begin(self, request: KillBegan, correlation: str = "", *, resumed: bool = False) -> None:
        """Starts the procedure or widens the running one. Latches the halt at once, synchronously.

        With `targets` (margin reduction) positions go to those figures instead of zero.
        """
        host = self._host
        if request.latch:
            host.latch(request.symbol, request.reason)
        if not resumed:
            host.commit(request, correlation)
        widened = not self.running
        if not self.running:
            self._everything, self._flatten_all, self._targets = False, False, {}
            self._work, self._cancelled, self._alarmed = {}, {}, False
            self._started = host.clock.mono()
            self._correlation = correlation
            self.progress = Progress(running=True)
        widened |= self._widen(request)
        self.progress.scope = self._scope_text()
        if widened:
            verb = "flatten" if self._flattening else "halt and cancel"
            self._step(f"{verb} {self.progress.scope}: {request.reason}")
        self._cancel_entries()
        if self._task is None or self._task.done():
            self._changed = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="kill")
        self.poke()

    def _widen(self, request: KillBegan) -> bool:
        """Takes a request in, which never weakens what was asked for before. True where it adds something."""
        before = (self._everything, self._flatten_all, dict(self._targets))
        asked = dict(request.targets)
        if not asked and request.symbol is not None:
            asked[request.symbol] = 0
        elif not asked:
            self._everything = True
            self._flatten_all |= request.flatten
        if self._flatten_all:
            self._targets = {}
            asked = {}
        for symbol, target in asked.items():
            known = self._targets.get(symbol)
            if known is None or abs(target) < abs(known):
                self._targets[symbol] = target
        return before != (self._everything, self._flatten_all, self._targets)

    @property
    def _flattening(self) -> bool:
        return self._flatten_all or bool(self._targets)

    def _reduces_only(self, symbol: str) -> bool:
        """Part of the position stays, and with it the orders that protect it."""
        return not self._everything and self._targets.get(symbol, 0) != 0

    def poke(self) -> None:
        """Something changed (a fact came): look again."""
        if self._changed is not None:
            self._changed.set()

    async def finished(self) -> Progress:
        """Waits for the verdict of the running procedure."""
        if not self.running:
            return self.progress
        future: asyncio.Future[Progress] = asyncio.get_running_loop().create_future()
        self.done_callbacks.append(future)
        return await future

    def abandon(self, why: str) -> None:
        """The engine stops: says what is left. The procedure is unfinished in the journal and resumes."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self._end(False, f"NOT FLAT: {why}; {self._left_text()}", final=False)

    # -- the loop

    async def _run(self) -> None:
        while True:
            try:
                if await self._round():
                    return
            except Exception as error:  # noqa: BLE001 - must go on whatever breaks; it is alarmed and repeated
                self._step(f"error in the procedure: {error!r}; going on")
                self._host.alarm("kill_error", f"kill procedure: {error!r}; it goes on")
            await self._wait(int(self._config.confirm_every * NS))

    async def _round(self) -> bool:
        """One look at the broker and what follows from it; True when the final word is said."""
        config, host = self._config, self._host
        reads = 0
        while True:
            self._alarm_if_late()
            self._cancel_entries()
            pending = [o for o in self._in_scope() if o.purpose is not Purpose.FLATTEN]
            if pending and host.clock.mono() - self._started < int(config.cancel_wait * NS):
                await self._wait(int(config.cancel_wait * NS))
                continue
            try:
                open_orders = await host.read_open_orders()
                positions = await host.read_positions()
            except QueryFailed as error:
                reads = 0
                self._step(f"the broker did not answer: {error}")
                await self._wait(int(config.confirm_every * NS))
                continue
            self._live_read = open_orders
            broker = {p.symbol: p.qty for p in positions.positions}
            left = self._left(broker)
            working = self._working(open_orders)
            if not left and not working:
                reads += 1
                if reads >= config.confirm_reads:
                    self._finish(positions.as_of)
                    return True
            else:
                reads = 0
                if left:
                    for symbol in sorted(left):
                        self._drive(symbol, left[symbol], broker.get(symbol, 0))
            await self._pause()

    async def _pause(self) -> None:
        await self._wait(int(self._config.confirm_every * NS))

    async def _wait(self, delay: int) -> None:
        """Until something changes, but never longer than `delay` ns; changes within 20 ms count as one."""
        assert self._changed is not None
        self._changed.clear()
        future = asyncio.ensure_future(self._changed.wait())
        timer = self._host.clock.call_later(delay, self._changed.set)
        try:
            await future
        finally:
            timer.cancel()
        await self._host.clock.sleep(20_000_000)

    # -- what is to be done

    def _in_scope(self) -> list[LiveOrder]:
        return [o for o in self._host.live_orders() if self._everything or o.symbol in self._targets]

    def _cancel_entries(self) -> None:
        """Cancels every order in scope that is not ours to flatten with; again when unanswered."""
        now = self._host.clock.mono()
        wait = int(self._config.cancel_wait * NS)
        for order in self._in_scope():
            flattened = self._flatten_all or order.symbol in self._targets
            if order.purpose is Purpose.FLATTEN and flattened:
                continue
            if order.purpose is Purpose.PROTECT and self._reduces_only(order.symbol):
                continue
            asked = self._cancelled.get(order.id)
            if asked is not None and now - asked < wait:
                continue
            self._cancelled[order.id] = now
            problem = self._host.send_cancel(order)
            again = " again" if asked is not None else ""
            self._step(
                f"cancel {order.id}{again}" if not problem else f"cancel {order.id} not sent: {problem}"
            )

    def _has_targets(self) -> bool:
        return any(self._targets.values()) and not self._flatten_all

    def _left(self, broker: Mapping[str, int]) -> dict[str, int]:
        """Symbols in scope → lots still to trade, by the broker's figures and ours (union)."""
        executed = self._host.executed()
        symbols = set(self._targets)
        if self._flatten_all:
            symbols |= set(broker) | set(executed)
        left: dict[str, int] = {}
        for symbol in sorted(symbols):
            target = self._targets.get(symbol, 0)
            theirs, ours = broker.get(symbol, 0), executed.get(symbol, 0)
            if self._reached(theirs, target) and self._reached(ours, target):
                continue
            left[symbol] = target - theirs
        return left

    @staticmethod
    def _reached(qty: int, target: int) -> bool:
        """Zero must be met; a reduction is met when no more than the target is held on its side."""
        if target == 0:
            return qty == 0
        return abs(qty) <= abs(target) and (qty == 0 or (qty > 0) == (target > 0))

    def _working(self, open_orders: OpenOrders) -> list[str]:
        """Orders in scope that the broker or our book still shows."""
        symbols = None if self._everything else self._targets
        ids: dict[str, str] = {}
        for order in self._in_scope():
            if order.purpose is Purpose.PROTECT and self._reduces_only(order.symbol):
                continue
            ids[order.id] = order.symbol
        known = {o.id for o in self._host.live_orders()}
        for report in open_orders.ours:
            # One that our book holds for closed, or does not know, counts whatever the scope.
            if report.leaves > 0 and (
                symbols is None or report.order_id in ids or report.order_id not in known
            ):
                ids.setdefault(report.order_id, "")
        for foreign in open_orders.foreign:
            if symbols is None or foreign.symbol in symbols:
                ids.setdefault(foreign.broker_id, foreign.symbol)
        return sorted(ids)

    def _drive(self, symbol: str, need: int, broker: int) -> None:
        """Brings one symbol closer: prices anew, waits, or says why it cannot."""
        host, config = self._host, self._config
        work = self._work.setdefault(symbol, _Symbol())
        now = host.clock.mono()
        live = [o for o in host.live_orders() if o.symbol == symbol and o.purpose is Purpose.FLATTEN]
        if live:
            for order in live:
                if host.clock.now() - order.since >= int(config.reprice_after * NS):
                    asked = self._cancelled.get(order.id)
                    if asked is None or now - asked >= int(config.cancel_wait * NS):
                        self._cancelled[order.id] = now
                        problem = host.send_cancel(order)
                        self._step(
                            f"{symbol}: re-price, cancel {order.id}" + (f": {problem}" if problem else "")
                        )
            work.seen = None
            return
        ours = host.executed().get(symbol, 0)
        if broker != ours and work.seen != broker:
            # The two views differ: a fill may be on its way. Act on the broker's figure only when it stands
            # on two reads with nothing of ours in flight.
            work.seen = broker
            return
        if work.last_sent is not None and now - work.last_sent < int(config.reprice_after * NS):
            return
        if need == 0:
            self._problem(symbol, f"broker is at its target but our executions say {ours}; reconciling")
            return
        order_or_problem = self._price(symbol, need, work)
        if isinstance(order_or_problem, str):
            self._problem(symbol, order_or_problem)
            return
        work.attempts += 1
        work.last_sent = now
        work.seen = None
        problem = host.send_flatten(order_or_problem)
        if problem:
            self._problem(symbol, problem)
        else:
            work.problem = ""
            o = order_or_problem
            instrument = host.instrument(symbol)
            price = instrument.price(o.limit) if instrument is not None and o.limit is not None else o.limit
            size = instrument.size(o.qty) if instrument is not None else o.qty
            word = "buy" if o.side is Side.BUY else "sell"
            self._step(f"{symbol}: {word} {size} at {price} (try {work.attempts})")

    def _price(self, symbol: str, need: int, work: _Symbol) -> Order | str:
        host, config = self._host, self._config
        touch = host.touch(symbol)
        if touch.state in (MarketState.HALTED, MarketState.CLOSED):
            return f"market is {touch.state}: waiting for it to open"
        side = Side.BUY if need > 0 else Side.SELL
        far = touch.ask if side is Side.BUY else touch.bid
        if far is None:
            far = touch.last if touch.last is not None else (touch.bid if side is Side.BUY else touch.ask)
        if far is None:
            return "no price to flatten at: no quote and no trade"
        limit = far + side.sign * (config.through_ticks + work.attempts * config.escalate_ticks)
        if touch.high_limit is not None:
            limit = min(limit, touch.high_limit)
        if touch.low_limit is not None:
            limit = max(limit, touch.low_limit)
        instrument = host.instrument(symbol)
        if instrument is not None and not instrument.nonpositive_price:
            limit = max(limit, 1)
        return Order(
            id=host.new_order_id("flatten"),
            strategy="flatten",
            account=self._account,
            symbol=symbol,
            side=side,
            qty=abs(need),
            type=OrderType.LIMIT,
            limit=limit,
            tif=TimeInForce.DAY,
            purpose=Purpose.FLATTEN,
            created=host.clock.now(),
            correlation=self._correlation,
            arrival=far,
        )

    # -- words

    def _scope_text(self) -> str:
        some = ", ".join(f"{s} to {t}" if t else s for s, t in sorted(self._targets.items()))
        if self._everything:
            whole = f"everything in account {self._account}"
            return f"{whole}, closing {some}" if some else whole
        return some

    def _step(self, text: str) -> None:
        if self.progress.steps and self.progress.steps[-1].endswith(text):
            return
        line = f"{self._host.utc(self._host.clock.now())} {text}"
        self.progress.steps.append(line)
        del self.progress.steps[:-200]
        self._host.commit(KillStep(text=text), self._correlation)

    def _problem(self, symbol: str, text: str) -> None:
        work = self._work.setdefault(symbol, _Symbol())
        if work.problem != text:
            work.problem = text
            self._step(f"{symbol}: {text}")

    def _left_text(self) -> str:
        parts = [f"{s} {q:+d} lots" for s, q in sorted(self._host.executed().items())]
        orders = [o.id for o in self._in_scope()]
        problems = [f"{s}: {w.problem}" for s, w in sorted(self._work.items()) if w.problem]
        text = "by our executions " + (", ".join(parts) if parts else "no position")
        if orders:
            text += f"; open orders {', '.join(orders[:10])}"
            if len(orders) > 10:
                text += f" and {len(orders) - 10} more"
        if problems:
            text += "; " + "; ".join(problems)
        return text

    def _alarm_if_late(self) -> None:
        late = self._host.clock.mono() - self._started >= int(self._config.alarm_after * NS)
        if late and not self._alarmed:
            self._alarmed = True
            text = (
                f"NOT FLAT after {self._config.alarm_after:g} s: {self._left_text()}; the procedure goes on"
            )
            self._step(text)
            self._host.alarm("not_flat", text)

    def _finish(self, as_of: int) -> None:
        when = self._host.utc(as_of)
        if not self._flattening:
            verdict = f"halted, no orders working, confirmed by the broker at {when}; positions kept"
            self._end(True, verdict)
            return
        word = "reduced to target" if self._has_targets() else "flat"
        times = {2: "twice"}.get(self._config.confirm_reads, f"{self._config.confirm_reads} times")
        self._end(True, f"{word}, confirmed {times} by the broker at {when}")

    def _end(self, flat: bool, verdict: str, *, final: bool = True) -> None:
        self.progress.running = False
        self.progress.flat = flat and self._flattening
        self.progress.verdict = verdict
        self._step(verdict)
        if final:
            self._host.commit(KillEnded(flat=self.progress.flat, verdict=verdict), self._correlation)
        waiting, self.done_callbacks = self.done_callbacks, []
        for future in waiting:
            if not future.done():
                future.set_result(self.progress)
