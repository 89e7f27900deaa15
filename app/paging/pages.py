"""Which alarm pages, when, and what the page says; pure: events and times go in, pages come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from app.desk.view.remedies import remedy
from app.paging.config import AlertsConfig
from engine.alarmkinds import about, headline, weight
from engine.alerts import Alert
from engine.control.news import Event
from engine.control.snapshot import AlertRow
from engine.core import utc_text
from engine.model import NS
from engine.records import AlertAcknowledged, AlertCleared, AlertRaised, AlertShelved, KillEnded
from engine.records_sentinel import SentinelNote

PAGER: Final = "pager"
"""Code of the alarm that a page could not be delivered; it never pages itself."""
MOST: Final = 20
"""Alarms that one page lists; of more it says how many."""
TEXT: Final = 500
"""Characters of one alarm's text."""
OPEN: Final = 500
"""Alarms that are remembered, as many as the engine remembers."""
BACK_OFF: Final = (15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before a page that was not delivered is tried again, by how often that has happened."""

_SENTINEL: Final = {
    "silent": "critical",
    "fenced": "critical",
    "undone": "critical",
    "trouble": "critical",
    "proven": "info",
    "back": "info",
}
"""What of the sentinel pages, and how severe it is."""

Kind = Literal["new", "again", "over", "kill", "sentinel", "test"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a page. `since`: UTC, `2026-11-21 14:30:07Z`; `times`: how often it came."""

    kind: Kind
    text: str
    since: str
    severity: str = "critical"
    code: str = ""
    symbol: str = ""
    do: str = ""
    """What to do, where there is a rule."""
    id: int = 0
    """The alarm's number, as `breakwater ctl ack` takes it; 0: no alarm of the engine."""
    times: int = 1


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What the program is given on its standard input, as JSON."""

    title: str
    """One line, for a subject or a push message."""
    text: str
    """All of it, readable, several lines."""
    mode: str
    account: str
    host: str
    screens: int
    """Screens that were attached."""
    alarms: tuple[Told, ...]
    more: int = 0
    """Alarms beyond those that are listed."""


@dataclass(frozen=True, slots=True)
class Who:
    """What every page says of its sender."""

    mode: str
    account: str
    host: str


@dataclass(slots=True)
class _Open:
    """An alarm that nobody has acknowledged and that is not over."""

    alert: Alert
    due: float | None
    """When it pages next, seconds of the pager's clock; None: not again."""
    paged: bool = False
    times: int = 1


class Pages:
    """The alarms of one run that may page. Times are seconds of any steady clock."""

    def __init__(self, rules: AlertsConfig, who: Who) -> None:
        self._rules = rules
        self._who = who
        self._open: dict[int, _Open] = {}
        self._parts: dict[int, int] = {}
        """The alarm that a person sees, by the number of each alarm that is counted in it."""
        self._once: list[Told] = []
        self._at_desk = 0
        self._under_way: tuple[list[Told], list[int]] = ([], [])
        """Of the page that was asked for last: its lines that are told once, and its alarms."""
        self._failures = 0
        self._not_before = float("-inf")

    # -- what happens

    def take(self, event: Event, now: float) -> None:
        """Takes in one event of the engine's news; those that are no alarm's are passed over."""
        match event.record:
            case AlertRaised(alert=alert):
                self._raised(alert, now)
            case AlertAcknowledged(id=None):
                self._open.clear()
            case AlertAcknowledged(id=int(number)):
                self._open.pop(self._parts.get(number, number), None)
            case AlertShelved(id=number, until=until):
                self._shelved(number, (until - event.ts) / NS, now)
            case AlertCleared(code=code, symbol=symbol):
                self._over(code, symbol, event.ts)
            case KillEnded(flat=flat, verdict=verdict):
                text, severity = f"the kill ended: {verdict}"[:TEXT], "info" if flat else "critical"
                self.tell(Told(kind="kill", text=text, since=utc_text(event.ts), severity=severity))
            case SentinelNote(event=what, text=text) if what in _SENTINEL:
                line = f"the sentinel: {text}"[:TEXT]
                severity = _SENTINEL[what]
                self.tell(Told(kind="sentinel", text=line, since=utc_text(event.ts), severity=severity))
            case _:
                pass

    def standing(self, rows: Sequence[AlertRow], now: float) -> None:
        """The alarms that wait since an earlier run, which has paged them: they are due to be repeated."""
        for row in rows:
            if row.waits and not row.cleared and self._pages(row.severity, row.code):
                alert = Alert(
                    id=row.id,
                    ts=row.ts,
                    severity=row.severity,
                    code=row.code,
                    text=row.text,
                    symbol=row.symbol,
                )
                self._open[row.id] = _Open(alert, self._again(now), paged=True, times=row.count)

    def tell(self, told: Told) -> None:
        """Something that pages once, at once. While nothing can be delivered, the oldest are forgotten."""
        self._once.append(told)
        del self._once[:-OPEN]

    def attended(self, screens: int, now: float) -> None:
        """How many screens are attached. When the last one goes, what stands there unseen pages at once."""
        if screens == 0 and self._at_desk > 0:
            for held in self._open.values():
                if not held.paged:
                    held.due = now
        self._at_desk = screens

    def _raised(self, alert: Alert, now: float) -> None:
        if alert.severity == "info":
            # Good news of the same code and symbol ends what stands.
            self._over(alert.code, alert.symbol, alert.ts)
            return
        # By the number of the alarm that a person sees and acknowledges, whether that one pages or not.
        number = self._parts.get(alert.part_of, alert.part_of) or alert.id
        self._parts[alert.id] = number
        held = self._open.get(number)
        if held is not None:
            held.times += 1
        if self._pages(alert.severity, alert.code) and (held is None or _heavier(alert, held.alert)):
            wait = self._rules.attended * 60 if self._at_desk else 0.0
            times = 1 if held is None else held.times
            self._open[number] = _Open(alert, now + wait, times=times)
        while len(self._open) > OPEN:
            self._open.pop(next(iter(self._open)))
        while len(self._parts) > 4 * OPEN:
            self._parts.pop(next(iter(self._parts)))

    def _pages(self, severity: str, code: str) -> bool:
        return code != PAGER and (severity == "critical" or (severity, self._rules.level) == ("warning",) * 2)

    def _again(self, now: float) -> float | None:
        return now + self._rules.repeat * 60 if self._rules.repeat else None

    def _shelved(self, number: int, seconds: float, now: float) -> None:
        held = self._open.get(self._parts.get(number, number))
        if held is not None:
            held.due = now + max(0.0, seconds)

    def _over(self, code: str, symbol: str, ts: int) -> None:
        for number, held in list(self._open.items()):
            if (held.alert.code, held.alert.symbol) == (code, symbol):
                del self._open[number]
                if held.paged:
                    self.tell(_told(number, held, "over", ts))

    # -- what is told

    def due(self, now: float) -> Page | None:
        """The page that is due, or None. `done` must be called before the next one is asked for."""
        ready = {n: held for n, held in self._open.items() if held.due is not None and held.due <= now}
        if now < self._not_before or not (ready or self._once):
            return None
        return self._page(ready)

    def last(self) -> Page | None:
        """Everything that was not told yet, whatever the time: the run ends."""
        return self._page({n: held for n, held in self._open.items() if not held.paged})

    def _page(self, ready: dict[int, _Open]) -> Page | None:
        if not ready and not self._once:
            return None
        news = [_told(n, held, "again" if held.paged else "new", held.alert.ts) for n, held in ready.items()]
        lines = news + self._once
        order = ("critical", "warning", "info")
        lines.sort(key=lambda told: order.index(told.severity))
        self._under_way = (self._once, list(ready))
        self._once = []
        return page_of(self._who, self._at_desk, lines)

    def done(self, now: float, *, delivered: bool) -> None:
        """The outcome of the last page. What was not delivered is due again after a while."""
        once, numbers = self._under_way
        if not delivered:
            self._once[:0] = once
            wait = BACK_OFF[min(self._failures, len(BACK_OFF) - 1)]
            self._failures += 1
            self._not_before = now + wait
            return
        self._failures = 0
        self._not_before = now + self._rules.gap
        for number in numbers:
            held = self._open.get(number)
            if held is not None:
                held.paged = True
                held.due = self._again(now)


def test_line(ts: int, text: str = "this is a test; nothing is wrong") -> Told:
    """The line of a test page. `ts`: UTC ns."""
    return Told(kind="test", text=text, since=utc_text(ts), severity="info")


def page_of(who: Who, screens: int, lines: list[Told]) -> Page:
    """The page of these lines, weightiest first. `lines` must not be empty."""
    first = lines[0]
    words = {"again": "still: ", "over": "over: ", "test": "test: "}.get(first.kind, "")
    more = f" (+{len(lines) - 1} more)" if len(lines) > 1 else ""
    sender = " ".join(dict.fromkeys((who.mode, who.account)))  # the paper account is called PAPER
    title = f"Breakwater {sender}: {words}{headline(first.symbol, first.text)}{more}"
    shown = lines[:MOST]
    body = [f"{who.mode} account {who.account} on {who.host}, {_screens(screens)}", ""]
    for told in shown:
        mark = {"new": "NEW", "again": "STILL", "over": "OVER"}.get(told.kind, told.kind.upper())
        times = f", {told.times} times" if told.times > 1 else ""
        body.append(f"{mark} {told.severity}, since {told.since}{times}: {about(told.symbol, told.text)}")
        if told.do and told.kind != "over":
            body.append(f"  what to do: {told.do}")
    if len(lines) > len(shown):
        body.append(f"and {len(lines) - len(shown)} more")
    return Page(
        title=title,
        text="\n".join(body),
        mode=who.mode,
        account=who.account,
        host=who.host,
        screens=screens,
        alarms=tuple(shown),
        more=len(lines) - len(shown),
    )


def _screens(count: int) -> str:
    return "no screen attached" if count == 0 else f"{count} screen{'s' if count > 1 else ''} attached"


def _heavier(one: Alert, other: Alert) -> bool:
    return weight(one.severity, one.code) > weight(other.severity, other.code)


def _told(number: int, held: _Open, kind: Kind, ts: int) -> Told:
    alert = held.alert
    return Told(
        kind=kind,
        text=alert.text[:TEXT],
        since=utc_text(ts),
        severity=alert.severity,
        code=alert.code,
        symbol=alert.symbol,
        do=remedy(alert.code, alert.text, alert.symbol),
        id=number,
        times=held.times,
    )
