"""Two real builds of engine and sentinel, each from its own tree: an upgrade is clean, and a rollback is
refused in words and leaves no engine unwatched without an alarm."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.desk.view.remedies import remedy
from app.drill.processes import ROOT, EngineProcess, end_sentinel, wait_for
from app.paths import sentinel_journal_path
from app.sentinel.asking import ask
from app.sentinel.build import build_mark
from engine.control.snapshot import AlertRow, Snapshot
from engine.sentinel.machine import Phase
from engine.sentinel.messages import FORMAT
from tests.sentinel.bench import Bench, bench, position, resting

pytestmark = pytest.mark.slow


def tree(folder: Path, name: str, *changes: tuple[str, str, str]) -> Path:
    """The packages of another build: file, what stands there, what stands there in that build."""
    root = folder / name
    for package in ("app", "engine", "brokers", "themes"):
        shutil.copytree(ROOT / package, root / package)  # with their bytecode, which times of files prove
    for file, before, after in changes:
        change(root, file, before, after)
    return root


def change(root: Path, file: str, before: str, after: str) -> None:
    text = (root / file).read_text()
    assert before in text, f"{before} in {file}"
    (root / file).write_text(text.replace(before, after))


MESSAGES = "engine/sentinel/messages.py"
LOWER = (MESSAGES, f"FORMAT: Final = {FORMAT}\n", f"FORMAT: Final = {FORMAT - 1}\n")
WORDS = (
    ("engine/records_sentinel.py", '        "started",\n', '        "started",\n        "begun",\n'),
    ("engine/sentinel/watch.py", 'Literal["started"', 'Literal["begun", "started"'),
    ("engine/sentinel/watch.py", '_write("started"', '_write("begun"'),
)
"""A build whose sentinel notes what this one does not know."""


@pytest.fixture
def b() -> Iterator[Bench]:
    with bench("flatten") as made:
        yield made


def engine(b: Bench, root: Path = ROOT) -> EngineProcess:
    """The next engine of the bench is of that build."""
    b.engine = EngineProcess(
        b.state, b.engine.config, f"exchange:{b.exchange.address}", sentinel=True, root=root
    )
    return b.engine


def told(picture: Snapshot) -> list[AlertRow]:
    return [a for a in picture.alerts if a.code == "sentinel_build"]


def test_an_upgrade_sends_the_older_sentinel_away_and_is_watched_by_its_own(b: Bench, tmp_path: Path) -> None:
    engine(b, tree(tmp_path, "older", LOWER))
    b.start()
    b.exposed()
    older = b.asked()
    assert older.format == FORMAT - 1 and older.build != build_mark()
    b.engine.kill()  # its sentinel lives, and would act
    engine(b)
    b.start()
    newer = b.asked()
    assert (newer.format, newer.build, newer.phase) == (FORMAT, build_mark(), Phase.WATCHING)
    assert newer.pid != older.pid
    b.trading()
    picture = b.engine.until(lambda p: p if all(a.cleared for a in told(p)) else None, "no alarm stands")
    assert position(picture) == 2 and len(resting(picture)) == 2 and not picture.halted
    assert b.held() == 2 and len(b.working()) == 2
    assert not {"silent", "fenced"} & set(b.notes())


def test_a_rollback_beneath_a_running_engine_is_alarmed_in_words_until_it_is_undone(
    b: Bench, tmp_path: Path
) -> None:
    root = tree(tmp_path, "current")
    engine(b, root)
    b.start()
    change(root, *LOWER)
    os.kill(b.asked().pid, signal.SIGKILL)
    picture = b.engine.until(lambda p: p if told(p) else None, "the alarm")
    (alarm,) = told(picture)
    assert f"it speaks format {FORMAT - 1}" in alarm.text and f"this engine speaks {FORMAT}" in alarm.text
    assert "nobody acts if this engine dies" in alarm.text
    assert remedy(alarm.code, alarm.text, "") == "restart what starts it; F6"
    older = wait_for(lambda: (s := ask(b.state)) and s.format < FORMAT and s, "the older one again")
    picture = b.engine.until(
        lambda p: p if f"build {older.build}" in p.health.sentinel.text else None, "it is shown"
    )
    assert picture.health.sentinel.state == "warn" and not any(a.cleared for a in told(picture))
    change(root, LOWER[0], LOWER[2], LOWER[1])
    os.kill(older.pid, signal.SIGKILL)
    b.watched()
    b.engine.until(lambda p: all(a.cleared for a in told(p)) or None, "the alarm is over")
    assert b.asked().format == FORMAT


def test_an_engine_that_cannot_read_what_a_newer_sentinel_wrote_does_not_start_and_says_why(
    b: Bench, tmp_path: Path
) -> None:
    newer = tree(tmp_path, "newer", *WORDS)
    engine(b, newer)
    b.start()
    b.exposed()
    b.engine.kill()
    end_sentinel(b.state)
    older = engine(b).spawn()
    _, errors = older.communicate(timeout=60)
    assert older.returncode not in (0, None)
    for words in ("row 1", "sentinel's journal", "a newer one wrote it", "Start that build", "sentinel.db"):
        assert words in errors, errors
    assert "Traceback" not in errors
    assert b.held() == 2 and len(b.working()) == 2, "and nobody acts because of it"
    # The other remedy.
    b.state.joinpath("aside").mkdir()
    for file in b.state.glob(sentinel_journal_path(b.state).name + "*"):
        file.rename(b.state / "aside" / file.name)
    b.start()
    b.trading()
    assert b.held() == 2 and len(b.working()) == 2
