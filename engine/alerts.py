"""Alerts: what a person must be told, latched until acknowledged, repeated at most once a while."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal

from engine.control.snapshot import AlertRow
from engine.model import NS, Value

Severity = Literal["info", "warning", "critical"]

_KEEP: Final = 500
_REPEAT: Final = 30 * NS


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
        self._alerts[alert.id] = alert
        self._next = max(self._next, alert.id + 1)
        while len(self._alerts) > _KEEP:
            gone, _ = self._alerts.popitem(last=False)
            self._acknowledged.discard(gone)

    def acknowledge(self, alert_id: int | None) -> int:
        """Acknowledges one alert, or all with None. Returns how many were not so before."""
        wanted = [alert_id] if alert_id is not None else list(self._alerts)
        new = [i for i in wanted if i in self._alerts and i not in self._acknowledged]
        self._acknowledged.update(new)
        return len(new)

    def rows(self, limit: int = 100) -> tuple[AlertRow, ...]:
        """Newest first."""
        out: list[AlertRow] = []
        for alert in reversed(self._alerts.values()):
            if len(out) >= limit:
                break
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
                )
            )
        return tuple(out)
