"""Files of a running journal are removed, exchanged or cut by somebody else: noticed at once, and healed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from journal_kit import BACKENDS, SMALL, all_rows, fill, key, open_journal, run

from engine.journal import Journal, StoreFailed, StoreState
from engine.journal.tools import verify

both = pytest.mark.parametrize("backend", BACKENDS)


async def written(path: Path, backend: str) -> tuple[Journal, list[str]]:
    """A journal with rows, some in the database already and some in the WAL; and what it says."""
    told: list[str] = []
    journal = await open_journal(path, backend, SMALL, on_trouble=lambda s, r: told.append(r))
    for n in range(30):
        await journal.append("fact", fill(f"x{n}"), ts=n, key=key(f"x{n}"))
        if n == 10:
            await journal._store.run(lambda c: c.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
    return journal, told


def cut_wal(folder: Path) -> None:
    with (folder / "j.db-wal").open("rb+") as file:
        file.truncate(5000)


# engine/journal/connection.py JournalConnection.write: commits went on into files without a name, were
# acknowledged, and were gone with the process.
@both
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: (d / "j.db").unlink(), "j.db was removed"),
        (lambda d: (d / "j.db-wal").unlink(), "j.db-wal was removed"),
        (lambda d: [f.unlink() for f in d.iterdir()], "j.db was removed"),
        (shutil.rmtree, "j.db was removed"),
        (lambda d: shutil.copy(d / "j.db", d / "k") and (d / "k").rename(d / "j.db-wal"), "another file"),
        (cut_wal, "cut short"),
    ],
    ids=["database", "wal", "all files", "directory", "wal exchanged", "wal cut"],
)
def test_it_is_noticed_with_the_next_commit_and_put_back(
    tmp_path: Path, backend: str, damage: Callable[[Path], object], words: str
) -> None:
    async def work() -> None:
        folder = tmp_path / "state"
        folder.mkdir()
        journal, told = await written(folder / "j.db", backend)
        damage(folder)
        with pytest.raises(StoreFailed, match=words):
            await journal.append("note", "nothing is acknowledged now", ts=100)
        assert journal.state is StoreState.FAILED
        assert words in told[0]
        journal.append_nowait("fact", fill("owed"), ts=101, key=key("owed"))
        assert await journal.recover(), journal.trouble
        assert await journal.append("note", "goes on", ts=102) == journal.seq
        rows = await all_rows(journal)
        # As a killed process would leave it, on files that have their names again.
        shutil.copytree(folder, tmp_path / "copy")
        report = verify(tmp_path / "copy" / "j.db")
        assert report.ok, report.problems
        assert report.rows == len(rows) == journal.seq
        assert [row.ts for row in rows if row.kind == "fact"] == [*range(30), 101]
        assert len(await journal.known_keys()) == 31
        await journal.close()
        assert verify(folder / "j.db").ok

    run(backend, work())


def test_another_journal_in_its_place_is_not_overwritten(tmp_path: Path) -> None:
    async def work() -> None:
        other = await open_journal(tmp_path / "other.db")
        await other.append("note", "somebody's", ts=1)
        await other.close()
        path = tmp_path / "j.db"
        journal, told = await written(path, "aio")
        theirs = (tmp_path / "other.db").read_bytes()
        (tmp_path / "other.db").rename(path)
        with pytest.raises(StoreFailed, match="another file was put"):
            await journal.append("note", "n", ts=100)
        for _ in range(2):
            assert not await journal.recover()
        assert "move it away" in journal.trouble
        assert path.read_bytes() == theirs
        path.rename(tmp_path / "other.db")
        assert await journal.recover()
        rows = await all_rows(journal)
        assert [row.ts for row in rows][:30] == list(range(30))
        await journal.close()
        assert verify(path).ok
        assert len(told) == 2

    asyncio.run(work())
