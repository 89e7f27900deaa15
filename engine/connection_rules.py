"""What to do about a lost link, as rules without clock or socket: when to try, where to try, when to alarm.

All times are monotonic ns unless said otherwise; maintenance windows are asked in UTC ns, because they belong
to a wall clock somewhere. The one random number that is needed is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine.config_link import WEEKDAYS, LinkConfig, MaintenanceWindow
from engine.model import NS

_ONE_DAY = timedelta(days=1)


def backoff(failures: int, config: LinkConfig, draw: float) -> int:
    """Wait before the next attempt after so many failed ones, ns.

    Doubles from `retry_first` up to `retry_max`; `draw` (0 to 1) takes off up to the share `retry_jitter`,
    so no wait is ever longer than the cap.
    """
    whole = min(config.retry_first * 2.0 ** min(failures, 64), config.retry_max)
    return round(whole * (1.0 - config.retry_jitter * draw) * NS)


class Attempt(NamedTuple):
    """The next thing to try. `at`: when."""

    connection: int
    at: int


class Course:
    """Which of several connections to try, and when: down the list after so many failures or so long.

    A loss soon after a success counts as a failure, and only a link that stood for `stable_after` makes all
    of that forgotten; so a link that flaps is tried ever more slowly, and then left for another.
    """

    def __init__(self, config: LinkConfig, count: int, draw: Callable[[], float]) -> None:
        """`count`: how many connections there are. `draw`: random numbers from 0 to 1."""
        self._config = config
        self._draw = draw
        self._failures = [0] * count
        self._wait: tuple[int, int] | None = None
        self._turn_began = 0
        self._turn_failures = 0
        self.connection = 0
        """The one that is in use, or tried."""
        self.attempts = 0
        """Attempts since the link was last good."""

    def lost(self, now: int, *, was_stable: bool) -> None:
        """The link broke. `was_stable`: it had stood long enough to be trusted."""
        if was_stable:
            self.settled()
        else:
            self._count_failure()
        self._turn_began = now
        self._plan(now)

    def failed(self, now: int) -> None:
        """The attempt on `connection` did not succeed."""
        self.attempts += 1
        self._count_failure()
        self._plan(now)

    def succeeded(self) -> None:
        """The attempt on `connection` did."""
        self.attempts += 1

    def settled(self) -> None:
        """The link has stood for `stable_after`: what went before is forgotten."""
        self._failures = [0] * len(self._failures)
        self._turn_failures = 0
        self.attempts = 0

    def turn(self, connection: int, now: int) -> None:
        """Somebody decided for this connection; it is tried at once."""
        self.connection = connection
        self._turn_began, self._turn_failures = now, 0
        self._wait = (now, 0)

    def next(self, urgent: bool) -> Attempt:
        """The next attempt. `urgent`: an emergency waits for the link, so no wait is long."""
        began, wait = self._wait or (0, 0)
        if urgent:
            wait = min(wait, round(self._config.retry_urgent * NS))
        return Attempt(self.connection, began + wait)

    def _count_failure(self) -> None:
        self._failures[self.connection] += 1
        self._turn_failures += 1

    def _plan(self, now: int) -> None:
        config, count = self._config, len(self._failures)
        late = now - self._turn_began >= round(config.failover_after * NS)
        if count > 1 and (self._turn_failures >= config.failover_attempts or (self._turn_failures and late)):
            self.connection = (self.connection + 1) % count
            self._turn_began, self._turn_failures = now, 0
            if not self._failures[self.connection]:
                self._wait = (now, 0)  # nothing speaks against it: no reason to wait
                return
        self._wait = (now, backoff(self._failures[self.connection], config, self._draw()))


def window_end(windows: Iterable[MaintenanceWindow], now: int) -> int | None:
    """Latest end of the maintenance windows that hold `now`; None outside of all. UTC ns."""
    ends = [end for window in windows if (end := _end_of(window, now)) is not None]
    return max(ends, default=None)


def _end_of(window: MaintenanceWindow, now: int) -> int | None:
    zone = ZoneInfo(window.zone)
    begin, end = window.times()
    today = datetime.fromtimestamp(now // NS, UTC).astimezone(zone).date()
    for day in (today - _ONE_DAY, today):
        if WEEKDAYS[day.weekday()] not in window.days:
            continue
        starts = _utc(zone, day, begin)
        ends = _utc(zone, day if end > begin else day + _ONE_DAY, end)
        if starts <= now < ends:
            return ends
    return None


def _utc(zone: ZoneInfo, day: date, at: time) -> int:
    """A local time as UTC ns. One that comes twice means the first; one that never comes, the moment at which
    a clock that was not put forward would show it."""
    return round(datetime.combine(day, at, zone).timestamp()) * NS


class Notice(NamedTuple):
    """An alarm that is due. `level`: 0 for the first, counted up. `down_for`: ns since the loss."""

    level: int
    down_for: int
    held_back: bool
    """A maintenance window delayed it."""


class Escalation:
    """When to raise the alarm about an outage: at once or at the end of the window that it began in, then
    again and again until the link is good. Windows delay the first alarm only, at most `maintenance_max`."""

    def __init__(self, config: LinkConfig) -> None:
        self._config = config
        self._began: int | None = None
        self._due = 0
        self._level = 0
        self._held_back = False

    @property
    def began(self) -> int | None:
        """When the outage began; None where there is none."""
        return self._began

    @property
    def raised(self) -> bool:
        """The outage that is on was alarmed."""
        return self._began is not None and self._level > 0

    @property
    def due(self) -> int | None:
        """When the next alarm is due; None where there is no outage."""
        return None if self._began is None else self._due

    def begin(self, now: int) -> None:
        """The link broke; an outage that is on goes on."""
        if self._began is None:
            self._began = self._due = now
            self._level, self._held_back = 0, False

    def end(self) -> None:
        """The link is good again."""
        self._began = None

    def check(self, now: int, utc: int) -> Notice | None:
        """The alarm that is due now, if one is. `utc`: the same moment in UTC ns, for the windows."""
        if self._began is None or now < self._due:
            return None
        if not self._level:
            window = window_end(self._config.maintenance, utc)
            latest = self._began + round(self._config.maintenance_max * NS)
            until = now if window is None else min(now + window - utc, latest)
            if until > now:
                self._due, self._held_back = until, True
                return None
        notice = Notice(self._level, now - self._began, self._held_back)
        self._level += 1
        self._due = now + round(self._config.alarm_every * NS)
        return notice
