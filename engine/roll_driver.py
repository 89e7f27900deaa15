"""Carries rolls out: sends each leg's orders, watches what comes of them, and says how each roll ended.

A roll is not taken up again after a restart: what the journal has of one that was under way is brought to its
end, and a person is told the exact numbers. Nothing of it is ever tried twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.alerts import Severity
from engine.control.commands import Answer
from engine.control.commands import Roll as RollCommand
from engine.core import Core
from engine.intake import Intake, Told
from engine.model import NS, OrderStatus
from engine.orders_record import OrderRecord
from engine.records import Intended, RollEnded, RollStarted
from engine.replacing import Replacer
from engine.risk.gate import Gate, Refusal
from engine.roll import Legs, Roll, decide, legs_of, outcome
from engine.roll_guard import Guarding, guards
from engine.roll_start import NotRolled, Plan, RollDesk, leg_order
from engine.view import EngineView

_LOOK: Final = NS // 10
"""ns between two looks at a roll to which nothing happens."""
_AGAIN: Final = NS
"""ns after which a cancel of a roll's order that is still there is sent once more."""
_FITTING: Final = 3 * NS
"""ns for which the end waits for the old month's protection to be fitted; what is not by then is told."""
_WAITS: Final = frozenset({"duplicate", "order_rate"})
"""Refusals of the opening leg that a moment takes away: the order is put off until then."""


@dataclass(slots=True)
class _Live:
    """What is known of a roll beside the journal."""

    reply: Told | None = None
    why: str = ""
    """What ends it before its time."""
    stops: int = 0
    """The books' count of halts and kills when it began."""
    not_before: int = 0
    """Monotonic ns before which the next opening order is not tried."""
    short: int | None = None
    """Since when margin keeps the opening leg back, monotonic ns."""
    fitting: int | None = None
    """Since when only the old month's protection is waited for, monotonic ns."""


class Roller:
    """Runs on the engine's thread, in plain synchronous code."""

    def __init__(
        self,
        core: Core,
        intake: Intake,
        replacer: Replacer,
        gate: Gate,
        view: EngineView,
        desk: RollDesk,
    ) -> None:
        self._core = core
        self._intake = intake
        self._gate = gate
        self._view = view
        self._desk = desk
        self._guarding = Guarding(core, intake, replacer)
        self._live: dict[str, _Live] = {}
        self._asked: dict[str, int] = {}
        """When an order's cancel was last sent, monotonic ns."""
        self.stopping: Callable[[], str] = lambda: ""
        """Why the engine is being stopped; empty: it is not."""

    # -- beginning

    def begin(self, command: RollCommand, who: str, correlation: str, reply: Told) -> None:
        """Answers a preview, or begins: a first answer at once, the last one when the roll is over."""
        try:
            plan = self._desk.plan(command)
        except NotRolled as problem:
            reply(Answer(ok=False, text=str(problem)))
            return
        if command.preview:
            meaning = self._desk.meaning(plan)
            text = f"it may begin: {plan.source.symbol} → {plan.target.symbol}"
            reply(Answer(ok=True, text=text, data={"meaning": "\n".join(meaning)}))
            return
        self._start(plan, who, correlation, reply)

    def _start(self, plan: Plan, who: str, correlation: str, reply: Told) -> None:
        core = self._core
        source, target = plan.source.symbol, plan.target.symbol
        for name in plan.give_up:
            core.commit(Intended(strategy=name, symbol=source, lots=None), correlation)
        started = RollStarted(
            roll=correlation,
            source=source,
            target=target,
            side=plan.side,
            lots=plan.lots,
            within=plan.within,
            who=who,
        )
        core.commit(started, correlation)
        self._live[correlation] = _Live(reply, stops=core.books.stops)
        core.metrics.count("rolls")
        text = f"rolling {plan.source.size(plan.lots):f} {source} to {target}"
        core.log("info", text, component="roll", symbol=source, status="BEGUN", correlation_id=correlation)
        reply(Answer(ok=True, text=f"begun: {text}", final=False))
        order = leg_order(core, plan.source, plan.side, plan.lots, plan.within, correlation)
        refusal = self._intake.submit(order)
        if refusal is not None:
            why = f"the closing leg was refused by {refusal.control}: {refusal.text}"
            self._live[correlation].why = why
        self.watch()

    # -- going on

    def watch(self) -> None:
        """Looks at every roll that is under way. Called with the engine's chores."""
        for roll in tuple(self._core.books.rolls.active.values()):
            self._look(roll)

    def next_due(self) -> int | None:
        """When to look again, monotonic ns; None: nothing is being rolled."""
        return self._core.clock.mono() + _LOOK if self._core.books.rolls.active else None

    def _look(self, roll: Roll) -> None:
        core, begun = self._core, roll.started
        live = self._live.get(begun.roll)
        if live is None:
            # An earlier run's: nothing of it goes on.
            why = "the engine was restarted while it ran"
            live = self._live[begun.roll] = _Live(why=why, stops=core.books.stops)
        legs = legs_of(roll, core.books.orders.get)
        live.why = live.why or self._trouble(roll, legs, live)
        step = decide(
            begun.lots,
            legs,
            live.why,
            late_closing=self._late(roll.closing),
            late_opening=self._late(roll.opening),
        )
        if step.why and not live.why:
            live.why = step.why
        if step.cancel_closing:
            self._cancel(roll.closing, begun.roll)
        if step.cancel_opening:
            self._cancel(roll.opening, begun.roll)
        unfit = legs.closed > 0 and self._unfit(begun)
        if step.over:
            mono = core.clock.mono()
            live.fitting = mono if live.fitting is None else live.fitting
            if not unfit or mono - live.fitting >= _FITTING:
                self._over(roll, legs, live)
        elif step.open:
            self._open(roll, step.open, live)

    def _unfit(self, begun: RollStarted) -> bool:
        """Fits the old month's protection to what is left; True where that is not done yet and may be."""
        if not self._view.enabled or self._desk.killing(begun.source):
            return False
        return self._guarding.fit(begun.source, begun.side, self._left(begun), begun.roll)

    def _trouble(self, roll: Roll, legs: Legs, live: _Live) -> str:
        """What ends a roll that is under way; empty: nothing."""
        begun, books = roll.started, self._core.books
        if stopping := self.stopping():
            return f"the engine stopped: {stopping}"
        for symbol in (begun.source, begun.target):
            if why := self._desk.trouble(symbol):
                return why
        if books.stops != live.stops:
            return "a halt or kill came while it ran"
        left = self._left(begun)
        if legs.closing > max(left, 0):
            return f"others traded {begun.source} too: {abs(left)} lots are left of it"
        for order_id in (*roll.closing, *roll.opening):
            record = books.orders.get(order_id)
            if record is None:
                return f"{order_id} has left memory: its executions stand in the journal"
            if record.life.status is OrderStatus.UNKNOWN:
                return f"the outcome of {order_id} is not known; the broker is being asked"
        for order_id in roll.opening:
            record = books.orders.get(order_id)
            if record is not None and record.life.is_closed and record.life.cum < record.life.qty:
                return f"the opening order {order_id} is {_ended(record)}"
        return ""

    def _left(self, begun: RollStarted) -> int:
        """Lots of the source that are held on the side that is rolled; below zero: on the other side."""
        return -self._core.books.positions.qty(begun.source) * begun.side.sign

    def _late(self, order_ids: tuple[str, ...]) -> bool:
        patience = int(self._core.config.roll.patience * NS)
        now = self._core.clock.now()
        return any(now - record.recorded >= patience for record in self._working(order_ids))

    def _working(self, order_ids: tuple[str, ...]) -> list[OrderRecord]:
        found = [self._core.books.orders.get(order_id) for order_id in order_ids]
        return [record for record in found if record is not None and not record.life.is_closed]

    def _cancel(self, order_ids: tuple[str, ...], correlation: str) -> None:
        core, mono = self._core, self._core.clock.mono()
        if not core.link_up:
            return
        for record in self._working(order_ids):
            order_id = record.order.id
            if record.life.pending_cancel or mono - self._asked.get(order_id, -_AGAIN) < _AGAIN:
                continue
            self._asked[order_id] = mono
            self._intake.cancel(order_id, correlation)

    def _open(self, roll: Roll, lots: int, live: _Live) -> None:
        """Sends the opening leg for what the closing leg has executed since."""
        core, begun = self._core, roll.started
        if core.clock.mono() < live.not_before:
            return
        instrument = core.books.instruments[begun.target]
        side = begun.side.opposite
        try:
            thought = leg_order(core, instrument, side, lots, begun.within, "")
        except NotRolled as problem:
            live.why = f"the opening leg was not sent: {problem}"
            return
        wait = self._wait(self._gate.preview(thought, self._view), live)
        if wait is not None:
            live.not_before = wait
            return
        refused = self._intake.submit(leg_order(core, instrument, side, lots, begun.within, begun.roll))
        if refused is not None:
            live.why = f"the opening leg was refused by {refused.control}: {refused.text}"

    def _wait(self, refusals: Sequence[Refusal], live: _Live) -> int | None:
        """Until when an opening order is put off, monotonic ns; None: it goes now, or is refused for good."""
        mono = self._core.clock.mono()
        for refusal in refusals:
            if refusal.control in _WAITS and refusal.retry_at is not None:
                return refusal.retry_at
            if refusal.control == "margin":
                # The broker's figure of the margin in use still has the month that was closed just now.
                live.short = mono if live.short is None else live.short
                if mono - live.short < int(self._core.config.roll.patience * NS):
                    self._desk.compare()
                    return mono + _AGAIN
        return None

    # -- the end

    def _over(self, roll: Roll, legs: Legs, live: _Live) -> None:
        core, begun = self._core, roll.started
        how = outcome(begun.lots, legs)
        why = live.why or self._unfilled(roll)
        text = self._verdict(begun, legs, why)
        unguarded = not self._left(begun) and bool(guards(core, begun.source, begun.side))
        core.commit(
            RollEnded(roll=begun.roll, outcome=how, closed=legs.closed, opened=legs.opened, text=text),
            begun.roll,
        )
        del self._live[begun.roll]
        if not self._live:
            self._asked.clear()
            self._guarding.forget()
        core.log(
            "info" if how == "rolled" else "warning",
            text,
            component="roll",
            symbol=begun.source,
            status=how.upper(),
            correlation_id=begun.roll,
        )
        if how == "half" or self._left(begun) < 0:
            core.alarm("critical", "roll_half", text, symbol=begun.source, correlation=begun.roll)
        elif how == "part" or live.reply is None or unguarded:
            level: Severity = "warning" if how == "part" or unguarded else "info"
            core.alarm(level, "roll", text, symbol=begun.source, correlation=begun.roll)
        if live.reply is not None:
            data = {"closed": str(legs.closed), "opened": str(legs.opened), "outcome": how}
            live.reply(Answer(ok=how == "rolled", text=text, data=data))

    def _unfilled(self, roll: Roll) -> str:
        """Why the closing leg came to less than it was to, where nothing else ended the roll."""
        for order_id in roll.closing:
            record = self._core.books.orders.get(order_id)
            if record is not None and record.life.cum < record.life.qty:
                late = order_id in self._asked
                patience = self._core.config.roll.patience
                return f"not filled within {patience:g} s" if late else f"{order_id} is {_ended(record)}"
        return ""

    def _verdict(self, begun: RollStarted, legs: Legs, why: str) -> str:
        """In words: what was done, why no more, what is left in the source, and what the target lacks."""
        core = self._core
        source, target = (core.books.instruments[s] for s in (begun.source, begun.target))
        a, b = source.symbol, target.symbol
        lots, closed, opened = (f"{source.size(n):f}" for n in (begun.lots, legs.closed, legs.opened))
        left = begun.lots - legs.closed
        reason = f"; {why}" if why else ""
        rest = f", {source.size(left):f} left in {a}" if left > 0 else ""
        match outcome(begun.lots, legs):
            case "half":
                text = f"ROLL HALF DONE: closed {closed} {a}, opened {opened} {b}{rest}{reason}; "
                text += "it is not tried again: trade the rest by hand"
            case "part" if not legs.closed:
                return f"nothing of {a} was rolled to {b}, {lots} left in {a}{reason}"
            case _:
                text = f"rolled {closed} of {lots} {a} to {b}{rest}{reason}"
        if self._left(begun) < 0:
            text += f"; {a} is {source.size(core.books.positions.qty(a)):+f} now: others closed it as well"
        if legs.opened:
            text += f"; {b} has no stop or target by this roll: place them"
        found = [r for r in guards(core, a, begun.side) if not r.life.pending_cancel]
        named = ", ".join(r.order.id for r in found[:4])
        if found and self._left(begun) > 0:
            text += f"; {named} still protect{'s' * (len(found) == 1)} {a}"
        elif found:
            text += (
                f"; nothing is left of {a}, where {named} still work{'s' * (len(found) == 1)}: cancel that"
            )
        return text


def _ended(record: OrderRecord) -> str:
    return f"{record.life.status} {record.life.reason}".rstrip()
