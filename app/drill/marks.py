"""Words and signs that all reports of a drill share."""

from __future__ import annotations

from typing import Final

from app.drill.model import CaseResult, DrillReport, Status

SIGN: Final[dict[Status, str]] = {"passed": "✓", "failed": "✗", "skipped": "–"}
NO_GATE: Final = "Promotion gates take the whole agenda against exchanges of its own: this opens none."
WORD: Final[dict[Status, str]] = {"passed": "passed", "failed": "FAILED", "skipped": "skipped"}


def seconds(value: float) -> str:
    """A duration as a person reads it."""
    if value < 0.001:
        return "at once" if value <= 0 else f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min"


def duration(case: CaseResult) -> str:
    """How long a case took, of engine time and of the host."""
    if case.status == "skipped":
        return "skipped"
    if case.pace == "real":
        return seconds(case.wall)
    return f"{seconds(case.engine)} of engine time in {seconds(case.wall)}"


def verdict(report: DrillReport) -> str:
    """The drill in one sentence."""
    passed, failed, skipped = (report.count(s) for s in ("passed", "failed", "skipped"))
    parts = [f"{passed} of {passed + failed} cases passed"]
    if failed:
        parts.append(f"{failed} FAILED")
    if skipped:
        parts.append(f"{skipped} skipped")
    if report.interrupted:
        left = report.asked - len(report.cases)
        parts.append(f"INTERRUPTED with {left} to go" if left > 0 else "INTERRUPTED")
    return ", ".join(parts)
