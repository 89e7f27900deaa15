"""The engine's histograms: what they answer, and the picture of a distribution that goes with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.metrics import Histogram


def test_a_spread_counts_by_doublings_of_a_microsecond() -> None:
    histogram = Histogram()
    for value in (0, 999, 1_000, 1_999, 2_000, 3_999, 4_000, 70_000):
        histogram.record(value)
    assert histogram.spread() == (2, 2, 2, 1, 0, 0, 0, 1)
    assert Histogram().spread() == ()


@given(st.lists(st.integers(-5, 10**13), max_size=50))
def test_a_spread_has_each_duration_once_and_agrees_with_the_largest(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    spread = histogram.spread()
    assert sum(spread) == len(values) == histogram.count
    if spread:
        assert spread[-1], "it ends with the longest"
        assert (histogram.max // 1000).bit_length() == len(spread) - 1
    assert histogram.percentiles("x").spread == spread


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=50))
def test_what_was_shown_once_is_what_was_recorded_up_to_now(values: list[tuple[int, bool]]) -> None:
    often = Histogram()
    for n, (value, looked_at) in enumerate(values, 1):
        often.record(value)
        if looked_at:
            once = Histogram()
            for before, _ in values[:n]:
                once.record(before)
            assert often.percentiles("x") == once.percentiles("x")
            assert often.percentiles("y").stage == "y"
