"""Alerts: what a person must be told, latched until acknowledged, repeated at most once a while.

An alert stands until what it tells of is over (cleared) and somebody has said that he knows (acknowledged):
one does not do for the other, so that what came and went at night is still seen in the morning (ISA-18.2).
Shelved, it keeps still for a time that a person has given with a reason; then it is back as it was. Alarms of
one cause (`engine.alarmkinds`) are one: while nobody has acknowledged it, further ones are counted in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from engine.alarmkinds import family, is_event, recurs, weight
from engine.control.snapshot import AlertRow
from engine.model import NS, Value

Severity = Literal["info", "warning", "critical"]

_REPEAT: Final = 30 * NS
_ANEW: Final = 900 * NS
"""After so long without it, the same cause is news again."""
_OTHERS: Final = 10
"""Texts that one alarm keeps of those that are counted in it."""
_OVER: Final = {"screen_back": "screen_lost"}
"""Codes of good news whose bad news has another code."""


class Alert(Value, frozen=True, kw_only=True):
    """Journal record of one alert. `code` is stable, `text` is for a person."""

    id: int
    ts: int
    severity: Severity
    code: str
    text: str
    symbol: str = ""
    correlation: str = ""
    part_of: int = 0
    """Number of the alarm of the same cause that it is counted in; 0: it is one of its own."""
    cause: str = ""
    """What is the same each time it happens, where that is known; two of the same are one alarm, acknowledged
    or not."""


@dataclass(slots=True)
class _Standing:
    """One alarm and what was counted in it."""

    face: Alert
    """The one that speaks for all: the weightiest, the newest among equals."""
    newest: Alert
    count: int = 1
    others: list[str] = field(default_factory=list)
    """Texts of the rest, oldest first, at most `_OTHERS`."""

    def take(self, alert: Alert) -> None:
        """Counts a further one in."""
        self.count += 1
        self.newest = alert
        face = self.face
        if weight(alert.severity, alert.code) >= weight(face.severity, face.code):
            self.face, alert = alert, face
        if alert.text not in (self.face.text, *self.others):
            self.others.append(alert.text)
            del self.others[:-_OTHERS]


class StandingImage(Value, frozen=True, array_like=True):
    """An alarm and what was counted in it, for a saved state of the books."""

    number: int
    face: Alert
    newest: Alert
    count: int
    others: tuple[str, ...]


class AlertsImage(Value, frozen=True, kw_only=True):
    """All alarms for a saved state of the books; what was told lately begins anew with each run."""

    standing: tuple[StandingImage, ...]
    parts: dict[int, int]
    acknowledged: frozenset[int]
    cleared: frozenset[int]
    shelved: dict[int, tuple[int, str]]
    next: int


class AlertBook:
    """The alerts of this journal, newest last; at most `keep` stay in memory."""

    def __init__(self, keep: int = 500) -> None:
        self._keep = keep
        self._alerts: OrderedDict[int, _Standing] = OrderedDict()
        self._parts: dict[int, int] = {}
        """The alarm that an alert is counted in, by number."""
        self._acknowledged: set[int] = set()
        self._cleared: set[int] = set()
        self._stand: dict[int, _Standing] = {}
        """Those that are not cleared, and no good news: few, and asked for all the time."""
        self._shelved: dict[int, tuple[int, str]] = {}
        """Until when (UTC ns) and why, by alert."""
        self._last: dict[tuple[str, str, str], int] = {}
        self._next = 1
        self.suppressed = 0

    def make(
        self,
        ts: int,
        severity: Severity,
        code: str,
        text: str,
        *,
        symbol: str = "",
        correlation: str = "",
        cause: str = "",
    ) -> Alert | None:
        """A new alert, or None when the same text was raised in the last 30 s (it is counted). What is
        critical and was over meanwhile is told again at once: it must stand as long as it is so."""
        key = (code, symbol, text)
        last = self._last.get(key)
        if last is not None and 0 <= ts - last < _REPEAT and not self._back(severity, code, symbol):
            self.suppressed += 1
            return None
        self._last[key] = ts
        if len(self._last) > 4 * self._keep:
            for old in list(self._last)[: 2 * self._keep]:
                del self._last[old]
        return Alert(
            id=self._next,
            ts=ts,
            severity=severity,
            code=code,
            text=text,
            symbol=symbol,
            correlation=correlation,
            part_of=self._same(ts, severity, code, symbol, cause),
            cause=cause,
        )

    def _back(self, severity: Severity, code: str, symbol: str) -> bool:
        return severity == "critical" and not is_event(code) and not self.standing(code, symbol)

    def _same(self, ts: int, severity: Severity, code: str, symbol: str, cause: str) -> int:
        """The newest alarm of the same cause that stands (or comes and goes), is not shelved and not
        acknowledged; one whose very cause is told stands for what comes again of it in any case. 0: none."""
        name = family(code)
        if not name or severity == "info":
            return 0
        for number, held in reversed(self._alerts.items()):
            face = held.face
            if family(face.code) == name and face.symbol == symbol and face.severity != "info":
                known = bool(cause) and cause == held.newest.cause and ts - held.newest.ts < _ANEW
                over = number in self._cleared and not recurs(code)
                settled = over or number in self._acknowledged or number in self._shelved
                return number if known or not settled else 0
        return 0

    def add(self, alert: Alert) -> None:
        """Takes over an alert. Good news (info) of the same code and symbol clears those that stand."""
        if alert.severity == "info":
            self.clear(_OVER.get(alert.code, alert.code), alert.symbol)
        self._next = max(self._next, alert.id + 1)
        if (whole := self._alerts.get(alert.part_of)) is not None:
            whole.take(alert)
            self._parts[alert.id] = alert.part_of
            if recurs(alert.code):
                self._cleared.discard(alert.part_of)
            self._look(alert.part_of, whole)
            return
        held = self._alerts[alert.id] = _Standing(alert, alert)
        self._look(alert.id, held)
        while len(self._alerts) > self._keep:
            gone, _ = self._alerts.popitem(last=False)
            self._parts = {part: whole for part, whole in self._parts.items() if whole != gone}
            self._acknowledged.discard(gone)
            self._cleared.discard(gone)
            self._stand.pop(gone, None)
            self._shelved.pop(gone, None)

    def standing(self, code: str, symbol: str = "") -> list[int]:
        """Alarms of a code and a symbol whose cause is not known to be over."""
        return [n for n, held in self._stand.items() if held.face.code == code and held.face.symbol == symbol]

    def _look(self, number: int, held: _Standing) -> None:
        """Whether it stands now."""
        if number not in self._cleared and held.face.severity != "info":
            self._stand[number] = held

    def clear(self, code: str, symbol: str = "") -> int:
        """What these alarms tell of is over. Returns how many stood; they still wait to be acknowledged."""
        standing = self.standing(code, symbol)
        self._end(standing)
        return len(standing)

    def _end(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._cleared.add(number)
            self._stand.pop(number, None)

    def shelve(self, alert_id: int, until: int, reason: str) -> bool:
        """Keeps an alarm still until then, UTC ns; no longer, if that is past. False: there is none."""
        alert_id = self._parts.get(alert_id, alert_id)
        if alert_id not in self._alerts:
            return False
        self._shelved[alert_id] = (until, reason)
        return True

    def acknowledge(self, alert_id: int | None) -> int:
        """Acknowledges one alert, or all with None. Returns how many were not so before. What merely happened
        is over with that."""
        wanted = [self._parts.get(alert_id, alert_id)] if alert_id is not None else list(self._alerts)
        new = [i for i in wanted if i in self._alerts and i not in self._acknowledged]
        self._acknowledged.update(new)
        self._end(number for number in new if is_event(self._alerts[number].face.code))
        return len(new)

    def image(self) -> AlertsImage:
        """What a fold over the journal has put here."""
        return AlertsImage(
            standing=tuple(
                StandingImage(number, one.face, one.newest, one.count, tuple(one.others))
                for number, one in self._alerts.items()
            ),
            parts=dict(self._parts),
            acknowledged=frozenset(self._acknowledged),
            cleared=frozenset(self._cleared),
            shelved=dict(self._shelved),
            next=self._next,
        )

    def put_back(self, image: AlertsImage) -> None:
        """Fills an empty book with a saved state."""
        self._alerts.update(
            (one.number, _Standing(one.face, one.newest, one.count, list(one.others)))
            for one in image.standing
        )
        self._parts, self._shelved, self._next = dict(image.parts), dict(image.shelved), image.next
        self._acknowledged, self._cleared = set(image.acknowledged), set(image.cleared)
        for number, held in self._alerts.items():
            self._look(number, held)

    def rows(self, now: int = 0, limit: int = 100) -> tuple[AlertRow, ...]:
        """Newest first, as they are at `now`, UTC ns; with 0 no shelf has ended."""
        out: list[AlertRow] = []
        for number, held in reversed(self._alerts.items()):
            if len(out) >= limit:
                break
            alert = held.face
            until, why = self._shelved.get(number, (0, ""))
            out.append(
                AlertRow(
                    id=number,
                    ts=held.newest.ts,
                    severity=alert.severity,
                    code=alert.code,
                    text=alert.text,
                    symbol=alert.symbol,
                    correlation=alert.correlation,
                    acknowledged=number in self._acknowledged,
                    cleared=number in self._cleared,
                    shelved_until=until if until > now else None,
                    shelved_why=why if until > now else "",
                    count=held.count,
                    newest=held.newest.id,
                    others=tuple(held.others),
                )
            )
        return tuple(out)
