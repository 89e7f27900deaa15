"""The sentinel at its post: hears heartbeats, lets time pass, and does what its state machine says.

It meets the outside only through what it is handed: the clock, the lease, the work at the broker, a journal
for its notes. So the process and the simulation run the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from engine.model import NS
from engine.ports import Clock, TimerHandle
from engine.records_sentinel import SentinelNote
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.machine import HOLDS, Effect, Event, Phase, Rules, begin, step
from engine.sentinel.messages import Beat, Goodbye, HandBack, ToSentinel

Noted = Literal["started", "watching", "silent", "back", "fenced", "proven", "undone", "trouble", "released"]


class Ended(NamedTuple):
    """What came of it when the engine's process was to be ended."""

    gone: bool
    """It is certain that it runs no more."""
    text: str


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
        end_engine: Callable[[], Ended],
        journal: str,
    ) -> None:
        """`work` makes the work, given where its events go. `end_engine`: kills the engine's process, and
        says what came of it. `journal`: mark of the journal that takes the notes."""
        self.rules = rules
        self._clock = clock
        self._hold = hold
        self._note = note
        self._work = work(self.see)
        self._end_engine = end_engine
        self._timer: TimerHandle | None = None
        self._unwritable = ""
        """Why the lease could not be taken at the last attempt, though the engine was not inside."""
        self._gone = False
        """A moment ago it was certain that the engine's process has ended."""
        self.left = asyncio.Event()
        """Set when nothing is left to be done here."""
        self.n = 0
        """Number of the newest heartbeat."""
        self.said = ""
        """The newest note."""
        self._resumes = holds = self._held()
        self._state = begin(clock.mono(), holds=holds)
        self._write("started", f"policy {rules.policy}, after {rules.after / NS:g} s", journal)
        if hold.trouble:
            self._write("trouble", f"the lease cannot be read, and counts as nobody's: {hold.trouble}")
        self._again()

    def _held(self) -> bool:
        """Whether the lease is this sentinel's from an earlier life."""
        try:
            lease = self._hold.look()
        except OSError:
            return False  # it is told when the lease is to be taken; an engine cannot send without it either
        if lease is None or lease.holder is not Holder.SENTINEL:
            return False
        self._hold.epoch = lease.epoch
        return True

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
            case Effect.SHOOT:
                self._shoot()
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

    def _shoot(self) -> None:
        # Beside a word that cannot be written nothing may live that believes in it.
        why = self._unwritable or "the engine stands still in the midst of sending"
        self._gone, text = self._end_engine()
        self._write("trouble", f"{why}: {text}")

    def _fence(self) -> None:
        gone, self._gone = self._gone, False
        try:
            taken, self._unwritable = self._hold.claim(by_lock=gone), ""
        except OSError as error:
            taken, self._unwritable = False, f"the lease cannot be taken: {error}"
            self._write("trouble", f"{self._unwritable}; nothing is done while an engine may live")
        if taken:
            self._resumes = False
            if self._hold.trouble:
                self._write("trouble", f"the lease could not be read: {self._hold.trouble}")
            if self._hold.by_lock:
                self._write("trouble", "the lease cannot be written: its lock is held instead")
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
