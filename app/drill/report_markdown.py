"""The drill as Markdown: one table, then each case with what was done, what had to happen, what happened."""

from __future__ import annotations

from app.drill.marks import SIGN, WORD, duration, seconds, verdict
from app.drill.model import GROUPS, CaseResult, DrillReport
from engine.core import utc_text as utc


def markdown(report: DrillReport) -> str:
    """The whole page."""
    lines = [
        f"# Breakwater drill {report.id}",
        "",
        f"**{verdict(report)}** in {seconds(report.wall)}.",
        "",
        f"- started {utc(report.started)}, against {report.against}, seed {report.seed}",
        f"- version {report.version}, build `{report.build}`, settings `{report.config}`"
        + (f" ({_escape(report.config_file)})" if report.config_file else " (defaults)"),
    ]
    for group, name in GROUPS.items():
        cases = [c for c in report.cases if c.group == group]
        if not cases:
            continue
        lines += ["", f"## {group} {name}", "", "| | case | result | took |", "|---|---|---|---|"]
        for case in cases:
            link = f"[{_escape(case.title)}](#{_anchor(case)})"
            lines.append(
                f"| {case.id} | {link} | {SIGN[case.status]} {WORD[case.status]} | {duration(case)} |"
            )
        for case in cases:
            lines += ["", *_case(case)]
    return "\n".join(lines) + "\n"


def _anchor(case: CaseResult) -> str:
    kept = "".join(c for c in f"{case.id} {case.title}".lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _case(case: CaseResult) -> list[str]:
    lines = [f"### {case.id} {_escape(case.title)}", "", f"*{_escape(case.why)}*", ""]
    lines.append(
        f"{SIGN[case.status]} {WORD[case.status]}, {duration(case)}; {case.rows} rows in its journal."
    )
    if case.problem:
        lines += ["", f"> {_escape(case.problem)}"]
    if case.steps:
        lines += ["", "Done:", ""]
        lines += [f"- {s.at:.2f} s: {_escape(s.text)}" for s in case.steps]
    if case.checks:
        lines += ["", "| | had to happen | happened | took |", "|---|---|---|---|"]
        for check in case.checks:
            took = "" if check.took is None else seconds(check.took)
            saw = _escape(check.saw) + (f" `{' '.join(check.ids)}`" if check.ids else "")
            lines.append(f"| {'✓' if check.ok else '✗'} | {_escape(check.what)} | {saw} | {took} |")
    if case.figures:
        lines += [""] + [f"- {_escape(name)}: {_escape(text)}" for name, text in case.figures.items()]
    return lines


def _escape(text: str) -> str:
    for sign in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
