"""Keeps the link to the broker: hears its heartbeat, notices its silence, connects again, fails over, alarms.

What it does when is worked out in `engine.connection_rules`; here is the one task that does it, on the
engine's loop, beside kill and flatten and never in their way. Whatever is lost or comes back is journalled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from engine.connection import Links
from engine.connection_rules import Course, Escalation
from engine.control.snapshot import LinkRow
from engine.core import Core
from engine.facts import LinkDown, LinkUp
from engine.model import NS
from engine.ports import NotSent, QueryFailed, TimerHandle
from engine.records import FactTaken, Halted, LinkLost, LinkRestored
from engine.waiting import within


class LinkHooks(Protocol):
    """What the watch asks of the engine."""

    def disable(self, reason: str) -> None: ...

    def reconcile_soon(self) -> None: ...

    def link_lost(self, lost: LinkLost) -> None:
        """Takes the record; what was in flight is in doubt from now on."""

    def link_is_back(self) -> None:
        """What waited for the link goes on."""

    def emergency(self) -> bool:
        """A kill or flatten is under way."""


class LinkWatch:
    """See the module. One for each engine; it alone opens and drops connections."""

    def __init__(self, core: Core, links: Links, draw: Callable[[], float], hooks: LinkHooks) -> None:
        config = core.config.link
        self._core = core
        self._config = config
        self._links = links
        self._hooks = hooks
        self._course = Course(config, len(links.names), draw)
        self._escalation = Escalation(config)
        self._changed = asyncio.Event()
        self._up = asyncio.Event()
        self._alarm_timer: TimerHandle | None = None
        self._probing: asyncio.Task[None] | None = None
        self._up_since = 0
        self._down_since = core.clock.mono()
        self._next_try: int | None = None
        self._back_from: int | None = None
        self._back_after = round(config.failback_after * NS)
        self._clean_reads = 0
        self.losses = 0
        """How often the link broke in this run."""
        self.last_loss = ""
        links.on_stray = self._stray

    # -- life

    async def first(self) -> bool:
        """The first attempt of a run. Where it fails, `run` tries again; the engine starts all the same."""
        core = self._core
        problem = await self._attempt(0)
        if not problem:
            self._course.succeeded()
            return True
        core.link_text = problem
        core.alarm("critical", "connect", f"no session with {self._links.name}: {problem}")
        self._course.lost(core.clock.mono(), was_stable=True)
        self._escalation.begin(core.clock.mono())
        self._escalation.check(core.clock.mono(), core.clock.now())  # just alarmed, in any window
        self._set_alarm()
        return False

    async def run(self) -> None:
        """Until cancelled: watches the link while it stands, and brings it back when it does not."""
        core = self._core
        while True:
            try:
                await (self._watch() if core.link_up else self._restore())
            except Exception as error:  # noqa: BLE001 - the link must be looked after whatever breaks; it is alarmed
                core.metrics.count("link_errors")
                core.alarm("critical", "link_error", f"looking after the link failed: {error!r}; it goes on")
                await core.clock.sleep(NS)

    def stop(self) -> None:
        """The engine stops: no alarm comes any more."""
        if self._alarm_timer is not None:
            self._alarm_timer.cancel()
        if self._probing is not None:
            self._probing.cancel()

    def hurry(self) -> None:
        """An emergency began: if the link is down, the next attempt comes soon."""
        self._changed.set()

    def give_up(self, reason: str) -> None:
        """The session may not stand any longer."""
        self._links.drop(reason)

    def again(self) -> None:
        """What kept the link down is over: it is tried at once."""
        self._course.turn(self._links.index, self._core.clock.mono())
        self._changed.set()

    # -- what the connections say

    def on_up(self, fact: LinkUp) -> None:
        """LinkUp of the connection in use."""
        core, links = self._core, self._links
        mono = core.clock.mono()
        core.commit(FactTaken(fact=fact))
        if not core.link_up:
            down_for = mono - self._down_since
            core.commit(
                LinkRestored(connection=links.in_use, attempts=self._course.attempts, down_for=down_for)
            )
            if self.losses or self._escalation.raised:
                text = f"link to {self._where()} is back after {_span(down_for)}; reconciling"
                if self._escalation.raised:
                    core.alarm("info", "link_up", text)
                else:
                    core.log("info", text, component="link", status="UP")
            self._up_since = mono
            core.link_epoch += 1
            core.clock.call_later(round(self._config.stable_after * NS), self._settled, core.link_epoch)
        core.link_up, core.link_text = True, f"{self._where()} connected"
        core.books.orders.hurry(core.clock.now())
        self._up.set()
        self._changed.set()
        self._hooks.link_is_back()
        self._hooks.reconcile_soon()

    def on_down(self, fact: LinkDown) -> None:
        """LinkDown of the connection in use: writes down what it leaves behind, and stops trading."""
        core, reason = self._core, fact.reason
        mono = core.clock.mono()
        was_up, core.link_up = core.link_up, False
        core.link_text = reason
        core.link_epoch += 1
        self._hooks.disable(f"link to {self._links.name} is down: {reason}")
        core.commit(FactTaken(fact=fact))
        working = [r for r in core.books.orders.at_venue() if not r.foreign]
        lost = LinkLost(
            reason=reason,
            connection=self._links.in_use,
            working=tuple(r.order.id for r in working),
            in_flight=tuple(r.order.id for r in working if r.life.in_flight is not None),
            positions={p.symbol: p.held.qty for p in core.books.positions if p.held.qty},
        )
        self._hooks.link_lost(lost)
        core.log(
            "warning",
            f"link to {self._where()} lost: {reason}",
            component="link",
            status="DOWN",
            working=len(lost.working),
            in_flight=list(lost.in_flight[:50]),
            positions=lost.positions,
        )
        self._changed.set()
        if not was_up:
            return
        core.metrics.count("disconnects")
        self._up.clear()
        self._down_since = mono
        self._clean_reads = 0
        self.losses += 1
        self.last_loss = reason
        if self._config.resume == "operator":
            why = f"the link was lost ({reason}); 'breakwater ctl resume' lifts this"
            core.commit(Halted(scope="account", target="pause", code="link", reason=why))
        # The first loss of all, one of a link that had stood for long, one that we caused: not its failure.
        fresh = self._escalation.began is None or self._back_from is not None
        self._course.lost(mono, was_stable=fresh)
        again = self._escalation.raised
        self._escalation.begin(mono)
        if again:
            core.alarm("critical", "link_down", f"link to {self._links.name} is down again: {reason}")
        self._alarm()

    def may_enable(self) -> bool:
        """The views agreed once more: whether that is enough to trade after a loss."""
        self._clean_reads += 1
        if not self.losses or self._clean_reads >= self._config.resume_reads:
            return True
        self._hooks.reconcile_soon()
        return False

    # -- while it stands

    async def _watch(self) -> None:
        core, links, config = self._core, self._links, self._config
        beat = round(config.heartbeat * NS)
        due = core.clock.mono() + beat
        while core.link_up:
            await self._pause(due - core.clock.mono())
            mono = core.clock.mono()
            if not core.link_up or mono < due:
                continue
            # Who was stopped himself for so long has no right to call the other one silent.
            stalled = mono - due > beat
            due = mono + beat
            if not stalled and self._given_up(mono):
                return
            self._probe()
            if self._goes_back(mono):
                self._back_from = links.index
                links.drop(f"going back to {links.names[0]}")
                self._course.turn(0, mono)
                return

    def _given_up(self, mono: int) -> bool:
        links, config = self._links, self._config
        since = links.unanswered_since
        if mono - links.heard >= round(config.patience * NS):
            links.drop(f"nothing heard for {(mono - links.heard) / NS:.1f} s")
        elif since is not None and mono - since >= round(config.unanswered * NS):
            links.drop(f"no question was answered for {(mono - since) / NS:.1f} s, only heartbeats")
        return not self._core.link_up

    def _probe(self) -> None:
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().create_task(self._beat(), name="heartbeat")

    async def _beat(self) -> None:
        try:
            await self._links.probe()
        except QueryFailed:
            self._core.metrics.count("heartbeats_unanswered")

    def _settled(self, epoch: int) -> None:
        """It has stood long enough."""
        core = self._core
        if epoch != core.link_epoch or not core.link_up:
            return
        self._course.settled()
        self._escalation.end()
        if self._links.index == 0:
            self._back_after = round(self._config.failback_after * NS)

    def _goes_back(self, mono: int) -> bool:
        """Whether the policy lets it leave this connection for the first one now."""
        policy, orders = self._config.failback, self._core.books.orders
        if policy == "never" or self._links.index == 0 or mono - self._up_since < self._back_after:
            return False
        if self._hooks.emergency() or any(r.life.in_flight is not None for r in orders.at_venue()):
            return False
        return policy == "quiet" or not (
            orders.open_count() or any(p.held.qty for p in self._core.books.positions)
        )

    # -- while it does not

    async def _restore(self) -> None:
        core, course = self._core, self._course
        while not core.link_up:
            attempt = course.next(self._hooks.emergency())
            wait = attempt.at - core.clock.mono()
            if wait > 0:
                self._next_try = attempt.at
                await self._pause(wait)
                continue
            self._next_try = None
            if attempt.connection != self._links.index:
                self._say_turn(attempt.connection)
            problem = await self._attempt(attempt.connection)
            back_from, self._back_from = self._back_from, None
            if not problem:
                course.succeeded()
                return
            course.failed(core.clock.mono())
            core.metrics.count("connect_failures")
            text = f"attempt {course.attempts} to connect to {self._where()} failed: {problem}"
            core.log("warning", text, component="link", status="DOWN")
            if back_from is not None:
                self._back_after *= 2
                course.turn(back_from, core.clock.mono())

    async def _attempt(self, connection: int) -> str:
        """Opens a session and waits for LinkUp; returns why not, or an empty text."""
        core, links = self._core, self._links
        limit = round(self._config.connect_within * NS)
        try:
            await within(core.clock, links.use(connection), limit)
            if not core.link_up:
                await within(core.clock, self._up.wait(), limit)
        except NotSent as error:
            # Nothing is open; a session that the broker brings back by itself is welcome.
            return "" if core.link_up else str(error)
        except TimeoutError as error:
            if not core.link_up:
                links.drop(f"the attempt to connect failed: {error}")
                return str(error)
        return ""

    def _say_turn(self, connection: int) -> None:
        names, now = self._links.names, self._links.index
        verb = "going back to" if self._back_from is not None else "trying"
        text = f"{self._links.name}: connection {names[now]} is left, {verb} {names[connection]}"
        self._core.metrics.count("failovers")
        self._core.alarm("warning", "failover", text)

    async def _pause(self, delay: int) -> None:
        """Until something changes, at most `delay` ns."""
        self._changed.clear()
        timer = self._core.clock.call_later(max(delay, 0), self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    # -- alarms

    def _set_alarm(self) -> None:
        due = self._escalation.due
        if self._alarm_timer is not None:
            self._alarm_timer.cancel()
            self._alarm_timer = None
        if due is not None:
            self._alarm_timer = self._core.clock.call_later(due - self._core.clock.mono(), self._alarm)

    def _alarm(self) -> None:
        """Raises the alarm if it is due. While the link stands it is kept for the next loss."""
        core = self._core
        if core.link_up:
            return
        if self._back_from is not None and not self._escalation.raised:
            # We took it down ourselves; it is an outage if it lasts.
            self._alarm_timer = core.clock.call_later(round(self._config.patience * NS), self._overdue)
            return
        notice = self._escalation.check(core.clock.mono(), core.clock.now())
        if notice is not None:
            text = f"link to {self._links.name} is down: {self.last_loss or core.link_text}"
            if notice.held_back:
                text += "; the maintenance window did not bring it back"
            if notice.level or notice.held_back:
                text += f"; down for {_span(notice.down_for)}, {self._exposed()}"
            if notice.level:
                text = f"alarm {notice.level + 1}: {text}"
            core.alarm("critical", "link_down", text)
        self._set_alarm()

    def _overdue(self) -> None:
        self._back_from = None
        self._alarm()

    def _exposed(self) -> str:
        books = self._core.books
        held = ", ".join(f"{p.symbol} {p.held.qty:+d}" for p in books.positions if p.held.qty)
        return f"{self._course.attempts} attempts, {books.orders.open_count()} orders open, " + (
            f"position {held} lots" if held else "no position"
        )

    # -- words

    def _stray(self, name: str, text: str) -> None:
        """News of a connection that is not in use."""
        self._core.metrics.count("stray_connections")
        self._core.log("warning", f"connection {name} {text}", component="link", status="STRAY")

    def _where(self) -> str:
        links = self._links
        return f"{links.name} ({links.in_use})" if len(links.names) > 1 else links.name

    def _text(self, mono: int) -> str:
        core = self._core
        if core.link_up:
            lost = f"; lost {self.losses} times, last: {self.last_loss}" if self.losses else ""
            return f"{self._where()} connected{lost}"
        attempt = f"attempt {self._course.attempts + 1}"
        if len(self._links.names) > 1:
            attempt += f" on {self._links.names[self._course.next(self._hooks.emergency()).connection]}"
        if self._next_try is not None:
            attempt += f" in {max(0, self._next_try - mono) / NS:.0f} s"
        name, down = self._links.name, _span(mono - self._down_since)
        return f"link to {name} is down for {down}: {core.link_text}; {attempt}"

    def row(self) -> LinkRow:
        """For screens."""
        core = self._core
        mono = core.clock.mono()
        since = self._up_since if core.link_up else self._down_since
        trying = self._course.next(self._hooks.emergency()).connection
        return LinkRow(
            text=self._text(mono),
            connection=self._links.in_use if core.link_up else self._links.names[trying],
            connections=self._links.names,
            up=core.link_up,
            since=(mono - since) / NS,
            attempts=self._course.attempts,
            next_try=None if self._next_try is None or core.link_up else max(0, self._next_try - mono) / NS,
            last_loss=self.last_loss,
            losses=self.losses,
            heard=(mono - self._links.heard) / NS if core.link_up else None,
        )


def _span(ns: int) -> str:
    """A length of time for a person."""
    seconds = ns / NS
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
