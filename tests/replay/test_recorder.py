"""The flight recorder: the engine's own state at every row, forward and back, live and from a backup."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.drill.processes import EngineProcess, short_folder
from engine.books import Books
from engine.control.commands import Kill
from engine.journal import schema, tools
from engine.journal.errors import Corrupt
from engine.journal.livecopy import NoCopy, copy_live
from engine.model import Side
from engine.recorder import Recorder, open_tape, tell
from engine.recorder.checkpoints import Checkpoints
from engine.records import KillBegan, decode
from tests.engine.rig import CL, ES, Rig


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[Path, Rig, str]]:
    """A run with fills, a cancel, an alarm and a kill: its file, the rig, and the engine's last digest."""

    async def script(rig: Rig) -> str:
        await rig.fill(Side.BUY, 3)
        order, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(0.3)
        rig.engine.intake.cancel(order.id)
        await rig.sleep(0.3)
        rig.exchange.faults.arm("reject_new")
        rig.send(Side.SELL, 1, 24_050)
        await rig.sleep(0.3)
        await rig.command(Kill(reason="test"))
        return rig.engine.core.books.digest()

    keep: list[Rig] = []

    async def kept(rig: Rig) -> str:
        keep.append(rig)
        return await script(rig)

    digest = Rig.play(kept, directory=tmp_path)
    yield tmp_path / "journal.db", keep[0], digest


def digests(path: Path, rig: Rig) -> list[str]:
    """The state after every row, folded independently of the recorder; the first is that of no row."""
    books = Books(rig.config, [ES, CL])
    found = [books.digest()]
    with tools.reading(path) as connection:
        for seq, ts, kind, _, _, body, _ in connection.execute(schema.SELECT_CHAIN):
            assert seq == len(found)
            books.apply(decode(kind, body), ts)
            found.append(books.digest())
    return found


def test_every_state_is_the_engines_going_forward_and_back(journal: tuple[Path, Rig, str]) -> None:
    path, rig, last = journal
    expected = digests(path, rig)
    assert last in expected
    with open_tape(path) as tape:
        assert not tape.live and tape.last == len(expected) - 1
        recorder = Recorder(tape, rig.config, [ES, CL])
        for seq in range(len(expected)):
            assert recorder.seek(seq).books.digest() == expected[seq]
        rng = random.Random(4)
        for _ in range(60):
            seq = rng.randrange(len(expected))
            assert recorder.seek(seq).books.digest() == expected[seq]
            assert recorder.seq == seq
        recorder.seek(10)
        assert recorder.step(-3).books.digest() == expected[7]
        assert recorder.step(5).books.digest() == expected[12]
        assert recorder.step(-99).row is None and recorder.step(10**6).books.digest() == expected[-1]


def test_a_moment_is_found_by_its_time(journal: tuple[Path, Rig, str]) -> None:
    path, rig, _ = journal
    with open_tape(path) as tape:
        recorder = Recorder(tape, rig.config, [ES, CL])
        rows = list(tape.rows())
        for row in rows[:: max(len(rows) // 12, 1)]:
            found = recorder.at(row.ts).row
            assert found is not None and found.ts == row.ts
            after = [r for r in rows if r.ts > found.ts]
            assert not after or after[0].seq == found.seq + 1
        assert recorder.at(rows[0].ts - 1).row is None


def test_the_story_of_an_order_is_its_life_in_order(journal: tuple[Path, Rig, str]) -> None:
    path, _, _ = journal
    with open_tape(path) as tape:
        cancelled = tape.of_kind("order")[1].order_id
        story = tell(tape, cancelled)
        assert story is not None and story.orders == [cancelled]
        kinds = [line.row.kind for line in story.lines]
        assert kinds == ["order", "sent", "fact", "sent", "fact"]
        assert [line.row.seq for line in story.lines] == sorted(line.row.seq for line in story.lines)
        assert story.lines[0].since == 0 and story.span == story.lines[-1].since > 0
        assert sum(line.gap for line in story.lines) == story.span
        by_correlation = tell(tape, story.correlations[0])
        assert by_correlation is not None
        assert [line.row for line in by_correlation.lines] == [line.row for line in story.lines]


@pytest.mark.parametrize("most", [10_000_000, 120_000])
def test_states_that_are_kept_are_those_of_a_fold_from_the_beginning(
    journal: tuple[Path, Rig, str], most: int
) -> None:
    """Whatever was kept and whatever had to go, every row gives the state that it gives without."""
    path, rig, _ = journal
    expected = digests(path, rig)
    with open_tape(path) as tape:
        kept = Checkpoints(every=5, most=most)
        recorder = Recorder(tape, rig.config, [ES, CL], checkpoints=kept)
        recorder.seek(tape.last)
        assert len(kept) > 1
        rng = random.Random(7)
        for _ in range(80):
            seq = rng.randrange(len(expected))
            assert recorder.seek(seq).books.digest() == expected[seq]
            assert recorder.seq == seq
        assert len(kept) * 5 <= 2 * tape.last, "going over the same rows again keeps nothing twice"


def test_the_story_of_an_alarm_leads_to_its_order_and_that_of_a_command_to_all_it_did(
    journal: tuple[Path, Rig, str],
) -> None:
    path, _, _ = journal
    with open_tape(path) as tape:
        rejected = next(r for r in tape.of_kind("alert") if '"rejected"' in r.body)
        number = decode(rejected.kind, rejected.body).alert.id  # type: ignore[union-attr]
        for written in (f"#{number}", f"alarm {number}", str(number)):
            story = tell(tape, written)
            assert story is not None
            assert {"order", "sent", "fact", "alert"} <= {line.row.kind for line in story.lines}
        kill = next(r for r in tape.of_kind("command") if '"kill"' in r.body)
        story = tell(tape, kill.correlation)
        assert story is not None
        kinds = {line.row.kind for line in story.lines}
        assert {"command", "kill_step", "kill_ended", "order", "fact", "answer"} <= kinds
        assert any("flatten" in order for order in story.orders)
        assert tell(tape, "nothing") is None and tell(tape, "#999") is None


def test_the_story_of_a_kill_shows_its_cancels_and_what_came_of_them(tmp_path: Path) -> None:
    """They were journalled under each order's own id, and the story had but the steps' words of them."""

    async def script(rig: Rig) -> tuple[str, str, str]:
        resting, _ = rig.send(Side.BUY, 1, 23_990)
        await rig.sleep(0.5)
        other, _ = rig.send(Side.SELL, 1, 24_050)
        await rig.sleep(0.5)
        await rig.command(Kill(reason="test"))
        return resting.id, other.id, resting.correlation

    first, second, cause = Rig.play(script, directory=tmp_path)
    with open_tape(tmp_path / "journal.db") as tape:
        kill = next(r for r in tape.of_kind("command") if '"kill"' in r.body).correlation
        story = tell(tape, kill)
        assert story is not None and story.orders == [first, second]
        about = [line.row for line in story.lines if line.row.order_id == first]
        found = [(row.kind, row.correlation) for row in about]
        assert found == [("sent", kill), ("fact", cause)], "from its cancel on: not how it came to be there"
        own = tell(tape, first)
        assert own is not None
        assert [line.row for line in own.lines if line.row.order_id == first][-2:] == about
        assert second not in {line.row.order_id for line in own.lines}
        assert {"command", "kill_began", "kill_ended"} <= {line.row.kind for line in own.lines}


def kinds_of(path: Path, code: str) -> tuple[set[str], list[str]]:
    """Kinds of row in the story of the first alarm of this code, and the orders that it names."""
    with open_tape(path) as tape:
        alarms = [decode(row.kind, row.body).alert for row in tape.of_kind("alert")]  # type: ignore[union-attr]
        story = tell(tape, f"#{next(a.id for a in alarms if a.code == code)}")
        assert story is not None
        return {line.row.kind for line in story.lines}, story.orders


def test_the_story_of_a_halts_alarm_leads_from_the_command_to_the_proof(
    journal: tuple[Path, Rig, str],
) -> None:
    kinds, orders = kinds_of(journal[0], "operator_halt")
    assert {"command", "halted", "kill_began", "kill_step", "order", "kill_ended", "answer"} <= kinds
    assert any("flatten" in order for order in orders)


@pytest.mark.parametrize("code", ["daily_loss", "halt"])
def test_the_story_of_a_limits_alarm_leads_from_the_limit_to_the_orders_that_flatten(
    code: str, tmp_path: Path
) -> None:
    """Nobody gave a command there: the limit itself is the cause, and its id is on all that followed."""

    async def script(rig: Rig) -> None:
        await rig.fill(Side.BUY, 10)
        rig.send(Side.BUY, 1, 23_900)
        await rig.sleep(0.3)
        rig.move("ES", 24_000 - 45)
        await rig.sleep(5)
        assert rig.engine.kill.progress.flat

    Rig.play(script, config={"risk": {"daily_loss_amount": 5_000}}, directory=tmp_path)
    kinds, orders = kinds_of(tmp_path / "journal.db", code)
    assert {"control_tripped", "alert", "halted", "kill_began", "order", "fact", "kill_ended"} <= kinds
    assert any("flatten" in order for order in orders)


def test_an_unfinished_kill_that_goes_on_after_a_restart_has_a_story_of_its_own(tmp_path: Path) -> None:
    async def begin(rig: Rig) -> None:
        await rig.fill(Side.BUY, 2)
        rig.engine.kill.begin(KillBegan(reason="test", symbol=None, flatten=True))
        await rig.sleep(0.001)

    async def go_on(rig: Rig) -> None:
        await rig.sleep(5)

    Rig.play(begin, directory=tmp_path)
    Rig.play(go_on, directory=tmp_path)
    kinds, _ = kinds_of(tmp_path / "journal.db", "kill_resumed")
    assert {"alert", "kill_step", "kill_ended"} <= kinds


def test_reading_changes_nothing_and_a_backup_reads_alike(
    journal: tuple[Path, Rig, str], tmp_path: Path
) -> None:
    path, rig, _ = journal
    copy = tmp_path / "copy" / "kept.db"
    copy.parent.mkdir()
    tools.backup(path, copy)
    before = {f.name: f.read_bytes() for f in path.parent.glob("journal.db*") if f.suffix != ".db-shm"}
    copy.chmod(0o400)
    for file in (path, copy):
        with open_tape(file) as tape:
            assert (
                Recorder(tape, rig.config, [ES, CL]).seek(tape.last).books.digest() == digests(path, rig)[-1]
            )
    after = {f.name: f.read_bytes() for f in path.parent.glob("journal.db*") if f.suffix != ".db-shm"}
    assert {n: b for n, b in after.items() if n in before} == before


def test_up_to_a_damaged_row_the_state_is_told_and_there_it_stops(journal: tuple[Path, Rig, str]) -> None:
    path, rig, _ = journal
    expected = digests(path, rig)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE log SET body = replace(body, 'ES', 'XX') WHERE seq = 9 OR seq > 30")
    connection.execute("UPDATE log SET ts = ts + 1 WHERE seq = 14")
    connection.commit()
    connection.close()
    with open_tape(path) as tape:
        recorder = Recorder(tape, rig.config, [ES, CL])
        with pytest.raises(Corrupt) as caught:
            recorder.seek(tape.last)
        bad = caught.value.first_bad
        assert bad is not None and bad <= 14
        assert recorder.seek(bad - 1).books.digest() == expected[bad - 1]


def test_a_running_engines_journal_is_read_from_a_copy() -> None:
    """Again and again while it trades: each reading is a whole chain, and they only grow."""
    with short_folder() as folder:
        engine = EngineProcess(folder / "state", None, "synthetic")
        try:
            engine.begin("--for", "60s", "--seed", "4")
            engine.until(lambda p: p.trading and p.health.journal_seq > 30, "it trades")
            last, shorter = 0, 0
            for _ in range(15):
                with open_tape(folder / "state" / "journal.db") as tape:
                    assert tape.live
                    rows = list(tape.rows())
                    assert len(rows) == tape.last
                    shorter += tape.last < last
                    last = tape.last
            assert not shorter and last > 30
            assert engine.picture() is not None, "it was not disturbed"
            code, summary, _ = engine.stop()
        finally:
            engine.give_up()
        assert code in (0, 8), summary
        with open_tape(folder / "state" / "journal.db") as tape:
            assert not tape.live and tape.last >= last
            assert tape.instruments(), "it says itself what its prices are of"


def test_a_journal_whose_log_is_begun_anew_while_it_is_copied_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"x")
    wal = tmp_path / "journal.db-wal"
    original = shutil.copyfile

    def meanwhile(source: Path, target: Path) -> None:
        original(source, target)
        if Path(source) == path:
            wal.write_bytes(os.urandom(64))

    monkeypatch.setattr(shutil, "copyfile", meanwhile)
    (tmp_path / "to").mkdir()
    with pytest.raises(NoCopy, match="stop the engine"):
        copy_live(path, tmp_path / "to")
