"""The sentinel at its post: hears heartbeats, lets time pass, and does what its state machine says.

It meets the outside only through what it is handed: the clock, the lease, the work at the broker, a journal
for its notes. So the process and the simulation run the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, Protocol

from engine.model import NS
from engine.ports import Clock, TimerHandle
from engine.records import SentinelNote
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.machine import HOLDS, Effect, Event, Phase, Rules, begin, step
from engine.sentinel.messages import Beat, Goodbye, HandBack, ToSentinel

Noted = Literal["started", "watching", "silent", "back", "fenced", "proven", "undone", "trouble", "released"]


class Work(Protocol):
    """What the sentinel does at the broker."""

    def begin(self, reason: str) -> None:
        """Begins, or goes on with what an earlier life began; PROVEN follows, and UNDONE where it must."""

    def stop(self) -> None:
        """Ends it where it stands; STOPPED follows when nothing of it can send any more."""


class Watch:
    """See the module. One for each sentinel; on one thread."""

    def __init__(
        self,
        rules: Rules,
        clock: Clock,
        hold: Leasehold,
        note: Callable[[SentinelNote], None],
        work: Callable[[Callable[[Event, str], None]], Work],
        end_engine: Callable[[], str],
        journal: str,
    ) -> None:
        """`work` makes the work, given where its events go. `end_engine`: kills the engine's process, and
        says what came of it. `journal`: mark of the journal that takes the notes. Raises `OSError` where the
        lease cannot be read."""
        self.rules = rules
        self._clock = clock
        self._hold = hold
        self._note = note
        self._work = work(self.see)
        self._end_engine = end_engine
        self._timer: TimerHandle | None = None
        self._unreadable = False
        """At the last attempt the lease could not be read or written."""
        self.left = asyncio.Event()
        """Set when nothing is left to be done here."""
        self.n = 0
        """Number of the newest heartbeat."""
        self.said = ""
        """The newest note."""
        lease = hold.look()
        holds = lease is not None and lease.holder is Holder.SENTINEL
        if holds and lease is not None:
            hold.epoch = lease.epoch
        self._resumes = holds
        self._state = begin(clock.mono(), holds=holds)
        self._write("started", f"policy {rules.policy}, after {rules.after / NS:g} s", journal)
        self._again()

    @property
    def phase(self) -> Phase:
        return self._state.phase

    def heard(self, message: ToSentinel) -> None:
        """What the engine says."""
        match message:
            case Beat(n=n):
                self.n = n
                self.see(Event.BEAT)
            case HandBack():
                self.see(Event.HAND_BACK)
            case Goodbye():
                self.see(Event.GOODBYE)
            case _:
                pass

    def strange(self, why: str) -> None:
        """Words that this build does not know: an engine of another one lives. It is left to a sentinel of
        its own, and the lease with it."""
        self._write("trouble", f"an engine of another build speaks ({why}): its own sentinel takes over")
        self.see(Event.HAND_BACK if self.phase in HOLDS else Event.GOODBYE)

    def unheard(self) -> None:
        """An engine was there, and died before it was heard: its silence counts from now."""
        self.see(Event.BEAT, "the engine died before it was heard: its silence begins")

    def trouble(self, text: str) -> None:
        """A note of what stands in the way, or had to be done because of it."""
        self._write("trouble", text)

    def stop(self) -> None:
        """No time passes here any more."""
        if self._timer is not None:
            self._timer.cancel()

    def see(self, event: Event, text: str = "") -> None:
        """One event of the machine, and all that follows from it."""
        before = self._state.phase
        silence = self._state.silence
        self._state, effects = step(self.rules, self._state, event, self._clock.mono())
        if event in (Event.PROVEN, Event.UNDONE) and self._state.phase is not before:
            self._write("proven" if event is Event.PROVEN else "undone", text)
        if self._state.phase is Phase.WATCHING and before is Phase.IDLE:
            self._write("watching", text or "the engine is heard")
        for effect in effects:
            self._do(effect, max(silence, self._state.silence))

    def _again(self) -> None:
        # Ticks are several in the least time that counts as silence, and come after what the sockets hold.
        self._timer = self._clock.call_later(max(self.rules.after // 20, NS // 50), self._tick)

    def _tick(self) -> None:
        self._again()
        self.see(Event.TICK)
        # A tick that came late has decided nothing: what was said meanwhile is read first.
        self._clock.call_soon(self.see, Event.TICK)

    def _do(self, effect: Effect, silence: int) -> None:
        match effect:
            case Effect.ALERT:
                act = "it tells and sends nothing" if self.rules.policy == "alert" else self.rules.policy
                self._write("silent", f"nothing heard of the engine for {silence / NS:.1f} s: {act}")
            case Effect.BACK:
                self._write("back", "the engine is heard again")
            case Effect.FENCE:
                self._fence()
            case Effect.SHOOT if self._unreadable:
                pass  # it is not the engine that stands in the way; what does is noted
            case Effect.SHOOT:
                self._write(
                    "trouble", f"the engine stands still in the midst of sending: {self._end_engine()}"
                )
            case Effect.ACT:
                if not self._resumes:
                    self._write("fenced", "the lease is taken: the engine sends nothing any more")
                self._work.begin(f"the sentinel acts ({self.rules.policy}): the engine is silent")
            case Effect.STOP:
                self._work.stop()
            case Effect.RELEASE:
                self._release()
            case Effect.LEAVE:
                self.left.set()

    def _fence(self) -> None:
        try:
            taken, self._unreadable = self._hold.claim(), False
        except OSError as error:
            self._write("trouble", f"the lease cannot be taken: {error}")
            taken, self._unreadable = False, True
        if taken:
            self._resumes = False
        self.see(Event.FENCED if taken else Event.BUSY)

    def _release(self) -> None:
        held = self._hold.epoch >= 0
        try:
            self._hold.give_back()
        except OSError as error:
            self._write("trouble", f"the lease cannot be given back: {error}")
            return
        if held:
            self._write("released", "the lease is given back to the engine")

    def _write(self, event: Noted, text: str, journal: str = "") -> None:
        if event == "trouble" and self.said == text:
            return
        self.said = text
        self._note(SentinelNote(event=event, text=text, epoch=max(self._hold.epoch, 0), journal=journal))
