"""Orders on which the broker's list and our books go on differing: after some comparisons a person is told.

Each comparison takes the broker's report and asks again, which settles nearly all of them. It cannot settle
an order of which the venue works a second one under our id: our books have it as over, and every picture of
the other reads like an old one (simulated seeds 8333, 9326).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.core import Core
from engine.reconcile_types import Finding, Kind

ENOUGH: Final = 4
"""Comparisons in a row after which it will not settle by itself."""


class Disputed:
    """Counts, on the engine's thread; after a restart it counts anew."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._seen: dict[str, int] = {}
        """Comparisons in a row by order."""
        alerts = core.books.alerts.rows(limit=1_000)
        self._told = {alert.symbol for alert in alerts if alert.code == "status_differs"}
        """Instruments of which it was said, in an earlier run too, and may be so still."""

    def look(self, findings: Iterable[Finding]) -> None:
        """After each comparison that read everything."""
        core = self._core
        before, self._seen = self._seen, {}
        standing: set[str] = set()
        for finding in findings:
            order_id = finding.order_id
            if finding.kind is not Kind.STATUS_DIFFERS or not order_id:
                continue
            count = self._seen[order_id] = before.get(order_id, 0) + 1
            if count < ENOUGH:
                continue
            standing.add(finding.symbol)
            if count == ENOUGH:
                record = core.books.orders.get(order_id)
                correlation = record.order.correlation if record is not None else ""
                text = f"{finding.text}, {count} comparisons in a row: look at the broker, cancel it there"
                core.alarm("warning", "status_differs", text, symbol=finding.symbol, correlation=correlation)
        for symbol in sorted(self._told - standing):
            core.clear_alarms("status_differs", symbol)
        self._told = standing
