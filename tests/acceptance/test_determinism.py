"""Two runs with the same seed and input give the same journal, row for row, on any machine at any speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.journal.tools import compare, describe
from tests.acceptance.kit import CHURN, GC, LIVELY, Home, finished, prefix
from tests.effort import effort

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def both(home: Home, feed: str, *options: str) -> dict[str, object]:
    """Runs the same twice, side by side, with different hashes; the summary that both gave."""
    one = home.start(feed, *options, state="one", hashes=1)
    two = home.start(feed, *options, state="two", hashes=4_000_000_000)
    first, second = finished(one), finished(two)
    difference = compare(home.state("one") / "journal.db", home.state("two") / "journal.db")
    assert difference is None, describe(difference)
    assert first["digest"] == second["digest"]
    measured = {"latency", "risk_rounds"}  # the host's own times
    assert {k: v for k, v in first.items() if k not in measured} == {
        k: v for k, v in second.items() if k not in measured
    }
    return first


def test_the_synthetic_market(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lasts = ("--for", f"{effort(2, 5)}m")
    summary = both(home, "synthetic:ES", *lasts, "--seed", "7")
    assert isinstance(summary["fills"], int) and summary["fills"] > 0
    home.run("synthetic:ES", *lasts, "--seed", "8", state="other")
    assert compare(home.state("one") / "journal.db", home.state("other") / "journal.db") is not None


def test_a_strategy_that_does_everything(tmp_path: Path) -> None:
    summary = both(Home(tmp_path, CHURN), "synthetic:ES,NQ", "--for", "90s", "--seed", "3")
    assert isinstance(summary["fills"], int) and summary["fills"] > 100


@pytest.mark.data
def test_a_recording(tmp_path: Path) -> None:
    part = prefix(GC, effort(8_000, 30_000), tmp_path)
    summary = both(Home(tmp_path, LIVELY), f"replay:{part}")
    assert isinstance(summary["fills"], int) and summary["fills"] > 0
