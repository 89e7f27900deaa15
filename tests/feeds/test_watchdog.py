"""The watchdog: rhythm, sessions, sequence, crossed books, bad ticks, and deadlines that are true."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.feeds.instruments import lookup
from engine.feeds.watchdog import Watchdog
from engine.model import NS, MarketState, Quote, Trade
from engine.sessions import calendar

ES = lookup("ESH4")
T = 1_760_000_000 * NS
MS = 1_000_000


def dog(symbol: str = "ESH4", hours: str = "always", **options: Any) -> Watchdog:
    return Watchdog(lookup(symbol), calendar(hours), **options)


def quote(ts: int, bid: int | None = 20_000, ask: int | None = 20_001) -> Quote:
    return Quote("ESH4", ts, bid, 5 if bid is not None else 0, ask, 5 if ask is not None else 0)


def trade(ts: int, price: int = 20_000) -> Trade:
    return Trade("ESH4", ts, price, 1)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def word(watch: Watchdog, now: int) -> str:
    return watch.state(now).word


def test_none_then_live_then_stale_then_live_again() -> None:
    watch = dog()
    assert watch.state(T).word == "none" and watch.state(T).age is None
    assert watch.on_quote(quote(T), T)
    assert word(watch, T + 5 * NS) == "live"
    state = watch.state(T + 5 * NS + 1)
    assert (state.word, state.age, state.limit) == ("stale", 5 * NS + 1, 5 * NS)
    assert "silent for 5.0 s" in state.detail
    watch.on_quote(quote(T + 9 * NS), T + 9 * NS)
    assert word(watch, T + 9 * NS) == "live"


def test_prints_without_quotes_are_no_quote() -> None:
    watch = dog()
    watch.on_trade(trade(T), T)
    assert word(watch, T) == "none"
    watch.on_quote(quote(T + 1), T + 1)
    watch.on_trade(trade(T + 4 * NS), T + 4 * NS)
    assert word(watch, T + 8 * NS) == "live", "a print shows that the feed lives and the quote still stands"


def test_limit_follows_the_rhythm_and_forgets() -> None:
    watch = dog()
    now = T
    for _ in range(20):
        now += 4 * NS
        watch.on_quote(quote(now), now)
    assert 7 * NS < watch.limit <= 8 * NS
    for _ in range(36_000):
        now += 100 * MS
        watch.on_quote(quote(now), now)
    assert watch.limit == 5 * NS, "after an hour of quick quotes the slow ones are forgotten"


def test_an_outage_teaches_at_most_a_doubling_and_never_beyond_the_maximum() -> None:
    watch = dog(stale_max=60.0)
    now = T
    watch.on_quote(quote(now), now)
    limits = []
    for _ in range(6):
        now += 3600 * NS
        watch.on_quote(quote(now), now)
        limits.append(watch.limit / NS)
    assert limits == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_a_changed_setting_takes_effect() -> None:
    watch = dog(stale_after=1.0)
    watch.on_quote(quote(T), T)
    assert word(watch, T + 2 * NS) == "stale"
    watch.set_stale_after(3.0)
    assert word(watch, T + 2 * NS) == "live"


def test_crossed_locked_one_sided_and_empty() -> None:
    watch = dog()
    for bid, ask, expected, detail in (
        (20_002, 20_001, "crossed", "crossed by 1 ticks"),
        (20_001, 20_001, "crossed", "locked"),
        (None, 20_001, "one_sided", "no bid"),
        (20_000, None, "one_sided", "no offer"),
        (None, None, "one_sided", "empty book"),
        (20_000, 20_001, "live", ""),
    ):
        assert watch.on_quote(quote(T, bid, ask), T)
        assert (watch.state(T).word, watch.state(T).detail) == (expected, detail)
    counts = watch.counters
    assert (counts["crossed"], counts["locked"], counts["one_sided"]) == (1, 1, 3)


def test_out_of_sequence_is_dropped_until_nothing_else_comes() -> None:
    watch = dog()
    ahead = T + 2 * NS
    assert watch.on_quote(quote(ahead), T)
    assert not watch.on_quote(quote(T + 1), T + 1)
    assert watch.on_quote(quote(ahead), T + 2), "an equal stamp is in order"
    assert watch.on_trade(trade(T + 3), T + 3), "prints have a sequence of their own"
    assert not watch.on_trade(trade(T + 2), T + 4)
    assert watch.counters["out_of_sequence"] == 2
    late = T + 6 * NS
    assert watch.on_quote(quote(T + 5), late)
    assert watch.counters["resequenced"] == 1


def test_one_wrong_stamp_does_not_mute_the_feed() -> None:
    watch = dog()
    assert watch.on_quote(quote(T + 10**18), T)
    now, passed = T, 0
    for _ in range(100):
        now += 100 * MS
        passed += watch.on_quote(quote(now), now)
    assert 40 < passed < 60
    assert word(watch, now) == "live"


@pytest.mark.parametrize("symbol", ["ESH4", "CLK0"])
def test_prices_at_or_below_zero(symbol: str) -> None:
    legal = symbol == "CLK0"
    refused = 0
    for bid, ask in ((-3763, -3762), (0, 1), (-1, 1), (None, 0), (-5, None)):
        watch = dog(symbol)
        assert watch.on_quote(quote(T, bid, ask), T) is legal
        refused += watch.counters["nonpositive"]
    watch = dog(symbol)
    assert watch.on_trade(trade(T, -3763), T) is legal
    assert refused + watch.counters["nonpositive"] == (0 if legal else 6)


def calm(watch: Watchdog, now: int = T, mid: int = 20_000) -> int:
    for i in range(50):
        now += 100 * MS
        assert watch.on_quote(quote(now, mid + i % 3, mid + i % 3 + 1), now)
    return now


def test_bad_tick_is_refused_and_taken_back() -> None:
    watch = dog()
    now = calm(watch)
    assert not watch.on_quote(quote(now, 25_000, 25_001), now)
    assert "not confirmed" in watch.state(now).detail and word(watch, now) == "stale"
    assert watch.on_quote(quote(now, 20_001, 20_002), now)
    assert word(watch, now) == "live"
    counts = watch.counters
    assert (counts["doubted"], counts["bad_ticks"], counts["confirmed"]) == (1, 1, 0)


def test_real_jump_is_confirmed_by_the_second_quote() -> None:
    watch = dog()
    now = calm(watch)
    assert not watch.on_quote(quote(now, 19_000, 19_003), now)
    assert watch.on_quote(quote(now, 18_990, 18_993), now)
    assert word(watch, now) == "live"
    assert watch.on_quote(quote(now, 18_991, 18_993), now)
    counts = watch.counters
    assert (counts["doubted"], counts["bad_ticks"], counts["confirmed"]) == (1, 0, 1)


def test_a_wild_market_is_believed_in_the_end() -> None:
    watch = dog()
    now = calm(watch)
    answers = [watch.on_quote(quote(now, p, p + 1), now) for p in (15_000, 25_000, 12_000, 30_000)]
    assert answers == [False, False, False, True]


def test_a_news_move_within_bounds_passes_at_once() -> None:
    watch = dog()
    now = calm(watch)
    assert watch.on_quote(quote(now, 19_955, 19_960), now)
    assert watch.counters["doubted"] == 0


def test_bad_print_is_refused_and_a_jump_confirmed_by_quotes_or_a_second_print() -> None:
    watch = dog()
    now = calm(watch)
    assert not watch.on_trade(trade(now, 2_000), now)
    assert watch.on_trade(trade(now, 20_001), now)
    assert watch.counters["bad_ticks"] == 1
    assert not watch.on_trade(trade(now, 19_000), now)
    assert watch.on_trade(trade(now, 19_001), now)
    assert not watch.on_quote(quote(now, 18_000, 18_001), now)
    assert watch.on_trade(trade(now, 18_000), now)
    only_prints = dog()
    only_prints.on_trade(trade(T), T)
    assert not only_prints.on_trade(trade(T, 30_000), T)


def test_near_zero_a_jump_is_measured_in_ticks() -> None:
    watch = dog("CLK0")
    now = T
    for price in range(40, -60, -10):
        now += NS
        assert watch.on_quote(quote(now, price, price + 3), now)
    assert not watch.on_quote(quote(now, -500, -497), now)


def test_closed_is_not_stale_and_the_age_counts_from_the_opening() -> None:
    watch = dog(hours="cme_equity")
    before = ns("2024-05-10T20:59:59")
    watch.on_quote(quote(before), before)
    assert word(watch, before) == "live"
    saturday = ns("2024-05-11T12:00")
    assert watch.state(saturday).word == "closed"
    assert watch.state(saturday).age == saturday - before
    assert "pre-open" in watch.state(ns("2024-05-12T21:30")).detail
    opening = ns("2024-05-12T22:00")
    assert word(watch, opening + NS) == "live", "no alarm before it had time to speak"
    assert word(watch, opening + 6 * NS) == "stale"
    assert watch.limit == 5 * NS, "the weekend is no part of its rhythm"


def test_crossed_pre_open_and_a_gap_at_the_opening_are_normal() -> None:
    watch = dog(hours="cme_equity")
    friday = ns("2024-05-10T20:00")
    calm(watch, friday)
    pre = ns("2024-05-12T21:30")
    assert watch.on_quote(quote(pre, 30_000, 10_000), pre)
    assert word(watch, pre) == "closed"
    opening = ns("2024-05-12T22:00")
    assert watch.on_quote(quote(opening, 15_000, 15_001), opening), "nothing is known of the price yet"
    assert word(watch, opening) == "live"


def test_the_venue_goes_before_the_calendar() -> None:
    watch = dog(hours="cme_equity")
    now = ns("2024-05-10T15:00")
    watch.on_quote(quote(now), now)
    watch.on_market_state(MarketState.HALTED, now)
    assert (watch.state(now).word, watch.state(now).detail) == ("closed", "halted by the venue")
    assert word(watch, now + 3600 * NS) == "closed"
    resumed = now + 3600 * NS
    watch.on_market_state(MarketState.OPEN, resumed)
    assert word(watch, resumed + NS) == "live"
    assert word(watch, resumed + 6 * NS) == "stale"
    watch.on_market_state(MarketState.RESERVED, resumed)
    watch.on_quote(quote(resumed), resumed)
    assert word(watch, resumed) == "live"
    watch.on_market_state(MarketState.UNKNOWN, resumed)
    assert word(watch, ns("2024-05-11T12:00")) == "closed"


def test_a_feed_that_lags_is_stale_but_another_clock_is_not() -> None:
    watch = dog()
    now = T
    for _ in range(50):
        now += 100 * MS
        watch.on_quote(quote(now + 1270 * MS), now)
    assert word(watch, now) == "live", "the venue's clock is 1.27 s ahead, that is all"
    watch.on_quote(quote(now + 1271 * MS), now + 7 * NS)
    assert "behind" in watch.state(now + 7 * NS).detail
    watch.on_quote(quote(now + 8271 * MS), now + 7 * NS)
    assert word(watch, now + 7 * NS) == "live"
    old = dog()
    old.on_quote(quote(T - 3600 * NS), T)
    assert word(old, T) == "stale", "the first quote is an hour old"


def test_a_clock_that_steps_back_does_not_hide_a_silence() -> None:
    watch = dog()
    watch.on_quote(quote(T), T)
    back = T - 3600 * NS
    assert "stepped back" in watch.state(back).detail and word(watch, back) == "stale"
    watch.on_quote(quote(T + 1), back)
    assert word(watch, back + NS) == "live"
    assert word(watch, back + 6 * NS) == "stale"


def test_heartbeat_keeps_it_alive_only_after_a_quote() -> None:
    watch = dog()
    watch.on_heartbeat(T)
    assert word(watch, T) == "none"
    watch.on_quote(quote(T), T)
    watch.on_heartbeat(T + 4 * NS)
    assert word(watch, T + 8 * NS) == "live"


steps = st.lists(
    st.tuples(
        st.integers(0, 4 * 3600 * NS) | st.integers(0, 10 * NS),
        st.sampled_from(["quote", "trade", "nothing", "state"]),
        st.integers(-2, 3),
        st.sampled_from(list(MarketState)),
        st.integers(-3 * NS, 3 * NS),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(steps, st.sampled_from(["always", "cme_equity"]))
def test_between_deadlines_the_word_does_not_change(steps: list[Any], hours: str) -> None:
    """`next_deadline` is never too late: the state just before it is the state now."""
    watch = dog(hours=hours)
    now = ns("2024-05-10T12:00")
    taken = 0
    for wait, kind, spread, state, skew in steps:
        now += wait
        if kind == "quote":
            taken += watch.on_quote(quote(now + skew, 20_000, 20_000 + spread), now)
        elif kind == "trade":
            taken += watch.on_trade(trade(now + skew), now)
        elif kind == "state":
            watch.on_market_state(state, now)
        here = watch.state(now)
        assert watch.limit >= 5 * NS
        due = watch.next_deadline(now)
        assert due is None or due > now
        later = now + 30 * 24 * 3600 * NS if due is None else due - 1
        for moment in (now + (later - now) // 2, later):
            probe = clone(watch)
            assert probe.state(moment).word == here.word
        if here.word == "live" and due is not None:
            assert word(clone(watch), due) != "live" or hours == "cme_equity"
    assert watch.counters["accepted"] == taken


def clone(watch: Watchdog) -> Watchdog:
    """A copy to ask about the future without moving the original on."""
    copy = Watchdog(watch.instrument, watch.calendar)
    for name in Watchdog.__slots__:
        setattr(copy, name, getattr(watch, name))
    return copy
