"""The rules of reconnecting, without clock or socket: waits, fail-over, alarms and maintenance windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.config_link import LinkConfig, MaintenanceWindow
from engine.connection_rules import Course, Escalation, backoff, window_end
from engine.model import NS

CONFIG = LinkConfig(retry_jitter=0)
NIGHT = {"zone": "America/New_York", "begin": "23:45", "end": "00:45"}


def utc(text: str) -> int:
    """ISO text with an offset → UTC ns."""
    return round(datetime.fromisoformat(text).timestamp()) * NS


def waits(course: Course, count: int) -> list[float]:
    """How long each of so many attempts waits that all fail, seconds."""
    out, now = [], 0
    for _ in range(count):
        at = course.next(urgent=False).at
        out.append((at - now) / NS)
        now = at
        course.failed(now)
    return out


# -- back-off


def test_waits_double_up_to_the_cap() -> None:
    course = Course(CONFIG, 1, lambda: 0.0)
    course.lost(0, was_stable=True)
    assert waits(course, 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(
    first=st.floats(0.01, 300),
    factor=st.floats(1, 1000),
    jitter=st.floats(0, 1),
    draws=st.lists(st.floats(0, 1), min_size=2, max_size=80),
)
def test_no_wait_leaves_its_bounds(first: float, factor: float, jitter: float, draws: list[float]) -> None:
    longest = min(first * factor, 3600)
    config = LinkConfig(retry_first=first, retry_max=longest, retry_jitter=jitter)
    plain = [backoff(n, config.model_copy(update={"retry_jitter": 0.0}), 0.5) for n in range(len(draws))]
    for n, draw in enumerate(draws):
        wait = backoff(n, config, draw)
        assert round(plain[n] * (1 - jitter)) - 1 <= wait <= plain[n] <= round(longest * NS)
    assert plain == sorted(plain) and plain[0] == round(first * NS)
    for before, after in pairwise(plain):
        assert after == min(2 * before, round(longest * NS)) or abs(after - 2 * before) <= 2


@given(st.lists(st.booleans(), max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_an_emergency_never_waits_long(results: list[bool], draws: list[float]) -> None:
    feed = iter(draws * 100)
    course = Course(LinkConfig(retry_urgent=2), 2, lambda: next(feed))
    now = 0
    course.lost(now, was_stable=True)
    for succeeds in results:
        attempt = course.next(urgent=True)
        assert attempt.at - now <= 2 * NS
        now = max(now, attempt.at)
        if succeeds:
            course.succeeded()
            now += NS
            course.lost(now, was_stable=False)
        else:
            course.failed(now)


def test_a_link_that_flaps_is_tried_ever_more_slowly_until_it_has_stood() -> None:
    course = Course(CONFIG, 1, lambda: 0.0)
    now, seen = 0, []
    course.lost(now, was_stable=True)
    for _ in range(5):
        at = course.next(urgent=False).at
        seen.append((at - now) / NS)
        course.succeeded()
        now = at + NS  # it breaks after a second
        course.lost(now, was_stable=False)
    assert seen == [1, 2, 4, 8, 16]
    course.succeeded()
    course.settled()
    course.lost(now, was_stable=True)
    assert course.next(urgent=False).at - now == NS


# -- fail-over


def test_after_so_many_attempts_the_next_connection_is_tried_at_once() -> None:
    config = CONFIG.model_copy(update={"failover_attempts": 3, "failover_after": 1000.0})
    course = Course(config, 2, lambda: 0.0)
    course.lost(0, was_stable=True)
    seen, now = [], 0
    for _ in range(9):
        attempt = course.next(urgent=False)
        seen.append((attempt.connection, (attempt.at - now) / NS))
        now = attempt.at
        course.failed(now)
    first_round = [(0, 1), (0, 2), (0, 4), (1, 0), (1, 2), (1, 4)]
    assert seen == [*first_round, (0, 8), (0, 16), (0, 32)], "back at the first one its waits go on"


def test_after_so_long_the_next_connection_is_tried_whatever_the_number_of_attempts() -> None:
    config = CONFIG.model_copy(update={"failover_attempts": 100, "failover_after": 5.0})
    course = Course(config, 2, lambda: 0.0)
    course.lost(0, was_stable=True)
    tried = []
    for _ in range(4):
        attempt = course.next(urgent=False)
        tried.append((attempt.connection, attempt.at / NS))
        course.failed(attempt.at)
    assert tried == [(0, 1), (0, 3), (0, 7), (1, 7)]


def test_a_flapping_connection_is_left_for_another() -> None:
    course = Course(CONFIG.model_copy(update={"failover_attempts": 3}), 2, lambda: 0.0)
    now = 0
    course.lost(now, was_stable=True)
    for _ in range(3):
        attempt = course.next(urgent=False)
        assert attempt.connection == 0
        course.succeeded()
        now = attempt.at + NS
        course.lost(now, was_stable=False)
    assert course.next(urgent=False) == (1, now)


@given(
    count=st.integers(1, 4),
    results=st.lists(st.tuples(st.booleans(), st.integers(0, 100)), max_size=100),
)
def test_every_connection_gets_its_turn_and_none_is_hammered(
    count: int, results: list[tuple[bool, int]]
) -> None:
    """Whatever fails or flaps: in any minute no connection is tried more often than its back-off allows."""
    course = Course(CONFIG, count, lambda: 0.0)
    now, tried = 0, []
    course.lost(now, was_stable=True)
    for succeeds, stood in results:
        attempt = course.next(urgent=False)
        now = max(now, attempt.at)
        tried.append((attempt.connection, now))
        if succeeds:
            course.succeeded()
            now += stood * NS // 10
            course.lost(now, was_stable=False)
        else:
            course.failed(now)
    for connection in range(count):
        times = [at for c, at in tried if c == connection]
        for number, (before, after) in enumerate(pairwise(times)):
            assert after - before >= min(2**number, 60) * NS * 0.99
    if len(results) >= 3 * count * count:
        assert {c for c, _ in tried} == set(range(count))


# -- maintenance windows


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-01-07T23:50:00-05:00", "2026-01-08T00:45:00-05:00"),
        ("2026-01-08T00:44:59-05:00", "2026-01-08T00:45:00-05:00"),
        ("2026-01-08T00:45:00-05:00", None),
        ("2026-01-07T23:44:59-05:00", None),
        ("2026-07-07T23:50:00-04:00", "2026-07-08T00:45:00-04:00"),  # summer: the same local time
    ],
)
def test_a_window_over_midnight(moment: str, end: str | None) -> None:
    got = window_end([MaintenanceWindow(**NIGHT)], utc(moment))
    assert got == (None if end is None else utc(end))


def test_a_window_on_some_days_counts_the_day_on_which_it_begins() -> None:
    sunday = MaintenanceWindow(zone="America/New_York", begin="23:00", end="03:00", days=("sun",))
    monday_morning = utc("2026-01-12T02:00:00-05:00")  # a Monday
    assert window_end([sunday], monday_morning) == utc("2026-01-12T03:00:00-05:00")
    assert window_end([sunday], utc("2026-01-13T02:00:00-05:00")) is None


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_a_window_on_the_day_the_clocks_change_ends_by_the_clock_on_the_wall(day: str) -> None:
    window = MaintenanceWindow(zone="America/New_York", begin="00:30", end="04:00")
    zone = ZoneInfo("America/New_York")
    begin = datetime.fromisoformat(f"{day}T00:30:00").replace(tzinfo=zone).timestamp()
    end = datetime.fromisoformat(f"{day}T04:00:00").replace(tzinfo=zone).timestamp()
    assert round((end - begin) / 3600, 1) == (2.5 if day == "2026-03-08" else 4.5)
    assert window_end([window], round(begin) * NS) == round(end) * NS
    assert window_end([window], round(end) * NS - 1) == round(end) * NS
    assert window_end([window], round(end) * NS) is None


@given(
    minutes=st.integers(0, 3 * 366 * 24 * 60),
    begin=st.integers(0, 1439),
    length=st.integers(1, 1439),
    zone=st.sampled_from(["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe", "UTC"]),
)
def test_the_end_of_a_window_is_near_and_outside_of_it(
    minutes: int, begin: int, length: int, zone: str
) -> None:
    def text(minute: int) -> str:
        return f"{minute % 1440 // 60:02d}:{minute % 60:02d}"

    window = MaintenanceWindow(zone=zone, begin=text(begin), end=text(begin + length))
    now = utc("2025-01-01T00:00:00+00:00") + minutes * 60 * NS
    end = window_end([window], now)
    if end is None:
        return
    assert 0 < end - now <= (length + 60) * 60 * NS, "at most its length, and the hour of a change of clocks"
    local = datetime.fromtimestamp(end // NS, UTC).astimezone(ZoneInfo(zone))
    shifted = (
        local.utcoffset()
        != (local - timedelta(hours=2)).astimezone(UTC).astimezone(ZoneInfo(zone)).utcoffset()
    )
    assert f"{local:%H:%M}" == window.end or shifted


def test_bad_windows_name_what_is_wrong() -> None:
    for bad, word in (
        ({**NIGHT, "zone": "America/Nowhere"}, "no time zone"),
        ({**NIGHT, "end": "23:45"}, "differ"),
        ({**NIGHT, "begin": "24:00"}, "pattern"),
    ):
        with pytest.raises(ValidationError, match=word):
            MaintenanceWindow(**bad)
    with pytest.raises(ValidationError, match="must be longer than"):
        LinkConfig(heartbeat=5, patience=5)


# -- alarms


def alarms(config: LinkConfig, start: int, minutes: int) -> list[tuple[float, int, bool]]:
    """(minutes since the loss, level, held back) of what an outage that begins at `start` (UTC) raises."""
    escalation = Escalation(config)
    escalation.begin(0)
    out = []
    for second in range(minutes * 60):
        notice = escalation.check(second * NS, start + second * NS)
        if notice is not None:
            out.append((second / 60, notice.level, notice.held_back))
    return out


def test_an_alarm_comes_at_once_and_again() -> None:
    seen = alarms(LinkConfig(alarm_every=60), utc("2026-01-07T12:00:00-05:00"), 4)
    assert seen == [(0, 0, False), (1, 1, False), (2, 2, False), (3, 3, False)]


def test_a_loss_in_a_window_is_alarmed_when_the_window_ends() -> None:
    config = LinkConfig(alarm_every=600, maintenance=(MaintenanceWindow(**NIGHT),))
    seen = alarms(config, utc("2026-01-08T00:15:00-05:00"), 60)
    assert seen == [(30, 0, True), (40, 1, True), (50, 2, True)]


def test_windows_without_end_delay_an_alarm_to_the_cap_and_no_further() -> None:
    halves: list[Any] = [
        MaintenanceWindow(zone="UTC", begin="00:00", end="12:00"),
        MaintenanceWindow(zone="UTC", begin="11:00", end="01:00"),
    ]
    config = LinkConfig(alarm_every=600, maintenance=tuple(halves), maintenance_max=1800)
    seen = alarms(config, utc("2026-01-08T05:00:00+00:00"), 60)
    assert seen[0] == (30, 0, True) and len(seen) == 3


@given(
    start=st.integers(0, 366 * 24 * 60),
    windows=st.lists(
        st.tuples(st.integers(0, 1439), st.integers(1, 1439), st.sampled_from(["UTC", "Asia/Kolkata"])),
        max_size=3,
    ),
    cap=st.integers(0, 86_400),
    looks=st.lists(st.integers(1, 7200), min_size=1, max_size=60),
)
def test_no_window_ever_suppresses_an_alarm(
    start: int, windows: list[tuple[int, int, str]], cap: int, looks: list[int]
) -> None:
    """However windows lie: after the cap the first look raises the alarm, and it repeats from then on."""
    made = tuple(
        MaintenanceWindow(
            zone=zone,
            begin=f"{begin // 60:02d}:{begin % 60:02d}",
            end=f"{(begin + length) % 1440 // 60:02d}:{(begin + length) % 60:02d}",
        )
        for begin, length, zone in windows
    )
    config = LinkConfig(maintenance=made, maintenance_max=cap, alarm_every=60)
    begin = utc("2026-01-01T00:00:00+00:00") + start * 60 * NS
    escalation = Escalation(config)
    escalation.begin(0)
    now, last = 0, None
    for step in looks:
        notice = escalation.check(now * NS, begin + now * NS)
        if notice is None:
            assert now < cap if last is None else now - last < 60
            assert last is not None or window_end(made, begin + now * NS) is not None
        else:
            assert notice.down_for == now * NS
            last = now
        now += step
