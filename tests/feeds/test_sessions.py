"""Trading calendars: every session of five years, both clock changes, holidays, and answers that agree."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import NS, MarketState
from engine.sessions import SessionCalendar, UnknownCalendar, calendar, names

CHICAGO = ZoneInfo("America/Chicago")
LONDON = ZoneInfo("Europe/London")
FIRST, LAST = date(2023, 1, 1), date(2027, 12, 31)
SESSIONS = [n for n in names() if n != "always"]


def ns(text: str, zone: ZoneInfo | None = None) -> int:
    at = datetime.fromisoformat(text).replace(tzinfo=zone or UTC)
    return int(at.timestamp()) * NS


def utc(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // NS, UTC)


def sessions(name: str) -> SessionCalendar:
    found = calendar(name)
    assert isinstance(found, SessionCalendar)
    return found


@pytest.mark.parametrize("name", ["cme_equity", "cme_metals", "cme_energy", "cme_rates", "cme_crypto"])
def test_every_transition_of_five_years(name: str) -> None:
    """Walks from change to change; each opening is 17:00 Chicago, each close 16:00 or an early close."""
    hours = sessions(name)
    ts, end = ns("2023-01-01T00:00"), ns("2028-01-01T00:00")
    closes = opens = 0
    while ts < end:
        before = hours.state(ts)
        change = hours.next_change(ts)
        assert change > ts
        assert hours.state(change - 1) is before
        after = hours.state(change)
        assert after is not before
        local = utc(change).astimezone(CHICAGO)
        if after is MarketState.OPEN:
            opens += 1
            assert (local.hour, local.minute) == (17, 0)
            assert before is MarketState.PRE_OPEN
            assert hours.session_open(change) <= change
        elif after is MarketState.PRE_OPEN:
            assert (local.hour, local.minute) in ((16, 45), (16, 0))
        else:
            closes += 1
            if (local.hour, local.minute) != (16, 0):
                assert local.date() in hours._early
        ts = change
    days = sum(hours.has_session(FIRST + timedelta(d)) for d in range((LAST - FIRST).days + 1))
    # The session that ends on the first day began before the walk, that after the last day begins within it.
    assert abs(opens - days) <= 1
    assert abs(closes - days) <= 1
    assert 1_280 < days < 1_300


@pytest.mark.parametrize("name", SESSIONS)
def test_trading_days_follow_one_another(name: str) -> None:
    hours = sessions(name)
    ts = ns("2023-01-03T00:00")
    day = hours.trading_day(ts)
    count = 0
    while ts < ns("2027-12-30T00:00"):
        start = hours.session_start(ts)
        following = hours.next_day(ts)
        assert start <= ts < following
        assert hours.trading_day(start) == hours.trading_day(following - 1) == day
        assert hours.trading_day(following) > day
        assert hours.session_start(following) == following
        assert date.fromisoformat(day).weekday() < 5
        assert hours.has_session(date.fromisoformat(day))
        ts, day = following, hours.trading_day(following)
        count += 1
    assert count > 1_230


def test_seventeen_hundred_chicago_belongs_to_the_next_day() -> None:
    es = calendar("cme_equity")
    assert es.trading_day(ns("2024-05-08T16:44:59", CHICAGO)) == "2024-05-08"
    assert es.trading_day(ns("2024-05-08T17:00", CHICAGO)) == "2024-05-09"
    # An order taken in the pre-open is an order of the day that it waits for.
    assert es.trading_day(ns("2024-05-08T16:45", CHICAGO)) == "2024-05-09"
    assert es.trading_day(ns("2024-05-10T20:00", CHICAGO)) == "2024-05-10", "the weekend belongs to Friday"
    assert es.trading_day(ns("2024-05-12T17:00", CHICAGO)) == "2024-05-13"


@pytest.mark.parametrize(
    ("year", "spring_us", "spring_eu", "autumn_eu", "autumn_us"),
    [
        (2023, "03-12", "03-26", "10-29", "11-05"),
        (2024, "03-10", "03-31", "10-27", "11-03"),
        (2025, "03-09", "03-30", "10-26", "11-02"),
        (2026, "03-08", "03-29", "10-25", "11-01"),
        (2027, "03-14", "03-28", "10-31", "11-07"),
    ],
)
def test_weeks_in_which_europe_and_america_differ(
    year: int, spring_us: str, spring_eu: str, autumn_eu: str, autumn_us: str
) -> None:
    """Chicago opens at 23:00 London, but at 22:00 (UTC 22:00) while only one of them has summer time."""
    es = sessions("cme_equity")
    apart = [(spring_us, spring_eu), (autumn_eu, autumn_us)]
    for offset in range(365):
        day = date(year, 1, 1) + timedelta(offset)
        if not es.has_session(day + timedelta(1)) or day.weekday() == 6:
            continue
        _, opens, _ = es.hours(day + timedelta(1))
        london = utc(opens).astimezone(LONDON)
        differs = any(a <= day.strftime("%m-%d") < b for a, b in apart)
        assert london.hour == (22 if differs else 23), day
    summer = es.hours(date.fromisoformat(f"{year}-{spring_us}") + timedelta(2))[1]
    winter = es.hours(date.fromisoformat(f"{year}-{autumn_us}") + timedelta(2))[1]
    assert (utc(summer).hour, utc(winter).hour) == (22, 23)


@pytest.mark.parametrize(
    ("name", "at", "state"),
    [
        ("cme_equity", "2023-12-24T23:30", "CLOSED"),
        ("cme_equity", "2023-12-25T21:59:59", "CLOSED"),
        ("cme_equity", "2023-12-25T22:00", "PRE_OPEN"),
        ("cme_equity", "2023-12-25T23:00", "OPEN"),
        ("cme_metals", "2023-05-01T20:59:59", "OPEN"),
        ("cme_metals", "2023-05-01T21:00", "CLOSED"),
        ("cme_metals", "2023-05-01T21:45", "PRE_OPEN"),
        ("cme_metals", "2023-05-01T22:00", "OPEN"),
        ("cme_crypto", "2023-08-04T20:59:59", "OPEN"),
        ("cme_crypto", "2023-08-04T21:00", "CLOSED"),
        ("cme_crypto", "2023-08-05T12:00", "CLOSED"),
        ("cme_equity", "2024-01-15T17:59:59", "OPEN"),
        ("cme_equity", "2024-01-15T18:00", "CLOSED"),
        ("cme_metals", "2024-01-15T18:00", "OPEN"),
        ("cme_metals", "2024-01-15T19:30", "CLOSED"),
        ("cme_equity", "2024-03-29T15:00", "CLOSED"),
        ("cme_equity", "2026-04-03T13:00", "OPEN"),
        ("cme_equity", "2026-04-03T13:15", "CLOSED"),
        ("cme_metals", "2026-04-03T13:00", "CLOSED"),
        ("cme_equity", "2024-12-24T18:14", "OPEN"),
        ("cme_equity", "2024-12-24T18:15", "CLOSED"),
        ("cme_equity", "2024-12-24T23:30", "CLOSED"),
        ("cme_equity", "2024-12-25T23:00", "OPEN"),
        ("spot_metal", "2024-05-03T20:59:59", "OPEN"),
        ("spot_metal", "2024-05-03T21:00", "CLOSED"),
        ("always", "2024-12-25T12:00", "OPEN"),
    ],
)
def test_known_moments(name: str, at: str, state: str) -> None:
    assert calendar(name).state(ns(at)).value == state
    assert calendar(name).is_open(ns(at)) is (state == "OPEN")


def test_bank_holiday_counts_to_the_next_day() -> None:
    es = calendar("cme_equity")
    assert es.trading_day(ns("2024-01-15T15:00")) == "2024-01-16"
    assert es.trading_day(ns("2024-01-15T23:30")) == "2024-01-16"
    assert es.session_start(ns("2024-01-15T23:30")) == ns("2024-01-14T22:00")
    assert es.trading_day(ns("2025-07-04T15:00")) == "2025-07-07"
    assert es.trading_day(ns("2024-11-29T15:00")) == "2024-11-29", "the day after Thanksgiving is its own"


def test_pre_open_looks_ahead_to_the_opening() -> None:
    es = calendar("cme_equity")
    ts = ns("2023-12-25T22:30")
    assert es.session_start(ts) == ns("2023-12-25T22:00")
    assert es.session_open(ts) == ns("2023-12-25T23:00") == es.next_change(ts)


def test_always_open_turns_at_midnight_utc() -> None:
    always = calendar("always")
    ts = ns("2024-02-28T23:59:59")
    assert always.trading_day(ts) == "2024-02-28"
    assert always.trading_day(ts + NS) == "2024-02-29"
    assert always.session_start(ts) == always.session_open(ts) == ns("2024-02-28T00:00")
    assert always.next_day(ts) == ns("2024-02-29T00:00")
    assert always.next_change(ts) is None


def test_says_for_which_years_it_knows_holidays() -> None:
    es = calendar("cme_equity")
    assert es.covers(ns("2023-06-01T00:00")) and es.covers(ns("2027-12-31T12:00"))
    assert not es.covers(ns("2011-07-31T22:00")) and not es.covers(ns("2028-01-03T00:00"))
    assert es.is_open(ns("2011-07-31T22:00")), "outside them the weekly rule applies"


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownCalendar, match="cme_equity"):
        calendar("nowhere")
    assert calendar("cme_equity") is calendar("cme_equity")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SESSIONS),
    st.lists(st.integers(ns("2023-01-02T00:00"), ns("2027-12-30T00:00")), min_size=1, max_size=20),
)
def test_answers_do_not_depend_on_what_was_asked_before(name: str, moments: list[int]) -> None:
    shared = sessions(name)
    for ts in moments:
        state, day, change = shared.state(ts), shared.trading_day(ts), shared.next_change(ts)
        local = utc(ts).astimezone(shared.zone)
        named = local.date() if state is MarketState.OPEN and local.hour < 16 else None
        if named is not None:
            assert shared.has_session(named)
            assert shared.trade_date(named).isoformat() == day
        assert shared.state(change - 1) is state
        assert (shared.state(ts), shared.trading_day(ts)) == (state, day)
