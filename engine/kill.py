"""Kill and flatten: a procedure that ends with proof of flat, or says NOT FLAT and goes on.

Halt, cancel everything in scope, wait for the answers, read the broker's positions, send marketable limits,
re-price until done, and say "flat" only when the broker has shown the targets with nothing working on
successive reads. One procedure runs at a time; a wider request widens it. It never waits for a strategy, a
screen or the store, and a failed read is never taken for an empty one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from engine.config import KillConfig
from engine.facts import OpenOrders, Positions
from engine.kill_cancel import Canceller, names
from engine.kill_price import Escalation, Priced, price
from engine.kill_scope import Aim, Scope, common, reached
from engine.kill_types import KillHost, LiveOrder, Progress
from engine.model import FLATTENER, NS, Order, OrderType, Purpose, Side, TimeInForce
from engine.ports import QueryFailed, TimerHandle
from engine.records import KillBegan, KillEnded, KillStep
from engine.waiting import within

_SETTLE: Final = 20_000_000
"""ns within which several changes count as one."""


T = TypeVar("T")


@dataclass(slots=True)
class _Symbol:
    """Work on one symbol."""

    escalation: Escalation
    attempts: int = 0
    last_sent: int | None = None
    last_order: str = ""
    seen: int | None = None
    """Broker's position on the read before, for figures that differ from our own."""
    problem: str = ""


class KillSwitch:
    """Runs the procedure. `begin` may be called at any time, from any state."""

    def __init__(self, host: KillHost, config: KillConfig, account: str) -> None:
        self._host = host
        self._config = config
        self._account = account
        self._scope = Scope()
        self._task: asyncio.Task[None] | None = None
        self._changed: asyncio.Event | None = None
        self._work: dict[str, _Symbol] = {}
        self._cancels = Canceller(host, config, self._scope, self._step, "")
        self._tending: TimerHandle | None = None
        self._shown = (0, 0)
        """`as_of` of the newest list of open orders and of the newest positions that were read."""
        self._read_at = 0
        self._started = 0
        self._alarm_due = 0
        self._correlation = ""
        self.ended_at = 0
        """Monotonic ns of the last final word."""
        self.progress = Progress()
        self.done_callbacks: list[asyncio.Future[Progress]] = []

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def aim(self) -> Aim:
        """What the procedure that runs, or ran last, is to reach."""
        return self._scope.aim()

    def covers(self, symbol: str) -> bool:
        """True while the procedure works on this symbol."""
        return self.running and self._scope.covers(symbol)

    def begin(self, request: KillBegan, correlation: str = "", *, resumed: bool = False) -> None:
        """Starts the procedure or widens the running one. Latches the halt at once, synchronously.

        With `targets` (margin reduction) positions go to those figures instead of zero. `correlation`: of
        what caused it; without one it gets its own, so that one id leads from its alarms to its orders.
        """
        host = self._host
        correlation = correlation or host.new_correlation()
        if request.latch:
            host.latch(request.symbol, request.reason, request.who, correlation)
        if not resumed:
            host.commit(request, correlation)
        starts = not self.running
        if starts:
            self._scope, self._work, self._shown = Scope(), {}, (0, 0)
            self._cancels = Canceller(host, self._config, self._scope, self._step, correlation)
            self._correlation = correlation
            self.progress = Progress(running=True)
        if self._scope.widen(request) or starts:
            # What was added has its own time to be done in, and its own alarm.
            self._started = host.clock.mono()
            self._alarm_due = self._started + self._ns(self._config.alarm_after)
            self.progress.scope = self._scope.text(self._account)
            verb = "flatten" if self._scope.flattening else "halt and cancel"
            self._step(f"{verb} {self.progress.scope}: {request.reason}")
        if starts:
            self._changed = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="kill")
        self._tend()
        self.poke()

    def poke(self) -> None:
        """Something changed (a fact came): look again."""
        if self._changed is not None:
            self._changed.set()

    def link_is_back(self) -> None:
        """The broker can be reached again: what was asked over the old link is asked anew, at once."""
        if self.running:
            self._step("the link to the broker is back: going on")
            self._cancels.again()
            self._tend()
            self.poke()

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
                self._broken(error)
            await self._wait(self._ns(self._config.confirm_every))

    async def _round(self) -> bool:
        """Looks at the broker again and again, and does what follows; True when the final word is said."""
        config, host, scope = self._config, self._host, self._scope
        reads, version = 0, scope.version
        while True:
            self._cancels.orders()
            since = host.clock.mono() - self._started
            if since < self._ns(config.cancel_wait) and any(
                o.purpose is not Purpose.FLATTEN for o in self._cancels.in_scope()
            ):
                await self._wait(self._ns(config.cancel_wait) - since)
                continue
            if version != scope.version:
                # The request grew since the last look, which proves nothing about what was added.
                reads, version = 0, scope.version
            try:
                open_orders = await self._read(host.read_open_orders(), "the open orders")
                positions = await self._read(host.read_positions(), "the positions")
            except QueryFailed as error:
                reads = 0
                self._step(f"the broker did not answer: {error}")
                await self._wait(self._ns(config.confirm_every))
                continue
            fresh = open_orders.as_of > self._shown[0] and positions.as_of > self._shown[1]
            self._shown = (max(open_orders.as_of, self._shown[0]), max(positions.as_of, self._shown[1]))
            if version != scope.version:
                continue  # it grew while this was read
            self._cancels.strangers(open_orders)
            if self._act(open_orders, positions, fresh):
                reads = 0
            elif fresh:
                reads += 1
                if reads >= config.confirm_reads:
                    self._finish(positions.as_of)
                    return True
            else:
                self._step("the broker shows the same picture again: that confirms nothing")
            await self._wait(self._ns(config.confirm_every), proof=reads > 0)

    async def _read(self, question: Coroutine[Any, Any, T], what: str) -> T:
        """The broker's answer. Raises `QueryFailed` also where none comes in time."""
        try:
            return await within(self._host.clock, question, self._ns(self._config.answer_within))
        except TimeoutError as error:
            raise QueryFailed(f"{what}: {error}") from None
        finally:
            self._read_at = self._host.clock.mono()

    async def _wait(self, delay: int, *, proof: bool = False) -> None:
        """Until something changes, but never longer than `delay` ns; changes within 20 ms count as one.
        `proof`: the next look is to confirm the last one, and two looks at one moment are one."""
        assert self._changed is not None
        self._changed.clear()
        clock = self._host.clock
        timer = clock.call_later(delay, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()
        gap = self._read_at + delay - clock.mono() if proof else 0
        await clock.sleep(max(gap, _SETTLE))

    def _tend(self) -> None:
        """Cancels and alarms on a timer of their own: a broker that leaves questions open delays neither."""
        if self._tending is not None:
            self._tending.cancel()
            self._tending = None
        if not self.running:
            return
        try:
            self._cancels.orders()
            self._alarm_if_late()
        except Exception as error:  # noqa: BLE001 - as in `_run`
            self._broken(error)
        clock = self._host.clock
        delay = self._cancels.held_up() or self._ns(self._config.confirm_every)
        self._tending = clock.call_later(delay, self._tend)

    def _broken(self, error: Exception) -> None:
        self._step(f"error in the procedure: {error!r}; going on")
        self._host.alarm("kill_error", f"kill procedure: {error!r}; it goes on", self._correlation)

    # -- flattening

    def _act(self, open_orders: OpenOrders, positions: Positions, fresh: bool) -> bool:
        """Brings every symbol closer to its target. False where nothing is left to be done."""
        broker = {p.symbol: p.qty for p in positions.positions}
        left = self._scope.left(broker, self._host.executed())
        for symbol, target in left.items():
            self._drive(symbol, target, broker.get(symbol, 0), fresh)
        if fresh:
            self._withdraw([o for o in self._cancels.in_scope() if o.symbol not in left])
        return bool(left) or self._cancels.working(open_orders)

    def _withdraw(self, orders: list[LiveOrder]) -> None:
        """Cancels flattening orders where the target is reached: one that a person has changed, or that an
        earlier run has left, leads away from it now (simulated seed 2218)."""
        for order in orders:
            if order.purpose is Purpose.FLATTEN and self._scope.closes(order.symbol):
                problem = self._cancels.one(order.id, order.broker_id)
                if problem is not None:
                    text = f"{order.symbol} is at its target: cancel {order.id}"
                    self._step(text + (f": {problem}" if problem else ""))

    def _drive(self, symbol: str, target: int, broker: int, fresh: bool) -> None:
        """Brings one symbol closer: prices anew, waits, or says why it cannot."""
        host, config = self._host, self._config
        work = self._work_on(symbol)
        live = [o for o in host.live_orders() if o.symbol == symbol and o.purpose is Purpose.FLATTEN]
        if live:
            for order in live:
                self._reprice(order, target - broker, work)
            work.seen = None
            return
        ours = host.executed().get(symbol, 0)
        if not fresh:
            # An old picture may show what has been closed since: only what both views have is touched.
            broker = common(ours, broker)
        elif broker != ours and work.seen != broker:
            # The two views differ: a fill may be on its way. Act on the broker's figure only when it stands
            # on two reads with nothing of ours in flight.
            work.seen = broker
            return
        now = host.clock.mono()
        if work.last_sent is not None and now - work.last_sent < self._ns(config.reprice_after):
            return
        if reached(broker, target):
            text = (
                f"the broker is at its target but our executions say {ours}; reconciling, else adopt {symbol}"
            )
            self._problem(symbol, text)
            return
        self._send(symbol, target - broker, work)

    def _reprice(self, order: LiveOrder, need: int, work: _Symbol) -> None:
        """Cancels a flattening order that waits for long, unless it stands where the next one would."""
        host, symbol = self._host, order.symbol
        if host.clock.now() - order.since < self._ns(self._config.reprice_after):
            return
        through = work.escalation.through + work.escalation.step
        priced = price(order.side, host.touch(symbol), through, host.instrument(symbol))
        if isinstance(priced, str):
            self._problem(symbol, f"{priced}; {order.id} stays")
            return
        if priced.limit == order.limit and need * order.side.sign >= order.leaves:
            self._problem(symbol, f"{priced.note or 'no better price to ask'}; {order.id} keeps its place")
            return
        problem = self._cancels.one(order.id, order.broker_id)
        if problem is not None:
            self._step(f"{symbol}: re-price, cancel {order.id}" + (f": {problem}" if problem else ""))

    def _send(self, symbol: str, need: int, work: _Symbol) -> None:
        host = self._host
        why, by_venue = host.refusal(work.last_order) if work.last_order else ("", False)
        if why:
            if by_venue:
                work.escalation.refused()
            who = "refused by the venue" if by_venue else "did not leave"
            self._step(f"{symbol}: {work.last_order} {who}: {why}")
        elif work.last_order:
            work.escalation.unfilled()
        work.last_order = ""
        side = Side.BUY if need > 0 else Side.SELL
        instrument = host.instrument(symbol)
        priced = price(side, host.touch(symbol), work.escalation.through, instrument)
        if isinstance(priced, str):
            self._problem(symbol, priced)
            return
        order = self._order(symbol, side, abs(need), priced)
        work.attempts += 1
        work.last_sent = host.clock.mono()
        work.seen = None
        problem = host.send_flatten(order)
        if problem:
            self._problem(symbol, problem)
            return
        work.problem = ""
        work.last_order = order.id
        at = instrument.price(priced.limit) if instrument is not None else priced.limit
        size = instrument.size(order.qty) if instrument is not None else order.qty
        word = "buy" if side is Side.BUY else "sell"
        note = f"; {priced.note}" if priced.note else ""
        self._step(f"{symbol}: {word} {size} at {at} (try {work.attempts}){note}")

    def _order(self, symbol: str, side: Side, qty: int, priced: Priced) -> Order:
        return Order(
            id=self._host.new_order_id(FLATTENER),
            strategy=FLATTENER,
            account=self._account,
            symbol=symbol,
            side=side,
            qty=qty,
            type=OrderType.LIMIT,
            limit=priced.limit,
            tif=TimeInForce.DAY,
            purpose=Purpose.FLATTEN,
            created=self._host.clock.now(),
            correlation=self._correlation,
            arrival=priced.far,
        )

    def _work_on(self, symbol: str) -> _Symbol:
        work = self._work.get(symbol)
        if work is None:
            work = self._work[symbol] = _Symbol(Escalation.of(self._config))
        return work

    # -- words

    def _step(self, text: str) -> None:
        if self.progress.steps and self.progress.steps[-1].endswith(text):
            return
        line = f"{self._host.utc(self._host.clock.now())} {text}"
        self.progress.steps.append(line)
        del self.progress.steps[:-200]
        self._host.commit(KillStep(text=text), self._correlation)

    def _problem(self, symbol: str, text: str) -> None:
        work = self._work_on(symbol)
        if work.problem != text:
            work.problem = text
            self._step(f"{symbol}: {text}")

    def _left_text(self) -> str:
        parts = [f"{s} {q:+d} lots" for s, q in sorted(self._host.executed().items())]
        orders = [o.id for o in self._cancels.in_scope()]
        problems = [f"{s}: {w.problem}" for s, w in sorted(self._work.items()) if w.problem]
        text = "by our executions " + (", ".join(parts) if parts else "no position")
        if orders:
            text += f"; open orders {names(orders)}"
        if problems:
            text += "; " + "; ".join(problems)
        return text

    def _alarm_if_late(self) -> None:
        """Says NOT FLAT once it takes too long, and again each time after twice as long."""
        now = self._host.clock.mono()
        if now < self._alarm_due:
            return
        late = now - self._started
        self._alarm_due = now + late
        text = f"NOT FLAT after {late / NS:.0f} s: {self._left_text()}; the procedure goes on"
        self._step(text)
        self._host.alarm("not_flat", text, self._correlation)

    def _finish(self, as_of: int) -> None:
        when = self._host.utc(as_of)
        if not self._scope.flattening:
            verdict = f"halted, no orders working, confirmed by the broker at {when}; positions kept"
            self._end(True, verdict)
            return
        for text in self._host.leave_no_shares(self._scope.empties, self._correlation):
            self._step(text)
        word = "reduced to target" if self._scope.reducing else "flat"
        times = {2: "twice"}.get(self._config.confirm_reads, f"{self._config.confirm_reads} times")
        self._end(True, f"{word}, confirmed {times} by the broker at {when}")

    def _end(self, flat: bool, verdict: str, *, final: bool = True) -> None:
        if self._tending is not None:
            self._tending.cancel()
            self._tending = None
        self.ended_at = self._host.clock.mono()
        self.progress.running = False
        self.progress.flat = flat and self._scope.flattening
        self.progress.verdict = verdict
        self._step(verdict)
        if final:
            self._host.commit(KillEnded(flat=self.progress.flat, verdict=verdict), self._correlation)
        waiting, self.done_callbacks = self.done_callbacks, []
        for future in waiting:
            if not future.done():
                future.set_result(self.progress)

    @staticmethod
    def _ns(seconds: float) -> int:
        return int(seconds * NS)
