"""What a journal refuses to open, with a message that says what to do; settings of the file; migrations."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_kit import BACKENDS, SMALL, START, all_rows, open_journal, poke, run

from engine.config import JournalConfig
from engine.journal import (
    AlreadyRunning,
    DiskFull,
    NewerSchema,
    NotAJournal,
    ReadOnly,
    StoreRefused,
    files,
    schema,
)
from engine.journal.connection import open_connection
from engine.journal.files import InstanceLock
from engine.journal.tools import rotate, verify

both = pytest.mark.parametrize("backend", BACKENDS)

HOLDER = """
import asyncio, sys
from pathlib import Path
from engine.clock import RealClock
from engine.config import JournalConfig
from engine.journal import Journal

async def main():
    config = JournalConfig(min_free_mb=0, ballast_mb=0)
    clock = RealClock(asyncio.get_running_loop())
    journal = await Journal.open(Path(sys.argv[1]), config, inline=False, clock=clock)
    await journal.append("note", "held", ts=1)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await journal.close()

asyncio.run(main())
"""


def make(path: Path, bodies: int = 3) -> None:
    async def work() -> None:
        journal = await open_journal(path)
        for n in range(bodies):
            journal.append_nowait("note", f"row {n + 1}", ts=n)
        await journal.close()

    asyncio.run(work())


def refused(path: Path, backend: str, config: JournalConfig = SMALL) -> StoreRefused:
    async def work() -> StoreRefused:
        with pytest.raises(StoreRefused) as caught:
            await open_journal(path, backend, config)
        return caught.value

    return run(backend, work())


@contextlib.contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the journal open."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield holder
        holder.communicate("\n", timeout=30)
        assert holder.returncode == 0
    finally:
        holder.kill()
        holder.wait()


@both
def test_a_second_process_is_refused(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "j.db"
    with held(path) as holder:
        error = refused(path, backend)
        assert isinstance(error, AlreadyRunning)
        assert error.pid == holder.pid
        assert f"process {holder.pid}" in str(error)

    async def work() -> None:
        journal = await open_journal(path, backend)
        assert [row.body for row in await all_rows(journal)] == ["held"]
        await journal.close()

    run(backend, work())


@pytest.mark.parametrize("remade", [False, True])
def test_who_removes_the_lock_file_is_not_let_in(tmp_path: Path, remade: bool) -> None:
    """A journal could be moved aside under its engine, and its sentinel took it for dead."""
    path = tmp_path / "j.db"
    with held(path) as holder:
        lock = tmp_path / "j.db.lock"
        lock.unlink()
        if remade:
            lock.touch()
        for way_in in (
            InstanceLock.shared,
            InstanceLock.exclusive,
            rotate,
            verify,
            lambda p: refused(p, "aio"),
        ):
            try:
                error = way_in(path)
            except AlreadyRunning as raised:
                error = raised
            assert isinstance(error, AlreadyRunning), way_in
            assert error.pid in (holder.pid, None) and (error.pid or sys.platform != "linux")
        assert path.exists()
    InstanceLock.exclusive(path).release()


@both
def test_a_second_journal_in_this_process_is_refused(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db", backend)
        with pytest.raises(AlreadyRunning) as caught:
            await open_journal(tmp_path / "j.db", backend)
        assert caught.value.pid == os.getpid()
        await journal.append("note", "still mine", ts=1)
        await journal.close()

    run(backend, work())


def test_another_program_that_reads_the_file_is_noticed(tmp_path: Path) -> None:
    make(tmp_path / "j.db")
    other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM log").fetchone()
    try:
        assert isinstance(refused(tmp_path / "j.db", "aio"), AlreadyRunning)
    finally:
        other.close()


@both
def test_a_read_only_disk_is_refused(tmp_path: Path, backend: str) -> None:
    target = tmp_path / "disk"
    target.mkdir()
    make(target / "j.db")
    if os.geteuid() != 0:
        target.chmod(stat.S_IRUSR | stat.S_IXUSR)
        (target / "j.db.lock").chmod(stat.S_IRUSR)
        try:
            error = refused(target / "j.db", backend)
        finally:
            target.chmod(stat.S_IRWXU)
    else:
        bind = ["mount", "--bind", str(target), str(target)]
        if subprocess.run(bind, capture_output=True, check=False).returncode:
            pytest.skip("root, and mounting is not allowed here: nothing is read-only for root")
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(target)], check=True)
            error = refused(target / "j.db", backend)
            new = refused(target / "below" / "new.db", backend)
            assert isinstance(new, ReadOnly)
        finally:
            subprocess.run(["umount", str(target)], check=True)
    assert isinstance(error, ReadOnly)
    assert "make the directory writable" in str(error)


@both
def test_a_disk_without_the_wanted_room_is_refused(tmp_path: Path, backend: str) -> None:
    error = refused(tmp_path / "j.db", backend, JournalConfig(min_free_mb=1_000_000, ballast_mb=0))
    if not isinstance(error, DiskFull):
        pytest.skip("this disk has a terabyte to spare")
    assert "1000000 MB are wanted" in str(error)
    assert "journal.min_free_mb" in str(error)

    async def work() -> None:
        # The refusal let go of the lock.
        await (await open_journal(tmp_path / "j.db", backend)).close()

    run(backend, work())


@both
def test_a_newer_schema_is_refused_and_not_touched(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "j.db"
    make(path)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version=99")
    other.close()
    before = path.read_bytes()
    error = refused(path, backend)
    assert isinstance(error, NewerSchema)
    assert (error.found, error.known) == (99, len(schema.MIGRATIONS))
    assert path.read_bytes() == before


@both
def test_other_files_are_refused_and_not_touched(tmp_path: Path, backend: str) -> None:
    text = tmp_path / "text.db"
    text.write_text("Dear diary, today I bought the dip.")
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    other.close()
    for path in (text, foreign):
        before = path.read_bytes()
        assert isinstance(refused(path, backend), NotAJournal)
        assert path.read_bytes() == before


def look_at_files(path: Path) -> None:
    # Exclusive mode before WAL: the index of the WAL is private memory, no file that others could map.
    assert not Path(f"{path}-shm").exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Path(f"{path}.ballast").stat().st_blocks * 512 >= 2_000_000


@both
def test_the_settings_of_the_file(tmp_path: Path, backend: str) -> None:
    async def work(durability: str, synchronous: int) -> None:
        path = tmp_path / f"{durability}.db"
        config = JournalConfig(min_free_mb=0, ballast_mb=2, durability=durability)  # type: ignore[arg-type]
        journal = await open_journal(path, backend, config)

        def ask(connection: sqlite3.Connection, pragma: str) -> object:
            return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

        wanted = {
            "journal_mode": "wal",
            "locking_mode": "exclusive",
            "synchronous": synchronous,
            "busy_timeout": 250,
            "foreign_keys": 1,
            "wal_autocheckpoint": 1000,
            "temp_store": 2,
            "mmap_size": 0,
            "trusted_schema": 0,
            "cell_size_check": 1,
            "application_id": 0x42574A31,
            "user_version": 1,
        }
        found = await poke(journal, lambda c: {name: ask(c, name) for name in wanted})
        assert found == wanted
        look_at_files(path)
        assert (await journal.meta())["opened"] == str(START)
        with pytest.raises(sqlite3.IntegrityError):
            await poke(journal, lambda c: c.execute("INSERT INTO log VALUES (1, 'soon', 'k', '', '', '', 0)"))
        await journal.close()

    run(backend, work("power", 2))
    run(backend, work("process", 1))


# engine/journal/files.py make_directory: only the journal's own directory was ever synced.
def test_new_directories_are_durable_before_anything_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_directory", synced.append)
    (tmp_path / "deep").mkdir()
    make(tmp_path / "deep" / "er" / "j.db", bodies=1)
    assert {tmp_path, tmp_path / "deep"} <= set(synced)
    synced.clear()
    make(tmp_path / "deep" / "er" / "j.db", bodies=1)
    assert not synced


STEP_2 = ("ALTER TABLE execution ADD COLUMN note TEXT NOT NULL DEFAULT ''",)
BROKEN = ("ALTER TABLE execution ADD COLUMN note TEXT NOT NULL DEFAULT ''", "DROP TABLE nothing")


def migrate(path: Path, migrations: tuple[schema.Migration, ...]) -> int:
    connection = open_connection(path, durability="power", min_free_mb=0, now=START, migrations=migrations)
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.finish()
    return version


def test_an_older_file_is_taken_forward(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    assert migrate(path, (*schema.MIGRATIONS, STEP_2)) == 2
    with sqlite3.connect(path) as other:
        assert [row[1] for row in other.execute("PRAGMA table_info(execution)")][-1] == "note"
        assert [row[0] for row in other.execute("SELECT body FROM log")] == ["row 1", "row 2", "row 3"]
    other.close()
    # What was there before is kept, whole.
    with sqlite3.connect(tmp_path / "j.db.v1") as kept:
        assert kept.execute("PRAGMA user_version").fetchone()[0] == 1
        assert kept.execute("SELECT count(*) FROM log").fetchone()[0] == 3
    kept.close()
    # And today's program refuses what has gone ahead of it.
    assert isinstance(refused(path, "aio"), NewerSchema)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    with pytest.raises(StoreRefused):
        migrate(path, (*schema.MIGRATIONS, BROKEN))
    assert migrate(path, schema.MIGRATIONS) == 1
    with sqlite3.connect(path) as other:
        assert "note" not in [row[1] for row in other.execute("PRAGMA table_info(execution)")]
    other.close()


def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "j.db").touch()
    make(tmp_path / "j.db", bodies=1)
    make(tmp_path / "deep" / "er" / "j.db", bodies=1)
    assert stat.S_IMODE((tmp_path / "deep" / "er").stat().st_mode) == 0o700


def test_an_engine_that_ends_without_closing_does_end(tmp_path: Path) -> None:
    """The store's thread must not keep a process alive whose engine has failed."""
    careless = HOLDER.replace(
        "    await asyncio.to_thread(sys.stdin.readline)\n    await journal.close()\n", ""
    )
    assert careless != HOLDER
    done = subprocess.run(
        [sys.executable, "-c", careless, str(tmp_path / "j.db")], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "open\n"

    async def work() -> None:
        journal = await open_journal(tmp_path / "j.db")
        assert journal.seq == 1
        await journal.close()

    asyncio.run(work())
