"""The benchmarks run to their end in quick mode and leave finite figures; what they say means little."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.__main__ import SECTIONS

ROOT = Path(__file__).resolve().parents[2]


def numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    """All numbers in a JSON value, with where they stand."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from numbers(entry, f"{path}.{key}")
    elif isinstance(value, list):
        for place, entry in enumerate(value):
            yield from numbers(entry, f"{path}[{place}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_quick_mode_runs_every_section_and_leaves_finite_figures() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stdout[-1_000:] + run.stderr[-3_000:]
    figures = json.loads(run.stdout.splitlines()[-1])
    assert set(SECTIONS) <= set(figures)
    for section in SECTIONS:
        found = dict(numbers(figures[section], section))
        assert found, f"{section} left no figures"
        assert all(math.isfinite(n) for n in found.values()), found
    for case in figures["risk"].values():
        assert case["period_ms"]["n"] > 0
        assert case["control_ms"]["n"] > 0
        assert case["kill"]["text"].startswith("flat, confirmed twice")
    assert figures["risk"]["spin"]["strategies"][0][1] == "failed"
    assert figures["orders"]["durable"]["callback"]["p50"] > 0
    assert figures["replay"]["generated, sample"]["exit_code"] == 0
