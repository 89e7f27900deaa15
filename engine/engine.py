"""The engine: gate, journal, adapter, books, risk loop, reconciliation, kill and strategies, wired together.

One object on one thread. Facts, quotes and commands come in through plain synchronous methods; what takes
time (queries, the kill procedure, recovery) runs as tasks of the same loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Literal

from engine.answers import Answers
from engine.chores import Chores
from engine.config import RiskLimits
from engine.connection import Links
from engine.connection_watch import LinkWatch
from engine.contract_watch import ContractWatch
from engine.control.commands import Answer, AnyCommand, Kill
from engine.control.seats import NO_SEAT, Seats
from engine.core import Core
from engine.day import Day
from engine.ending import Ending
from engine.facthandler import FactHandler
from engine.facts import AnyFact, OpenOrders
from engine.feeds.watchdog import Watchdog
from engine.giving_up import GivingUp
from engine.grouping import Grouper
from engine.hostwatch import HostWatch
from engine.intake import Intake
from engine.journal import StoreState
from engine.kill import KillSwitch
from engine.killhost import EngineKillHost
from engine.limiting import LimitDesk
from engine.lost import LostOrders
from engine.margins import Margins
from engine.market import Market, MarketBook
from engine.metrics import Metrics
from engine.model import NS, MarketState, Quote, Trade
from engine.operator import Operator
from engine.order_poll import OrderPoll
from engine.ordering import OrderDesk
from engine.orders_record import OrderRecord
from engine.pace import Pace
from engine.parts import Parts as Parts
from engine.picture import Picture
from engine.reactions import Reactions
from engine.reconciler import Reconciler
from engine.records import Halted, LinkLost
from engine.replacing import Replacer
from engine.risk.controls import standard_controls
from engine.risk.controls.margin import Margin
from engine.risk.gate import Gate
from engine.risk.limits import LimitsBook
from engine.risk.loop import RiskLoop
from engine.risk.setting import overlaid
from engine.risk.ticker import RiskTicker
from engine.roll_driver import Roller
from engine.roll_start import RollDesk
from engine.sentinel.deadman import DeadMan
from engine.sentinel.keeper import Keeper
from engine.silence import Silence
from engine.status import Status
from engine.strategies import StrategyDesk
from engine.view import EngineView

HEALTH_EVERY: Final = 60 * NS
"""Time between two lines of health in the log, ns."""


class Engine:
    """See the module. Made by the application, which also runs the feed into it."""

    def __init__(self, parts: Parts) -> None:
        config, clock = parts.config, parts.clock
        self.parts = parts
        self.metrics = Metrics()
        self.markets = MarketBook(
            Market(
                i,
                parts.calendar(i.calendar),
                Watchdog(i, parts.calendar(i.calendar), stale_after=config.risk.stale_after),
            )
            for i in parts.instruments
        )
        books = parts.books
        adapters = (parts.adapter, *parts.backups)
        names = [c.name for c in config.connections] or ["primary"]
        self._links = Links(adapters, names, clock, round(config.link.answer_within * NS), parts.fence)
        self.core = Core(
            config=config,
            clock=clock,
            ids=parts.ids,
            journal=parts.journal,
            adapter=self._links,
            books=books,
            markets=self.markets,
            metrics=self.metrics,
            log=parts.log,
            mode=parts.mode,
            tell=parts.tell,
        )
        self.limits = LimitsBook(config.risk, max(1, books.limits_version), cap=parts.lots_cap)
        self.limits.current = self.limits.bounded(overlaid(config.risk, books.overrides)[0])
        self.view = EngineView(books, self.markets, clock, self.limits)
        self.controls = standard_controls()
        self.gate = Gate(self.controls)
        self.risk = RiskLoop(self.controls)
        self._kill_host = EngineKillHost(self.core, self.view)
        self.kill = KillSwitch(self._kill_host, config.kill, config.account)
        self.view.covers = self.kill.covers
        self.view.figures = lambda: self._links.capabilities.tells
        self.margins = Margins(self.core, self.view.limits)
        self.view.per_lot, self.view.doubt = self.margins.per_lot, self.margins.doubt
        self.view.margins = self.margins
        self.intake = Intake(self.core, self.gate, self.view, self.kill, self.margins)
        self.replacer = Replacer(self.core, self.gate, self.view, self.intake)
        self.silence = Silence(self.core, self.intake.cancel)
        self._kill_host.intake = self.intake
        self._kill_host.gate = self.gate
        self._kill_host.reconcile_soon = self.reconcile_soon
        self._kill_host.take_report = partial(self.take, source="open_orders")
        self._contracts = ContractWatch(self.core, self.view)
        self.day = Day(self.core, self.view, self.risk)
        self.reactions = Reactions(self.core, self.intake, self.kill, self.view, self.controls.one(Margin))
        self.strategies = StrategyDesk(self.core, self.intake, self.replacer, self.view, parts)
        self._kill_host.emptied = self.strategies.emptied
        self.reactions.stop_strategy = self.strategies.give_up
        self.reconciler = Reconciler(self.core, self.view, self)
        self.link = LinkWatch(self.core, self._links, parts.draw, self)
        self._kill_host.hurry_link = self.link.hurry
        self.lost = LostOrders(self.core, self.intake, self.view, self.strategies)
        self.groups = Grouper(self.core, self.intake, self.replacer, self.kill, self.reconcile_soon)
        self.groups.renamed = self.strategies.rebind
        self.facts = FactHandler(self)
        self.giving_up = GivingUp(self)
        self.seats = Seats(self.core, config.screen, self, parts.speed)
        rolls = RollDesk(self.core, self.intake, self.gate, self.view, self.kill)
        rolls.compare, rolls.ask_margin = self.reconcile_soon, self.margins.retry
        self.rolls = Roller(self.core, self.intake, self.replacer, self.gate, self.view, rolls)
        self.rolls.stopping = lambda: self.stopping
        self.limit_desk = LimitDesk(self.core, self.limits, self.risk, self.view, self)
        self.operator = Operator(
            self.core,
            self.intake,
            OrderDesk(self.core, self.intake, self.replacer, self.gate, self.view, self.controls.one(Margin)),
            self.kill,
            self.risk,
            self.limit_desk,
            self.rolls,
            self,
        )
        self._ending = Ending(self)
        self.status = Status(self)
        self.picture = Picture(self.core, self.view, self.kill, self.status)
        self.answers = Answers(self)
        self.silence.on_answer = self.facts.on_answer
        self.silence.on_silence = self.giving_up.unanswered
        self.silence.moved = self.facts.moved
        self.intake.stayed = self.facts.stayed
        self.view.pause_reasons = self._pause_reason
        # The risk loop runs at its period of the host's time, however fast the recording does.
        period = int(config.risk_period * NS * parts.speed)
        self._skips_idle = parts.lockstep if parts.skip_idle is None else parts.skip_idle
        self.pace = Pace(self.core, self.kill, parts.speed)
        self._ticker = RiskTicker(
            clock,
            self.risk,
            self.view,
            self.reactions.on_event,
            period=period,
            hook=self.pace,
            skip_idle=self._skips_idle,
        )
        longest = NS if self._skips_idle else 2 * period
        self._chore_rounds = Chores(clock, period, self._chores, longest, self._chores_failed)
        self._tasks: list[asyncio.Task[None]] = []
        self.started = clock.mono()
        self._frame = int(NS / config.screen.frame_rate)
        self._frame_due = 0
        self._health_due = clock.mono() + HEALTH_EVERY
        self._stopping = ""
        self.stopped = asyncio.Event()
        """Set when the engine asks to be stopped (shutdown command, feed end)."""
        self.stop_reason = ""
        self.protective = (0, 0)
        """At the stop: protective orders that the broker has, and that it does not have."""
        self.dead_man = DeadMan(self.core, config.sentinel.venue_timer)
        self._links.ahead = self.dead_man.ahead
        self.keeper = None if parts.sentinel is None else Keeper(self, parts.sentinel)
        self._host = HostWatch(self.core, self.reconcile_soon, self._spawn, parts.saver)
        parts.journal.on_rows = self.answers.stories.recent.extend
        self._links.bind(self.on_fact)

    # -- life

    async def start(self) -> None:
        """Connects, recovers, and starts the loops. Trading begins only when the three views agree."""
        loop = asyncio.get_running_loop()
        for (control, scope), tripped in sorted(self.core.books.tripped.items()):
            self.risk.restore(control, scope, tripped.detail)
        if self.core.journal.left_owing:
            await self._host.own_up(partial(self.halt, "account", "", "store"))
        self._ticker.start()
        self._chore_rounds.start()
        if self.keeper is not None:
            await self.keeper.first()
        if self.core.books.kills:
            # Before anything that waits for the broker: it has a patience of its own.
            text, cause = (
                "an unfinished kill or flatten goes on after the restart",
                self.core.ids.correlation(),
            )
            self.core.alarm("critical", "kill_resumed", text, correlation=cause)
            for request in self.core.books.kills:
                self.kill.begin(request, cause, resumed=True)
        if await self.link.first():
            await self.reconciler.round("start")
        await self.day.open_if_needed()
        self.groups.restore()
        self.limit_desk.restore()
        self._tasks.append(loop.create_task(self.link.run(), name="link"))
        self._tasks.append(loop.create_task(self.reconciler.run(), name="reconcile"))
        poll = OrderPoll(self.core, self.ask, self.reconcile_soon)
        self._tasks.append(loop.create_task(poll.run(), name="open orders"))
        await self.strategies.start()

    async def finish(self, reason: str) -> None:
        """The end of a run that was to end: everything is closed and proven flat."""
        await self._ending.finish(reason)

    async def stop(self, reason: str, *, complete: bool = False, deadline: float = 5.0) -> None:
        """The graceful stop, in at most `deadline` seconds of engine time."""
        if self._stopping:
            return
        self._stopping = reason
        await self._ending.stop(reason, complete, int(deadline * NS))

    def end_loops(self) -> None:
        """Nothing comes round any more: risk, chores, reconciliation, kill."""
        for task in self._tasks:
            task.cancel()
        self.link.stop()
        self.seats.stop()
        self._ticker.stop()
        self._chore_rounds.stop()
        self.margins.stop()
        self.kill.abandon("the engine stops")

    def request_stop(self, reason: str) -> None:
        """Asks the application to stop the engine."""
        if not self.stop_reason:
            self.stop_reason = reason
        self.stopped.set()

    # -- what comes in

    def on_quote(self, quote: Quote) -> None:
        clock = self.core.clock
        now, perf = clock.now(), clock.perf()
        if self.markets.on_quote(quote, now, perf):
            self.strategies.on_quote(quote, perf)

    def on_trade(self, trade: Trade) -> None:
        now = self.core.clock.now()
        if self.markets.on_trade(trade, now):
            self.answers.memories.on_trade(trade, now)
            self.strategies.on_trade(trade, self.core.clock.perf())

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:  # noqa: ARG002
        self.markets.on_feed_state(symbol, state, self.core.clock.now())

    def on_batch_end(self, ts: int) -> None:  # noqa: ARG002
        self.strategies.flush()
        if self._skips_idle:
            # Of the chores only what comes with a frame follows prices, and what a breach left to do.
            self._ticker.wake()
            self._chore_rounds.poke(0 if self.reactions.waits else self._frame_due)

    def on_feed_end(self, reason: str) -> None:
        self.core.log("info", f"feed ended: {reason}", component="feed")
        self.core.alarm("info", "feed_end", f"the feed ended: {reason}")

    def on_fact(self, fact: AnyFact) -> None:
        """A report of the adapter, on the engine's thread. Never raises: a report that cannot be taken is
        alarmed, counts against the error breaker and forces a comparison with the broker."""
        try:
            self.facts.take(fact)
            self._something_changed()
        except Exception as error:  # noqa: BLE001 - one report must not end the line that all others come by
            self.metrics.count("fact_errors")
            self.controls.on_error("facts", self.view)
            self.core.alarm("critical", "fact", f"{type(fact).__name__} could not be taken: {error!r}")
            self.reconcile_soon()

    def _something_changed(self) -> None:
        """In virtual time the next rounds on the grid take place; in real time they do anyway."""
        if self._skips_idle:
            self._ticker.wake()
            self._chore_rounds.poke()

    def command(
        self,
        command: AnyCommand,
        who: str,
        answer: Callable[[Answer], None] | None = None,
        seat: int = NO_SEAT,
    ) -> None:
        """An operator's command, from a screen where `seat` is one. Nothing but a kill is taken once the
        engine stops."""
        if self._stopping and not isinstance(command, Kill):
            if answer is not None:
                answer(Answer(ok=False, text=f"the engine is stopping: {self._stopping}"))
            return
        self.operator.handle(command, who, answer, seat)
        self._something_changed()
        self.publish()

    # -- again and again

    def _chores(self) -> int | None:
        """What is looked at on the 10 ms grid beside the risk loop. Returns when the next thing falls due."""
        core = self.core
        mono = core.clock.mono()
        core.journal.poll(mono)
        self._host.look_at_store(mono)
        self.day.check()
        self.reactions.watch()
        asks = self.silence.watch()
        self.groups.watch()
        self.rolls.watch()
        self.strategies.watch(mono)
        if mono >= self._frame_due:
            self._frame_due = mono + self._frame
            self.day.note_peak()
            self.answers.sample()
            self.strategies.on_time(core.clock.now())
            self._host.look_at_clock()
            self.dead_man.look(mono)
            self._contracts.check()
            if mono >= self._health_due:
                self._health_due = mono + HEALTH_EVERY
                self.status.log_health()
            if not self.parts.lockstep:
                self.publish()
        dues = (asks, self.groups.next_due(), self.rolls.next_due(), self.strategies.targets.next_due())
        return min((d for d in dues if d is not None), default=None)

    def _chores_failed(self, error: Exception) -> None:
        self.metrics.count("chore_errors")
        self.controls.on_error("chores", self.view)
        self.core.alarm("critical", "chores", f"a round of chores failed: {error!r}; the next one comes")

    def _pause_reason(self, strategy: str) -> str:
        state = self.core.journal.state
        if state is not StoreState.OK:
            return f"the store is {state}: {self.core.journal.health().reason}"
        return self.strategies.pause_reason(strategy)

    # -- what the parts ask of the engine

    def enable(self) -> None:
        """The three views agree."""
        if not self.view.enabled and self.core.link_up and self.link.may_enable():
            self.view.enabled = True
            self.core.log("info", "trading enabled", component="engine")

    def disable(self, reason: str) -> None:
        if self.view.enabled:
            self.core.log("warning", f"trading disabled: {reason}", component="engine")
        self.view.enabled = False
        self._disabled_text = reason

    _disabled_text = "recovery has not finished"

    def compared(self, agreed: bool, listed: OpenOrders) -> None:
        self.lost.compared(agreed)
        self.groups.compared(agreed, listed)
        self._something_changed()

    def take(self, fact: AnyFact, source: str) -> None:
        self.facts.handle(fact, source)

    def ask(self, order_id: str) -> None:
        self.silence.ask(order_id)

    def send_cancel(self, order_id: str) -> str:
        return self.intake.send_cancel(order_id)

    def book_manual(self, symbol: str) -> int:
        return self.reconciler.book_manual(symbol)

    def emergency(self) -> bool:
        return self.kill.running

    def link_is_back(self) -> None:
        self.kill.link_is_back()

    def link_lost(self, lost: LinkLost) -> None:
        self.facts.link_lost(lost)

    def reconcile_soon(self) -> None:
        self.reconciler.poke()

    def give_up(self, order_id: str, who: str, correlation: str) -> str:
        return self.giving_up.by_person(order_id, who, correlation)

    def order_claimed(self, record: OrderRecord) -> None:
        self.strategies.on_order(record)

    def reload_limits(self) -> RiskLimits:
        return self.parts.reload_limits()

    def limits_changed(self) -> None:
        """New limits are in force: what keeps a copy of one takes it over."""
        for market in self.markets.by_symbol.values():
            market.watchdog.set_stale_after(self.limits.current.stale_after)

    def open_day(self, why: str) -> str:
        return self.day.open_now(why)

    def pause_strategy(self, name: str) -> str:
        return self.strategies.pause(name)

    def stop_strategy(self, name: str, who: str, leave: str) -> str:
        return self.strategies.stop_one(name, who, leave)

    def reload_strategy(self, name: str, reply: Callable[[Answer], None]) -> None:
        self.strategies.reload(name, reply)

    def resume_strategy(self, name: str, who: str) -> Answer:
        return self.strategies.resume(name, who)

    def halt(self, scope: Literal["account", "instrument"], target: str, code: str, reason: str) -> None:
        """Latches a halt that is not a kill."""
        if (scope, target) in self.core.books.halts:
            return
        if self.core.commit(Halted(scope=scope, target=target, code=code, reason=reason)).changed:
            self.core.alarm("critical", code, f"{target or 'account'} halted: {reason}", symbol=target)

    def _spawn(self, coro: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coro)  # type: ignore[arg-type]
        self._tasks.append(task)
        self._tasks = [t for t in self._tasks if not t.done() or t is task]

    # -- screens

    def publish(self) -> None:
        if self.parts.publish is not None:
            self.parts.publish(self.picture.take())

    def summary(self) -> dict[str, object]:
        """Figures of the run for its last words."""
        return self.status.summary()

    @property
    def stopping(self) -> str:
        """Why the engine is being stopped; empty: it is not."""
        return self._stopping

    @property
    def disabled_text(self) -> str:
        """Why trading is not enabled."""
        return self._disabled_text
