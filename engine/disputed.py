"""Orders on which the broker's list and our books go on differing: after some comparisons a person is told.

Each comparison takes the broker's report and asks again, which settles nearly all of them. It cannot settle
an order that the venue lists twice under our id, as a replace may have left it: our books follow now one and
now the other. What both may trade counts from the list that shows them until lists are without them. Both are
cancelled; of a protective one `engine.grouping` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final

from engine.core import Core
from engine.facts import Listed, OpenOrders
from engine.grouping_stuck import PROOFS, live_names
from engine.model import Purpose
from engine.reconcile_types import Finding, Kind
from engine.records import FactTaken

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
        orders = core.books.orders
        self._listed = {r.order.id: dict(r.life.listed) for r in orders.known() if r.life.listed}
        """What the last list showed under an id of ours that does not stand for one order, by names."""
        alerts = core.books.alerts.rows(limit=1_000)
        self._told = {alert.symbol for alert in alerts if alert.code == "status_differs"}
        """Instruments of which it was said, in an earlier run too, and may be so still."""

    def look(self, findings: Iterable[Finding], listed: OpenOrders) -> None:
        """After each comparison that read everything."""
        core = self._core
        names = live_names(listed)  # there may be ten thousand, and nearly all are there once
        several = {one: list(dict.fromkeys(found)) for one, found in names.items() if len(found) > 1}
        findings = tuple(findings)
        differ = {f.order_id for f in findings if f.kind is Kind.STATUS_DIFFERS and self._is_over(f.order_id)}
        self._count(listed, differ | several.keys())
        before, self._seen = self._seen, {}
        standing = self._doubled(several)
        for order_id, (symbol, text) in self._differing(findings, names).items():
            count = self._seen[order_id] = before.get(order_id, 0) + 1
            if count < ENOUGH:
                continue
            standing.add(symbol)
            if count == ENOUGH:
                record = core.books.orders.get(order_id)
                correlation = record.order.correlation if record is not None else ""
                text += f", {count} comparisons in a row: look at the broker, cancel it there"
                core.alarm("warning", "status_differs", text, symbol=symbol, correlation=correlation)
        for symbol in sorted(self._told - standing):
            core.clear_alarms("status_differs", symbol)
        self._told = standing

    def _is_over(self, order_id: str) -> bool:
        """Whether the order has ended, or had by the venue's word before it came to be in doubt."""
        record = self._core.books.orders.get(order_id)
        return record is not None and (record.life.ended is not None or record.life.is_closed)

    def _count(self, listed: OpenOrders, beside: Container[str]) -> None:
        """Brings what works under the ids `beside` into the exposure: more at once, less only where two lists
        in a row say so, since one may lack what works, or where its end was told."""
        before, self._listed = self._listed, {}
        for report in listed.ours:
            if report.order_id in beside and report.broker_id and report.leaves > 0:
                self._listed.setdefault(report.order_id, {})[report.broker_id] = report.leaves
        for order_id in {**before, **self._listed}:
            record = self._core.books.orders.get(order_id)
            if record is None:
                continue
            last, now = before.get(order_id, {}), self._listed.get(order_id, {})
            names = {name: lots for name, lots in record.life.listed if name in last}
            for name, lots in now.items():
                names[name] = max(lots, names.get(name, 0)) if last.get(name) != lots else lots
            if names:
                self._listed.setdefault(order_id, {})  # the next list decides, whatever it has of it
            if (told := tuple(sorted(names.items()))) != record.life.listed:
                fact = Listed(ts=listed.as_of, order_id=order_id, names=told)
                self._core.commit(
                    FactTaken(fact=fact, source="reconcile"), record.order.correlation, order_id
                )

    def _differing(
        self, findings: Iterable[Finding], names: Mapping[str, list[str]]
    ) -> dict[str, tuple[str, str]]:
        """By order: its instrument, and what differs. What is over by the venue's word and is listed as
        working is in doubt here now; the answer to a question of it may settle that, for the other order that
        has its id, until the next comparison (simulated seed 1732)."""
        found: dict[str, tuple[str, str]] = {}
        get = self._core.books.orders.get
        for order_id, listed_as in names.items():
            record = get(order_id)
            if record is None or not self._is_over(order_id):
                continue
            text = f"order {order_id}: {record.life.ended or record.life.status} here, "
            text += f"working at the broker as {', '.join(dict.fromkeys(listed_as))}"
            found[order_id] = (record.order.symbol, text)
        for finding in findings:
            if finding.kind is Kind.STATUS_DIFFERS and finding.order_id:
                found.setdefault(finding.order_id, (finding.symbol, finding.text))
        return found

    def _doubled(self, several: Mapping[str, list[str]]) -> set[str]:
        """Cancels what works more than once under one id of ours: `several`, with the venue's names of it.
        Returns the instruments of such orders."""
        core = self._core
        before, self._twice = self._twice, {}
        found: set[str] = set()
        for order_id, names in several.items():
            record = core.books.orders.get(order_id)
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
