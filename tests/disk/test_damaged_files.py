"""Somebody, or the disk, damaged the files: a start refuses and says what to do; a running engine notices."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.journal.files import written
from tests.crash import checks
from tests.crash.kit import ROOT, Engine, Story, engine, short_folder, venue

pytestmark = pytest.mark.slow


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1 << place % 8
    file.write_bytes(data)


def flip_in_row(state: Path, rng: random.Random) -> None:
    """A bit of a row's text in the database itself, which SQLite's own checks do not see."""
    data = (state / "journal.db").read_bytes()
    places = [n for n in range(len(data) - 9) if data[n : n + 9] == b'"order_id']
    # An early row: the pages of late ones may stand in the WAL once more.
    flip(state / "journal.db", rng.choice(places[:20]) + rng.randrange(9))


def flip_in_wal(state: Path, rng: random.Random) -> None:
    wal = state / "journal.db-wal"
    flip(wal, rng.randrange(32, written(wal) // 2))


def cut_wal(state: Path, rng: random.Random) -> None:
    wal = state / "journal.db-wal"
    with wal.open("rb+") as file:
        file.truncate(int(written(wal) * rng.uniform(0.0, 0.9)))


def cut_database(state: Path, rng: random.Random) -> None:
    with (state / "journal.db").open("rb+") as file:
        file.truncate(4096 * rng.randint(1, 3))


def remove(name: str) -> Callable[[Path, random.Random], None]:
    return lambda state, rng: (state / name).unlink()


DAMAGE: dict[str, Callable[[Path, random.Random], None]] = {
    "bit in a row": flip_in_row,
    "bit in the WAL": flip_in_wal,
    "WAL cut": cut_wal,
    "WAL removed": remove("journal.db-wal"),
    "database cut": cut_database,
    "database removed": remove("journal.db"),
}


@pytest.fixture(scope="module")
def killed() -> Iterator[tuple[Engine, Path]]:
    """An engine that was killed while it traded, with rows in the database and in the WAL; and a copy of what
    it left."""
    with short_folder() as folder, venue(folder, 51) as market:
        runner = Engine(folder, market)
        for last in (runner.stop, runner.kill):  # a stop takes the WAL over, a kill leaves it
            runner.start()
            runner.until_trading()
            runner.until(lambda p: p.health.counters.get("fills", 0) > 30, "fills")
            last()
        shutil.copytree(runner.state, folder / "left", ignore=shutil.ignore_patterns("*.sock"))
        try:
            yield runner, folder / "left"
        finally:
            runner.give_up()


def put_back(runner: Engine, left: Path) -> None:
    for file in runner.state.glob("journal.db*"):
        file.unlink()
    for file in left.glob("journal.db*"):
        shutil.copy(file, runner.state)


def refused(runner: Engine) -> tuple[int, str]:
    """Starts it, and how that ended."""
    process = runner.spawn()
    try:
        _, errors = process.communicate(timeout=30)
        return process.returncode, errors
    finally:
        process.kill()


def journal(runner: Engine, verb: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "app.cli", "journal", verb, "--state-dir", str(runner.state)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_journal_is_refused_with_what_to_do(killed: tuple[Engine, Path], damage: str) -> None:
    runner, left = killed
    put_back(runner, left)
    DAMAGE[damage](runner.state, random.Random(damage))
    before = {f.name: f.read_bytes() for f in runner.state.glob("journal.db*") if f.suffix != ".lock"}
    code, errors = refused(runner)
    assert code == 5, (code, errors)
    assert "is damaged" in errors, errors
    assert "breakwater journal verify" in errors and "breakwater journal rotate" in errors, errors
    after = {f.name: f.read_bytes() for f in runner.state.glob("journal.db*") if f.suffix != ".lock"}
    after.pop("journal.db" if damage == "database removed" else "", None)
    assert after == before, "what is damaged was changed"
    assert journal(runner, "verify").returncode == 1


def test_who_does_as_the_message_says_trades_again(killed: tuple[Engine, Path]) -> None:
    """The journal is moved aside; the broker's own orders, executions and positions decide."""
    runner, left = killed
    put_back(runner, left)
    flip_in_wal(runner.state, random.Random(1))
    assert refused(runner)[0] == 5
    moved = journal(runner, "rotate")
    assert moved.returncode == 0, moved.stderr
    assert (runner.state / "journal-0001.db-wal").exists()
    there = len(runner.market.audit().executions)
    assert there > 60, "what it traded before"
    runner.start(rate=0)
    # The orders that it left there go on filling: one picture may lie between a fill and the next reading.
    runner.until(
        lambda p: (
            (p.trading or p.halted)
            and p.health.counters.get("fills", 0) >= there
            and all(row.executed == row.broker for row in p.positions)
        ),
        "it has booked all and agrees with the broker",
    )
    runner.stop()


def test_another_program_that_holds_the_database_is_named(killed: tuple[Engine, Path]) -> None:
    runner, left = killed
    put_back(runner, left)
    other = sqlite3.connect(runner.state / "journal.db", isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        code, errors = refused(runner)
        assert code == 6, (code, errors)
        assert "in use by another process" in errors, errors
    finally:
        other.close()


def test_files_removed_under_a_trading_engine_are_put_back_at_once() -> None:
    with short_folder() as folder, venue(folder, 52) as market, engine(folder, market) as runner:
        runner.start()
        runner.until_trading()
        runner.until(lambda p: p.health.counters.get("fills", 0) > 10, "fills")
        # Nobody else can write it meanwhile.
        other = sqlite3.connect(runner.state / "journal.db", timeout=0.1)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("DELETE FROM log")
        other.close()
        for name in ("journal.db-wal", "journal.db"):
            (runner.state / name).unlink()
            before = runner.until(
                lambda p, name=name: (
                    p  # type: ignore[misc]
                    if [a for a in p.alerts if f"{name} was removed under" in a.text]
                    else None
                ),
                "it is told",
            )
            runner.until(
                lambda p, b=before: (
                    p.trading  # type: ignore[misc]
                    and not p.paused
                    and p.health.counters["fills"] > b.health.counters["fills"] + 5
                ),
                "it trades on",
            )
        runner.kill()
        story = Story(runner.state)
        story.read()
        audit = market.audit()
        checks.no_order_unknown(audit, story)
        checks.nothing_made_up(audit, story)
        runner.start(rate=0)
        runner.until(lambda p: p.trading, "the three views agree")
        runner.stop()
        story.read()
        checks.all_booked(market.audit(), story)
