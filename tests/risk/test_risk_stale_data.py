"""Stale data: words, ages, deadlines."""

from __future__ import annotations

from typing import get_args

import pytest
from fakeview import SELL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import NS
from engine.risk.view import DataState, DataWord


class TestStaleData:
    def test_age_alone_makes_it_stale_and_the_loop_knows_when(self) -> None:
        bench = Bench()
        bench.view.put_position("ES", 2)
        bench.tick()
        assert bench.loop.next_deadline(bench.view) == bench.view.mono() + 5 * NS + 1
        bench.view.advance(5)
        assert bench.tick() == []
        assert bench.refusal(bench.order()) == ""
        bench.view.time += 1
        bench.view.mono_time += 1
        assert ("Breach", "stale_data", "ES") in bench.tick()
        assert bench.refusal(bench.order(limit=19999)) == "stale_data"
        assert bench.refusal(bench.order(SELL, 2)) == ""
        bench.view.put_quote("ES", 20000, 20001)
        assert ("Cleared", "stale_data", "ES") in bench.tick()
        assert bench.refusal(bench.order(limit=19999)) == ""

    @pytest.mark.parametrize("word", [w for w in get_args(DataWord) if w != "live"])
    def test_words(self, word: str) -> None:
        bench = Bench()
        bench.view.words["ES"] = word
        assert bench.refusal(bench.order()) == "stale_data"
        assert bench.refusal(bench.order(symbol="CL", limit=6000)) == ""

    def test_states(self) -> None:
        bench = Bench()
        bench.tick()
        assert bench.state("stale_data", "EX") == "UNKNOWN"
        bench.view.words["ES"] = "closed"
        bench.view.bump("ES")
        bench.tick()
        assert bench.state("stale_data", "ES") == "ACTIVE"
        bench.view.words["ES"] = "crossed"
        bench.view.bump("ES")
        bench.tick()
        assert bench.state("stale_data", "ES") == "TRIPPED"

    @settings(max_examples=100, deadline=None)
    @given(
        word=st.sampled_from(get_args(DataWord)),
        age=st.none() | st.integers(0, 20 * NS),
        deadline=st.integers(1, 20 * NS),
    )
    def test_opens_only_on_live_data_within_its_deadline(
        self, word: str, age: int | None, deadline: int
    ) -> None:
        bench = Bench()
        bench.view.data_state = lambda symbol: DataState(word, age, deadline)  # type: ignore[arg-type,method-assign]
        good = word == "live" and age is not None and age <= deadline
        names = [r.control for r in bench.gate.preview(bench.order(), bench.view)]
        assert ("stale_data" not in names) is good


def test_while_quotes_are_away_their_age_goes_on() -> None:
    bench = Bench()

    def shown() -> int:
        bench.tick()
        (reading,) = [r for r in bench.loop.readings() if (r.control, r.scope) == ("stale_data", "ES")]
        assert reading.state == "TRIPPED" and isinstance(reading.used, int)
        return reading.used

    bench.tick()
    bench.view.advance(7)
    before = shown()
    bench.view.advance(30)
    assert shown() - before == 30_000
