"""kill -9 in the middle of a replay in virtual time: the next start goes on where it stopped."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from engine.records import RunStarted
from tests.acceptance.kit import GC, LIVELY, Home, ledger_audit, prefix
from tests.acceptance.test_recorded_days import proven
from tests.crash import checks
from tests.crash.kit import Story

pytestmark = [pytest.mark.slow, pytest.mark.data]

KILLS = 5


def test_a_replay_goes_on_after_kill_after_kill(tmp_path: Path) -> None:
    rng = random.Random(2)
    home = Home(tmp_path, LIVELY)
    feed = f"replay:{prefix(GC, 40_000, tmp_path)}"
    story = Story(home.state("state"))
    scratch = tmp_path / "copy"
    scratch.mkdir()
    killed = 0
    ends: list[int] = []
    for _ in range(KILLS):
        process = home.start(feed, hashes=killed)
        time.sleep(rng.uniform(0.8, 2.5))
        if process.poll() is not None:
            process.communicate()
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        if not (home.state("state") / "journal.db").exists():
            continue
        killed += 1
        story.read()
        ends.append(story.rows[-1].ts)
        audit = ledger_audit(home.state("state"), feed, scratch)
        checks.no_order_unknown(audit, story)
        checks.nothing_made_up(audit, story)
    assert killed >= 3, "the machine was too fast for this test: make the recording longer"
    assert len(set(ends)) == killed, "a run made no way at all"

    summary = home.run(feed)
    proven(home, feed, summary)
    story.read()
    # Engine time never went back: each run began where the one before had stopped.
    stamps = [row.ts for row in story.rows]
    assert stamps == sorted(stamps)
    starts = [row.ts for row, r in zip(story.rows, story.records, strict=True) if isinstance(r, RunStarted)]
    assert starts[-1] >= ends[-1] > starts[0]
    print(f"{killed} kills, {len(story.rows)} rows, {len(story.keys)} executions")
