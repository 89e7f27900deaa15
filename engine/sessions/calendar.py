"""Calendars worked out from `calendars.toml`: sessions by zone name, holidays, early closes, trading days.

Every answer is for a moment in UTC ns. The interval that holds the last moment asked about is kept, so a
clock that moves on asks for the price of two comparisons.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any, Final, Protocol, cast
from zoneinfo import ZoneInfo

from engine.model import NS, MarketState

DAY_NS: Final = 86_400 * NS
_EPOCH: Final = date(1970, 1, 1)
_ONE: Final = timedelta(days=1)
_LOOK: Final = 12
"""Days before and after a year that are laid out with it: longer than any run of closed days."""


class UnknownCalendar(KeyError):
    """No calendar has this name."""

    def __str__(self) -> str:
        return str(self.args[0])


class Calendar(Protocol):
    """When a market trades. All times in UTC ns."""

    @property
    def name(self) -> str: ...

    def is_open(self, ts: int) -> bool:
        """True where orders are matched."""

    def state(self, ts: int) -> MarketState:
        """OPEN, PRE_OPEN or CLOSED by the timetable; a venue's own word (halt, reserved) goes before it."""

    def trading_day(self, ts: int) -> str:
        """ISO date of the venue's trading day. It turns when the next session takes its first orders."""

    def session_start(self, ts: int) -> int:
        """Start of the trading day that holds `ts` (never after it): the same moment as the turn."""

    def session_open(self, ts: int) -> int:
        """Opening of matching of that trading day; lies after `ts` in its pre-open."""

    def next_change(self, ts: int) -> int | None:
        """First moment after `ts` at which `state` differs; None where it never does."""

    def next_day(self, ts: int) -> int:
        """First moment after `ts` at which `trading_day` differs."""

    def covers(self, ts: int) -> bool:
        """False where holidays are not listed and only the weekly rule is known."""


class AlwaysOpen:
    """A market that never closes; its trading day is the UTC date."""

    name: Final = "always"

    def __init__(self) -> None:
        self._day = -1
        self._iso = ""

    def is_open(self, ts: int) -> bool:  # noqa: ARG002
        return True

    def state(self, ts: int) -> MarketState:  # noqa: ARG002
        return MarketState.OPEN

    def trading_day(self, ts: int) -> str:
        day = ts // DAY_NS
        if day != self._day:
            self._day = day
            self._iso = (_EPOCH + timedelta(days=day)).isoformat()
        return self._iso

    def session_start(self, ts: int) -> int:
        return ts - ts % DAY_NS

    def session_open(self, ts: int) -> int:
        return ts - ts % DAY_NS

    def next_change(self, ts: int) -> int | None:  # noqa: ARG002
        return None

    def next_day(self, ts: int) -> int:
        return ts - ts % DAY_NS + DAY_NS

    def covers(self, ts: int) -> bool:  # noqa: ARG002
        return True


class _Span:
    """One stretch of time in which every answer stays the same."""

    __slots__ = ("day", "day_start", "end", "opens", "start", "state")

    def __init__(self, start: int, state: MarketState, day: date, day_start: int, opens: int) -> None:
        self.start = start
        self.end = start
        self.state = state
        self.day = day.isoformat()
        self.day_start = day_start
        self.opens = opens


class SessionCalendar:
    """A calendar with sessions. `rules` is one table of `calendars.toml`, `like` already resolved."""

    def __init__(self, name: str, rules: dict[str, Any]) -> None:
        self.name: Final = name
        self.zone: Final = ZoneInfo(rules["zone"])
        self._days = frozenset(rules["days"])
        self._open = time.fromisoformat(rules["open"])
        self._close = time.fromisoformat(rules["close"])
        self._preopen = time.fromisoformat(rules["preopen"])
        self._preopen_after_closed = time.fromisoformat(rules["preopen_after_closed"])
        self._closed = frozenset(_date(d) for d in rules["closed"])
        self._early = {_date(d): time.fromisoformat(t) for d, t in rules["early"].items()}
        self._no_trade_date = frozenset(_date(d) for d in rules["no_trade_date"])
        first, last = (_date(d) for d in rules["covers"])
        self._covers = (_utc(first, time(), self.zone), _utc(last + _ONE, time(), self.zone))
        for day in self._early:
            if not self.has_session(day):
                raise ValueError(f"calendar {name}: {day} has an early close but no session")
        self._years: dict[int, tuple[list[int], list[_Span]]] = {}
        self._span = _Span(0, MarketState.UNKNOWN, _EPOCH, 0, 0)

    def is_open(self, ts: int) -> bool:
        return self._at(ts).state is MarketState.OPEN

    def state(self, ts: int) -> MarketState:
        return self._at(ts).state

    def trading_day(self, ts: int) -> str:
        return self._at(ts).day

    def session_start(self, ts: int) -> int:
        return self._at(ts).day_start

    def session_open(self, ts: int) -> int:
        return self._at(ts).opens

    def next_change(self, ts: int) -> int:
        span = self._at(ts)
        following = self._find(span.end)
        while following.state is span.state:
            following = self._find(following.end)
        return following.start

    def next_day(self, ts: int) -> int:
        span = self._at(ts)
        following = span
        while following.day == span.day:
            following = self._find(following.end)
        return following.start

    def covers(self, ts: int) -> bool:
        return self._covers[0] <= ts < self._covers[1]

    def has_session(self, day: date) -> bool:
        """True where a session ends on this date of the exchange's zone."""
        return day.weekday() in self._days and day not in self._closed

    def hours(self, day: date) -> tuple[int, int, int]:
        """Start of the pre-open, opening and close of the session that ends on `day`; UTC ns."""
        eve = day - _ONE
        pre = self._preopen if self.has_session(eve) else self._preopen_after_closed
        close = self._early.get(day, self._close)
        return _utc(eve, pre, self.zone), _utc(eve, self._open, self.zone), _utc(day, close, self.zone)

    def trade_date(self, day: date) -> date:
        """The trading day to which the session that ends on `day` counts."""
        while day in self._no_trade_date or not self.has_session(day):
            day += _ONE
        return day

    def _at(self, ts: int) -> _Span:
        span = self._span
        if span.start <= ts < span.end:
            return span
        span = self._span = self._find(ts)
        return span

    def _find(self, ts: int) -> _Span:
        year = (_EPOCH + timedelta(days=ts // DAY_NS)).year
        table = self._years.get(year)
        if table is None:
            table = self._years[year] = self._lay_out(year)
        starts, spans = table
        return spans[bisect_right(starts, ts) - 1]

    def _lay_out(self, year: int) -> tuple[list[int], list[_Span]]:
        day = date(year, 1, 1) - timedelta(days=_LOOK)
        last = date(year, 12, 31) + timedelta(days=_LOOK)
        spans: list[_Span] = []
        trade_date = _EPOCH
        day_start = opens = 0
        while day <= last:
            if self.has_session(day):
                pre, open_, close = self.hours(day)
                counts_to = self.trade_date(day)
                if counts_to != trade_date:
                    trade_date, day_start, opens = counts_to, pre, open_
                if pre < open_:
                    spans.append(_Span(pre, MarketState.PRE_OPEN, trade_date, day_start, opens))
                spans.append(_Span(open_, MarketState.OPEN, trade_date, day_start, opens))
                spans.append(_Span(close, MarketState.CLOSED, trade_date, day_start, opens))
            day += _ONE
        for span, following in pairwise(spans):
            span.end = following.start
        spans.pop()
        return [s.start for s in spans], spans


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _utc(day: date, at: time, zone: ZoneInfo) -> int:
    """A local time → UTC ns. No session begins or ends in the hour that a clock change skips or repeats."""
    local = datetime.combine(day, at, tzinfo=zone)
    return round(local.astimezone(UTC).timestamp()) * NS


@cache
def _tables() -> dict[str, dict[str, Any]]:
    text = resources.files("engine.sessions").joinpath("calendars.toml").read_text(encoding="utf-8")
    return cast("dict[str, dict[str, Any]]", tomllib.loads(text))


def _rules(name: str) -> dict[str, Any]:
    table = dict(_tables()[name])
    like = table.pop("like", None)
    if like is None:
        return table
    merged = _rules(like)
    merged.update(table)
    return merged


def names() -> tuple[str, ...]:
    """Names of all calendars."""
    return tuple(_tables())


@cache
def calendar(name: str) -> Calendar:
    """The calendar of this name; one object for all who ask. Raises `UnknownCalendar`."""
    if name not in _tables():
        raise UnknownCalendar(f"no calendar is called {name!r}; known are {', '.join(names())}")
    rules = _rules(name)
    if rules.get("always"):
        return AlwaysOpen()
    return SessionCalendar(name, rules)
