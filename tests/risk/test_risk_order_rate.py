"""Order rate: no window ever holds more than burst + rate × t messages; cancels have their own budget."""

from __future__ import annotations

import pytest
from fakeview import SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import StrategyConfig
from engine.model import NS, Purpose
from engine.risk.bucket import EventWindow, TokenBucket
from engine.risk.gate import Refused


@settings(max_examples=200, deadline=None)
@given(
    rate=st.integers(1, 500),
    burst=st.integers(1, 60),
    gaps=st.lists(st.integers(0, 2 * NS // 10) | st.integers(0, 3), min_size=1, max_size=120),
)
def test_no_window_holds_more_than_burst_plus_rate(rate: int, burst: int, gaps: list[int]) -> None:
    bucket = TokenBucket(rate, burst)
    at, sent = 7, []
    for gap in gaps:
        at += gap
        if bucket.take(at):
            sent.append(at)
    for i, first in enumerate(sent):
        for j in range(i, len(sent)):
            assert (j - i + 1) * NS <= burst * NS + rate * (sent[j] - first)


@settings(max_examples=100, deadline=None)
@given(
    rate=st.integers(1, 10_000), burst=st.integers(1, 50), taken=st.integers(1, 60), keep=st.integers(0, 20)
)
def test_when_is_exact(rate: int, burst: int, taken: int, keep: int) -> None:
    bucket = TokenBucket(rate, burst)
    for _ in range(taken):
        bucket.take(1000)
    keep = min(keep, burst - 1)
    when = bucket.when(1000, keep + 1)
    if when > 1000:
        assert not bucket.ready(when - 1, keep)
    assert bucket.ready(when, keep)


def test_time_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(1, 1)
    assert bucket.take(10 * NS)
    assert not bucket.take(5 * NS)
    assert not bucket.take(11 * NS - 1)
    assert bucket.take(11 * NS)


def test_a_reload_keeps_what_was_used() -> None:
    bucket = TokenBucket(10, 10)
    for _ in range(8):
        assert bucket.take(0)
    bucket.configure(10, 5)
    assert not bucket.ready(0)
    bucket.configure(10, 20)
    assert bucket.used(0) == 5


def test_used_rounds_up() -> None:
    bucket = TokenBucket(1, 3)
    bucket.take(0)
    assert bucket.used(0) == 1
    assert bucket.used(NS // 2) == 1
    assert bucket.used(NS) == 0


def test_window_edges() -> None:
    window = EventWindow()
    window.add(0)
    window.add(5)
    assert window.count(9, 10) == 2
    assert window.count(10, 10) == 1
    assert window.oldest_leaves(10) == 15
    assert window.count(15, 10) == 0
    assert window.oldest_leaves(10) is None


def slow(bench: Bench, burst: int = 3) -> None:
    bench.view.set_limits(order_rate=1, order_burst=burst, duplicate_window=0.0, cancel_rate=9)
    bench.view.data_deadline = 1000 * NS


def test_exhausted_budget_refuses_with_the_time() -> None:
    bench = Bench()
    slow(bench)
    assert [bench.refusal(bench.order()) for _ in range(4)] == ["", "", "", "order_rate"]
    answer = bench.check(bench.order())
    assert isinstance(answer, Refused)
    assert answer.reasons[0].retry_at == bench.view.mono() + NS
    bench.view.advance(1)
    assert [bench.refusal(bench.order()) for _ in range(2)] == ["", "order_rate"]


def test_a_strategy_uses_up_its_own_budget_and_leaves_the_others_theirs() -> None:
    bench = Bench()
    bench.view.set_limits(order_rate=10, order_burst=10, duplicate_window=0.0)
    bench.view.data_deadline = 1000 * NS
    for name, rate in (("greedy", 2), ("modest", None)):
        bench.view.the_strategies[name] = StrategyConfig(
            module="a:B", name=name, symbols=("ES",), order_rate=rate, max_position=99
        )  # type: ignore[call-arg]
    greedy = [bench.check(bench.order(strategy="greedy")) for _ in range(5)]
    refused = [answer for answer in greedy if isinstance(answer, Refused)]
    assert [answer.reasons[0].control for answer in refused] == ["order_rate"] * 3
    first = refused[0].reasons[0]
    assert first.text == "greedy has used up its own budget of 2 messages/s; again in 500 ms"
    assert (first.scope, first.retry_at) == ("greedy", bench.view.mono() + NS // 2)
    # What it was refused cost the account nothing, and trips nothing.
    assert [bench.refusal(bench.order(strategy="modest")) for _ in range(9)] == [""] * 8 + ["order_rate"]
    bench.view.advance(0.5)
    assert [bench.refusal(bench.order(strategy="greedy")) for _ in range(2)] == ["", "order_rate"]


def test_what_reduces_passes_a_strategys_own_budget() -> None:
    bench = Bench()
    bench.view.set_limits(duplicate_window=0.0)
    bench.view.data_deadline = 1000 * NS
    bench.view.the_strategies["s"] = StrategyConfig(module="a:B", name="s", symbols=("ES",), order_rate=1)  # type: ignore[call-arg]
    assert [bench.refusal(bench.order(strategy="s")) for _ in range(2)] == ["", "order_rate"]
    bench.view.put_position("ES", 3)
    bench.view.strategy_positions[("s", "ES")] = 3
    assert bench.refusal(bench.order(SELL, 1, strategy="s")) == ""


def test_cancels_and_flattening_have_their_own_budget() -> None:
    bench = Bench()
    slow(bench)
    bench.view.put_position("ES", 5)
    while bench.refusal(bench.order()) == "":
        pass
    assert bench.gate.cancel_wait(bench.view) == 0
    assert bench.refusal(bench.order(SELL, 1, 19999, purpose=Purpose.FLATTEN)) == ""
    assert bench.refusal(bench.order(SELL, 1, 20010, purpose=Purpose.PROTECT)) == ""
    # A protective order that is not proven to reduce pays like any other.
    assert bench.refusal(bench.order(SELL, 9, 20010, purpose=Purpose.PROTECT)) == "order_rate"


def test_routine_cancels_leave_a_third_to_the_emergency() -> None:
    bench = Bench()
    slow(bench)
    routine = 0
    while (wait := bench.gate.cancel_wait(bench.view)) == 0:
        routine += 1
    assert routine == 6
    assert 0 < wait <= NS
    urgent = 0
    while (wait := bench.gate.cancel_wait(bench.view, urgent=True)) == 0:
        urgent += 1
    assert urgent == 3
    bench.view.mono_time += wait
    assert bench.gate.cancel_wait(bench.view, urgent=True) == 0


def test_a_cancel_is_never_held_up_by_a_budget_that_fails() -> None:
    bench = Bench()

    def boom(*_: object) -> int:
        raise RuntimeError("boom")

    bench.controls.rate.cancel_wait = boom  # type: ignore[method-assign]
    assert bench.gate.cancel_wait(bench.view) == 0
    assert bench.controls.rate.errors == 1


@pytest.mark.parametrize("action", ["refuse", "pause", "kill"])
def test_loop_trips_once_and_clears_at_half(action: str) -> None:
    bench = Bench()
    slow(bench, 4)
    bench.view.set_limits(order_rate_action=action)
    while bench.refusal(bench.order()) == "":
        pass
    assert bench.tick() == [("Breach", "order_rate", "")]
    assert bench.tick() == []
    assert bench.state("order_rate") == "TRIPPED"
    due = bench.loop.next_deadline(bench.view)
    assert due == bench.view.mono() + 2 * NS
    bench.view.advance(1.5)
    assert bench.tick() == []
    assert bench.refusal(bench.order()) == ("" if action == "refuse" else "order_rate")
    bench.view.advance(4)
    assert bench.tick() == [("Cleared", "order_rate", "")]
    assert bench.refusal(bench.order()) == ""


def test_warns_before_it_trips() -> None:
    bench = Bench()
    slow(bench, 10)
    for _ in range(8):
        assert bench.refusal(bench.order()) == ""
    bench.tick()
    assert bench.state("order_rate") == "WARN"
