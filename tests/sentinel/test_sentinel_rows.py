"""A sentinel's journal with rows of another build: who acts goes on without, who takes over refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.paths import sentinel_journal_path
from app.sentinel.asking import last_note
from app.sentinel.post import rows_of
from engine.clock import RealClock
from engine.config import JournalConfig
from engine.journal import Journal, StoreRefused
from engine.records import EMERGENCY, KINDS, KillEnded
from engine.records_sentinel import SentinelNote
from engine.sentinel.acting import since_fenced
from engine.sentinel.takeover import journal_of, read

STRANGE = '{"kind":"sentinel","event":"sang","text":"la"}'


async def written(folder: Path, trouble: list[str]) -> list[str]:
    """Writes a journal with one strange note in the midst; what a sentinel that acts reads of it."""
    config = JournalConfig(durability="process", ballast_mb=1, min_free_mb=0)
    clock = RealClock(asyncio.get_running_loop())
    journal = await Journal.open(
        sentinel_journal_path(folder), config, inline=True, clock=clock, emergency=EMERGENCY
    )
    try:
        old, new = (
            KillEnded(flat=True, verdict="old"),
            KillEnded(flat=True, verdict="new"),
        )
        for record in (SentinelNote(event="started", text="", journal="j"), old):
            journal.append_nowait(KINDS[type(record)], record, ts=1)
        journal.append_nowait(KINDS[SentinelNote], SentinelNote(event="fenced", text=""), ts=2)
        journal.append_nowait(KINDS[KillEnded], new, ts=3)
        journal.append_nowait(KINDS[SentinelNote], STRANGE, ts=4)
        found = await since_fenced(journal, trouble.append)
    finally:
        await journal.close()
    return [record.verdict for _, record in found if isinstance(record, KillEnded)]


def test_one_that_acts_passes_over_what_it_cannot_read_and_says_so(tmp_path: Path) -> None:
    """Found by reading: one such row, and a sentinel that had been rolled back could never act again."""
    trouble: list[str] = []
    assert asyncio.run(written(tmp_path, trouble)) == ["new"]
    assert len(trouble) == 1 and "row 5" in trouble[0] and "another build" in trouble[0]


def test_whoever_takes_over_or_only_looks_says_which_row_it_is_and_what_to_do(tmp_path: Path) -> None:
    asyncio.run(written(tmp_path, []))
    rows = rows_of(sentinel_journal_path(tmp_path))
    assert journal_of(rows) == "j"
    with pytest.raises(StoreRefused, match=r"row 5 \(sentinel\).*a newer one wrote it.*Start that build"):
        read(rows[4])
    assert last_note(tmp_path).startswith("its journal cannot be read: row 5")
