"""The drill as one HTML page that stands alone: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from html import escape
from importlib import resources

from app.drill.chart import chart
from app.drill.marks import NO_GATE, SIGN, WORD, duration, seconds, verdict
from app.drill.model import GROUPS, CaseResult, DrillReport
from engine.core import utc_text


def html(report: DrillReport) -> str:
    """The whole page."""
    style = resources.files("app.drill").joinpath("report.css").read_text(encoding="utf-8")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Breakwater drill {escape(report.id)}</title><style>{style}</style></head><body>",
        _head(report),
    ]
    for group, name in GROUPS.items():
        cases = [c for c in report.cases if c.group == group]
        if cases:
            passed = sum(c.status == "passed" for c in cases)
            parts.append(
                f'<h2 id="part-{group}"><span class="part">{group}</span> {escape(name)} '
                f'<span class="count">{passed} of {len(cases)}</span></h2>'
            )
            parts += [_case(c) for c in cases]
    parts.append(_foot(report))
    parts.append("</body></html>\n")
    return "\n".join(parts)


def _head(report: DrillReport) -> str:
    strip = "".join(_cell(c) for c in report.cases)
    word = (
        "It held."
        if report.passed
        else "It did not hold."
        if report.count("failed")
        else "Nothing is proven."
    )
    facts = [
        ("result", verdict(report)),
        ("took", seconds(report.wall)),
        ("started", utc_text(report.started)),
        ("against", report.against),
        ("seed", str(report.seed)),
        ("build", f"{report.version} · {report.build}"),
        ("settings", f"{report.config_file or 'defaults'} · {report.config}"),
    ]
    listed = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    figures = "".join(
        f'<li><a href="#case-{c.id}">{escape(c.id)}</a> {escape(k)}: <b>{escape(v)}</b></li>'
        for c in report.cases
        for k, v in c.figures.items()
        if len(v) < 90
    )
    measured = f'<details class="figures"><summary>What was measured</summary><ul>{figures}</ul></details>'
    kind = "good" if report.passed else "bad"
    return (
        f'<header class="{kind}"><p class="kicker">Breakwater drill {escape(report.id)}</p><h1>{word}</h1>'
        f'<div class="strip">{strip}</div><dl>{listed}</dl>{measured if figures else ""}</header>'
    )


def _cell(case: CaseResult) -> str:
    title = escape(f"{case.id} {case.title}: {WORD[case.status]}", quote=True)
    return f'<a class="cell {case.status}" href="#case-{case.id}" title="{title}"><span>{case.id}</span></a>'


def _case(case: CaseResult) -> str:
    is_open = " open" if case.status == "failed" else ""
    parts = [
        f'<details class="case {case.status}"{is_open}><summary>'
        f'<span class="sign">{SIGN[case.status]}</span><span class="id">{escape(case.id)}</span>'
        f'<span class="title">{escape(case.title)}</span><span class="took">{escape(duration(case))}</span>'
        f'<span class="why">{escape(case.why)}</span></summary>'
        # The place that links lead to lies inside: a browser opens what is shut around it.
        f'<div class="inside" id="case-{case.id}">'
    ]
    if case.problem:
        parts.append(f'<p class="problem">{escape(case.problem)}</p>')
    if case.timeline is not None:
        parts.append(f"<figure>{chart(case)}<figcaption>{_legend(case)}</figcaption></figure>")
    parts.append('<div class="columns">')
    if case.steps:
        steps = "".join(f'<li><span class="at">{s.at:.2f} s</span> {escape(s.text)}</li>' for s in case.steps)
        parts.append(f'<section><h3>What was done</h3><ol class="did">{steps}</ol></section>')
    if case.checks:
        rows = "".join(
            f'<tr class="{"ok" if c.ok else "no"}"><td>{"✓" if c.ok else "✗"}</td><td>{escape(c.what)}</td>'
            f"<td>{escape(c.saw)}{_ids(c.ids)}</td><td>{'' if c.took is None else seconds(c.took)}</td></tr>"
            for c in case.checks
        )
        parts.append(
            "<section><h3>What had to happen</h3><table><thead><tr><th></th><th>had to happen</th>"
            f"<th>happened</th><th>took</th></tr></thead><tbody>{rows}</tbody></table></section>"
        )
    parts.append("</div>")
    if case.figures:
        figures = "".join(f"<li>{escape(k)}: <b>{escape(v)}</b></li>" for k, v in case.figures.items())
        parts.append(f"<h3>Measured</h3><ul>{figures}</ul>")
    if case.journal:
        parts.append(_journal(case))
    parts.append("</div></details>")
    return "".join(parts)


def _ids(ids: tuple[str, ...]) -> str:
    return f" <code>{escape(' '.join(ids))}</code>" if ids else ""


def _journal(case: CaseResult) -> str:
    rows = "".join(
        f"<tr><td>{line.seq}</td><td>{line.at:.4f}</td><td>{escape(line.text)}</td>"
        f"<td><code>{escape(line.order_id)}</code></td><td><code>{escape(line.correlation)}</code></td></tr>"
        for line in case.journal
    )
    shown = f"{len(case.journal)} of its {case.rows} rows" if len(case.journal) < case.rows else "all rows"
    return (
        f'<details class="journal"><summary>The evidence: its journal, {shown}; '
        f"state {case.digest[:12]}</summary>"
        "<table><thead><tr><th>row</th><th>s</th><th>what</th><th>order</th><th>correlation</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )


def _legend(case: CaseResult) -> str:
    timeline = case.timeline
    assert timeline is not None
    kinds = {d.kind for d in timeline.dots}
    words = []
    if timeline.orders:
        words.append("bars: the life of each order, from disk to its end; dots on them: fills")
    if "fill" in kinds and timeline.prices:
        words.append("triangles: bought (up), sold (down)")
    words.append("numbers: what was done")
    if timeline.bands:
        words.append("shaded: something was wrong")
    return escape("; ".join(words) + ". Point at a mark to read it.")


def _foot(report: DrillReport) -> str:
    lessons = (
        "Virtual time is real code on a simulated clock; cases over the wire ran with real processes, "
        "sockets, signals and disks. Skipped cases prove nothing."
    )
    whole = "" if report.opens_gates else f" {NO_GATE}"
    return f"<footer><p>{escape(lessons + whole)}</p></footer>"
