"""The tools for a stopped journal, and the backup of a running one."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from journal_kit import BACKENDS, all_rows, fill, key, open_journal, run

from engine.journal import AlreadyRunning, Corrupt, NewerSchema, NotAJournal
from engine.journal.tools import backup, compare, describe, export, rotate, verify


def make(path: Path, bodies: list[str], ts: int = 0) -> None:
    async def work() -> None:
        journal = await open_journal(path)
        for n, body in enumerate(bodies):
            journal.append_nowait("note", body, ts=ts + n, order_id=f"o-{n}")
        await journal.close()

    asyncio.run(work())


def test_verify_reports(tmp_path: Path) -> None:
    path = tmp_path / "j.db"

    async def work() -> None:
        journal = await open_journal(path)
        journal.append_nowait("fact", fill("x1"), ts=1, key=key("x1"))
        journal.append_nowait("note", "a", ts=1)
        await journal.close()

    asyncio.run(work())
    before = sorted(tmp_path.iterdir())
    report = verify(path)
    assert (report.ok, report.rows, report.executions, report.schema, report.tail_marker) == (
        True,
        2,
        1,
        1,
        2,
    )
    assert report.bytes == path.stat().st_size
    assert report.problems == ()
    assert sorted(tmp_path.iterdir()) == before, "looking leaves nothing behind"


def test_tools_name_what_is_wrong_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no journal at"):
        verify(tmp_path / "nothing.db")
    (tmp_path / "text").write_text("no database at all, only words and more words")
    with pytest.raises(NotAJournal):
        verify(tmp_path / "text")
    make(tmp_path / "j.db", ["a"])
    with sqlite3.connect(tmp_path / "j.db") as other:
        other.execute("PRAGMA user_version=7")
    other.close()
    with pytest.raises(NewerSchema):
        verify(tmp_path / "j.db")


@pytest.mark.parametrize("backend", BACKENDS)
def test_tools_keep_off_a_running_engine(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        await journal.append("note", "a", ts=1)
        for tool in (
            verify,
            rotate,
            lambda path: export(path, tmp_path / "out"),
            lambda path: backup(path, tmp_path / "out"),
        ):
            with pytest.raises(AlreadyRunning):
                tool(tmp_path / "j.db")
        assert not (tmp_path / "out").exists()
        await journal.append("note", "b", ts=1)
        await journal.close()

    run(backend, work())
    assert verify(tmp_path / "j.db").rows == 2


def test_export_is_one_object_a_line(tmp_path: Path) -> None:
    make(tmp_path / "j.db", ['{"qty":2}', "plain − text"], ts=5)
    out = tmp_path / "out.jsonl"
    assert export(tmp_path / "j.db", out) == 2
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["body"] for line in lines] == [{"qty": 2}, "plain − text"]
    assert {key: lines[0][key] for key in ("seq", "ts", "kind", "order_id")} == {
        "seq": 1,
        "ts": 5,
        "kind": "note",
        "order_id": "o-0",
    }
    with pytest.raises(FileExistsError):
        export(tmp_path / "j.db", out)
    with pytest.raises(ValueError, match="use jsonl"):
        export(tmp_path / "j.db", tmp_path / "out.xml", "xml")  # type: ignore[arg-type]


def test_backup_of_a_stopped_journal(tmp_path: Path) -> None:
    make(tmp_path / "j.db", [str(n) for n in range(50)])
    assert backup(tmp_path / "j.db", tmp_path / "copy.db") == 50
    assert compare(tmp_path / "j.db", tmp_path / "copy.db") is None
    make(tmp_path / "copy.db", ["it goes on"])
    assert verify(tmp_path / "copy.db").rows == 51
    with pytest.raises(FileExistsError):
        backup(tmp_path / "j.db", tmp_path / "copy.db")


def test_no_backup_of_a_damaged_journal(tmp_path: Path) -> None:
    make(tmp_path / "j.db", ["a", "b", "c"])
    with sqlite3.connect(tmp_path / "j.db") as other:
        other.execute("UPDATE log SET body = 'x' WHERE seq = 2")
    other.close()
    with pytest.raises(Corrupt) as caught:
        backup(tmp_path / "j.db", tmp_path / "copy.db")
    assert caught.value.first_bad == 2
    assert [file.name for file in tmp_path.iterdir() if "copy" in file.name] == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_backup_while_trading_goes_on(tmp_path: Path, backend: str) -> None:
    async def work() -> int:
        journal = await open_journal(tmp_path / "j.db", backend)
        for n in range(1700):
            journal.append_nowait("fact", fill(f"x{n}"), ts=n, key=key(f"x{n}"))
        await journal.flush()
        copying = asyncio.ensure_future(journal.backup_to(tmp_path / "copy.db"))
        during = 0
        while not copying.done():
            await journal.append("note", "meanwhile", ts=0)
            during += 1
        assert during > 0
        with pytest.raises(FileExistsError):
            await journal.backup_to(tmp_path / "copy.db")
        rows = await all_rows(journal)
        await journal.close()
        copied = await copying
        assert len(rows) == 1700 + during
        return copied

    assert run(backend, work()) == 1700
    report = verify(tmp_path / "copy.db")
    assert (report.ok, report.rows, report.executions) == (True, 1700, 1700)
    difference = compare(tmp_path / "copy.db", tmp_path / "j.db")
    assert difference is not None
    assert difference.seq == 1701
    assert difference.a is None


def test_compare_names_the_first_difference(tmp_path: Path) -> None:
    make(tmp_path / "a.db", ["1", '{"x":1,"wall":5,"deep":[{"wall":1}]}', "3"])
    make(tmp_path / "same.db", ["1", '{"x":1,"wall":6,"deep":[{"wall":2}]}', "3"])
    make(tmp_path / "other.db", ["1", '{"x":2,"wall":5,"deep":[{"wall":1}]}', "3"])
    make(tmp_path / "later.db", ["1", '{"x":1,"wall":5,"deep":[{"wall":1}]}', "3"], ts=1)
    make(tmp_path / "short.db", ["1"])
    assert compare(tmp_path / "a.db", tmp_path / "same.db") is None
    found = compare(tmp_path / "a.db", tmp_path / "other.db")
    assert found is not None
    assert (found.seq, found.column) == (2, "body")
    assert describe(found).startswith("row 2: body is ")
    strict = compare(tmp_path / "a.db", tmp_path / "same.db", wall_fields=())
    assert strict is not None
    assert strict.seq == 2
    found = compare(tmp_path / "a.db", tmp_path / "later.db")
    assert found is not None
    assert (found.seq, found.column) == (1, "ts")
    assert compare(tmp_path / "a.db", tmp_path / "later.db", ignore_ts=True) is None
    found = compare(tmp_path / "a.db", tmp_path / "short.db")
    assert found is not None
    assert describe(found) == "row 2: only the first journal goes on"


def test_rotate_moves_the_whole_journal_aside(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path, ["a", "b"])
    assert rotate(path) == tmp_path / "j-0001.db"
    assert not path.exists()
    make(path, ["c"])
    assert rotate(path) == tmp_path / "j-0002.db"
    assert (verify(tmp_path / "j-0001.db").rows, verify(tmp_path / "j-0002.db").rows) == (2, 1)
    assert verify(tmp_path / "j-0001.db").tail_marker == 2
    with pytest.raises(FileNotFoundError):
        rotate(path)


# engine/journal/files.py rotate: what a first start that was cut off had left stayed behind for the next one.
def test_rotate_takes_a_half_done_transaction_along(tmp_path: Path) -> None:
    make(tmp_path / "j.db", ["a"])
    (tmp_path / "j.db-journal").write_bytes(b"what SQLite would roll back")
    (tmp_path / "j.db.owed").write_text("of the old one")
    rotate(tmp_path / "j.db")
    assert (tmp_path / "j-0001.db-journal").read_bytes() == b"what SQLite would roll back"
    assert not (tmp_path / "j.db-journal").exists()
    assert not (tmp_path / "j.db.owed").exists()


def test_rotate_takes_the_wal_of_a_crashed_journal_along(tmp_path: Path) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db")
        await journal.append("note", "in the wal", ts=1)
        for suffix in ("", "-wal", ".tail"):
            shutil.copy(f"{tmp_path}/j.db{suffix}", f"{tmp_path}/k.db{suffix}")
        await journal.close()

    asyncio.run(work())
    moved = rotate(tmp_path / "k.db")
    assert not (tmp_path / "k.db-wal").exists()
    assert verify(moved).rows == 1
    make(tmp_path / "k.db", ["fresh"])
    assert verify(tmp_path / "k.db").rows == 1
