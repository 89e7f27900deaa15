"""A process killed with SIGKILL while it writes has lost nothing that it acknowledged."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal_kit import all_rows, open_journal

from engine.journal import Row
from engine.journal.tools import verify

KILLS = 9


def kill_one(path: Path, backend: str, first: int, rng: random.Random, *, early: bool) -> dict[int, str]:
    """Starts a victim, lets it get somewhere, kills it; what it had acknowledged, by seq.

    `early`: at any moment of its start, perhaps while it opens the journal; else while it writes.
    """
    victim = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("journal_victim.py")), str(path), backend, str(first)],
        stdout=subprocess.PIPE,
    )
    assert victim.stdout is not None
    head = b""
    try:
        if early:
            time.sleep(rng.uniform(0.05, 0.35))
        else:
            head = victim.stdout.readline()
            assert head, "the victim ended by itself"
            time.sleep(rng.uniform(0.0, 0.06))
    finally:
        victim.send_signal(signal.SIGKILL)
        rest = victim.stdout.read()
        assert victim.wait() == -signal.SIGKILL
    acknowledged = {}
    for line in (head + rest).splitlines(keepends=True):
        if line.endswith(b"\n"):
            seq, _, body = line[:-1].decode().partition(" ")
            acknowledged[int(seq)] = body
    return acknowledged


@pytest.mark.parametrize("backend", ["aio", "inline"])
def test_kill_after_kill_nothing_acknowledged_is_lost(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "j.db"
    rng = random.Random(11)
    acknowledged: dict[int, str] = {}
    last = 0
    for n in range(KILLS):
        one = kill_one(path, backend, (n + 1) * 1_000_000, rng, early=n % 3 == 2)
        assert min(one, default=last + 1) == last + 1, "a new process goes on behind all that was committed"
        acknowledged |= one
        report = verify(path)
        assert report.ok, report.problems
        # More may be on disk than was acknowledged, never less.
        assert report.rows >= max(acknowledged)
        last = report.rows

    async def read() -> list[Row]:
        journal = await open_journal(path)
        rows = await all_rows(journal)
        keys = await journal.known_keys()
        assert {key.exec_id: seq for key, seq in keys.items()} == {
            f"x{row.order_id}": row.seq for row in rows if int(row.order_id) % 3 == 0
        }
        await journal.close()
        return rows

    rows = {row.seq: row.body for row in asyncio.run(read())}
    assert all(rows[seq] == body for seq, body in acknowledged.items())
    print(f"{backend}: {KILLS} kills, {len(acknowledged)} rows acknowledged, {len(rows)} on disk, 0 lost")
