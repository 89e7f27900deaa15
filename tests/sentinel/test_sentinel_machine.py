"""The sentinel's state machine: what it may never do, over any sequence of events and steps of time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import NS
from engine.sentinel.machine import HOLDS, Effect, Event, Phase, Rules, State, begin, step

RULES = Rules(policy="flatten", after=5 * NS, hold=60 * NS)
ALERT = Rules(policy="alert", after=5 * NS, hold=60 * NS)
TICK = NS // 4


class Driven:
    """A machine with its clock, and a world that answers FENCE and STOP as the driver does."""

    def __init__(self, rules: Rules = RULES, *, holds: bool = False, busy: bool = False) -> None:
        self.rules, self.now, self.busy = rules, 0, busy
        self.state = begin(0, holds=holds)
        self.said: list[Effect] = []

    def see(self, event: Event, passed: int = 0) -> tuple[Effect, ...]:
        self.now += passed
        self.state, effects = step(self.rules, self.state, event, self.now)
        self.said += effects
        for effect in effects:
            if effect is Effect.FENCE:
                effects += self.see(Event.BUSY if self.busy else Event.FENCED)
        return effects

    def silence(self, ns: int) -> list[Effect]:
        """Nothing is heard for so long, in ticks."""
        return [e for _ in range(ns // TICK) for e in self.see(Event.TICK, TICK)]


def watched(rules: Rules = RULES, **how: bool) -> Driven:
    machine = Driven(rules, **how)
    machine.see(Event.BEAT)
    return machine


def test_every_event_has_an_answer_in_every_phase() -> None:
    for phase, event in itertools.product(Phase, Event):
        state, effects = step(RULES, State(phase), event, NS)
        assert isinstance(state.phase, Phase), (phase, event)
        assert all(isinstance(e, Effect) for e in effects)


def test_silence_just_shorter_than_the_limit_does_nothing() -> None:
    machine = watched()
    assert machine.silence(5 * NS - TICK) == []
    machine.see(Event.BEAT, TICK - 1)
    assert machine.silence(5 * NS - TICK) == []
    assert machine.state.phase is Phase.WATCHING


def test_silence_is_told_the_lease_is_taken_and_the_work_begins() -> None:
    machine = watched()
    assert machine.silence(5 * NS) == [Effect.ALERT, Effect.FENCE, Effect.ACT]
    assert machine.state.phase is Phase.ACTING


def test_the_policy_alert_only_tells_and_takes_nothing() -> None:
    machine = watched(ALERT)
    assert machine.silence(30 * NS) == [Effect.ALERT]
    assert machine.see(Event.BEAT) == (Effect.BACK,)
    assert machine.state.phase is Phase.WATCHING


def test_an_engine_that_stands_in_the_midst_of_sending_is_ended_first() -> None:
    machine = watched(busy=True)
    effects = machine.silence(6 * NS)
    assert Effect.ACT not in effects and Effect.SHOOT in effects
    machine.busy = False
    assert machine.silence(TICK)[-1] is Effect.ACT


def test_one_that_goes_on_meanwhile_is_left_alone() -> None:
    machine = watched(busy=True)
    machine.silence(5 * NS)
    assert machine.state.phase is Phase.FENCING
    assert machine.see(Event.BEAT) == (Effect.BACK,)
    machine.busy = False
    assert machine.silence(5 * NS - TICK) == []


def test_who_asks_for_the_lease_lives_also_before_it_is_taken() -> None:
    """Found by reading: an engine that had lost the lease by another cause asked for it, and the next tick
    took it from that engine all the same."""
    machine = watched(busy=True)
    machine.silence(5 * NS)
    assert machine.state.phase is Phase.FENCING
    assert machine.see(Event.HAND_BACK) == (Effect.BACK, Effect.RELEASE)
    machine.busy = False
    assert machine.silence(5 * NS - TICK) == [] and machine.state.phase is Phase.WATCHING
    machine = watched()
    machine.silence(4 * NS)
    machine.see(Event.HAND_BACK)
    assert machine.silence(4 * NS) == []


def test_hand_back_waits_for_the_end_of_the_work() -> None:
    machine = watched()
    machine.silence(5 * NS)
    assert machine.see(Event.HAND_BACK) == (Effect.STOP,)
    assert machine.see(Event.HAND_BACK) == ()
    assert machine.see(Event.STOPPED) == (Effect.RELEASE, Effect.LEAVE)
    assert machine.state.phase is Phase.IDLE


def test_one_that_was_killed_at_work_gives_a_living_engine_its_time() -> None:
    machine = Driven(holds=True)
    for _ in range(40):
        machine.see(Event.BEAT, NS)
        assert machine.silence(4 * NS) == []
    assert machine.see(Event.HAND_BACK) == (Effect.STOP,)
    machine = Driven(holds=True)
    assert machine.silence(5 * NS) == [Effect.ACT]


def test_a_goodbye_stands_it_down_but_ends_no_work() -> None:
    machine = watched()
    assert machine.see(Event.GOODBYE) == (Effect.LEAVE,)
    assert machine.silence(60 * NS) == []
    machine = watched()
    machine.silence(5 * NS)
    assert machine.see(Event.GOODBYE) == ()
    assert machine.state.phase is Phase.ACTING


def test_it_leaves_when_nothing_is_left_to_be_done() -> None:
    machine = watched()
    machine.silence(5 * NS)
    assert machine.silence(120 * NS) == [], "not before it is proven"
    machine.see(Event.PROVEN)
    assert machine.silence(60 * NS) == [Effect.LEAVE]
    assert machine.state.phase is Phase.HOLDING, "the lease stays where it is"
    machine.see(Event.UNDONE)
    assert machine.state.phase is Phase.ACTING


STEPS = st.lists(
    st.tuples(
        st.sampled_from([*Event, Event.TICK, Event.TICK, Event.BEAT]),
        st.sampled_from([0, 1, TICK, NS, 4 * NS, 90 * NS, -NS]),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.sampled_from(["alert", "cancel", "flatten"]), st.booleans(), st.booleans())
def test_it_never_acts_while_heartbeats_arrive(
    steps: list[tuple[Event, int]], policy: str, holds: bool, busy: bool
) -> None:
    machine = Driven(Rules(policy=policy, after=5 * NS, hold=60 * NS), holds=holds, busy=busy)  # type: ignore[arg-type]
    heard, ran = 0, 0
    for event, passed in steps:
        if event is Event.FENCED:
            continue  # only the lease says so, as an answer to FENCE
        before = machine.state.phase
        ran += min(max(passed, 0), machine.rules.longest)
        if event in (Event.BEAT, Event.HAND_BACK):
            heard = ran
        effects = machine.see(event, passed)
        if Effect.ACT in effects or Effect.FENCE in effects or Effect.SHOOT in effects:
            assert ran - heard >= machine.rules.after, "the silence was real, and heard while it ran"
            assert event is Event.TICK
            assert machine.rules.policy != "alert" or holds
        if Effect.ACT in effects:
            assert before is Phase.RESTORED or Effect.FENCE in effects, "never without the lease"
        if Effect.RELEASE in effects:
            assert machine.state.phase not in HOLDS
        if machine.state.phase in HOLDS and before not in HOLDS:
            assert Effect.FENCE in effects


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_a_hand_back_always_comes_to_its_end(steps: list[tuple[Event, int]]) -> None:
    machine = Driven()
    for event, passed in steps:
        if event is not Event.FENCED:
            machine.see(event, passed)
    held = machine.state.phase in HOLDS
    effects = machine.see(Event.HAND_BACK) + machine.see(Event.STOPPED)
    assert Effect.RELEASE in effects
    assert machine.state.phase not in HOLDS
    assert not held or machine.state.phase is Phase.IDLE


@pytest.mark.parametrize("gap", [3600 * NS, 10**18])
def test_a_machine_that_slept_has_heard_nothing_and_concludes_nothing(gap: int) -> None:
    """Suspended, stopped or starved with the engine: one step of time, however long, is no silence."""
    machine = watched()
    assert machine.see(Event.TICK, gap) == ()
    machine.see(Event.BEAT)
    assert machine.state.phase is Phase.WATCHING


def test_one_that_was_away_reads_what_was_said_before_it_decides() -> None:
    """Found by a simulated world: nearly silent, then away itself; the heartbeats that had come meanwhile lay
    in the socket when the first late tick decided."""
    machine = watched()
    assert machine.silence(4 * NS) == []
    assert machine.see(Event.TICK, 10 * NS) == ()
    assert machine.see(Event.BEAT) == ()
    assert machine.silence(4 * NS) == []
    machine = watched()
    machine.silence(4 * NS)
    assert machine.see(Event.TICK, 10 * NS) == ()
    assert machine.see(Event.TICK) == (Effect.ALERT, Effect.FENCE, Effect.ACT), "nothing lay there"
