"""What the sentinel decides, as a pure state machine: (rules, state, event, time) → (state, effects).

It knows neither processes nor brokers. Time is monotonic ns, and only time in which the sentinel itself ran
counts as silence: who was stopped, or starved, for a while has heard nothing and may conclude nothing. After
such a while it decides nothing either, before what was said meanwhile has been read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from engine.config_sentinel import Policy


class Phase(StrEnum):
    """Where the sentinel stands."""

    IDLE = "idle"
    """No engine has been heard, or it has said goodbye."""
    WATCHING = "watching"
    SILENT = "silent"
    """The heartbeats stopped; told, and the policy asks for no more."""
    FENCING = "fencing"
    """The heartbeats stopped; the lease is being taken from the engine."""
    ACTING = "acting"
    """It holds the lease and works at the broker."""
    HOLDING = "holding"
    """What the policy asks for is proven; it goes on looking and keeps the lease until the engine is back."""
    YIELDING = "yielding"
    """The engine is back: the work under way is being ended."""
    RESTORED = "restored"
    """It was killed at work and started again: the lease is its own; the engine has its time to be heard."""


HOLDS: Final = frozenset({Phase.ACTING, Phase.HOLDING, Phase.YIELDING, Phase.RESTORED})
"""Phases in which the lease is the sentinel's, so that the engine sends nothing."""


class Event(StrEnum):
    """What happens to the sentinel."""

    TICK = "tick"
    """Time passes; all that was waiting to be heard has been heard."""
    BEAT = "beat"
    """A heartbeat of the engine's thread."""
    GOODBYE = "goodbye"
    """The engine ends as planned."""
    HAND_BACK = "hand back"
    """An engine that lives asks for the lease."""
    FENCED = "fenced"
    """The lease was taken."""
    BUSY = "busy"
    """It could not be taken: the engine stands in the midst of sending."""
    PROVEN = "proven"
    """The broker shows what the policy asks for."""
    UNDONE = "undone"
    """The broker shows it no longer: something arrived late."""
    STOPPED = "stopped"
    """The work at the broker has ended, and its last rows are on disk."""


_LIVES: Final = (Event.BEAT, Event.HAND_BACK)
"""What only an engine that lives says."""


class Effect(StrEnum):
    """What has to be done about it, in this order."""

    ALERT = "alert"
    """Tell that the engine is silent."""
    BACK = "back"
    """Tell that it is heard again."""
    FENCE = "fence"
    """Try to take the lease; FENCED or BUSY follows."""
    SHOOT = "shoot"
    """End the engine's process: it stands still in the midst of sending, and would go on from there."""
    ACT = "act"
    """Begin, or go on with, the work at the broker."""
    STOP = "stop"
    """End the work at the broker; STOPPED follows."""
    RELEASE = "release"
    """Give the lease back."""
    LEAVE = "leave"
    """Nothing is left to be done: the process may end. It keeps the lease where it holds it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in ns. `longest`: the most that one step of time may add to the silence, because a longer one
    means that the sentinel did not run; below a third of `after`."""

    policy: Policy
    after: int
    hold: int
    patience: int = 500_000_000
    """How long the engine may stand in the midst of sending before its process is ended."""

    @property
    def longest(self) -> int:
        return self.after // 4


@dataclass(frozen=True, slots=True)
class State:
    """`silence`: ns of running time since the last heartbeat; `spent`: ns of it in this phase."""

    phase: Phase = Phase.IDLE
    at: int = 0
    """Monotonic ns of the newest event."""
    silence: int = 0
    spent: int = 0


def begin(now: int, *, holds: bool) -> State:
    """How a sentinel starts; `holds`: the lease on disk is its own from an earlier life."""
    return State(Phase.RESTORED if holds else Phase.IDLE, now)


def step(rules: Rules, state: State, event: Event, now: int) -> tuple[State, tuple[Effect, ...]]:
    """One event. Total: every event has an answer in every phase."""
    passed = min(max(0, now - state.at), rules.longest)
    absent = now - state.at > rules.longest
    state = State(state.phase, max(now, state.at), silence=state.silence + passed, spent=state.spent + passed)
    if event in _LIVES:
        state = replace(state, silence=0)
    if absent and event is Event.TICK:
        return state, ()
    phase, effects = _next(rules, state, event)
    if phase is not state.phase:
        state = replace(state, phase=phase, spent=0)
        if phase is Phase.WATCHING:
            state = replace(state, silence=0)
    return state, effects


def _next(rules: Rules, state: State, event: Event) -> tuple[Phase, tuple[Effect, ...]]:
    phase = state.phase
    match event:
        case Event.TICK:
            return _tick(rules, state)
        case Event.BEAT if phase is Phase.IDLE:
            return Phase.WATCHING, ()
        case Event.BEAT if phase in (Phase.SILENT, Phase.FENCING):
            return Phase.WATCHING, (Effect.BACK,)
        case Event.GOODBYE if phase not in HOLDS:
            return Phase.IDLE, (Effect.LEAVE,)
        case Event.HAND_BACK if phase in HOLDS:
            return Phase.YIELDING, () if phase is Phase.YIELDING else (Effect.STOP,)
        case Event.HAND_BACK if phase in (Phase.SILENT, Phase.FENCING):
            return Phase.WATCHING, (Effect.BACK, Effect.RELEASE)
        case Event.HAND_BACK:
            # It holds nothing, and says so by giving it back once more.
            return phase, (Effect.RELEASE,)
        case Event.FENCED if phase is Phase.FENCING:
            return Phase.ACTING, (Effect.ACT,)
        case Event.FENCED if phase not in HOLDS:
            return phase, (Effect.RELEASE,)
        case Event.PROVEN if phase is Phase.ACTING:
            return Phase.HOLDING, ()
        case Event.UNDONE if phase is Phase.HOLDING:
            return Phase.ACTING, ()
        case Event.STOPPED if phase is Phase.YIELDING:
            return Phase.IDLE, (Effect.RELEASE, Effect.LEAVE)
        case _:
            return phase, ()


def _tick(rules: Rules, state: State) -> tuple[Phase, tuple[Effect, ...]]:
    phase, silent = state.phase, state.silence >= rules.after
    match phase:
        case Phase.WATCHING if silent and rules.policy == "alert":
            return Phase.SILENT, (Effect.ALERT,)
        case Phase.WATCHING if silent:
            return Phase.FENCING, (Effect.ALERT, Effect.FENCE)
        case Phase.FENCING if state.spent >= rules.patience:
            return phase, (Effect.SHOOT, Effect.FENCE)
        case Phase.FENCING:
            return phase, (Effect.FENCE,)
        case Phase.RESTORED if silent:
            return Phase.ACTING, (Effect.ACT,)
        case Phase.SILENT | Phase.HOLDING if state.spent >= rules.hold:
            return phase, (Effect.LEAVE,)
        case _:
            return phase, ()
