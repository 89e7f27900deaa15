"""Alerts: what a person must be told, latched until acknowledged, repeated at most once a while.

An alert stands until what it tells of is over (cleared) and somebody has said that he knows (acknowledged):
one does not do for the other, so that what came and went at night is still seen in the morning (ISA-18.2).
Shelved, it keeps still for a time that a person has given with a reason; then it is back as it was.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal

from engine.control.snapshot import AlertRow
from engine.model import NS, Value

Severity = Literal["info", "warning", "critical"]

_KEEP: Final = 500
_REPEAT: Final = 30 * NS
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


class AlertBook:
    """The alerts of this journal, newest last; at most 500 stay in memory."""

    def __init__(self) -> None:
        self._alerts: OrderedDict[int, Alert] = OrderedDict()
        self._acknowledged: set[int] = set()
        self._cleared: set[int] = set()
        self._shelved: dict[int, tuple[int, str]] = {}
        """Until when (UTC ns) and why, by alert."""
        self._last: dict[tuple[str, str, str], int] = {}
        self._next = 1
        self.suppressed = 0

    def make(
        self, ts: int, severity: Severity, code: str, text: str, *, symbol: str = "", correlation: str = ""
    ) -> Alert | None:
        """A new alert, or None when the same text was raised in the last 30 s (it is counted)."""
        key = (code, symbol, text)
        last = self._last.get(key)
        if last is not None and 0 <= ts - last < _REPEAT:
            self.suppressed += 1
            return None
        self._last[key] = ts
        if len(self._last) > 4 * _KEEP:
            for old in list(self._last)[: 2 * _KEEP]:
                del self._last[old]
        return Alert(
            id=self._next,
            ts=ts,
            severity=severity,
            code=code,
            text=text,
            symbol=symbol,
            correlation=correlation,
        )

    def add(self, alert: Alert) -> None:
        """Takes over an alert. Good news (info) of the same code and symbol clears those that stand."""
        if alert.severity == "info":
            self.clear(_OVER.get(alert.code, alert.code), alert.symbol)
        self._alerts[alert.id] = alert
        self._next = max(self._next, alert.id + 1)
        while len(self._alerts) > _KEEP:
            gone, _ = self._alerts.popitem(last=False)
            self._acknowledged.discard(gone)
            self._cleared.discard(gone)
            self._shelved.pop(gone, None)

    def standing(self, code: str, symbol: str = "") -> list[int]:
        """Alarms of a code and a symbol whose cause is not known to be over."""
        return [
            alert.id
            for alert in self._alerts.values()
            if alert.code == code
            and alert.symbol == symbol
            and alert.severity != "info"
            and alert.id not in self._cleared
        ]

    def clear(self, code: str, symbol: str = "") -> int:
        """What these alarms tell of is over. Returns how many stood; they still wait to be acknowledged."""
        standing = self.standing(code, symbol)
        self._cleared.update(standing)
        return len(standing)

    def shelve(self, alert_id: int, until: int, reason: str) -> bool:
        """Keeps an alarm still until then, UTC ns; no longer, if that is past. False: there is none."""
        if alert_id not in self._alerts:
            return False
        self._shelved[alert_id] = (until, reason)
        return True

    def acknowledge(self, alert_id: int | None) -> int:
        """Acknowledges one alert, or all with None. Returns how many were not so before."""
        wanted = [alert_id] if alert_id is not None else list(self._alerts)
        new = [i for i in wanted if i in self._alerts and i not in self._acknowledged]
        self._acknowledged.update(new)
        return len(new)

    def rows(self, now: int = 0, limit: int = 100) -> tuple[AlertRow, ...]:
        """Newest first, as they are at `now`, UTC ns; with 0 no shelf has ended."""
        out: list[AlertRow] = []
        for alert in reversed(self._alerts.values()):
            if len(out) >= limit:
                break
            until, why = self._shelved.get(alert.id, (0, ""))
            out.append(
                AlertRow(
                    id=alert.id,
                    ts=alert.ts,
                    severity=alert.severity,
                    code=alert.code,
                    text=alert.text,
                    symbol=alert.symbol,
                    correlation=alert.correlation,
                    acknowledged=alert.id in self._acknowledged,
                    cleared=alert.id in self._cleared,
                    shelved_until=until if until > now else None,
                    shelved_why=why if until > now else "",
                )
            )
        return tuple(out)
