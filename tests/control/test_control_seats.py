"""Seats as a property: whoever comes and goes, one at the most is in control; a policy acts only when due."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import ScreenConfig
from engine.control.commands import CancelAll, Kill, TakeControl
from engine.control.seats import Seats
from engine.halts import HaltBook
from engine.model import NS

AFTER = 5.0


@dataclass
class Timer:
    due: int
    callback: Any
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class World:
    """Clock, core and hooks of the seats, by hand."""

    ts: int = 0
    timers: list[Timer] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    acted: list[int] = field(default_factory=list)
    halts: HaltBook = field(default_factory=HaltBook)
    seats: Seats | None = None

    def now(self) -> int:
        return self.ts

    def call_later(self, delay: int, callback: Any) -> Timer:
        self.timers.append(Timer(self.ts + delay, callback))
        return self.timers[-1]

    def pass_time(self, seconds: float) -> None:
        end = self.ts + int(seconds * NS)
        for timer in list(self.timers):
            if not timer.cancelled and timer.due <= end:
                self.timers.remove(timer)
                self.ts = timer.due
                timer.callback()
        self.ts = end

    @property
    def clock(self) -> World:
        return self

    @property
    def books(self) -> World:
        return self

    def log(self, *_: object, **__: object) -> None: ...

    def alarm(self, _severity: str, code: str, _text: str) -> None:
        self.alarms.append(code)

    def clear_alarms(self, code: str) -> None:
        self.alarms = [standing for standing in self.alarms if standing != code]

    def publish(self) -> None: ...

    def halt(self, *_: object) -> None:
        self.acted.append(self.ts)

    def command(self, command: object, _who: str, _answer: object = None, seat: int = 0) -> None:
        if isinstance(command, TakeControl):
            assert self.seats is not None
            self.seats.take(seat)
        else:
            self.acted.append(self.ts)


steps = st.one_of(
    st.tuples(st.just("join"), st.booleans(), st.booleans()),
    st.tuples(st.just("leave"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("take"), st.integers(0, 5), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 6.0]), st.none()),
)


LOST = [("join", False, False), ("join", True, False), ("leave", 0, False)]
"""Where it becomes interesting: the screen in control is lost, one that may not take over looks on."""
scripts = st.builds(
    lambda begin, rest: [*begin, *rest], st.sampled_from([[], LOST]), st.lists(steps, max_size=20)
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["continue", "halt", "cancel", "flatten"]),
    st.sampled_from([0.0, AFTER]),
    scripts,
)
def test_one_in_control_and_a_policy_that_acts_when_due(policy: Any, after: float, script: list[Any]) -> None:
    world = World()
    config = ScreenConfig(on_last_ui_lost=policy, ui_lost_after=after)
    seats = Seats(world, config, world)  # type: ignore[arg-type]
    world.seats = seats
    due: int | None = None
    """When the policy acts, unless somebody is in control before."""
    loss = False
    """The screen in control was lost, and nobody has been in control since."""
    expected: list[int] = []
    for word, one, two in script:
        rows = {row.id: row for row in seats.rows()}
        held = next((row.id for row in rows.values() if row.role == "control"), None)
        chosen = list(rows)[one % len(rows)] if word in ("leave", "take") and rows else None
        if word == "join":
            new = seats.join("x", read_only=one, take=two)
            assert (seats.rows()[-1].role == "control") == (not one and (two or held is None))
            if not one and (held is None or two):
                due, loss = None, False
            assert new not in rows
        elif word == "leave" and chosen is not None:
            seats.leave(chosen, goodbye=two, how="how")
            left = seats.rows()
            others = any(row.role != "read-only" for row in left)
            if rows[chosen].role == "control":
                loss = not two
                if two:
                    due = None
            elif two and rows[chosen].role == "view":
                loss, due = False, None
            if loss and not others and due is None and policy != "continue":
                due = world.ts + int(after * NS)
            if not others and policy == "continue":
                loss = False
        elif word == "take" and chosen is not None:
            refused = bool(seats.take(chosen))
            assert refused == (rows[chosen].role == "read-only")
            if not refused and chosen != held:
                due, loss = None, False
        elif word == "wait":
            if due is not None and due <= world.ts + int(one * NS):
                expected.append(due)
                due, loss = None, False
            world.pass_time(one)
        if due is not None and due <= world.ts:
            expected.append(due)
            due, loss = None, False
        roles = [row.role for row in seats.rows()]
        assert roles.count("control") <= 1
        assert world.acted == expected
        assert not roles.count("control") or "screen_lost" not in world.alarms
        for row in seats.rows():
            may = seats.problem(row.id, CancelAll()) == ""
            assert may == (row.role == "control")
            assert (seats.problem(row.id, Kill()) == "") == (row.role != "read-only")
            assert (seats.problem(row.id, TakeControl()) == "") == (row.role != "read-only")
