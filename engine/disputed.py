"""Orders on which the broker's list and our books go on differing: after some comparisons a person is told.

Each comparison takes the broker's report and asks again, which settles nearly all of them. It cannot settle
an order that the venue lists twice under our id, as a replace may have left it: our books follow now one and
now the other, and count one of them. Both are cancelled; of a protective one `engine.grouping` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from engine.core import Core
from engine.facts import OpenOrders
from engine.grouping_stuck import PROOFS, live_names
from engine.model import Purpose
from engine.reconcile_types import Finding, Kind

ENOUGH: Final = 4
"""Comparisons in a row after which it will not settle by itself."""


class Disputed:
    """Counts, on the engine's thread; after a restart it counts anew."""

    def __init__(self, core: Core, cancel: Callable[[str], str]) -> None:
        self._core = core
        self._cancel = cancel
        self._twice: dict[str, int] = {}
        """Lists in a row in which an order was there under two names of the venue's or more."""
        self._seen: dict[str, int] = {}
        """Comparisons in a row by order."""
        alerts = core.books.alerts.rows(limit=1_000)
        self._told = {alert.symbol for alert in alerts if alert.code == "status_differs"}
        """Instruments of which it was said, in an earlier run too, and may be so still."""

    def look(self, findings: Iterable[Finding], listed: OpenOrders) -> None:
        """After each comparison that read everything."""
        core = self._core
        before, self._seen = self._seen, {}
        standing = self._doubled(listed)
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

    def _doubled(self, listed: OpenOrders) -> set[str]:
        """Cancels what works more than once under one id of ours. Returns the instruments of such orders."""
        core = self._core
        before, self._twice = self._twice, {}
        found: set[str] = set()
        for order_id, listed_as in live_names(listed).items():
            record, names = core.books.orders.get(order_id), list(dict.fromkeys(listed_as))
            if len(names) < 2 or record is None or record.order.purpose is Purpose.PROTECT:
                continue
            count = self._twice[order_id] = before.get(order_id, 0) + 1
            if count < PROOFS:
                continue
            symbol = record.order.symbol
            found.add(symbol)
            # One at a time: the other shows itself when this one is over, and goes then.
            problem = "" if record.life.is_closed or record.life.pending_cancel else self._cancel(order_id)
            text = f"{order_id} works {len(names)} times at the venue, as {', '.join(names)}: all of it is "
            text += f"cancelled, but that did not leave: {problem}" if problem else "cancelled"
            text += "; look at the broker, place it anew if it is wanted"
            told = {"symbol": symbol, "correlation": record.order.correlation, "order_id": order_id}
            core.alarm("critical", "status_differs", text, cause=order_id, **told)
        return found
