"""A case's timeline as one inline SVG: market, position, every order's life, and what went wrong when.

Drawn from the case's journal alone; colours come from the page's style sheet by class, so that it is readable
by day and by night. Every mark carries its words as a tooltip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import msgspec

from app.drill.model import CaseResult, Dot, Line, OrderBar, Timeline

WIDTH: Final = 1000
LEFT: Final = 190
"""Where time begins; left of it stand the names."""
RIGHT: Final = 14
PRICE: Final = 64
POSITION: Final = 44
BAR: Final = 15
GAP: Final = 12
NUMBER: Final = 17
"""Between the middles of two numbers."""

_STEPS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)


class _Pen:
    """Collects the parts; knows where a time lies."""

    def __init__(self, begin: float, span: float) -> None:
        self.begin = begin
        self.span = span
        self.parts: list[str] = []
        self.y = 24.0

    def x(self, at: float) -> float:
        share = min(max((at - self.begin) / (self.span - self.begin), 0.0), 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def add(self, text: str) -> None:
        self.parts.append(text)

    def name(self, text: str, y: float, kind: str = "name") -> None:
        shown = text if len(text) <= 30 else text[:29] + "…"
        self.add(f'<text class="{kind}" x="{LEFT - 10}" y="{y:.1f}" text-anchor="end">{escape(shown)}</text>')


def chart(case: CaseResult) -> str:
    """The SVG element; empty for a case without a timeline."""
    timeline = case.timeline
    if timeline is None:
        return ""
    begin = _begin(case, timeline)
    pen = _Pen(begin, timeline.span)
    for line in _since(timeline.prices[:2], begin):
        _figure(
            pen,
            line,
            PRICE,
            "price",
            [d for d in timeline.dots if d.kind == "fill" and f" {line.name} " in d.text],
        )
    for line in _since(timeline.positions[:3], begin):
        _position(pen, line)
    _orders(pen, timeline.orders, timeline.dots)
    _marks(pen, case, timeline)
    height = pen.y + 26
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="Timeline of case {case.id}: {escape(case.title, quote=True)}">'
    )
    return head + _bands(timeline, pen, height) + _axis(pen, height) + "".join(pen.parts) + "</svg>"


def _begin(case: CaseResult, timeline: Timeline) -> float:
    """Where the picture begins: at the start, or shortly before the first thing that happens where the engine
    only got ready for most of the time until then."""
    first = min(
        (
            *(s.at for s in case.steps),
            *(o.begin for o in timeline.orders),
            *(d.at for d in timeline.dots),
            *(b.begin for b in timeline.bands),
        ),
        default=0.0,
    )
    if first <= timeline.span / 4:
        return 0.0
    rest = max(timeline.span - first, timeline.span / 50)  # what happens at the very end needs a width too
    return max(0.0, min(first, timeline.span) - rest / 12)


def _since(lines: Sequence[Line], begin: float) -> list[Line]:
    """The lines from there on."""
    out = []
    for line in lines:
        before = [value for at, value in line.points if at <= begin]
        after = [point for point in line.points if point[0] > begin]
        points = [(begin, before[-1]), *after] if before else after
        out.append(msgspec.structs.replace(line, points=tuple(points)))
    return out


def _bands(timeline: Timeline, pen: _Pen, height: float) -> str:
    parts = []
    named = 0.0
    """Where the last name ends: the next one must not write over it."""
    for band in sorted(timeline.bands, key=lambda b: b.begin):
        x, end = pen.x(band.begin), pen.x(band.end)
        wide = max(end - x, 2)
        parts.append(
            f'<g><title>{escape(band.text)}</title><rect class="band" x="{x}" y="14" width="{wide:.1f}" '
            f'height="{height - 40:.1f}"/>'
        )
        room = int(wide / 6.2)
        if room > 4 and x >= named:
            named = x + min(room, len(band.text)) * 6.2
            text = band.text if len(band.text) <= room else band.text[: room - 1] + "…"
            parts.append(f'<text class="bandname" x="{x + 4:.1f}" y="11">{escape(text)}</text>')
        parts.append("</g>")
    return "".join(parts)


def _axis(pen: _Pen, height: float) -> str:
    step = next((s for s in _STEPS if (pen.span - pen.begin) / s <= 9), 1200)
    parts = []
    n = math.ceil(pen.begin / step)
    while n * step <= pen.span * 1.0001:
        x = pen.x(n * step)
        label = f"{n * step:g} s" if step >= 1 else f"{n * step * 1000:g} ms"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="14" y2="{height - 22:.1f}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{height - 8:.1f}" text-anchor="middle">{label}</text>')
        n += 1
    return "".join(parts)


def _figure(pen: _Pen, line: Line, high: float, kind: str, fills: Sequence[Dot]) -> None:
    """A line that stays until it changes, with the fills on it."""
    values = [v for _, v in line.points]
    low, top = min(values), max(values)
    room = (top - low) or 1.0
    base = pen.y + high - 8

    def y(value: float) -> float:
        return round(base - (value - low) / room * (high - 18), 1)

    pen.name(line.name, pen.y + 14, "strong")
    pen.name(f"{top:g}" if top == low else f"{low:g} … {top:g}", pen.y + 28)
    path = _steps(pen, line, y)
    pen.add(f'<path class="{kind}" d="{path}"/>')
    for dot in fills:
        at = next((v for t, v in reversed(line.points) if t <= dot.at), values[0])
        x, middle = pen.x(dot.at), y(at)
        bought = "bought" in dot.text
        shape = f"M{x - 5} {middle + 9}h10l-5 -8z" if bought else f"M{x - 5} {middle - 9}h10l-5 8z"
        side = "buy" if bought else "sell"
        pen.add(f'<path class="{side}" d="{shape}"><title>{escape(dot.text)}</title></path>')
    pen.y += high + GAP


def _position(pen: _Pen, line: Line) -> None:
    values = [v for _, v in line.points]
    low, top = min(0.0, *values), max(0.0, *values)
    room = (top - low) or 1.0
    base = pen.y + POSITION - 6

    def y(value: float) -> float:
        return round(base - (value - low) / room * (POSITION - 14), 1)

    pen.name(f"position {line.name}", pen.y + 14, "strong")
    pen.name(f"{low:{'+' if low else ''}g} … {top:{'+' if top else ''}g}" if low != top else "0", pen.y + 28)
    path = _steps(pen, line, y)
    zero = y(0)
    pen.add(f'<path class="held" d="{path}V{zero}H{pen.x(line.points[0][0])}Z"/>')
    pen.add(f'<line class="zero" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{zero}" y2="{zero}"/>')
    pen.add(f'<path class="position" d="{path}"/>')
    pen.y += POSITION + GAP


def _steps(pen: _Pen, line: Line, y: Callable[[float], float]) -> str:
    first_at, first = line.points[0]
    parts = [f"M{pen.x(first_at)} {y(first)}"]
    for at, value in line.points[1:]:
        parts.append(f"H{pen.x(at)}V{y(value)}")
    parts.append(f"H{pen.x(pen.span)}")
    return "".join(parts)


def _orders(pen: _Pen, orders: Sequence[OrderBar], dots: Sequence[Dot]) -> None:
    for bar in orders:
        x, end = pen.x(bar.begin), pen.x(bar.end if bar.end is not None else pen.span)
        middle = pen.y + BAR / 2
        pen.name(bar.label.partition(" (")[0], middle + 4)
        title = escape(f"{bar.id}: {bar.label}, {bar.status}")
        state = bar.status.lower().replace("_", "-")
        pen.add(
            f'<g><title>{title}</title><rect class="order s-{state}" x="{x}" y="{pen.y + 3:.1f}" '
            f'width="{max(end - x, 3):.1f}" height="{BAR - 6}" rx="3"/></g>'
        )
        for dot in dots:
            if dot.kind == "fill" and dot.lane == bar.id:
                pen.add(
                    f'<circle class="fill" cx="{pen.x(dot.at)}" cy="{middle:.1f}" r="3.4">'
                    f"<title>{escape(dot.text)}</title></circle>"
                )
        pen.y += BAR
    if orders:
        pen.y += GAP


_WORDS: Final = {"alarm": "alarms", "refused": "refusals"}


def _apart(places: Sequence[float]) -> list[float]:
    """The same with room for a number each: later ones move to the right, and at the edge back to the left.
    What there is no room for at all lies one upon the other at the beginning."""
    out: list[float] = []
    for x in places:
        out.append(max(x, out[-1] + NUMBER) if out else x)
    limit = float(WIDTH - NUMBER / 2)
    for i in reversed(range(len(out))):
        out[i] = max(min(out[i], limit), LEFT)
        limit = out[i] - NUMBER
    return out


def _marks(pen: _Pen, case: CaseResult, timeline: Timeline) -> None:
    """What was done (numbered as in the list below), what was refused, alarmed, halted."""
    pen.name("done on purpose", pen.y + 12, "strong")
    places = _apart([pen.x(step.at) for step in case.steps])
    for number, (step, x) in enumerate(zip(case.steps, places, strict=True), 1):
        pen.add(
            f"<g><title>{escape(step.text)}</title>"
            f'<circle class="did" cx="{x:.1f}" cy="{pen.y + 8:.1f}" r="8"/>'
            f'<text class="number" x="{x:.1f}" y="{pen.y + 11.5:.1f}" text-anchor="middle">'
            f"{number}</text></g>"
        )
    pen.y += 24
    for kinds, name in (
        (("refused",), "refused"),
        (("alarm",), "alarms"),
        (("halt", "reset", "kill", "flat"), "halt and kill"),
    ):
        found = [d for d in timeline.dots if d.kind in kinds]
        if not found:
            continue
        pen.name(name, pen.y + 11, "strong")
        for dot in found:
            x, y = pen.x(dot.at), pen.y + 7
            pen.add(
                f'<path class="m-{dot.kind}" d="M{x} {y - 5:.1f}l5 5l-5 5l-5 -5z">'
                f"<title>{escape(dot.text)}</title></path>"
            )
        pen.y += 18
