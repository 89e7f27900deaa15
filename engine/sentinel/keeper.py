"""The engine's side of the sentinel: heartbeats from the engine's own thread, and what is done when the lease
is gone.

Nothing here runs on another thread: where the engine's thread stands still, the heartbeats do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from engine.control.snapshot import SentinelRow
from engine.journal import StoreRefused
from engine.model import NS
from engine.ports import TimerHandle
from engine.sentinel.lease import Leasehold
from engine.sentinel.machine import HOLDS, Phase
from engine.sentinel.messages import FORMAT, Beat, Goodbye, HandBack, Said, ToSentinel
from engine.sentinel.takeover import Deeds, Regained, take_over

if TYPE_CHECKING:
    from engine.engine import Engine

_ASK_EVERY: Final = NS // 4
"""ns between two attempts to get the lease back."""
_GRACE: Final = 15 * NS
"""ns that a sentinel has to start and to answer before its absence is alarmed."""


class Post(Protocol):
    """What the application hands in: the way to the sentinel's process, and the lease."""

    hold: Leasehold
    policy: str
    after: float
    """Seconds of silence after which it acts."""
    problem: str
    """Why it cannot be reached; empty while it can."""

    build: str
    """Mark of the code that this side runs."""

    def bind(self, take: Callable[[Said], None], unread: Callable[[str], None]) -> None:
        """Where its answers go, on the engine's thread; and why one could not be read."""

    def end(self, *, by_force: bool) -> str:
        """Ends the process that answers, where it is certainly the sentinel. Says what came of it."""

    def tend(self) -> None:
        """Looks after process and connection without waiting: whoever ended is started again, with
        back-off."""

    def send(self, message: ToSentinel) -> None:
        """Says something, if there is somebody to hear it."""

    async def regain(self) -> Regained | None:
        """Takes the lease if nobody else may have it, and reads what the sentinel did; None: the sentinel
        lives and has not given it back. Raises `StoreRefused` with the remedy."""

    async def close(self) -> None:
        """The connection ends; the sentinel's process is left to itself."""


class Keeper:
    """One for each engine that is watched. Runs on the engine's thread."""

    def __init__(self, engine: Engine, post: Post) -> None:
        self._engine = engine
        self._core = engine.core
        self._post = post
        every = min(max(post.after / 10, 0.1), 1.0)
        self._every = int(every * NS * engine.parts.speed)
        self._n = 0
        self._beat_at = self._core.clock.mono()
        """When the newest heartbeat was said, monotonic ns."""
        self._regained = 0
        """Number of the newest heartbeat when the lease came back: answers up to that one are old."""
        self._timer: TimerHandle | None = None
        self._regaining: asyncio.Task[None] | None = None
        self._said: Said | None = None
        self._heard = 0
        self._starts()
        self._answered = self._core.clock.mono()
        """When it answered last, monotonic ns."""
        self._stopped = False
        self._sent_away = -_GRACE
        self.why_not = ""
        """Why the engine may not send; empty while it may."""
        self._first = 0
        """Process of the sentinel that was heard first in this life of the engine; 0: none was heard."""
        self._unpaged = ""
        """Why the sentinel's page has reached nobody."""
        self._asked_to_leave = 0
        """How often one with which nothing can be done was asked to leave, or ended."""
        post.bind(self._take, self._unreadable)

    # -- life

    async def first(self) -> None:
        """Before the first connection to the broker: the lease, or a start that sends nothing. What an
        earlier sentinel did is taken over. Raises `StoreRefused` where lease or journal cannot be read."""
        self._beat()
        try:
            regained = await self._regain()
        except StoreRefused:
            # Who has heard this start must not act because it failed.
            await self.goodbye("its start was refused")
            raise
        if not regained:
            self._lost("the sentinel is at work at the broker, or has not given the lease back")

    async def goodbye(self, reason: str) -> None:
        """The engine ends as planned: nothing is to be done when the heartbeats stop now."""
        self._stopped = True
        for running in (self._timer, self._regaining):
            if running is not None:
                running.cancel()
        if not self.why_not:
            self._post.send(Goodbye(reason=reason))
            with contextlib.suppress(OSError):  # its next start takes it back as from a dead one
                self._post.hold.give_back()
        await self._post.close()

    # -- again and again

    def _beat(self) -> None:
        if self._stopped:
            return
        core, post = self._core, self._post
        mono = core.clock.mono()
        # Time in which this engine itself stood still is no silence of the sentinel's.
        self._heard += max(0, mono - self._beat_at - 2 * self._every)
        self._beat_at = mono
        self._timer = core.clock.call_later(self._every, self._beat)
        post.tend()
        self._n += 1
        post.send(Beat(n=self._n, epoch=post.hold.epoch, seq=core.journal.seq))
        if post.hold.epoch >= 0 and not self.why_not:
            post.hold.why_not()
            if post.hold.lost:
                self._lost(post.hold.lost)
        self._watch_it()

    def _starts(self) -> None:
        """One has its time from now to start and to answer."""
        self._heard = self._core.clock.mono() + int(_GRACE * self._engine.parts.speed)

    def _watch_it(self) -> None:
        """The sentinel's own death or silence is alarmed."""
        core, late = self._core, self._core.clock.mono() - self._heard
        if self._post.policy == "off":
            return
        if late > int(max(self._post.after, 2.0) * NS * self._engine.parts.speed):
            text = f"the sentinel does not answer: {self._post.problem or 'it stands still'}"
            core.alarm(
                "warning", "sentinel_gone", f"{text}; nobody acts if this engine dies. It is tried again"
            )

    def _take(self, said: Said) -> None:
        self._said = said
        self._answered = mono = self._core.clock.mono()
        # The last words of one that leaves take nothing from the time of the next.
        self._heard = mono if said.phase is Phase.WATCHING else max(self._heard, mono)
        self._core.clear_alarms("sentinel_gone")
        self._compare(said)
        if said.phase in HOLDS and said.n > self._regained and not self.why_not:
            # As where the lease's file was replaced while it stood still: two would be at work.
            self._lost("the sentinel says that it is at work, whatever the lease says")
        self._tell_of_pages(said.unpaged)
        if said.reachable is False:
            self._core.alarm(
                "warning", "sentinel_link", f"the sentinel cannot reach {said.venue}: {said.text}"
            )
        else:
            self._core.clear_alarms("sentinel_link")

    def _compare(self, said: Said) -> None:
        """One that an earlier engine started may have other settings, or be of another build: it is sent
        away, and another comes."""
        post, core = self._post, self._core
        self._first = self._first or said.pid
        if said.format != FORMAT:
            self._foreign(f"it speaks format {said.format} (build {said.build or 'unknown'})", said.phase)
            return
        core.clear_alarms("sentinel_build")
        self._asked_to_leave = 0
        if said.phase in HOLDS:
            return
        if said.build != post.build and said.pid == self._first:
            # Said until it has left; what comes in its place is of the code on disk, newer or not.
            post.send(Goodbye(reason="it is of another build"))
            return
        if (said.policy, said.after) == (post.policy, post.after):
            if said.phase is Phase.WATCHING:
                core.clear_alarms("sentinel_settings")
            return
        if not self._may_send_away():
            return
        core.alarm(
            "warning",
            "sentinel_settings",
            f"the sentinel that runs is set to {said.policy} after {said.after:g} s, this engine to "
            f"{post.policy} after {post.after:g} s: it is sent away; where it comes back so, give it this "
            f"configuration",
        )
        post.send(Goodbye(reason="its settings are not the engine's"))

    def _may_send_away(self) -> bool:
        """Not again before the last one has had the time to leave."""
        mono = self._core.clock.mono()
        if mono < self._sent_away + _GRACE:
            return False
        self._sent_away = mono
        return True

    def _unreadable(self, why: str) -> None:
        self._foreign(f"it says what is not known here ({why})", None)

    def _foreign(self, what: str, phase: Phase | None) -> None:
        """One with which this engine cannot work. It is asked to leave, or to hand the lease back; one that
        does neither in time is ended."""
        if not self._may_send_away():
            return
        post, done = self._post, "it is sent away, and another comes"
        if self._asked_to_leave:
            done = post.end(by_force=self._asked_to_leave > 1)
        elif not self.why_not:
            post.send(HandBack() if phase in HOLDS else Goodbye(reason="it is of another build"))
        self._asked_to_leave += 1
        self._core.alarm(
            "warning",
            "sentinel_build",
            f"the sentinel that runs is of another build, and nobody acts if this engine dies: {what}, this "
            f"engine speaks {FORMAT} ({post.build}); {done}",
            cause="build",
        )

    # -- the lease is gone

    def _lost(self, why: str) -> None:
        """Sends nothing from now on, halts, and asks for the lease until it is back."""
        if self.why_not:
            return
        self.why_not = why
        reason = f"this engine is locked out, and sends nothing: {why}"
        self._engine.halt("account", "", "sentinel", reason)
        self._engine.disable(reason)
        self._engine.link.give_up(reason)
        if self._regaining is None or self._regaining.done():
            loop = asyncio.get_running_loop()
            self._regaining = loop.create_task(self._ask_back(), name="sentinel")

    async def _ask_back(self) -> None:
        while True:
            self._post.send(HandBack())
            try:
                if await self._regain():
                    return
            except StoreRefused as refusal:
                self._untaken(str(refusal))
            except Exception as error:  # noqa: BLE001 - it goes on asking whatever breaks; it is alarmed
                self._untaken(repr(error))
            await self._core.clock.sleep(_ASK_EVERY)

    def _untaken(self, why: str) -> None:
        text = f"the lease cannot be taken back: {why}. It is tried again"
        self._core.alarm("critical", "sentinel", text)

    async def _regain(self) -> bool:
        said, there = self._said, not self._post.problem
        if there and said is not None and said.phase in HOLDS:
            return False  # whatever the lease says: it is at work, and leaves when it has ended that
        regained = await self._post.regain()
        if regained is None:
            return False
        deeds = take_over(self._engine, regained)
        was, self.why_not = self.why_not, ""
        self._regained = self._n
        self._tell(deeds, was)
        if was:
            self._starts()  # the one that handed back leaves, and another comes
            # It stays halted; what the broker has is looked at first.
            self._engine.link.again()
            self._engine.reconcile_soon()
        return True

    def _tell_of_pages(self, unpaged: str) -> None:
        """Whoever reads this was not called: he may have to ask what went on unseen."""
        if unpaged and unpaged != self._unpaged:
            self._core.alarm(
                "warning", "sentinel_pager", f"the sentinel paged nobody: {unpaged}", cause="page"
            )
        self._unpaged = unpaged

    def _tell(self, deeds: Deeds, was: str) -> None:
        core, text = self._core, deeds.text()
        self._tell_of_pages(deeds.unpaged)
        if deeds.acted:
            self._engine.halt(
                "account", "", "sentinel", f"{text}. Look at the positions, then reset the halt"
            )
            core.alarm("critical", "sentinel_acted", text)
        elif text:
            core.alarm("warning", "sentinel_saw", f"{text}; it sent nothing")
        if was:
            core.log("warning", "the lease is the engine's again", component="sentinel", status="REGAINED")

    # -- for the screen

    def row(self) -> SentinelRow:
        """The sentinel as a screen shows it."""
        said, policy = self._said, self._post.policy
        fresh = self._core.clock.mono() <= self._heard + int(max(self._post.after, 2.0) * NS)
        if self.why_not:
            return SentinelRow(state="down", policy=policy, text=f"LOCKED OUT: {self.why_not}")
        if self._post.policy == "off":
            return SentinelRow()
        if said is None or not fresh or self._post.problem:
            return SentinelRow(state="down", policy=policy, text=self._post.problem or "no answer yet")
        what = f"{said.phase}, acts after {self._post.after:g} s of silence, pid {said.pid}"
        if said.build != self._post.build:
            what += f", build {said.build or 'unknown'} (the engine's is {self._post.build})"
        place = f" · {said.venue}" if said.venue else ""
        # One that is to act and has nowhere to do so is less than what was asked for.
        idle = policy in ("cancel", "flatten") and not said.venue
        fine = said.reachable is not False and said.phase is Phase.WATCHING and not idle and not said.unpaged
        fine = fine and said.format == FORMAT
        why = said.text if not said.unpaged else f"{said.text}; it paged nobody: {said.unpaged}".lstrip("; ")
        return SentinelRow(
            state="ok" if fine else "warn",
            policy=policy,
            heard=round((self._core.clock.mono() - self._answered) / NS, 1),
            text=f"{what}{place}{': ' + why if why else ''}",
        )
