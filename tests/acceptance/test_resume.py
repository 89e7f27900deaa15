"""kill -9 in the middle of a replay in virtual time: the next start goes on where it stopped."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from bisect import bisect
from functools import partial
from pathlib import Path

import pytest

from engine.facts import Executed
from engine.feeds.open import open_feed
from engine.feeds.replay import ReplayFeed
from engine.model import NS, Quote, Trade
from engine.records import FactTaken, RunStarted
from tests.acceptance.kit import GC, LIVELY, WITNESS, Home, ledger_audit, prefix
from tests.acceptance.test_recorded_days import proven
from tests.crash import checks
from tests.crash.kit import Story, wait_for
from tests.effort import effort

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(600)]

KILLS = effort(3, 5)
REACH = 2 * NS
"""How far from an execution's time the market is looked at."""


def at_market_prices(story: Story, feed: str) -> None:
    """Every execution lies within what the recording traded and quoted around that time: after a restart the
    exchange matched against the present, not against what had been replayed before."""
    times: list[int] = []
    prices: list[tuple[int, int]] = []
    source = open_feed(feed, seed=1, start_ns=0)
    assert isinstance(source, ReplayFeed)
    for record in source.records():
        if isinstance(record, Quote) and record.bid is not None and record.ask is not None:
            times.append(record.ts)
            prices.append((record.bid, record.ask))
        elif isinstance(record, Trade):
            times.append(record.ts)
            prices.append((record.price, record.price))
    for record in story.records:
        if isinstance(record, FactTaken) and isinstance(record.fact, Executed):
            fill = record.fact.fill
            around = prices[bisect(times, fill.ts - REACH) - 1 : bisect(times, fill.ts + REACH)]
            low, high = min(p for p, _ in around), max(p for _, p in around)
            assert low <= fill.price <= high, f"{fill} outside of {low} to {high}"


def lines_of(file: Path, wanted: int, process: subprocess.Popen[str]) -> bool:
    """Whether the witness has noted so many starts."""
    assert process.poll() is None, process.communicate()
    return file.exists() and file.read_text().count("\n") >= wanted


def test_a_replay_goes_on_after_kill_after_kill(tmp_path: Path) -> None:
    rng = random.Random(2)
    seen = tmp_path / "seen"
    home = Home(tmp_path, LIVELY + WITNESS.replace("FILE", str(seen)))
    feed = f"replay:{prefix(GC, effort(24_000, 40_000), tmp_path)}"
    story = Story(home.state("state"))
    scratch = tmp_path / "copy"
    scratch.mkdir()
    ends: list[int] = []
    for started in range(1, KILLS + 1):
        process = home.start(feed, hashes=started)
        wait_for(partial(lines_of, seen, started, process), "its first quote")
        time.sleep(rng.uniform(0.1, 1.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it had ended before: make the recording longer"
        story.read()
        ends.append(story.rows[-1].ts)
        audit = ledger_audit(home.state("state"), feed, scratch)
        checks.no_order_unknown(audit, story)
        checks.nothing_made_up(audit, story)
    assert len(story.keys) > 0, "no execution before the last kill"

    summary = home.run(feed)
    proven(home, feed, summary)
    story.read()
    at_market_prices(story, feed)
    # Each run got the market from where the one before had stopped, and engine time never went back.
    first_quotes = [int(line) for line in seen.read_text().split()]
    assert len(first_quotes) == KILLS + 1
    assert all(first > end for first, end in zip(first_quotes[1:], ends, strict=True))
    assert first_quotes == sorted(first_quotes)
    # A run that was killed before it had stored anything of its own is played once more.
    assert first_quotes[-1] > first_quotes[0]
    stamps = [row.ts for row in story.rows]
    assert stamps == sorted(stamps)
    starts = [row.ts for row, r in zip(story.rows, story.records, strict=True) if isinstance(r, RunStarted)]
    assert starts[-1] >= ends[-1] > starts[0]
    print(f"{KILLS} kills, {len(story.rows)} rows, {len(story.keys)} executions")
