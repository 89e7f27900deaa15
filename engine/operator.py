"""Carries out what an operator commands: every command is journalled with who asked, then answered twice.

The first answer says whether it was accepted, the last one how it ended. Nothing here can block: what takes
time goes on as a task and answers when it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from engine.alert_test import AlertTest
from engine.books import EXTERNAL
from engine.control.commands import (
    Acknowledge,
    Adopt,
    Answer,
    AnyCommand,
    Cancel,
    CancelAll,
    CancelEverything,
    Claim,
    Flatten,
    Gone,
    Kill,
    Modify,
    Pause,
    Reload,
    ReloadStrategy,
    Reset,
    Resume,
    Roll,
    ScreenFailed,
    ScreenSaid,
    SetLimit,
    Shelve,
    Shutdown,
    StopStrategy,
    Submit,
    TakeControl,
    TryAlerts,
)
from engine.control.seats import NO_SEAT, Seats
from engine.control.wording import worded
from engine.core import Core
from engine.intake import Intake
from engine.journal import StoreFailed
from engine.kill import KillSwitch
from engine.limiting import LimitDesk
from engine.model import NS
from engine.ordering import OrderDesk
from engine.orders_record import OrderRecord
from engine.ports import NotSent
from engine.reconcile import Kind
from engine.records import (
    Adopted,
    Claimed,
    CommandAnswered,
    CommandTaken,
    ControlReset,
    Halted,
    HaltReset,
    KillBegan,
)
from engine.risk.loop import RiskLoop
from engine.roll_driver import Roller
from engine.shelving import acknowledge, shelve
from engine.waiting import within

AnswerSink = Callable[[Answer], None]


_FINDINGS: Final = frozenset(Kind)
"""Codes of halts that a comparison of positions raised."""
_KEPT: Final = (
    *(Pause, Resume, Reset, SetLimit, Reload, StopStrategy),  # what may trade
    *(Adopt, Claim, Gone),  # what is held and works, and whose it is
    *(Acknowledge, Shelve),  # what is known
)
"""Commands by which a person decides something that holds after a restart too."""
_KEPT_WITHIN: Final = 2 * NS
"""How long their answer waits for the disk, ns of engine time."""


class Hooks(Protocol):
    """What the operator needs of the engine beyond orders."""

    seats: Seats

    def pause_strategy(self, name: str) -> str: ...

    def resume_strategy(self, name: str, who: str) -> Answer: ...

    def stop_strategy(self, name: str, who: str, leave: str) -> str: ...

    def reload_strategy(self, name: str, reply: AnswerSink) -> None: ...

    def request_stop(self, reason: str) -> None: ...

    def open_day(self, why: str) -> str:
        """Measures the day's loss from now on; returns a problem or an empty text."""

    def reconcile_soon(self) -> None: ...

    def order_claimed(self, record: OrderRecord) -> None: ...

    def give_up(self, order_id: str, who: str, correlation: str) -> str: ...

    def book_manual(self, symbol: str) -> int:
        """Books executions of a symbol that belong to no order of ours; returns how many."""


class Operator:
    """Dispatches commands. `handle` runs on the engine's thread."""

    def __init__(
        self,
        core: Core,
        intake: Intake,
        orders: OrderDesk,
        kill: KillSwitch,
        risk: RiskLoop,
        limits: LimitDesk,
        rolls: Roller,
        hooks: Hooks,
    ) -> None:
        self._core = core
        self._intake = intake
        self._orders = orders
        self._kill = kill
        self._risk = risk
        self._limits = limits
        self._rolls = rolls
        self._hooks = hooks
        self._tasks: set[asyncio.Task[None]] = set()
        self.alert_test = AlertTest(core, lambda: hooks.seats.attached)

    def handle(self, command: AnyCommand, who: str, answer: AnswerSink | None, seat: int = NO_SEAT) -> None:
        """Journals the command and carries it out, where this seat may; `answer` gets one or more answers,
        the last is final. A preview is a mere question: it leaves no trace."""
        core = self._core
        if isinstance(command, Submit | Modify | SetLimit | Roll) and command.preview:
            self._try(command, who, "", answer or (lambda _: None), seat)
            return
        correlation = core.ids.correlation()
        core.commit(CommandTaken(command=command, who=who), correlation)
        core.log(
            "info",
            f"{who}: {worded(command)}",
            component="operator",
            status="COMMAND",
            who=who,
            order_id=getattr(command, "order_id", None),
            symbol=getattr(command, "symbol", None),
            correlation_id=correlation,
        )

        def reply(result: Answer) -> None:
            if result.final:
                core.commit(CommandAnswered(ok=result.ok, text=result.text), correlation)
                core.log(
                    "info" if result.ok else "warning",
                    result.text,
                    component="operator",
                    status="DONE" if result.ok else "REFUSED",
                    order_id=result.data.get("order_id"),
                    correlation_id=correlation,
                )
            if answer is None:
                return
            if result.final and result.ok and isinstance(command, _KEPT):
                self._task(self._once_kept(answer, result))
            else:
                answer(result)

        self._try(command, who, correlation, reply, seat)

    async def _once_kept(self, answer: AnswerSink, result: Answer) -> None:
        """What was done is said once it is on disk: who was told that trading is paused must not find it
        running after a crash. A store that fails or hangs delays the answer, and is named in it."""
        core, problem = self._core, ""
        try:
            await within(core.clock, core.journal.flush(), _KEPT_WITHIN)
        except StoreFailed as error:
            problem = str(error)
        except TimeoutError:
            problem = f"the disk has not answered for {_KEPT_WITHIN / NS:g} s"
        if problem:
            text = f"{result.text}; NOT on disk, so that a crash now would forget it: {problem}"
            result = msgspec.structs.replace(result, text=text)
        answer(result)

    def _try(self, command: AnyCommand, who: str, correlation: str, reply: AnswerSink, seat: int) -> None:
        core = self._core
        try:
            problem = self._hooks.seats.problem(seat, command)
            if not problem and isinstance(command, TakeControl):
                problem = self._hooks.seats.take(seat)
                if not problem:
                    reply(Answer(ok=True, text="this screen is in control"))
                    return
            if problem:
                reply(Answer(ok=False, text=problem))
                return
            self._dispatch(command, who, correlation, reply)
        except Exception as error:  # noqa: BLE001 - a bad command must not stop the engine; it is reported
            core.metrics.count("command_errors")
            text = f"command {type(command).__name__} failed: {error}"
            core.alarm("warning", "command", text, correlation=correlation)
            reply(Answer(ok=False, text=f"failed: {error}"))

    def _dispatch(self, command: AnyCommand, who: str, correlation: str, reply: AnswerSink) -> None:
        match command:
            case Kill(flatten=flatten, reason=reason):
                why = f"{reason} ({who})"
                began = KillBegan(reason=why, symbol=None, flatten=flatten, who=who)
                self._begin(began, correlation, reply)
            case Flatten(symbol=symbol):
                if symbol is not None and symbol not in self._core.books.instruments:
                    reply(Answer(ok=False, text=self._unknown(symbol)))
                    return
                began = KillBegan(reason=f"flatten by {who}", symbol=symbol, flatten=True, who=who)
                self._begin(began, correlation, reply)
            case Roll():
                self._rolls.begin(command, who, correlation, reply)
            case Submit():
                self._orders.submit(command, correlation, reply)
            case Modify():
                self._orders.modify(command, correlation, reply)
            case Cancel(order_id=order_id):
                problem = self._intake.cancel(order_id, correlation)
                reply(Answer(ok=not problem, text=problem or f"cancel of {order_id} sent"))
            case CancelAll(symbol=symbol, strategy=strategy):
                self._cancel_all(symbol, strategy, correlation, reply)
            case CancelEverything(account=account):
                self._cancel_everything(account, correlation, reply)
            case Reset():
                self._reset(command, who, correlation, reply)
            case Pause(strategy=strategy):
                self._pause(strategy, who, correlation, reply)
            case Resume(strategy=strategy):
                self._resume(strategy, who, correlation, reply)
            case StopStrategy(strategy=strategy, leave=leave):
                problem = self._hooks.stop_strategy(strategy, who, leave)
                reply(Answer(ok=not problem, text=problem or f"{strategy} is being stopped"))
            case ReloadStrategy(strategy=strategy):
                self._hooks.reload_strategy(strategy, reply)
            case Reload():
                self._limits.reload(command, who, correlation, reply)
            case SetLimit():
                self._limits.set(command, who, correlation, reply)
            case Adopt(symbol=symbol):
                self._adopt(symbol, who, correlation, reply)
            case Claim(broker_id=broker_id, strategy=strategy):
                self._claim(broker_id, strategy, who, correlation, reply)
            case Gone(order_id=order_id):
                problem = self._hooks.give_up(order_id, who, correlation)
                reply(Answer(ok=not problem, text=problem or f"{order_id} is given up"))
            case Acknowledge():
                reply(acknowledge(self._core, command, who, correlation))
            case ScreenSaid():
                reply(Answer(ok=True, text="noted"))
            case ScreenFailed(text=text):
                self._core.alarm(
                    "warning", "screen_failed", f"the screen of {who} failed and is back: {text}"
                )
                reply(Answer(ok=True, text="the screen is back"))
            case Shelve():
                reply(shelve(self._core, command, who, correlation))
            case TryAlerts():
                self.alert_test.begin(who, correlation, reply)
            case Shutdown():
                reply(Answer(ok=True, text="stopping"))
                self._hooks.request_stop(f"shutdown by {who}")

    # -- kill

    def _begin(self, request: KillBegan, correlation: str, reply: AnswerSink) -> None:
        # Who flattens a position that drifted decides for the broker's figure: it is what gets closed.
        for halt in self._core.books.halts.all():
            drifted = halt.scope == "instrument" and halt.code in (Kind.DRIFT, Kind.MANUAL_TRADE)
            if drifted and request.symbol in (None, halt.target) and request.flatten:
                try:
                    self._take_over(halt.target, request.reason, correlation)
                except ValueError as error:
                    told = {"symbol": halt.target, "correlation": correlation}
                    self._core.alarm("critical", "not_adopted", str(error), **told)
        self._kill.begin(request, correlation)
        reply(Answer(ok=True, text=f"begun: {self._kill.progress.scope}", final=False))
        self._task(self._verdict(reply))

    async def _verdict(self, reply: AnswerSink) -> None:
        progress = await self._kill.finished()
        ok = progress.flat or progress.verdict.startswith("halted")
        reply(Answer(ok=ok, text=progress.verdict, data={"steps": "\n".join(progress.steps)}))

    def _task(self, coro: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coro)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- orders

    def _unknown(self, symbol: str) -> str:
        known = ", ".join(sorted(self._core.books.instruments)[:20])
        return f"no instrument {symbol}; known are {known}"

    def _unknown_strategy(self, name: str) -> str:
        """What is wrong with a strategy's name; empty where orders may carry it."""
        known = sorted({"manual", *(s.name for s in self._core.config.strategies)})
        return "" if name in known else f"no strategy {name}; known are {', '.join(known)}"

    def _cancel_everything(self, account: str, correlation: str, reply: AnswerSink) -> None:
        core = self._core
        ours = core.books.config.account
        if account != ours:
            reply(Answer(ok=False, text=f"this cancels what others placed too; name the account, {ours}"))
            return
        try:
            core.adapter.cancel_everything()
        except NotSent as problem:
            reply(Answer(ok=False, text=str(problem)))
            return
        text = f"{core.adapter.name} was asked to cancel every order of {ours}, whoever placed it"
        core.alarm("warning", "cancel_everything", text, correlation=correlation)
        reply(Answer(ok=True, text=text))

    def _cancel_all(
        self, symbol: str | None, strategy: str | None, correlation: str, reply: AnswerSink
    ) -> None:
        books = self._core.books
        wanted = [r.order.id for r in books.orders.working(symbol, strategy)]
        if not wanted:
            # Who misspells what is to be cancelled must not believe that nothing of it is working.
            unknown = self._unknown(symbol) if symbol is not None and symbol not in books.instruments else ""
            unknown = unknown or ("" if strategy is None else self._unknown_strategy(strategy))
            if unknown:
                reply(Answer(ok=False, text=unknown))
                return
        problems = [p for p in (self._intake.cancel(order_id, correlation) for order_id in wanted) if p]
        text = f"{len(wanted) - len(problems)} of {len(wanted)} cancels sent"
        reply(Answer(ok=not problems, text="; ".join([text, *problems[:5]])))

    def _claim(self, broker_id: str, strategy: str, who: str, correlation: str, reply: AnswerSink) -> None:
        core = self._core
        record = core.books.orders.foreign_named(broker_id)
        problem = self._unknown_strategy(strategy)
        if not problem and record is None:
            problem = f"there is no foreign order {broker_id} in memory"
        if not problem and record is not None:
            claim = Claimed(broker_id=broker_id, strategy=strategy, who=who)
            core.commit(claim, correlation, record.order.id)
            self._hooks.order_claimed(record)
        reply(Answer(ok=not problem, text=problem or f"{broker_id} belongs to {strategy} now"))

    # -- halts, pauses, limits

    def _reset(self, command: Reset, who: str, correlation: str, reply: AnswerSink) -> None:
        core = self._core
        if self._kill.running and command.scope in ("halt", "instrument"):
            text = "kill or flatten is still running: wait for its verdict, then reset"
            reply(Answer(ok=False, text=text))
            return
        match command.scope:
            case "halt":
                done = core.commit(HaltReset(scope="account", target="", who=who), correlation).changed
                text = "the account's halt is reset" if done else "the account was not halted"
            case "instrument":
                if command.target not in core.books.instruments:
                    reply(Answer(ok=False, text=self._unknown(command.target)))
                    return
                done = core.commit(
                    HaltReset(scope="instrument", target=command.target, who=who), correlation
                ).changed
                text = (
                    f"{command.target} may trade again" if done else f"{command.target or '?'} was not halted"
                )
            case "control":
                name, _, scope = command.target.partition(":")
                if name not in self._risk.controls.by_name:
                    known = ", ".join(sorted(self._risk.controls.by_name))
                    reply(Answer(ok=False, text=f"there is no control {name!r}; there are {known}"))
                    return
                core.commit(ControlReset(control=name, scope=scope, who=who), correlation)
                done = self._risk.reset(name, scope)
                text = f"control {command.target} is reset" if done else f"{command.target} was not tripped"
                if name in ("daily_loss", "drawdown"):
                    text += "; beyond its limit it trips again, reset day_loss measures from now"
            case "day_loss":
                problem = self._hooks.open_day(f"reset by {who}")
                if problem:
                    reply(Answer(ok=False, text=problem))
                    return
                done = True
                for name in ("daily_loss", "drawdown"):
                    core.commit(ControlReset(control=name, scope="", who=who), correlation)
                    self._risk.reset(name, "")
                text = "the day's loss counts from now"
        self._hooks.reconcile_soon()
        reply(Answer(ok=done, text=text))

    def _pause(self, strategy: str | None, who: str, correlation: str, reply: AnswerSink) -> None:
        if strategy is not None:
            problem = self._hooks.pause_strategy(strategy)
            reply(
                Answer(
                    ok=not problem,
                    text=problem
                    or f"{strategy} is paused: it opens nothing; its working orders and its positions stay",
                )
            )
            return
        self._core.commit(
            Halted(scope="account", target="pause", code="paused", reason=f"paused by {who}"), correlation
        )
        reply(Answer(ok=True, text="no opening orders until resume"))

    def _resume(self, strategy: str | None, who: str, correlation: str, reply: AnswerSink) -> None:
        if strategy is not None:
            reply(self._hooks.resume_strategy(strategy, who))
            return
        done = self._core.commit(HaltReset(scope="account", target="pause", who=who), correlation).changed
        reply(Answer(ok=True, text="opening orders may pass again" if done else "nothing was paused"))

    def _take_over(self, symbol: str, who: str, correlation: str) -> str:
        """Makes the broker's position ours: its executions first, the rest at the market's middle. Returns
        what was done, or raises `ValueError` with what is missing for it."""
        core = self._core
        booked = self._hooks.book_manual(symbol)
        position = core.books.positions.get(symbol)
        if position.broker is None:
            raise ValueError(f"the broker's position of {symbol} is not known: nothing to adopt")
        difference = position.broker - position.held.qty
        if difference == 0:
            how = f"{booked} executions made elsewhere are booked" if booked else "nothing was to be adopted"
            return f"{symbol}: {how}; broker and executions agree"
        if position.broker_as_of < core.books.last_fill.get(symbol, 0):
            self._hooks.reconcile_soon()
            raise ValueError(
                f"the broker's position of {symbol} was read before its last execution; it is being read "
                "again: ask again in a moment"
            )
        market = core.markets.get(symbol)
        mark = market.mark_twice if market is not None else None
        if mark is None:
            raise ValueError(f"{symbol} has no price to adopt at: wait for a quote")
        core.commit(Adopted(symbol=symbol, signed=difference, price=mark // 2, who=who), correlation)
        text = f"{symbol}: {difference:+d} lots adopted at {mark // 2} ticks for {EXTERNAL}"
        core.alarm("info", "adopted", text, symbol=symbol, correlation=correlation)
        return text

    def _adopt(self, symbol: str, who: str, correlation: str, reply: AnswerSink) -> None:
        if symbol not in self._core.books.instruments:
            reply(Answer(ok=False, text=self._unknown(symbol)))
            return
        try:
            text = self._take_over(symbol, who, correlation)
        except ValueError as error:
            reply(Answer(ok=False, text=str(error)))
            return
        halt = self._core.books.halts.instrument(symbol)
        if halt is not None and halt.code in _FINDINGS:
            self._core.commit(HaltReset(scope="instrument", target=symbol, who=who), correlation)
        elif halt is not None:
            text = f"{text}; it stays halted ({halt.reason}): that is taken back by 'reset instrument'"
        self._hooks.reconcile_soon()
        reply(Answer(ok=True, text=text))
