"""How fast it is: printed, never asserted (these machines are noisy). Shown with `pytest -rP`."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import pytest
from journal_kit import BACKENDS, START, open_journal, run

from engine.config import JournalConfig
from engine.journal.tools import verify

ROWS = 3_000
BODY = '{"side":"B","qty":2,"limit":18000,"strategy":"demo","symbol":"ES"}' * 4


@pytest.mark.parametrize("durability", ["power", "process"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_throughput(tmp_path: Path, backend: str, durability: str) -> None:
    async def work() -> tuple[float, float, int]:
        commits: list[int] = []
        config = JournalConfig(min_free_mb=0, ballast_mb=0, durability=durability)  # type: ignore[arg-type]
        journal = await open_journal(
            tmp_path / "j.db", backend, config, on_commit=lambda duration, rows: commits.append(duration)
        )
        alone = []
        for n in range(200):
            began = time.perf_counter()
            await journal.append("order", BODY, ts=START + n, order_id=f"demo-{n}")
            alone.append(time.perf_counter() - began)
        before = len(commits)
        began = time.perf_counter()
        lanes = 16

        async def lane(count: int) -> None:
            for n in range(count):
                await journal.append("order", BODY, ts=START + n, order_id=f"demo-{n}")

        await asyncio.gather(*(lane(ROWS // lanes) for _ in range(lanes)))
        took = time.perf_counter() - began
        await journal.close()
        return statistics.median(alone), ROWS / lanes * lanes / took, len(commits) - before

    alone, rate, commits = run(backend, work())
    began = time.perf_counter()
    report = verify(tmp_path / "j.db")
    checked = report.rows / (time.perf_counter() - began)
    assert report.ok
    print(
        f"{backend:8} {durability:8} one at a time p50 {alone * 1e6:6.0f} µs; 16 in flight {rate:7.0f} "
        f"rows/s in {commits} commits; verified {checked:8.0f} rows/s"
    )
