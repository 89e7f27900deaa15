"""What several readings say together: a difference is acted upon when it is seen again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from engine.model import ExecutionKey
from engine.reconcile_types import DIFFERENCES, Action, Finding, Kind, severity_of


class _Seen(NamedTuple):
    as_of: int
    amount: int
    reads: int
    """Successive readings with a difference of this very amount."""
    drifts: int
    """Those of them that called it drift."""
    any_drifts: int
    """Successive readings that called it drift, whatever the amount."""


class Confirmer:
    """Holds back what would halt or adopt until a second, newer reading says the same.

    * DRIFT is confirmed by a second reading with the same amount, or by a third with any amount.
    * MANUAL_TRADE is confirmed when the same execution is still listed.
    * IN_FLIGHT and STALE_SNAPSHOT of the same amount over `patience` readings are no longer taken to explain
      themselves: they get the action for drift.

    What is not found again is forgotten. An unconfirmed finding asks for another reading (QUERY).
    """

    def __init__(self, patience: int = 6) -> None:
        self._patience = patience
        self._symbols: dict[str, _Seen] = {}
        self._trades: dict[ExecutionKey, int] = {}

    def confirm(self, findings: Iterable[Finding], as_of: int | None) -> tuple[Finding, ...]:
        """Judges one reading. `as_of`: that of the broker's positions, None where they could not be read."""
        findings = tuple(findings)
        if as_of is None:
            # Not seen is not gone.
            return tuple(_unsure(finding) if _grave(finding) else finding for finding in findings)
        symbols: dict[str, _Seen] = {}
        trades: dict[ExecutionKey, int] = {}
        out = []
        for finding in findings:
            if finding.kind in DIFFERENCES:
                seen = symbols[finding.symbol] = self._count(finding, as_of)
                out.append(self._difference(finding, seen))
            elif finding.kind is Kind.MANUAL_TRADE and finding.fill is not None and _grave(finding):
                first = trades[finding.fill.key] = self._trades.get(finding.fill.key, as_of)
                out.append(_sure(finding, finding.action) if as_of > first else _unsure(finding))
            else:
                out.append(finding)
        if not any(finding.kind is Kind.UNREADABLE for finding in findings):
            self._trades = trades
        else:
            self._trades |= trades
        self._symbols = symbols
        return tuple(out)

    def _count(self, finding: Finding, as_of: int) -> _Seen:
        drift = finding.kind is Kind.DRIFT
        before = self._symbols.get(finding.symbol)
        if before is None:
            return _Seen(as_of, finding.unexplained, 1, int(drift), int(drift))
        newer = as_of > before.as_of
        # A snapshot that stands still proves nothing about drift, but that it stands still counts.
        reads = before.reads + (newer or finding.kind is Kind.STALE_SNAPSHOT)
        drifts = before.drifts + (drift and newer)
        any_drifts = (before.any_drifts + newer) if drift else 0
        if finding.unexplained != before.amount:
            reads, drifts = 1, int(drift)
        return _Seen(max(as_of, before.as_of), finding.unexplained, reads, drifts, any_drifts)

    def _difference(self, finding: Finding, seen: _Seen) -> Finding:
        if finding.kind is Kind.DRIFT:
            if not _grave(finding):
                return finding
            sure = seen.drifts >= 2 or seen.any_drifts >= 3
            return _sure(finding, finding.action) if sure else _unsure(finding)
        if seen.reads < self._patience or finding.if_it_stays is Action.NONE:
            return finding
        return _sure(finding, finding.if_it_stays, f" for {seen.reads} readings now")


def _grave(finding: Finding) -> bool:
    """True for what must not be done on one reading alone."""
    return finding.kind in (Kind.DRIFT, Kind.MANUAL_TRADE) and finding.action in (Action.HALT, Action.ADOPT)


def _sure(finding: Finding, action: Action, more: str = "") -> Finding:
    return msgspec.structs.replace(
        finding, action=action, severity=severity_of(action), text=finding.text + more, confirmed=True
    )


def _unsure(finding: Finding) -> Finding:
    return msgspec.structs.replace(
        finding, action=Action.QUERY, severity="warning", text=f"{finding.text}; to be confirmed"
    )
