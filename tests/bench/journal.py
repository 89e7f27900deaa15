"""Section `journal`: commits one by one and in groups, beside append and fdatasync of the same bytes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Literal

from engine.clock import RealClock
from engine.config import JournalConfig
from engine.journal import Journal
from tests.bench.figures import Figures, Floor, spread, table, workplace

BODY = '{"order":{"id":"manual-live1-1","strategy":"manual","account":"PAPER","symbol":"ES"}}' + " " * 200
ROW = len(BODY) + 60
"""Bytes of one row."""


def run(quick: bool) -> Figures:
    count = 50 if quick else 1_000
    with workplace() as folder:
        found = asyncio.run(_run(folder, count))
    header = ("", "commits/s", "rows/s", "commit p50 µs", "p99", "floor p50 µs", "p99", "ratio p50")
    rows = []
    for name, one in found.items():
        c, f = one["commit"], one["floor"]
        rows.append(
            (name, one["commits_s"], one["rows_s"], c["p50"], c["p99"], f["p50"], f["p99"], one["ratio"])
        )
    table(f"Journal, rows of {ROW} bytes; floor: one append of the same bytes and fdatasync", header, rows)
    return found


async def _run(folder: Path, count: int) -> Figures:
    return {
        "single, synced": await _commits(folder / "a", "power", 1, count),
        "64 together, synced": await _commits(folder / "b", "power", 64, count // 4),
        "256 together, synced": await _commits(folder / "c", "power", 256, count // 10),
        "single, no sync": await _commits(folder / "d", "process", 1, count),
    }


async def _commits(folder: Path, durability: Literal["power", "process"], group: int, count: int) -> Figures:
    """`count` commits of `group` rows, each waited for, in turns with the floor."""
    journal = await Journal.open(
        folder / "journal.db",
        JournalConfig(durability=durability, ballast_mb=0),
        inline=False,
        clock=RealClock(asyncio.get_running_loop()),
    )
    floor = Floor(folder)
    commits, floors = [], []
    for _ in range(count):
        began = time.perf_counter_ns()
        await asyncio.gather(*(journal.append("note", BODY, ts=began) for _ in range(group)))
        commits.append(time.perf_counter_ns() - began)
        began = time.perf_counter_ns()
        floor.write(ROW * group)
        floors.append(time.perf_counter_ns() - began)
    floor.close()
    await journal.close()
    commit, least = spread(commits), spread(floors)
    rate = count * 1e9 / sum(commits)
    return {
        "commit": commit,
        "floor": least,
        "commits_s": round(rate),
        "rows_s": round(rate * group),
        "ratio": round(commit["p50"] / least["p50"], 2),
    }
