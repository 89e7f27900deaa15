"""The ticker: grid, lateness, failures that end in a kill, and rounds left out in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import pytest
from fakeview import Bench

from engine.model import NS
from engine.risk.loop import Breach, RiskEvent
from engine.risk.ticker import RiskTicker

MS = NS // 1000
PERIOD = 10 * MS


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandClock:
    """Time that moves by hand; timers run in order, each as late as `delay` says."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.timers: list[tuple[int, int, Timer, Callable[..., object], tuple[Any, ...]]] = []
        self.count = 0
        self.delay = 0

    def now(self) -> int:
        return self.bench.view.time

    def mono(self) -> int:
        return self.bench.view.mono_time

    def perf(self) -> int:
        return 0

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> Timer:
        timer = Timer()
        self.count += 1
        heapq.heappush(self.timers, (self.mono() + delay, self.count, timer, callback, args))
        return timer

    call_soon = None

    async def sleep(self, delay: int) -> None:
        raise NotImplementedError

    def run(self, seconds: float) -> None:
        end = self.mono() + round(seconds * NS)
        while self.timers and self.timers[0][0] <= end:
            at, _, timer, callback, args = heapq.heappop(self.timers)
            if timer.cancelled:
                continue
            self.to(max(at, self.mono()) + self.delay)
            callback(*args)
        self.to(max(end, self.mono()))

    def to(self, mono: int) -> None:
        self.bench.view.time += mono - self.mono()
        self.bench.view.mono_time = mono


class Rig:
    def __init__(self, *, skip_idle: bool = False, sink: Callable[[RiskEvent], object] | None = None) -> None:
        self.bench = Bench()
        self.clock = HandClock(self.bench)
        self.events: list[tuple[int, RiskEvent]] = []
        self.periods: list[tuple[int, int]] = []
        self.ticker = RiskTicker(
            self.clock,  # type: ignore[arg-type]
            self.bench.loop,
            self.bench.view,
            sink or self.take,
            period=PERIOD,
            hook=lambda period, late: self.periods.append((period, late)),
            skip_idle=skip_idle,
        )
        self.start = self.clock.mono()

    def take(self, event: RiskEvent) -> None:
        self.events.append((self.clock.mono(), event))

    def breaches(self) -> list[tuple[str, str]]:
        return [(e.control, e.scope) for _, e in self.events if isinstance(e, Breach)]


def test_rounds_come_on_the_grid() -> None:
    rig = Rig()
    rig.ticker.start()
    rig.clock.run(1)
    assert rig.bench.loop.rounds == 101
    assert rig.periods[0] == (0, 0)
    assert set(rig.periods[1:]) == {(PERIOD, 0)}


def test_lateness_is_measured_and_not_made_up_for() -> None:
    rig = Rig()
    rig.ticker.start()
    rig.clock.run(0)
    rig.clock.delay = 23 * MS
    rig.clock.run(0.010)
    rig.clock.delay = 0
    assert rig.periods[-1] == (33 * MS, 23 * MS)
    rig.clock.run(0.020)
    # The round after comes at 40 ms, the next one at 50 ms.
    assert rig.periods[-2:] == [(7 * MS, 0), (10 * MS, 0)]


def test_what_holds_the_thread_right_after_a_round_is_the_lateness_of_the_next() -> None:
    rig = Rig()

    def hold(period: int, late: int) -> None:
        rig.periods.append((period, late))
        if len(rig.periods) == 2:
            rig.clock.to(rig.clock.mono() + 23 * MS)

    rig.ticker._hook = hold
    rig.ticker.start()
    rig.clock.run(0.040)
    # From 10 to 33 ms it was held: the round of 20 ms comes then, that of 30 ms not at all.
    assert rig.periods[1:] == [(10 * MS, 0), (23 * MS, 13 * MS), (7 * MS, 0)]


def test_no_opening_without_the_ticker() -> None:
    rig = Rig()
    bench = rig.bench
    bench.controls.health.stopped()
    assert bench.refusal(bench.order()) == "risk_loop"
    rig.ticker.start()
    rig.clock.run(0.1)
    assert rig.ticker.running
    assert bench.refusal(bench.order()) == ""
    rig.ticker.stop()
    rounds = bench.loop.rounds
    rig.clock.run(0.1)
    assert bench.loop.rounds == rounds and not rig.ticker.running
    assert bench.refusal(bench.order()) == "risk_loop"
    rig.ticker.start()
    rig.clock.run(0.05)
    assert bench.refusal(bench.order()) == ""


def test_events_reach_the_sink_in_order_and_once() -> None:
    rig = Rig()
    rig.ticker.start()
    rig.clock.run(0.02)
    rig.events.clear()
    rig.bench.view.put_position("ES", 51)
    rig.bench.view.put_quote("CL", 6000, 6099)
    rig.clock.run(0.05)
    assert rig.breaches() == [("max_position", "ES"), ("spread", "CL")]
    assert rig.events[0][0] - rig.start == 30 * MS


def test_a_round_that_fails_ends_in_a_kill_and_rounds_go_on() -> None:
    rig = Rig()
    rig.ticker.start()
    rig.clock.run(0.02)
    rig.events.clear()
    whole = rig.bench.view.symbols

    def boom() -> Any:
        raise RuntimeError("no symbols")

    rig.bench.view.symbols = boom  # type: ignore[method-assign]
    rig.clock.run(0.05)
    assert rig.breaches() == [("risk_loop", "")]
    breach = rig.events[0][1]
    assert isinstance(breach, Breach) and breach.action == "kill" and breach.latched
    assert "risk loop failed: RuntimeError: no symbols" in breach.text
    assert rig.ticker.failures == 5
    rig.bench.view.symbols = whole  # type: ignore[method-assign]
    rig.clock.run(0.05)
    assert rig.bench.refusal(rig.bench.order()) == "risk_loop"
    assert rig.bench.state("risk_loop") == "TRIPPED"
    assert rig.bench.loop.reset("risk_loop")
    rig.clock.run(0.02)
    assert rig.bench.refusal(rig.bench.order()) == ""


def test_a_sink_that_fails_is_offered_the_event_again_behind_the_alarm() -> None:
    got: list[str] = []
    broken = True

    def sink(event: RiskEvent) -> None:
        if broken and event.control != "risk_loop":
            raise RuntimeError("cannot act")
        if isinstance(event, Breach):
            got.append(event.control)

    rig = Rig(sink=sink)
    rig.bench.view.put_quote("EX", 100, 101)
    rig.bench.view.put_position("ES", 51)
    rig.ticker.start()
    rig.clock.run(0.05)
    assert got == ["risk_loop"]
    broken = False
    rig.clock.run(0.01)
    assert got == ["risk_loop", "max_position"]


def test_a_sink_that_never_works_does_not_stop_the_rounds() -> None:
    def sink(event: RiskEvent) -> None:
        raise RuntimeError("never")

    rig = Rig(sink=sink)
    rig.ticker.start()
    rig.clock.run(0.1)
    assert rig.bench.loop.rounds == 11
    assert rig.bench.refusal(rig.bench.order()) == "risk_loop"


def test_a_hook_that_fails_is_counted() -> None:
    rig = Rig()
    rig.ticker._hook = lambda *_: 1 / 0
    rig.ticker.start()
    rig.clock.run(0.03)
    assert rig.ticker.failures == 4
    assert rig.bench.refusal(rig.bench.order()) == ""


def test_a_period_must_be_positive() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="above 0"):
        RiskTicker(HandClock(bench), bench.loop, bench.view, print, period=0)  # type: ignore[arg-type]


def drive(rig: Rig) -> list[tuple[int, str, str, str]]:
    """The same half minute of events; what the sink saw and when."""
    view = rig.bench.view
    rig.ticker.start()
    script: list[tuple[float, Callable[[], None]]] = [
        (0.0334, lambda: view.put_quote("ES", 20000, 20009)),
        (0.5, lambda: view.put_quote("ES", 20000, 20001)),
        (0.7071, lambda: view.put_position("ES", 51)),
        (1.0, lambda: view.put_position("ES", 5)),
        (2.0, lambda: view.put_quote("CL", 6000, 6001)),
        (9.995, lambda: view.put_quote("ES", 20003, 20004)),
        (31.0, lambda: view.put_quote("ES", 20003, 20004)),
    ]
    at = 0.0
    for when, action in script:
        rig.clock.run(when - at)
        at = when
        action()
        rig.ticker.wake()
    rig.clock.run(40 - at)
    return [(t - rig.start, type(e).__name__, e.control, e.scope) for t, e in rig.events]


def test_leaving_out_idle_rounds_changes_nothing_but_their_number() -> None:
    every, some = Rig(), Rig(skip_idle=True)
    assert drive(every) == drive(some)
    assert len(drive_events(every)) > 8
    assert every.bench.loop.rounds == 4001
    assert some.bench.loop.rounds < 80  # one a second while quotes are stale: their age is shown


def drive_events(rig: Rig) -> list[tuple[str, str]]:
    return [(e.control, e.scope) for _, e in rig.events]


def test_idle_for_ever_is_not_late() -> None:
    rig = Rig(skip_idle=True)
    rig.bench.view.data_deadline = 10**6 * NS
    rig.ticker.start()
    rig.clock.run(100)
    assert rig.bench.loop.rounds == 1
    assert rig.bench.refusal(rig.bench.order()) == ""
    rig.ticker.wake()
    rig.clock.run(0.02)
    assert rig.bench.loop.rounds == 2
