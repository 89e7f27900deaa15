"""Bars: alignment, mids where nothing prints, empty intervals, late records, and that nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.feeds.bars import BarBuilder
from engine.model import NS, Bar, Quote, Trade
from engine.sessions import calendar

MINUTE = 60 * NS
T = 1_700_000_040 * NS - 1_700_000_040 * NS % MINUTE


def trade(at: int, price: int, size: int = 1) -> Trade:
    return Trade("ES", at, price, size)


def quote(at: int, bid: int | None, ask: int | None) -> Quote:
    return Quote("ES", at, bid, 1, ask, 1)


def builder(span: int = MINUTE, **options: object) -> tuple[BarBuilder, list[Bar]]:
    bars: list[Bar] = []
    return BarBuilder("ES", span, bars.append, **options), bars  # type: ignore[arg-type]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def test_prints_make_a_bar_and_quotes_beside_them_do_not_count() -> None:
    build, bars = builder()
    build.on_quote(quote(T + 1, 90, 92))
    for at, price, size in ((2, 100, 3), (3, 105, 1), (4, 95, 2), (5, 101, 4)):
        build.on_trade(trade(T + at, price, size))
    build.on_quote(quote(T + 6, 200, 202))
    assert bars == []
    build.on_trade(trade(T + MINUTE, 7))
    assert bars == [Bar("ES", T, MINUTE, 100, 105, 95, 101, 10, 4)]


def test_mids_where_nothing_prints() -> None:
    build, bars = builder()
    for at, bid, ask in ((0, 10, 11), (1, 12, 14), (2, 9, 11), (3, 11, 11), (4, None, 50), (5, 60, 50)):
        build.on_quote(quote(T + at, bid, ask))
    build.flush()
    assert bars == [Bar("ES", T, MINUTE, 10, 13, 10, 11, 0, 0)]


def test_empty_intervals() -> None:
    skip, skipped = builder()
    carry, carried = builder(empty="carry")
    for build in (skip, carry):
        build.on_trade(trade(T, 5))
        build.on_trade(trade(T + 3 * MINUTE + 1, 8))
        build.flush()
    assert [b.start - T for b in skipped] == [0, 3 * MINUTE]
    assert [(b.start - T, b.close, b.volume, b.trades) for b in carried] == [
        (0, 5, 1, 1),
        (MINUTE, 5, 0, 0),
        (2 * MINUTE, 5, 0, 0),
        (3 * MINUTE, 8, 1, 1),
    ]


def test_time_alone_completes_a_bar() -> None:
    build, bars = builder()
    assert build.next_end() is None
    build.on_time(T + MINUTE)
    build.on_trade(trade(T + 10, 5))
    assert build.next_end() == T + MINUTE
    build.on_time(T + MINUTE - 1)
    assert bars == []
    build.on_time(T + MINUTE)
    assert len(bars) == 1
    build.on_time(T + 2 * MINUTE)
    build.flush()
    assert len(bars) == 1


def test_late_records_are_dropped_and_counted() -> None:
    build, bars = builder()
    build.on_trade(trade(T + MINUTE, 5))
    build.on_trade(trade(T + MINUTE - 1, 99))
    build.on_quote(quote(T, 98, 99))
    build.flush()
    build.on_trade(trade(T + MINUTE + 5, 99))
    build.flush()
    assert build.late == 3
    assert [b.high for b in bars] == [5]


def test_session_bars_start_at_the_opening_and_skip_the_break() -> None:
    build, bars = builder(4 * 3600 * NS, calendar=calendar("cme_equity"), empty="carry")
    build.on_trade(trade(ns("2024-05-08T19:30"), 5))
    build.on_trade(trade(ns("2024-05-08T22:00"), 6))
    build.on_trade(trade(ns("2024-05-09T02:00"), 7))
    build.flush()
    assert [b.start for b in bars] == [ns("2024-05-08T18:00"), ns("2024-05-08T22:00"), ns("2024-05-09T02:00")]


def test_nothing_is_carried_over_a_weekend() -> None:
    build, bars = builder(3600 * NS, calendar=calendar("cme_equity"), empty="carry")
    build.on_trade(trade(ns("2024-05-10T18:30"), 5))
    build.on_trade(trade(ns("2024-05-12T23:30"), 6))
    build.flush()
    assert [b.start for b in bars] == [
        ns(t)
        for t in (
            "2024-05-10T18:00",
            "2024-05-10T19:00",
            "2024-05-10T20:00",
            "2024-05-12T22:00",
            "2024-05-12T23:00",
        )
    ]


def test_a_span_that_does_not_divide_the_session_ends_with_it() -> None:
    build, bars = builder(7 * 3600 * NS, calendar=calendar("cme_equity"))
    build.on_trade(trade(ns("2024-05-08T20:00"), 5))
    build.on_trade(trade(ns("2024-05-08T22:00"), 6))
    build.flush()
    assert [b.start for b in bars] == [ns("2024-05-08T19:00"), ns("2024-05-08T22:00")]


def test_refuses_a_span_of_nothing() -> None:
    with pytest.raises(ValueError, match="span"):
        builder(0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["trade", "quote", "time"]),
            st.integers(0, 5 * 24 * 3600),
            st.integers(-50, 50),
            st.integers(1, 9),
        ),
        max_size=60,
    ),
    st.sampled_from([1, 60, 3600, 7 * 3600]),
    st.sampled_from([None, "cme_equity", "always"]),
    st.sampled_from(["skip", "carry"]),
    st.booleans(),
)
def test_bars_never_overlap_and_lose_no_volume(
    steps: list[tuple[str, int, int, int]], span: int, name: str | None, empty: str, in_order: bool
) -> None:
    if span == 1 and empty == "carry":
        span = 60
    build, bars = builder(span * NS, calendar=None if name is None else calendar(name), empty=empty)
    base = ns("2024-03-08T12:00")
    traded = prints = 0
    for kind, at, price, size in sorted(steps, key=lambda s: s[1]) if in_order else steps:
        late = build.late
        if kind == "trade":
            build.on_trade(trade(base + at * NS, price, size))
            if build.late == late:
                traded, prints = traded + size, prints + 1
        elif kind == "quote":
            build.on_quote(quote(base + at * NS, price, price + size))
        else:
            build.on_time(base + at * NS)
    build.flush()
    if in_order:
        assert build.late == 0
    assert sum(b.volume for b in bars) == traded
    assert sum(b.trades for b in bars) == prints
    starts = [b.start for b in bars]
    assert starts == sorted(set(starts))
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        if name is None:
            assert bar.start % (span * NS) == 0
    for bar, following in pairwise(bars):
        if name is None:
            assert bar.start + bar.span <= following.start
            if empty == "carry":
                assert bar.start + bar.span == following.start
