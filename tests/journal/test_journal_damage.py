"""Damage is found at the next start: flipped bits, lost, changed or moved rows, cut WALs, exchanged files."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from journal_kit import all_rows, fill, key, open_journal, poke

from engine.journal import Corrupt, DiskFull, Row, StoreRefused, Unwell
from engine.journal.checking import check
from engine.journal.connection import refusal
from engine.journal.files import written
from engine.journal.tools import verify
from engine.sim.store import failure

ROWS = 40


def make(path: Path, rows: int = ROWS) -> None:
    async def work() -> None:
        journal = await open_journal(path)
        for n in range(1, rows + 1):
            journal.append_nowait(
                "fact", fill(f"x{n}"), ts=n, correlation=f"c:{n}", order_id=f"o-{n}", key=key(f"x{n}")
            )
        await journal.close()

    asyncio.run(work())


def reopen(path: Path) -> list[Row]:
    async def work() -> list[Row]:
        journal = await open_journal(path)
        rows = await all_rows(journal)
        await journal.close()
        return rows

    return asyncio.run(work())


def change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("what", ["quick_check", "FROM log", "FROM execution", "sqlite_master"])
@pytest.mark.parametrize(("code", "damage"), [(266, False), (10, False), (7, False), (522, True), (11, True)])
def test_a_disk_that_cannot_be_read_is_no_damage(tmp_path: Path, what: str, code: int, damage: bool) -> None:
    """IOERR_READ, IOERR and NOMEM tell of disk and machine; IOERR_SHORT_READ and CORRUPT of the file."""
    path = tmp_path / "j.db"
    make(path, 3)

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            if what in sql:
                raise failure("injected", code)
            return super().execute(sql, *args)  # type: ignore[arg-type]

    connection = sqlite3.connect(path, factory=Failing)
    try:
        if damage:
            assert "injected" in str(check(path, connection).problems) or what == "sqlite_master"
        else:
            with pytest.raises(sqlite3.OperationalError, match="injected") as raised:
                check(path, connection)
            assert isinstance(refusal(path, raised.value), Unwell)
    finally:
        connection.close()


@pytest.mark.parametrize(("free", "told"), [(0, DiskFull), (10**9, Unwell)])
def test_a_failed_write_on_a_disk_without_room_is_told_as_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, told: type[StoreRefused]
) -> None:
    """SQLite says "full" for a write that found no room, and "I/O error" for a length that it could not set
    aside. Whoever starts on such a disk must hear what to do about it."""
    monkeypatch.setattr("engine.journal.connection.free_bytes", lambda _: free)
    refused = refusal(tmp_path / "j.db", failure("disk I/O error", sqlite3.SQLITE_IOERR))
    assert type(refused) is told
    assert ("free some space" in str(refused)) is (told is DiskFull)


@pytest.mark.parametrize(
    ("statement", "first_bad", "words"),
    [
        ("UPDATE log SET body = replace(body, '18000', '18001') WHERE seq = 7", 7, "checksum"),
        ("UPDATE log SET ts = ts + 1 WHERE seq = 7", 7, "checksum"),
        ("UPDATE log SET kind = 'note' WHERE seq = 7", 7, "checksum"),
        ("UPDATE log SET correlation = 'c:8' WHERE seq = 7", 7, "checksum"),
        ("UPDATE log SET order_id = '', correlation = 'c:7o-7' WHERE seq = 7", 7, "checksum"),
        ("UPDATE log SET crc = crc + 1 WHERE seq = 7", 7, "checksum"),
        ("UPDATE log SET body = CAST(x'ff' AS TEXT) WHERE seq = 7", 7, "checksum"),
        ("DELETE FROM log WHERE seq = 1", 1, "missing"),
        ("DELETE FROM log WHERE seq BETWEEN 7 AND 9", 7, "missing"),
        ("UPDATE log SET seq = 0 WHERE seq = 7", 1, "missing"),
        ("DELETE FROM log WHERE seq = 40", 40, "had been committed"),
        ("DELETE FROM log", 1, "had been committed"),
        ("UPDATE execution SET exec_id = 'x99' WHERE seq = 7", None, "execution 'x99'"),
        ("UPDATE execution SET seq = 8 WHERE seq = 7", None, "execution 'x7'"),
        ("DROP TABLE execution", None, "executions cannot be read"),
        ("DROP TABLE log", 1, "cannot be read"),
    ],
)
def test_changed_rows_are_found(tmp_path: Path, statement: str, first_bad: int | None, words: str) -> None:
    path = tmp_path / "j.db"
    make(path)
    change(path, "PRAGMA foreign_keys=OFF", statement)
    report = verify(path)
    assert not report.ok
    assert report.first_bad == first_bad
    assert words in " ".join(report.problems)
    with pytest.raises(Corrupt) as caught:
        reopen(path)
    assert caught.value.first_bad == first_bad
    assert words in caught.value.details
    assert "breakwater journal" in str(caught.value)


def test_two_rows_that_changed_places_are_found(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    change(
        path,
        "PRAGMA foreign_keys=OFF",
        "UPDATE log SET seq = 1000 WHERE seq = 7",
        "UPDATE log SET seq = 7 WHERE seq = 8",
        "UPDATE log SET seq = 8 WHERE seq = 1000",
    )
    assert verify(path).first_bad == 7


def test_a_row_from_another_journal_is_found(tmp_path: Path) -> None:
    """Good in itself and in its place, but it is not the row that the next one was written after."""

    async def work(path: Path, third: str) -> None:
        journal = await open_journal(path)
        for body in ("1", "2", third, "4", "5"):
            await journal.append("note", body, ts=1)
        await journal.close()

    asyncio.run(work(tmp_path / "a.db", "three"))
    asyncio.run(work(tmp_path / "b.db", "THREE"))
    change(
        tmp_path / "a.db",
        f"ATTACH '{tmp_path}/b.db' AS b",
        "DELETE FROM log WHERE seq = 3",
        "INSERT INTO log SELECT * FROM b.log WHERE seq = 3",
    )
    assert verify(tmp_path / "a.db").first_bad == 4


def test_a_flipped_bit_in_a_body_is_found(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    data = bytearray(path.read_bytes())
    place = data.index(b'"exec_id"') if b'"exec_id"' in data else data.index(b"18000")
    data[place + 2] ^= 1
    path.write_bytes(data)
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",), "SQLite itself sees nothing"
    other.close()
    with pytest.raises(Corrupt, match="checksum"):
        reopen(path)


def test_no_flipped_bit_gives_wrong_rows(tmp_path: Path) -> None:
    """Wherever the bit is: refused, or the very rows that were written."""
    original = tmp_path / "j.db"
    make(original)
    rows = reopen(original)
    clean = original.read_bytes()
    rng = random.Random(7)
    refused = 0
    for n in range(150):
        data = bytearray(clean)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path = tmp_path / f"flip{n}.db"
        path.write_bytes(data)
        shutil.copy(tmp_path / "j.db.tail", tmp_path / f"flip{n}.db.tail")
        try:
            assert reopen(path) == rows
        except StoreRefused:
            refused += 1
    assert refused > 30


def crashed_copy(source: Path, target: Path) -> list[Row]:
    """A journal as a killed process leaves it: its rows in the WAL. Returns what was acknowledged."""

    async def work() -> list[Row]:
        journal = await open_journal(source)
        await poke(journal, lambda c: c.execute("PRAGMA wal_autocheckpoint=0"))
        for n in range(1, ROWS + 1):
            await journal.append("fact", fill(f"x{n}"), ts=n, key=key(f"x{n}"))
        rows = await all_rows(journal)
        for suffix in ("", "-wal", ".tail"):
            shutil.copy(f"{source}{suffix}", f"{target}{suffix}")
        await journal.close()
        return rows

    return asyncio.run(work())


def test_a_crash_loses_nothing(tmp_path: Path) -> None:
    rows = crashed_copy(tmp_path / "j.db", tmp_path / "k.db")
    assert Path(f"{tmp_path}/k.db-wal").stat().st_size > 0
    assert verify(tmp_path / "k.db").rows == ROWS
    assert reopen(tmp_path / "k.db") == rows


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_cut_wal_is_found(tmp_path: Path, share: float) -> None:
    path = tmp_path / "k.db"
    crashed_copy(tmp_path / "j.db", path)
    wal = Path(f"{path}-wal")
    with wal.open("rb+") as file:
        file.truncate(int(written(wal) * share))
    report = verify(path)
    assert not report.ok
    assert report.first_bad == report.rows + 1 <= ROWS
    assert "WAL was cut off" in report.problems[0]
    with pytest.raises(Corrupt, match=r"remove k\.db\.tail"):
        reopen(path)


def test_a_removed_wal_and_a_removed_database_are_found(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    crashed_copy(tmp_path / "j.db", path)
    Path(f"{path}-wal").unlink()
    with pytest.raises(Corrupt):
        reopen(path)
    path.unlink()
    with pytest.raises(Corrupt):
        reopen(path)


def test_a_flipped_bit_in_the_wal_is_found(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    rows = crashed_copy(tmp_path / "j.db", path)
    wal = Path(f"{path}-wal")
    data = bytearray(wal.read_bytes())
    data[written(wal) // 2] ^= 4
    wal.write_bytes(data)
    assert verify(path).rows < len(rows)
    with pytest.raises(Corrupt, match="had been committed"):
        reopen(path)


# engine/journal/connection.py open_connection: closing after the refusal took what was left of a damaged WAL
# over into the database and removed it, with all that might have been saved from it.
@pytest.mark.parametrize("damage", ["flipped", "cut", "no database"])
def test_a_refused_journal_is_left_as_it_was_found(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "k.db"
    crashed_copy(tmp_path / "j.db", path)
    wal = Path(f"{path}-wal")
    data = bytearray(wal.read_bytes())
    match damage:
        case "flipped":
            data[written(wal) // 2] ^= 4
            wal.write_bytes(data)
        case "cut":
            wal.write_bytes(data[: written(wal) // 2])
        case "no database":
            path.write_bytes(b"")
    before = {f.name: f.read_bytes() for f in tmp_path.glob("k.db*") if not f.name.endswith(".lock")}
    for _ in range(2):
        with pytest.raises(Corrupt, match="had been committed"):
            reopen(path)
        after = {f.name: f.read_bytes() for f in tmp_path.glob("k.db*") if not f.name.endswith(".lock")}
        assert after == before


def test_an_older_copy_in_its_place_is_found(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    shutil.copy(path, tmp_path / "old.db")
    make(path, rows=1)
    shutil.copy(tmp_path / "old.db", path)
    with pytest.raises(Corrupt, match="older copy"):
        reopen(path)
    # As the message says: who means it removes the marker.
    Path(f"{path}.tail").unlink()
    assert len(reopen(path)) == ROWS


def test_another_journal_in_its_place_is_found(tmp_path: Path) -> None:
    make(tmp_path / "a.db", rows=3)
    make(tmp_path / "b.db", rows=3)
    change(tmp_path / "b.db", "PRAGMA foreign_keys=OFF", "DELETE FROM execution", "DELETE FROM log")
    Path(f"{tmp_path}/b.db.tail").unlink()
    make(tmp_path / "b.db", rows=5)
    shutil.copy(tmp_path / "b.db", tmp_path / "a.db")
    assert verify(tmp_path / "a.db").ok, "the same first three rows"
    shutil.copy(tmp_path / "a.db.tail", tmp_path / "c.db.tail")

    async def other() -> None:
        journal = await open_journal(tmp_path / "d.db")
        for n in range(4):
            await journal.append("note", "something else", ts=n)
        await journal.close()

    asyncio.run(other())
    shutil.copy(tmp_path / "d.db", tmp_path / "c.db")
    with pytest.raises(Corrupt, match="not the one that was committed"):
        reopen(tmp_path / "c.db")


def test_a_torn_marker_is_no_witness(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    make(path)
    marker = Path(f"{path}.tail")
    data = bytearray(marker.read_bytes())
    data[10] ^= 1
    for torn in (bytes(data), b"", b"x"):
        marker.write_bytes(torn)
        assert verify(path).tail_marker is None
        assert len(reopen(path)) == ROWS
