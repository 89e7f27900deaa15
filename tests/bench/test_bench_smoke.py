"""The benchmarks run to their end in quick mode and leave finite figures; what they say means little."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import guard, risk, summary
from tests.bench.__main__ import SECTIONS
from tests.bench.figures import middle, slope

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
    assert {line["name"] for line in figures["summary"]} >= {
        "engine's own work p50 µs",
        "quotes/s, two strategies",
    }
    for case in figures["risk"].values():
        assert case["period_ms"]["n"] > 0
        assert case["control_ms"]["n"] > 0
        assert case["kill"]["text"].startswith("flat, confirmed twice")
    assert figures["risk"]["spin"]["strategies"][0][1] == "failed"
    assert figures["orders"]["durable"]["callback"]["p50"] > 0
    assert figures["replay"]["generated, sample"]["exit_code"] == 0


def _file(path: Path, **worth: float) -> Path:
    path.write_text(json.dumps({"summary": [{"name": n, "worth": w} for n, w in worth.items()]}))
    return path


def test_the_guard_sees_what_was_halved_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = _file(tmp_path / "base.json", halved=1.0, noisy=1.0, better=1.0, gone=1.0)
    new = _file(tmp_path / "new.json", halved=0.5, noisy=0.6, better=3.0, fresh=1.0)
    assert guard.run(base, new) == 1
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if "HALVED" in line] == ["halved"]
    assert guard.run(base, base) == 0


def test_the_guard_names_a_file_that_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = _file(tmp_path / "base.json", one=1.0)
    (tmp_path / "other.json").write_text("[]")
    assert guard.run(base, tmp_path / "other.json") == 2
    assert "other.json" in capsys.readouterr().out
    assert guard.run(base, _file(tmp_path / "new.json", two=1.0)) == 2


def test_worth_grows_with_what_is_better() -> None:
    cost = summary.Line("cost", "-", 20.0, 10.0, "floor", True)
    rate = summary.Line("rate", "-", 20.0, 10.0, "floor", True, less_is_better=False)
    assert (cost.ratio, cost.worth) == (2.0, 0.5)
    assert (rate.ratio, rate.worth) == (2.0, 2.0)
    assert summary.Line("alone", "-", 20.0, None, "", True).worth is None


def test_the_figures_of_several_runs_become_their_medians() -> None:
    runs = [{"a": n, "b": [n, {"c": 2 * n}], "kept": str(n), "ok": n > 1} for n in (1, 5, 2)]
    assert middle(runs) == {"a": 2, "b": [2, {"c": 4}], "kept": "2", "ok": True}
    assert slope([(0, 1.0), (10, 2.0), (20, 3.0)]) == pytest.approx(0.1)


# tests/bench/risk.py: on a machine with much else to do the window was over before the engine stood, and the
# figures of no round at all were looked up.
def test_a_window_that_was_over_before_the_engine_stood_is_opened_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leads: list[float] = []

    def play(lead_in: float, **_: object) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        leads.append(lead_in)
        return {"periods": [10] if len(leads) == enough else []}, {"periods": [10]}

    monkeypatch.setattr(risk, "play", play)
    enough = 3
    assert risk.in_time(make=risk.nothing)[0] == {"periods": [10]}
    assert leads == sorted(set(leads)) and len(leads) == 3
    enough = 99
    with pytest.raises(RuntimeError, match="no round of the risk loop"):
        risk.in_time(make=risk.nothing)
