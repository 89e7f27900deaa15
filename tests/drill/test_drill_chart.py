"""The picture of a case: it shows the time in which something happens, and every step that was done."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.drill.chart import LEFT, NUMBER, WIDTH, chart
from app.drill.model import CaseResult, Dot, Line, OrderBar, Step, Timeline


def case(steps: list[float], span: float) -> CaseResult:
    timeline = Timeline(
        span=span,
        prices=(Line(name="ES", points=((0.0, 6000.0), (0.1, 6000.25))),),
        orders=(OrderBar(id="o-1", label="buy 2 ES", begin=steps[0], end=span, status="FILLED"),),
        dots=(Dot(at=steps[-1], kind="alarm", text="rejected"),),
    )
    return CaseResult(
        id="9.1",
        title="a title",
        why="a reason",
        status="passed",
        pace="virtual",
        wall=0.1,
        engine=span,
        steps=tuple(Step(at=at, text=f"step at {at}") for at in steps),
        timeline=timeline,
    )


def numbers(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r'<circle class="did" cx="([\d.]+)"', svg)]


@pytest.mark.parametrize(
    ("steps", "span"),
    [([0.53, 0.54], 0.55), ([0.53, 0.549, 0.5495, 0.55], 0.55), ([1.0, 9.0], 10.0), ([0.0] * 40, 3.0)],
)
def test_every_step_has_its_number_in_the_picture_beside_the_others(steps: list[float], span: float) -> None:
    """Numbers for which there was no room at the right edge were left out."""
    places = numbers(chart(case(steps, span)))
    assert len(places) == len(steps)
    assert all(LEFT <= x <= WIDTH - NUMBER / 2 for x in places)
    assert all(b - a >= NUMBER - 0.2 for a, b in pairwise(places))


@given(
    steps=st.lists(st.floats(0, 130), min_size=1, max_size=12).map(sorted),
    span=st.floats(0.001, 120),
)
@example(steps=[2.0], span=2.0)
@example(steps=[2.1], span=2.0)
def test_whatever_happens_when_there_is_a_picture(steps: list[float], span: float) -> None:
    """A case of which everything fell on its last moment ended the whole drill by a division by zero."""
    svg = chart(case(steps, span))
    assert len(numbers(svg)) == len(steps) and "nan" not in svg
    found = [float(x) for x in re.findall(r' x="(-?[\d.]+)"', svg)]
    assert all(0 <= x <= WIDTH for x in found)


def test_the_picture_begins_shortly_before_the_first_thing_that_happens() -> None:
    """A case of 20 ms after half a second in which its engine got ready was a dot at the right edge."""
    svg = chart(case([0.53, 0.54], 0.55))
    (bar,) = re.findall(r'<rect class="order s-filled" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    assert float(bar[0]) < LEFT + 100 and float(bar[1]) > 600
    assert "530 ms" in svg and ">0 ms<" not in svg
    assert ">6000.25<" in svg, "the price before counts as the last one that was"
    whole = chart(case([0.1, 9.0], 10.0))
    assert ">0 s<" in whole, "where things happen all the time it begins at the beginning"
