"""Store trouble while running: whole batches fail, ordinary records stop, facts and flattening do not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from journal_kit import (
    BACKENDS,
    SMALL,
    Gate,
    HandClock,
    all_rows,
    allow,
    approved,
    approved_change,
    fill,
    forbid,
    key,
    open_journal,
    poke,
    record,
    run,
)

from engine.config import JournalConfig
from engine.journal import Journal, StoreFailed, StoreState
from engine.journal.connection import JournalConnection
from engine.journal.tools import verify
from engine.model import Purpose

both = pytest.mark.parametrize("backend", BACKENDS)


async def outcome(future: asyncio.Future[int]) -> int | str:
    try:
        return await future
    except StoreFailed:
        return "failed"


@both
def test_one_bad_row_fails_its_whole_batch(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        told: list[tuple[StoreState, str]] = []
        journal = await open_journal(tmp_path / "j.db", backend, on_trouble=lambda s, r: told.append((s, r)))
        await journal.append("note", "good", ts=0)
        await forbid(journal, "bad")
        batch = [journal.append(kind, kind, ts=1) for kind in ("note", "bad", "note")]
        assert [await outcome(future) for future in batch] == ["failed"] * 3
        assert [row.body for row in await all_rows(journal)] == ["good"]
        assert journal.state is StoreState.FAILED
        assert len(told) == 1
        assert "forbidden" in told[0][1]
        # Latched: even a harmless record is refused until recovery.
        assert await outcome(journal.append("note", "later", ts=2)) == "failed"
        with pytest.raises(StoreFailed, match="forbidden"):
            await journal.flush()
        assert journal.health().refused == 4
        assert await journal.recover()
        assert [state for state, _ in told] == [StoreState.FAILED, StoreState.OK]
        assert await journal.append("note", "after", ts=3) == 2
        await journal.close()

    run(backend, work())
    assert verify(tmp_path / "j.db").ok


@both
def test_a_failure_fails_what_waits_behind_it(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        config = JournalConfig(min_free_mb=0, ballast_mb=0, max_batch=2)
        journal = await open_journal(tmp_path / "j.db", backend, config)
        await forbid(journal, "bad")
        futures = [
            journal.append(kind, "x", ts=n) for n, kind in enumerate(["note", "note", "bad", "note", "note"])
        ]
        assert [await outcome(future) for future in futures] == [1, 2, "failed", "failed", "failed"]
        assert journal.pending == 0
        await allow(journal)
        assert await journal.recover()
        assert await journal.append("note", "x", ts=9) == 3
        await journal.close()

    run(backend, work())
    assert verify(tmp_path / "j.db").ok


@both
def test_facts_are_kept_in_memory_and_written_by_recovery(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await forbid(journal, "fact")
        first = journal.append("fact", fill("x1"), ts=1, key=key("x1"))
        lost = journal.append("note", "risk", ts=2)
        assert [await outcome(first), await outcome(lost)] == ["failed", "failed"]
        journal.append_nowait("fact", fill("x2"), ts=3, key=key("x2"))
        journal.append_nowait("fact", fill("x1"), ts=4, key=key("x1"))
        assert await outcome(journal.append("halt", "stop", ts=5)) == "failed"
        assert journal.health().retained == 4
        # Still broken: nothing is lost by trying.
        assert not await journal.recover()
        assert journal.health().retained == 4
        assert journal.state is StoreState.FAILED
        await allow(journal)
        assert await journal.recover()
        assert [(row.seq, row.ts, row.kind) for row in await all_rows(journal)] == [
            (1, 1, "fact"),
            (2, 3, "fact"),
            (3, 4, "fact"),
            (4, 5, "halt"),
        ]
        assert await journal.known_keys() == {key("x1"): 1, key("x2"): 2}
        assert journal.health().retained == 0
        assert await journal.close() == 0

    run(backend, work())
    assert verify(tmp_path / "j.db").ok


@both
def test_close_says_how_much_is_owed(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await forbid(journal, "fact")
        for n in range(3):
            journal.append_nowait("fact", fill(f"x{n}"), ts=n)
        assert await journal.close() == 3

    run(backend, work())
    assert verify(tmp_path / "j.db").rows == 0


@both
def test_flattening_goes_ahead_of_a_store_that_failed(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await forbid(journal, "order")
        with pytest.raises(StoreFailed):
            await record(journal, approved("demo-1"), ts=1)
        flatten = await record(journal, approved("kill-1", Purpose.FLATTEN), ts=2)
        assert (flatten.seq, flatten.request.id) == (0, "kill-1")
        with pytest.raises(StoreFailed):
            await record(journal, approved("demo-2", Purpose.PROTECT), ts=3)
        assert journal.health().ahead == 1
        await allow(journal)
        assert await journal.recover()
        assert [row.order_id for row in await all_rows(journal)] == ["kill-1"]
        assert (await record(journal, approved("kill-2", Purpose.FLATTEN), ts=4)).seq == 2
        await journal.close()

    run(backend, work())


@both
@pytest.mark.parametrize("late", [False, True])
def test_a_refused_replace_never_leaves_and_its_row_follows_in_its_place(
    tmp_path: Path, backend: str, late: bool
) -> None:
    """The books have had it since it was handed in: what came after it was understood by it. `late`: handed
    in when the store had failed already."""

    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await forbid(journal, "bad")
        bad = journal.append("bad", "", ts=0)
        if late:
            assert await outcome(bad) == "failed"
        change = record(journal, approved_change("change-1"), ts=1)
        journal.append_nowait("fact", fill("x1"), ts=2, key=key("x1"))
        order = record(journal, approved("demo-2"), ts=3)
        for refused in (change, order):
            with pytest.raises(StoreFailed):
                await refused
        assert await journal.recover()
        assert [(row.ts, row.kind) for row in await all_rows(journal)] == [(1, "replace"), (2, "fact")]
        assert (await record(journal, approved_change("change-2"), ts=4)).seq == 3
        await journal.close()

    run(backend, work())
    assert verify(tmp_path / "j.db").ok


@both
def test_flattening_in_the_batch_that_fails_goes_too(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await forbid(journal, "bad")
        journal.append_nowait("bad", "", ts=0)
        recorded = await record(journal, approved("kill-1", Purpose.FLATTEN), ts=2)
        assert recorded.seq == 0
        assert await journal.recover()
        assert [row.order_id for row in await all_rows(journal)] == ["kill-1"]
        await journal.close()

    run(backend, work())


@both
def test_a_commit_that_came_through_although_it_reported_an_error(tmp_path: Path, backend: str) -> None:
    def breaks(connection: JournalConnection) -> None:
        def execute(sql: str, *values: Any) -> sqlite3.Cursor:
            done = JournalConnection.execute(connection, sql, *values)
            if sql == "COMMIT":
                raise RuntimeError("after the commit")
            return done

        connection.execute = execute  # type: ignore[assignment, method-assign]

    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await poke(journal, breaks)
        batch = [journal.append("fact", fill("x1"), ts=1, key=key("x1")), journal.append("note", "n", ts=2)]
        assert [await outcome(future) for future in batch] == ["failed", "failed"]
        journal.append_nowait("fact", fill("x2"), ts=3)
        await poke(journal, lambda c: delattr(c, "execute"))
        assert await journal.recover()
        assert [(row.seq, row.ts) for row in await all_rows(journal)] == [(1, 1), (2, 2), (3, 3)]
        await journal.close()

    run(backend, work())
    assert verify(tmp_path / "j.db").ok


@both
def test_a_broken_connection_is_opened_anew(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await journal.append("note", "a", ts=1)
        await poke(journal, lambda c: c.close())
        assert await outcome(journal.append("fact", fill("x1"), ts=2)) == "failed"
        assert await journal.recover()
        assert await journal.append("note", "b", ts=3) == 3
        assert [row.ts for row in await all_rows(journal)] == [1, 2, 3]
        await journal.close()

    run(backend, work())


@both
def test_full_by_sqlites_own_limit(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        path = tmp_path / "j.db"
        journal = await open_journal(path, backend, JournalConfig(min_free_mb=0, ballast_mb=1))
        assert (tmp_path / "j.db.ballast").stat().st_blocks * 512 >= 1_000_000
        await journal.append("note", "a", ts=1)
        pages = await poke(journal, lambda c: c.execute("PRAGMA page_count").fetchone()[0])
        await poke(journal, lambda c: c.execute(f"PRAGMA max_page_count={pages + 2}"))
        states: list[StoreState] = []
        journal.on_trouble = lambda state, reason: states.append(state)
        done = 0
        while await outcome(journal.append("note", "x" * 1000, ts=2)) != "failed":
            done += 1
        assert done > 0
        # The reserve does not help, since the limit is not the disk's: the facts are kept in memory.
        assert not (tmp_path / "j.db.ballast").exists()
        big = "y" * 20_000
        assert await outcome(journal.append("fact", big, ts=3)) == "failed"
        assert states == [StoreState.FAILED, StoreState.FAILED]
        assert not await journal.recover()
        with pytest.raises(StoreFailed):
            await journal.flush()
        assert journal.health().retained == 1
        assert len(states) == 2
        await poke(journal, lambda c: c.execute("PRAGMA max_page_count=1000000"))
        assert await journal.recover()
        assert (tmp_path / "j.db.ballast").exists()
        assert [row.body for row in await all_rows(journal)] == ["a", *["x" * 1000] * done, big]
        await journal.close()

    run(backend, work())
    assert verify(tmp_path / "j.db").ok


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, to be filled for real."""
    target = tmp_path / "disk"
    target.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small tmpfs can only be mounted by root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(target)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield target
    subprocess.run(["umount", str(target)], check=True)


def fill_up(target: Path) -> None:
    with (target / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            return


@both
def test_a_disk_that_is_really_full(small_disk: Path, backend: str) -> None:
    async def work() -> None:
        path = small_disk / "j.db"
        told: list[tuple[StoreState, str]] = []
        journal = await open_journal(
            path,
            backend,
            JournalConfig(min_free_mb=0, ballast_mb=1),
            on_trouble=lambda s, r: told.append((s, r)),
        )
        acknowledged = [await journal.append("note", f"before {n}", ts=n) for n in range(20)]
        fill_up(small_disk)
        while (seq := await outcome(journal.append("note", "z" * 3000, ts=5))) != "failed":
            acknowledged.append(int(seq))
        assert journal.state is StoreState.FAILED
        assert "free some space" in told[0][1]
        assert not (small_disk / "j.db.ballast").exists()
        # The reserve takes facts, flattening and the rows of refused replaces, and nothing else.
        acknowledged.append(await journal.append("fact", fill("x1"), ts=6, key=key("x1")))
        recorded = await record(journal, approved("kill-1", Purpose.FLATTEN), ts=7)
        assert recorded.seq == acknowledged[-1] + 1
        assert await outcome(journal.append("note", "risk", ts=8)) == "failed"
        with pytest.raises(StoreFailed):
            await record(journal, approved_change("change-1"), ts=8)
        # What the reserve gave is no free space: recovery waits until the reserve fits again.
        assert not await journal.recover()
        assert "free some" in journal.trouble
        acknowledged.append(await journal.append("halt", "still taken", ts=9))
        (small_disk / "filler").unlink()
        assert await journal.recover()
        assert (small_disk / "j.db.ballast").exists()
        acknowledged.append(await journal.append("note", "works", ts=10))
        assert [state for state, _ in told] == [StoreState.FAILED, StoreState.OK]
        rows = await all_rows(journal)
        assert set(acknowledged) <= {row.seq for row in rows}
        assert [row.kind for row in rows[-4:]] == ["order", "replace", "halt", "note"]
        assert rows[-1].body == "works"
        assert await journal.close() == 0
        assert verify(path).ok

    run(backend, work())


@both
def test_the_reserve_too_can_run_out(small_disk: Path, backend: str) -> None:
    async def work() -> None:
        path = small_disk / "j.db"
        states: list[StoreState] = []
        journal = await open_journal(
            path,
            backend,
            JournalConfig(min_free_mb=0, ballast_mb=1),
            on_trouble=lambda state, reason: states.append(state),
        )
        fill_up(small_disk)
        written = 0
        while await outcome(journal.append("fact", "f" * 3000, ts=written)) != "failed":
            written += 1
        while journal.health().retained == 0:
            journal.append_nowait("fact", "f" * 3000, ts=written)
            written += 1
            await asyncio.sleep(0.001)
        assert states == [StoreState.FAILED, StoreState.FAILED]
        (small_disk / "filler").unlink()
        assert await journal.recover()
        facts = [row.ts for row in await all_rows(journal)]
        assert facts == sorted(facts)
        assert set(facts) == set(range(max(written, 1)))
        await journal.close()

    run(backend, work())


def test_a_commit_that_hangs(tmp_path: Path) -> None:
    async def work() -> None:
        clock = HandClock()
        states: list[StoreState] = []
        journal = await open_journal(tmp_path / "j.db", clock=clock, on_trouble=lambda s, r: states.append(s))
        gate = Gate()
        await gate.install(journal, "held")
        held = journal.append("held", "", ts=0)
        await gate.until_entered()
        flatten = record(journal, approved("kill-1", Purpose.FLATTEN), ts=1)
        normal = record(journal, approved("demo-1"), ts=1)
        assert journal.poll(clock.elapsed + 1_000_000_000) is StoreState.OK
        assert not flatten.done()
        for _ in range(3):
            assert journal.poll(clock.elapsed + 1_000_000_001) is StoreState.SLOW
        assert states == [StoreState.SLOW]
        assert (await flatten).seq == 0
        assert not normal.done()
        assert not held.done()
        gate.release.set()
        assert await held == 1
        assert journal.state is StoreState.OK
        # The flattening order's own row follows in its place.
        assert (await normal).seq == 3
        assert [row.order_id for row in await all_rows(journal)] == ["", "kill-1", "demo-1"]
        assert states == [StoreState.SLOW, StoreState.OK]
        await journal.close()

    asyncio.run(work())


def test_records_may_be_added_from_within_the_alarm(tmp_path: Path) -> None:
    """The engine journals its alarm about the journal while it is being told."""

    async def work() -> None:
        journal: Journal = await open_journal(tmp_path / "j.db", "inline", SMALL)
        journal.on_trouble = lambda state, reason: journal.append_nowait("halt", str(state), ts=9)
        await forbid(journal, "bad")
        journal.append_nowait("bad", "", ts=0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert journal.state is StoreState.FAILED
        await allow(journal)
        assert await journal.recover()
        await journal.flush()
        assert [row.body for row in await all_rows(journal)] == ["failed", "ok"]
        await journal.close()

    asyncio.run(work())


# engine/journal/writer.py Writer._retain: a halt that the store did not take was forgotten with the process.
@both
def test_a_process_that_dies_with_records_in_memory_leaves_a_mark(tmp_path: Path, backend: str) -> None:
    async def die(job: Callable[[Journal], Coroutine[Any, Any, None]]) -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await job(journal)
        await journal._store.close(lambda connection: connection.shut())
        journal._owed.close()
        journal._lock.release()

    async def fails(journal: Journal) -> None:
        assert not journal.left_owing
        await forbid(journal, "halt")
        journal.append_nowait("note", "nobody owes this", ts=0)
        assert await outcome(journal.append("halt", "stop", ts=1)) == "failed"

    async def looks(journal: Journal) -> None:
        assert journal.left_owing
        await journal.append("halt", "because of the mark", ts=2)

    async def settles(journal: Journal) -> None:
        assert journal.left_owing, "it stands until it is settled"
        await forbid(journal, "halt")
        journal.append_nowait("halt", "because of the mark", ts=3)
        with pytest.raises(StoreFailed):
            await journal.settle_owing()
        assert journal.left_owing
        await allow(journal)
        assert await journal.recover()
        await journal.settle_owing()
        assert not journal.left_owing

    async def clean(journal: Journal) -> None:
        assert not journal.left_owing
        await forbid(journal, "halt")
        journal.append_nowait("halt", "stop", ts=4)
        await journal._settled()
        await allow(journal)
        assert await journal.recover()

    async def work() -> None:
        for job in (fails, looks, settles, clean, clean):
            await die(job)

    run(backend, work())
