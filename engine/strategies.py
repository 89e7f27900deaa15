"""The engine's dealings with its strategies: starts and feeds them, carries out, winds up.

Every strategy runs in a process of its own behind a host (`engine.strategy.host`). What they
ask for goes through `engine.strategy_orders`; declared positions are netted by `engine.targets`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from engine.books import NET, Applied
from engine.config import StrategyConfig
from engine.control.commands import Answer
from engine.control.snapshot import StrategyRow
from engine.core import Core
from engine.feeds.bars import BarBuilder
from engine.intake import Intake
from engine.model import NS, Bar, Purpose, Quote, Trade
from engine.orders_record import OrderRecord
from engine.records import Halted, HaltReset, Intended, StrategyChanged, StrategySaved
from engine.replacing import Replacer
from engine.strategy.host import StrategyHost
from engine.strategy.lockstep import LockstepHost
from engine.strategy.messages import AnyAction, Earlier, StrategyFill, StrategyOrder
from engine.strategy.netting import split_money
from engine.strategy.realtime import RealtimeHost
from engine.strategy.reports import Acted, Origin, State
from engine.strategy_orders import StrategyOrders
from engine.strategy_reloads import Reloads
from engine.strategy_restarts import Restarts
from engine.targets import Cause, Targets
from engine.view import EngineView

if TYPE_CHECKING:
    from engine.engine import Parts


_AT_ONCE: Final = 10
"""Actions that are carried out in one turn of the loop; at 0.1 ms each that is a tenth of a risk period."""


_ENGINE_KEYS: Final = frozenset(
    ("level", "event", "component", "ts", "timestamp", "status", "correlation_id", "exec_id", "broker_id")
)
"""Keys of the log that a strategy's own fields must not pass for; they get an underscore."""


STOPPED: Final = "strategy_stopped"
"""Code of the halt of a strategy that a person stopped."""
STOP_WITHIN: Final = 5.0
"""Seconds of host time in which it may end in its own way."""


class StrategyDesk:
    """All strategies of one engine; implements `engine.strategy.host.HostSink`."""

    def __init__(
        self, core: Core, intake: Intake, replacer: Replacer, view: EngineView, parts: Parts
    ) -> None:
        self._core = core
        self._intake = intake
        self._view = view
        self._parts = parts
        self._leave: dict[str, str] = {}
        """What a person said that becomes of what a strategy leaves behind, where one is being stopped."""
        self._configs = {s.name: s for s in core.config.strategies}
        self._hosts: dict[str, StrategyHost] = {}
        self._subscribers: dict[str, list[StrategyHost]] = {}
        self._bars: dict[tuple[str, str], BarBuilder] = {}
        self._fills: dict[str, int] = {}
        self._dirty = False
        self._asked: deque[tuple[str, AnyAction, Origin]] = deque()
        self._working = False
        """A turn of the loop is set for what is asked and not carried out yet."""
        self.targets = Targets(core, intake, view)
        self.targets.transferred = self.on_position
        self._orders = StrategyOrders(
            core,
            intake,
            replacer,
            self.targets,
            self._configs,
            self._tell,
        )

        self._restarts = Restarts(core, self._start_again, self._not_again)
        self._reloads = Reloads(core, self._hosts, self._keep_next, self._start_again)
        self._spent: set[str] = set()
        """Strategies that are being stopped for a limit of their own, which no restart lifts."""

    # -- life

    async def start(self) -> None:
        """Starts every strategy that was not stopped by a halt of its own."""
        instruments = self._core.books.instruments
        kind = self._parts.host or (LockstepHost if self._parts.lockstep else RealtimeHost)
        for config in self._core.config.strategies:
            host = kind(
                config,
                instruments,
                self._core.clock,
                self,
                seed=self._parts.seed,
                import_paths=self._parts.import_paths,
            )
            self._hosts[config.name] = host
            for symbol in config.symbols:
                self._subscribers.setdefault(symbol, []).append(host)
                if config.bar_seconds:
                    self._bars[(config.name, symbol)] = BarBuilder(
                        symbol, int(config.bar_seconds * NS), self._deliver_bar(host)
                    )
            halt = self._core.books.halts.strategy(config.name)
            if halt is not None and halt.code in ("strategy_failed", STOPPED):
                self._core.alarm(
                    "warning",
                    "strategy",
                    f"{config.name} was not started: {halt.reason}. Resume it to start it again",
                )
                continue
            self._restarts.begin(config)
            self._start(host)

    def _start_again(self, name: str) -> None:
        self._start(self._hosts[name])

    def _keep_next(self, name: str) -> None:
        self._leave[name] = "keep"

    def _not_again(self, name: str, why: str) -> None:
        self._stays_stopped(name, f"{self._hosts[name].reason}; {why}")

    def _stays_stopped(self, name: str, reason: str) -> None:
        """One that failed is not started again but by a person."""
        self._core.commit(
            Halted(
                scope="strategy",
                target=name,
                code="strategy_failed",
                reason=f"stopped by the engine: {reason}",
            )
        )
        self._core.alarm("critical", "strategy", f"strategy {name} was stopped: {reason}")

    def _start(self, host: StrategyHost) -> None:
        name = host.name
        books = self._core.books
        intended = {}
        for symbol in host.config.symbols:
            lots = books.positions.get(symbol).intended.get(name)
            if lots is not None:
                intended[symbol] = lots
                # An earlier run's intention; it may declare a new one, or send orders instead.
                self._core.commit(Intended(strategy=name, symbol=symbol, lots=None))
        for record in books.orders.working(strategy=name):
            self._orders.know(name, record.order.id)
        orders = tuple(self._orders.report(r) for r in books.orders.working(strategy=name))
        positions = {s: books.positions.strategy_qty(name, s) for s in host.config.symbols}
        quotes = tuple(q for s in host.config.symbols if (q := self._view.quote(s)) is not None)
        saved = books.saved.get(name, "")
        halt = books.halts.strategy(name)
        host.start(Earlier(positions, orders, self._orders.next_ref(name), quotes, intended, saved))
        if halt is not None and halt.code == "paused":
            host.pause(halt.reason)

    async def stop(self, reason: str, timeout: int) -> None:
        """Lets every strategy end in its own way, at most for `timeout` ns of host time in all."""
        self._restarts.cancel_all()
        self._reloads.call_off_all()
        for host in self._hosts.values():
            if host.live:
                host.stop(timeout / NS, reason)
        for host in self._hosts.values():
            await host.ended()
        while self._asked:
            # What they asked for in their last words is being carried out.
            await self._core.clock.sleep(1_000_000)

    def pause(self, name: str) -> str:
        host = self._hosts.get(name)
        if host is None:
            return f"no strategy {name}; known are {', '.join(sorted(self._hosts)) or 'none'}"
        self._core.commit(
            Halted(scope="strategy", target=name, code="paused", reason="paused by the operator")
        )
        host.pause("paused by the operator")
        return ""

    def stop_one(self, name: str, who: str, leave: str) -> str:
        """Lets one strategy end in its own way and stops its process, until a person resumes it. `leave`:
        what becomes of its orders and its share of positions, instead of its `on_stop`. Returns a problem."""
        host = self._hosts.get(name)
        if host is not None and self._restarts.cancel(name):
            self._core.commit(
                Halted(scope="strategy", target=name, code=STOPPED, reason=f"not started again, by {who}")
            )
            return ""
        if host is None or not host.live:
            known = ", ".join(sorted(self._hosts)) or "none"
            return (
                f"no strategy {name}; known are {known}"
                if host is None
                else f"{name} is {host.state} already"
            )
        reason = f"stopped by {who}"
        self._core.commit(HaltReset(scope="strategy", target=name, who=who))
        self._core.commit(Halted(scope="strategy", target=name, code=STOPPED, reason=reason))
        if self._reloads.call_off(name):
            self._leave.pop(name, None)
        if leave:
            self._leave[name] = leave
        host.stop(STOP_WITHIN, reason)
        return ""

    def reload(self, name: str, reply: Callable[[Answer], None]) -> None:
        """Loads a strategy's file again in a fresh process; only where that went well does it take over, with
        the position, the orders and the saved variables of the old one, which runs until then."""
        self._reloads.begin(name, reply)

    def give_up(self, name: str, reason: str) -> None:
        """Stops a strategy for good because it broke a limit of its own; its orders and its position go the
        way that its `on_stop` says. A person resumes it."""
        host = self._hosts.get(name)
        if host is not None:
            self._spent.add(name)
            host.fail(reason)
            self._spent.discard(name)
            if self._restarts.cancel(name):
                # It had failed already, and now it has lost what it may lose as well.
                self._not_again(name, reason)

    def resume(self, name: str, who: str) -> Answer:
        """Lifts a pause; starts a strategy anew that had failed or stopped."""
        host = self._hosts.get(name)
        if host is None:
            known = ", ".join(sorted(self._hosts)) or "none"
            return Answer(ok=False, text=f"no strategy {name}; known are {known}")
        self._restarts.cancel(name)
        self._core.commit(HaltReset(scope="strategy", target=name, who=who))
        for symbol in host.config.symbols:
            self.targets.release(symbol)
        if not host.live:
            self._start(host)
            return Answer(ok=True, text=f"{name} is being started")
        was = host.state
        host.resume()
        return Answer(ok=True, text=f"{name} goes on" if was == "paused" else f"{name} is {was} already")

    def pause_reason(self, strategy: str) -> str:
        """Why orders of this strategy may not open; empty where it runs or is none of ours."""
        host = self._hosts.get(strategy)
        if host is None or host.state in ("running", "starting"):
            return ""
        return f"{strategy} is {host.state}: {host.reason}"

    def watch(self, mono: int) -> None:
        """Looks after intentions that could not be served at once."""
        self.targets.watch(mono)

    def on_time(self, now: int) -> None:
        """Time passes: bars whose end has come are complete."""
        for builder in self._bars.values():
            builder.on_time(now)

    # -- events in

    def on_quote(self, quote: Quote, perf: int) -> None:
        for host in self._subscribers.get(quote.symbol, ()):
            host.quote(quote, perf)
            self._dirty = True
        if self._bars:
            for (_, symbol), builder in self._bars.items():
                if symbol == quote.symbol:
                    builder.on_quote(quote)

    def on_trade(self, trade: Trade, perf: int) -> None:
        for host in self._subscribers.get(trade.symbol, ()):
            host.trade(trade, perf)
            self._dirty = True
        if self._bars:
            for (_, symbol), builder in self._bars.items():
                if symbol == trade.symbol:
                    builder.on_trade(trade)

    def _deliver_bar(self, host: StrategyHost) -> Callable[[Bar], None]:
        def deliver(bar: Bar) -> None:
            host.bar(bar)
            self._dirty = True

        return deliver

    def flush(self) -> None:
        """All records of one stamp are in: hand them over."""
        if self._dirty:
            self._dirty = False
            for host in self._hosts.values():
                if host.live:
                    host.flush()

    def on_order(self, record: OrderRecord, refused: str = "") -> None:
        """Tells the owner of an order that it changed; `refused`: why the broker refused a request for it."""
        host = self._hosts.get(record.order.strategy)
        if host is not None:
            host.order(self._orders.report(record, refused))

    def _tell(self, name: str, report: StrategyOrder) -> None:
        """Hands a report to a strategy's host. News of an earlier run's orders may come before there is one:
        what still works it is told at its start, and intentions it declares anew."""
        host = self._hosts.get(name)
        if host is not None:
            host.order(report)

    def knows(self, strategy: str) -> bool:
        """It is one of ours, and runs."""
        host = self._hosts.get(strategy)
        return host is not None and host.state == "running"

    def rebind(self, order_id: str, new_id: str) -> None:
        """An order of a strategy goes on under another id: its ref means that one from now on."""
        self._orders.rebind(order_id, new_id)

    def on_fill(self, applied: Applied) -> None:
        fill = applied.fill
        if fill is None:
            return
        fees = split_money(fill.fee, dict(applied.attribution))
        for strategy, lots in applied.attribution:
            host = self._hosts.get(strategy)
            if host is None or not lots:
                continue
            self._fills[strategy] = self._fills.get(strategy, 0) + 1
            order_id = fill.order_id or ""
            host.fill(
                StrategyFill(
                    symbol=fill.symbol,
                    side=fill.side,
                    qty=lots,
                    price=fill.price,
                    ts=fill.ts,
                    position=self._core.books.positions.strategy_qty(strategy, fill.symbol),
                    order_id=order_id,
                    ref=self._orders.ref(order_id, strategy),
                    fee=fees[strategy],
                    maker=fill.maker,
                )
            )

    def on_position(self, symbol: str) -> None:
        """Positions changed without a fill: a bust, a correction, an adoption, a transfer."""
        for host in self._subscribers.get(symbol, ()):
            host.position(symbol, self._core.books.positions.strategy_qty(host.name, symbol))

    def emptied(self, symbol: str) -> None:
        """Proven flat: nobody holds or intends anything of it any more."""
        for host in self._subscribers.get(symbol, ()):
            host.position(symbol, self._core.books.positions.strategy_qty(host.name, symbol), intended=0)

    # -- actions out (HostSink)

    def on_actions(self, name: str, acted: Sequence[Acted]) -> None:
        """Carries out what one answer asked for, in order.

        In real time a few at a time: hundreds of orders in one go would hold the risk loop up. In virtual
        time nothing waits for anything, and all of it happens at once.
        """
        if self._parts.lockstep:
            for action, origin in acted:
                self._orders.carry_out(name, action, origin)
            return
        for action, origin in acted:
            self._asked.append((name, action, origin))
        if not self._working:
            self._work_off()

    def _work_off(self) -> None:
        """The next few of what the strategies asked for; the rest after the loop has had its turn."""
        self._working = bool(self._asked)
        for _ in range(min(_AT_ONCE, len(self._asked))):
            self._orders.carry_out(*self._asked.popleft())
        if self._working:
            self._core.clock.call_soon(self._work_off)

    def on_state(self, name: str, state: State, reason: str) -> None:
        core = self._core
        config = self._configs[name]
        core.commit(StrategyChanged(name=name, state=state, reason=reason))
        core.log("info", f"strategy {name} is {state}", component="strategy", status=state)
        if state == "failed":
            self._asked = deque(ask for ask in self._asked if ask[0] != name)
            core.metrics.count("strategy_failures")
            again, words = (False, "") if name in self._spent else self._restarts.plan(config)
            if again:
                # Where a narrow line cuts the reason, that it starts by itself is still read.
                core.alarm("critical", "strategy", f"strategy {name} was stopped, {words}: {reason}")
            else:
                self._stays_stopped(name, "; ".join(filter(None, (reason, words))))
        if state == "failed" and self._reloads.under_way(name):
            # What it leaves was to be kept for the one that takes over, which now does not.
            self._leave.pop(name, None)
        if state in ("failed", "stopped"):
            self._wind_up(config, state, self._leave.pop(name, config.on_stop))
        self._reloads.on_state(name, state, reason)

    def _wind_up(self, config: StrategyConfig, state: State, leave: str) -> None:
        """What happens to the orders, intentions and position that a strategy leaves behind."""
        core = self._core
        if leave != "keep":
            for record in list(core.books.orders.working(strategy=config.name)):
                if record.order.purpose is Purpose.TRADE and not record.life.pending_cancel:
                    self._intake.cancel(record.order.id)
        for symbol in config.symbols:
            intended = core.books.positions.get(symbol).intended.get(config.name)
            held = core.books.positions.strategy_qty(config.name, symbol)
            # What it intended in its last words holds; one that failed had no last words, so nothing moves.
            lots = intended if state == "stopped" else held
            if leave == "flatten":
                # Its own share alone: what other strategies hold of the instrument is theirs.
                lots = 0 if held or intended else None
            if lots is not None and lots != intended and (intended is not None or leave == "flatten"):
                core.commit(Intended(strategy=config.name, symbol=symbol, lots=lots))
                self.targets.intend(symbol, Cause(core.ids.correlation()))

    def on_saved(self, name: str, saved: str) -> None:
        self._core.commit(StrategySaved(name=name, saved=saved))

    def on_log(self, name: str, level: str, text: str, fields: Mapping[str, str]) -> None:
        own = {f"{key}_" if key in _ENGINE_KEYS else key: value for key, value in fields.items()}
        self._core.log("error" if level == "error" else "info", text, component=f"strategy.{name}", **own)

    # -- for the screen

    def rows(self) -> tuple[StrategyRow, ...]:
        out = []
        books = self._core.books
        for name, host in self._hosts.items():
            status = host.status()
            intended = {}
            for symbol in host.config.symbols:
                lots = books.positions.get(symbol).intended.get(name)
                if lots is not None:
                    intended[symbol] = books.instruments[symbol].size(lots)
            pnl = self._view.strategy_pnl(name)
            state, reason = status.state, status.reason
            if self._restarts.waits(name):
                reason += "; it will be started again"
            halt = books.halts.strategy(name)
            if halt is not None and halt.code == "strategy_failed" and state in ("starting", "stopped"):
                # An earlier run stopped it, and this one has not started it.
                state, reason = "failed", halt.reason
            out.append(
                StrategyRow(
                    name=name,
                    state=state,
                    reason=reason,
                    intended=intended,
                    orders=self._orders.placed.get(name, 0),
                    fills=self._fills.get(name, 0),
                    pnl=Decimal(0) if pnl is None else round(pnl, 2),
                    lag_ms=status.lag_ms,
                    rss_mb=status.rss_mb,
                    queue=status.queue,
                    conflated=status.conflated,
                    dropped=status.dropped,
                    cpu=None if status.cpu is None else round(status.cpu, 3),
                    on_stop=self._configs[name].on_stop,
                    callbacks=status.callbacks,
                    restarts=self._restarts.lately(self._configs[name]),
                )
            )
        return tuple(out)


__all__ = ["NET", "StrategyDesk"]
