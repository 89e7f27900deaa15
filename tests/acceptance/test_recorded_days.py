"""Recorded days run through the command line to their end, and end flat and reconciled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.journal.tools import compare, describe, rotate, verify
from tests.acceptance.kit import BTC, ES, GC, Home, ledger_audit, prefix
from tests.crash import checks
from tests.crash.kit import Story
from tests.effort import FULL, effort
from tests.feeds.recordings import recording

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(600)]


def traded(summary: dict[str, Any]) -> None:
    """It did something, and it says so in full."""
    assert summary["reason"] == "feed ended: end of recording"
    assert summary["orders"] > 0
    assert summary["fills"] > 0
    assert summary["halted"] is False
    assert summary["pnl"] is not None
    for stage in ("tick→intent", "intent→approved", "approved→journalled", "journalled→sent", "tick→sent"):
        row = summary["latency"][stage]
        assert row["count"] > 0
        assert 0 < row["p50_us"] <= row["p95_us"] <= row["p99_us"] <= row["max_us"]


def proven(home: Home, feed: str, summary: dict[str, Any], state: str = "state") -> None:
    """Journal and exchange tell the same story, and it is that of the summary."""
    folder = home.state(state)
    assert verify(folder / "journal.db").ok
    story = Story(folder)
    story.read()
    scratch = home.folder / f"{state}.copy"
    scratch.mkdir(exist_ok=True)
    audit = ledger_audit(folder, feed, scratch)
    checks.no_order_unknown(audit, story)
    checks.stored_before_sent(story)
    checks.all_booked(audit, story)
    checks.runs_differ(story)
    assert checks.folds_alike(story) == summary["digest"]
    assert not any(p.held.qty for p in story.books.positions)
    assert not [o for o in audit.orders if not o.status.is_closed]
    assert len(audit.executions) == story.books.fills >= summary["fills"]


@pytest.mark.parametrize(("name", "rows"), [(ES, None), (BTC, 45_000), (GC, 14_000)])
def test_a_recorded_day(name: str, rows: int | None, tmp_path: Path) -> None:
    """One of them whole, of the others the first hours; all of them whole with BREAKWATER_FULL=1."""
    home = Home(tmp_path)
    path = recording(name) if FULL or rows is None else prefix(name, rows, tmp_path)
    feed = f"replay:{path}"
    summary = home.run(feed)
    traded(summary)
    proven(home, feed, summary)


def test_a_finished_replay_starts_afresh_and_ends_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)
    feed = f"replay:{recording(ES) if FULL else prefix(ES, 12_000, tmp_path)}"
    first, again = home.run(feed), home.run(feed)
    assert again["orders"] == first["orders"] > 0
    assert (again["digest"], again["pnl"]) == (first["digest"], first["pnl"])
    kept = home.state("state") / "journal-0001.db"
    difference = compare(kept, home.state("state") / "journal.db")
    assert difference is None, describe(difference)
    proven(home, feed, again)


# app/session.py assemble: a new journal is opened beside an old ledger of the exchange, which knows the same
# order ids. It comes about by hand, and by a kill between the two renames with which a run starts afresh.
def test_a_replay_whose_journal_alone_was_moved_aside_gives_the_same_result(tmp_path: Path) -> None:
    home = Home(tmp_path)
    feed = f"replay:{prefix(ES, effort(8_000, 12_000), tmp_path)}"
    first = home.run(feed)
    assert first["orders"] > 0
    rotate(home.state("state") / "journal.db")
    again = home.run(feed)
    assert again["rejects"] == 0
    assert (again["orders"], again["digest"]) == (first["orders"], first["digest"])


def test_a_replay_keeps_its_state_to_itself(tmp_path: Path) -> None:
    """Without --state-dir a recording has a journal of its own, whatever ran on paper before and after."""
    home = Home(tmp_path)
    part = prefix(ES, 6_000, tmp_path)
    home.run("synthetic:ES", "--for", "20s", state=None)
    home.run(f"replay:{part}", state=None)
    home.run("synthetic:ES", "--for", "20s", state=None)
    base = tmp_path / ".local" / "state" / "breakwater"
    assert sorted(p.name for p in base.iterdir()) == ["paper", "replay-es_mbo_20231225"]
    assert verify(base / "paper" / "journal.db").ok
    assert verify(base / "replay-es_mbo_20231225" / "journal.db").ok
