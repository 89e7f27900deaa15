"""Rows go in once, in order, and are acknowledged only after COMMIT; on all three ways to run."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_kit import (
    BACKENDS,
    SMALL,
    START,
    Gate,
    all_rows,
    approved,
    fill,
    key,
    open_journal,
    poke,
    record,
    run,
)

from engine.config import JournalConfig
from engine.journal import StoreFailed
from engine.journal.files import WAL_LENGTH, beside
from engine.journal.rows import row_checksum
from engine.journal.tools import verify
from engine.model import Fill, Order
from engine.sending import Recorded

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def test_rows_come_back_as_they_were_written(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        first = await journal.append("fact", fill("x1"), ts=START, correlation="c:1", order_id="o-1")
        second = await journal.append("note", '{"ü":"\\u0000 \x00"}', ts=-5)
        third = await journal.append("note", b"not json \xe2\x88\x92", ts=2**63 - 1)
        assert (first, second, third) == (1, 2, 3)
        rows = await all_rows(journal)
        assert [row.seq for row in rows] == [1, 2, 3]
        assert rows[0][1:5] == (START, "fact", "c:1", "o-1")
        assert msgspec.json.decode(rows[0].body, type=Fill) == fill("x1")
        assert rows[1].body == '{"ü":"\\u0000 \x00"}'
        assert rows[2].body == "not json −"
        previous = 0
        for row in rows:
            assert row.crc == row_checksum(previous, row)
            previous = row.crc
        assert await journal.close() == 0

    run(backend, work())


def test_a_journal_goes_on_where_it_ended(tmp_path: Path, backend: str) -> None:
    async def session(start: int) -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        assert journal.seq == start
        futures = [journal.append("note", f"{start + n}", ts=n) for n in range(1, 6)]
        assert await asyncio.gather(*futures) == list(range(start + 1, start + 6))
        assert [row.body for row in await all_rows(journal)] == [str(n) for n in range(1, start + 6)]
        await journal.close()

    for start in (0, 5, 10):
        run(backend, session(start))


def test_what_waits_is_committed_together(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        commits: list[int] = []
        config = JournalConfig(min_free_mb=0, ballast_mb=0, max_batch=64)
        journal = await open_journal(
            tmp_path / "j.db", backend, config, on_commit=lambda duration, rows: commits.append(rows)
        )
        futures = [journal.append("note", str(n), ts=n) for n in range(200)]
        assert journal.pending == 200
        await asyncio.gather(*futures)
        assert commits == [64, 64, 64, 8]
        assert journal.pending == 0
        await journal.append("note", "alone", ts=0)
        assert commits[-1] == 1
        await journal.close()

    run(backend, work())


def test_nothing_is_acknowledged_before_commit(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        seen: list[str] = []
        await poke(journal, lambda c: c.set_trace_callback(lambda sql: seen.append(sql.split()[0])))
        future = journal.append("note", "a", ts=1)
        future.add_done_callback(lambda _: seen.append("acknowledged"))
        await future
        await asyncio.sleep(0)
        # One statement is a transaction of its own: committed when it ends.
        assert seen == ["INSERT", "acknowledged"]
        await poke(journal, lambda c: c.set_trace_callback(None))
        await journal.close()

    run(backend, work())


def test_a_batch_of_any_size_takes_few_statements(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        seen: list[str] = []
        await poke(journal, lambda c: c.set_trace_callback(lambda sql: seen.append(sql.split()[0])))
        wanted = []
        for size, statements in ((1, 1), (2, 1), (63, 1), (64, 1), (65, 2), (127, 2), (255, 4)):
            seen.clear()
            for n in range(size):
                journal.append_nowait(
                    f"kind {n}", f"body {n}", ts=size, correlation=f"c{n}", order_id=f"o{n}"
                )
                wanted.append((size, f"kind {n}", f"c{n}", f"o{n}", f"body {n}"))
            await journal.flush()
            inserts = ["INSERT"] * statements
            assert seen == (inserts if statements == 1 else ["BEGIN", *inserts, "COMMIT"])
        await poke(journal, lambda c: c.set_trace_callback(None))
        rows = await all_rows(journal)
        assert [row.seq for row in rows] == [*range(1, len(wanted) + 1)]
        assert [row[1:6] for row in rows] == wanted
        await journal.close()
        assert verify(tmp_path / "j.db").ok

    run(backend, work())


def test_an_execution_is_stored_once(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        both = [journal.append("fact", fill("x1"), ts=1, key=key("x1")) for _ in range(2)]
        assert await asyncio.gather(*both) == [1, 2]
        journal.append_nowait("fact", fill("x2"), ts=1, key=key("x2"))
        await journal.append("fact", fill("x1"), ts=1, key=key("x1"))
        assert journal.health().duplicates == 2
        assert await journal.known_keys() == {key("x1"): 1, key("x2"): 3}
        await journal.close()
        journal = await open_journal(tmp_path / "j.db", backend)
        await journal.append("fact", fill("x2"), ts=1, key=key("x2"))
        assert journal.health().duplicates == 1
        assert await journal.known_keys() == {key("x1"): 1, key("x2"): 3}
        assert len(await all_rows(journal)) == 5
        await journal.close()

    run(backend, work())


def test_a_recorded_order_is_on_disk(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        proof = approved("demo-7")
        recorded = await record(journal, proof, ts=START)
        assert isinstance(recorded, Recorded)
        assert recorded.seq == 1
        assert recorded.request is proof.request
        (row,) = await all_rows(journal)
        assert (row.kind, row.order_id, row.correlation) == ("order", "demo-7", "c:1")
        assert msgspec.json.decode(row.body, type=Order) == proof.request
        await journal.close()

    run(backend, work())


def test_what_fails_after_one_record_of_a_batch_leaves_the_others_alone(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        told: list[object] = []
        failures: list[object] = []
        loop = asyncio.get_running_loop()
        loop.call_exception_handler = (  # type: ignore[method-assign]
            lambda context: failures.append((str(context["exception"]), journal.seq))
        )

        def fails(_: object) -> None:
            raise RuntimeError("the venue's library")

        journal.record(approved("demo-1"), "order", fails, ts=START)
        journal.record(approved("demo-2"), "order", told.append, ts=START)
        assert await journal.append("note", "a", ts=START) == 3
        assert failures == [("the venue's library", 3)]
        (recorded,) = told
        assert isinstance(recorded, Recorded)
        assert (recorded.seq, recorded.request.id) == (2, "demo-2")
        await journal.close()

    run(backend, work())


def test_what_no_row_can_hold_is_refused_at_the_caller(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        good = journal.append("note", "before", ts=1)
        for wrong in (
            {"body": "\ud800", "ts": 1},
            {"body": b"\xff", "ts": 1},
            {"body": "", "ts": 2**63},
            {"body": "", "ts": 1.5},
            {"body": "", "ts": 1, "order_id": "\udfff"},
            {"body": "", "ts": 1, "key": key("\udfff")},
        ):
            with pytest.raises(ValueError):
                journal.append("note", **wrong)  # type: ignore[arg-type]
        assert await good == 1
        assert await journal.append("note", "after", ts=1) == 2
        await journal.close()

    run(backend, work())


def test_flush_waits_and_a_closed_journal_refuses(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        for n in range(10):
            journal.append_nowait("note", str(n), ts=n)
        await journal.flush()
        assert (journal.seq, journal.pending) == (10, 0)
        assert [row.seq async for row in journal.rows(after=7, chunk=2)] == [8, 9, 10]
        assert await journal.close() == 0
        with pytest.raises(StoreFailed, match="closed"):
            await journal.append("note", "late", ts=0)
        assert await journal.close() == 0
        assert not (tmp_path / "j.db-wal").exists()

    run(backend, work())


def test_a_cancelled_wait_does_not_cancel_the_row(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        future = journal.append("note", "a", ts=1)
        future.cancel()
        await journal.append("note", "b", ts=2)
        assert [row.body for row in await all_rows(journal)] == ["a", "b"]
        await journal.close()

    run(backend, work())


def test_followers_gather_behind_a_commit(tmp_path: Path, backend: str) -> None:
    if backend != "aio":
        pytest.skip("only a commit on another thread can be under way while the loop runs")

    async def work() -> None:
        commits: list[int] = []
        journal = await open_journal(
            tmp_path / "j.db", backend, on_commit=lambda duration, rows: commits.append(rows)
        )
        gate = Gate()
        await gate.install(journal, "held")
        first = journal.append("held", "first", ts=0)
        await gate.until_entered()
        followers = [journal.append("note", str(n), ts=n) for n in range(30)]
        await asyncio.sleep(0)
        assert not first.done()
        assert not any(future.done() for future in followers)
        gate.release.set()
        assert await asyncio.gather(first, *followers) == list(range(1, 32))
        assert commits == [1, 30]
        await journal.close()

    run(backend, work())


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.text(st.characters(codec="utf-8"), max_size=20)),
        st.tuples(st.just("quiet"), st.text(st.characters(codec="utf-8"), max_size=20)),
        st.tuples(st.just("key"), st.sampled_from(["a", "b", "c"])),
        st.tuples(st.sampled_from(["wait", "reopen", "turn"]), st.just("")),
    ),
    max_size=25,
)


@given(steps)
@settings(max_examples=30, deadline=None)
def test_any_sequence_is_the_list_of_its_appends(backend: str, plan: list[tuple[str, str]]) -> None:
    async def work(path: Path) -> None:
        journal = await open_journal(path, backend, SMALL)
        bodies: list[str] = []
        keys: dict[str, int] = {}
        for what, text in plan:
            if what == "reopen":
                assert await journal.close() == 0
                journal = await open_journal(path, backend, SMALL)
            elif what == "wait":
                await journal.flush()
            elif what == "turn":
                await asyncio.sleep(0)
            else:
                bodies.append(text)
                if what == "key":
                    keys.setdefault(text, len(bodies))
                    journal.append_nowait("fact", text, ts=len(bodies), key=key(text))
                elif what == "append":
                    journal.append(text, text, ts=len(bodies), order_id=text)
                else:
                    journal.append_nowait("note", text, ts=len(bodies))
        await journal.close()
        journal = await open_journal(path, backend, SMALL)
        rows = await all_rows(journal)
        assert [(row.seq, row.ts, row.body) for row in rows] == [
            (n, n, body) for n, body in enumerate(bodies, 1)
        ]
        assert await journal.known_keys() == {key(name): seq for name, seq in keys.items()}
        await journal.close()

    with tempfile.TemporaryDirectory() as directory:
        run(backend, work(Path(directory) / "j.db"))


@pytest.mark.parametrize(("durability", "from_start"), [("power", True), ("process", False)])
def test_a_log_that_is_synced_has_its_length_from_the_start(
    tmp_path: Path, backend: str, durability: str, from_start: bool
) -> None:
    """A commit then writes into the file and does not make it longer, also after the log has gone round."""
    from_start &= backend == "aio"  # in virtual time no sync is waited for
    config = JournalConfig(min_free_mb=0, ballast_mb=0, durability=durability)  # type: ignore[arg-type]
    path = tmp_path / "j.db"
    wal = beside(path, "-wal")

    async def work() -> list[int]:
        journal = await open_journal(path, backend, config)
        sizes = [wal.stat().st_size]
        for n in range(12):
            rows = [journal.append("note", "x" * 3000, ts=n) for _ in range(100)]
            await asyncio.gather(*rows)
            sizes.append(wal.stat().st_size)
        shutil.copy(path, tmp_path / "k.db")  # as a killed process leaves it
        shutil.copy(wal, tmp_path / "k.db-wal")
        await journal.close()
        return sizes

    sizes = run(backend, work())
    assert (sizes[0] == WAL_LENGTH) is from_start
    assert (sizes[1] == sizes[0]) is from_start
    assert sizes[-1] <= WAL_LENGTH + 110 * 4_120
    for name in ("j.db", "k.db"):
        report = verify(tmp_path / name)
        assert (report.ok, report.rows) == (True, 1_200)
