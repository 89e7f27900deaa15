"""The sentinel for real: an engine that is killed, stopped or restarted over an exchange that outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest

from app.drill.processes import (
    ROOT,
    alive,
    wait_for,
)
from app.paths import journal_path
from app.sentinel.asking import ask, lease_of
from engine.control.commands import Kill, Reset, Submit
from engine.control.snapshot import AlertRow, Snapshot
from engine.model import Side
from engine.recorder import open_tape
from engine.recorder.story import tell
from engine.sentinel.lease import Holder
from engine.sentinel.machine import Phase
from tests.sentinel.bench import Bench, bench, position, resting, state_of


@pytest.fixture(scope="module")
def flattens() -> Iterator[Bench]:
    """Processes that one test after another finds and leaves as it likes: each says first what it needs."""
    with bench("flatten") as made:
        yield made


@pytest.fixture(scope="module")
def tells() -> Iterator[Bench]:
    with bench("alert") as made:
        yield made


def test_an_engine_that_is_killed_is_flattened_and_its_successor_knows_it(flattens: Bench) -> None:
    b = flattens
    b.ready()
    b.exposed()
    b.protected()
    b.engine.kill()
    b.silent(Phase.HOLDING)
    assert b.held() == 0 and not b.working()
    assert b.verdict().startswith("flat, confirmed twice by the broker")
    assert lease_of(b.state).holder is Holder.SENTINEL  # type: ignore[union-attr]
    b.engine.begin()
    picture = b.back()
    assert position(picture) == 0 and not resting(picture)
    # What was true between two steps of the sentinel's, and of its own orders, is no news.
    assert not {"unprotected", "unsolicited_cancel"} & {a.code for a in picture.alerts}
    assert b.notes()[-2:] == ["started", "watching"]
    assert b.engine.command(Reset(scope="halt")).ok
    b.trading()
    closing = next(o.id for o in picture.orders if o.id.startswith("flatten-"))
    with open_tape(journal_path(b.state)) as tape:
        story = tell(tape, closing)
    assert story is not None and story.symbol == "ES"
    kinds = [line.row.kind for line in story.lines]
    assert kinds.count("order_imported") == 1
    fills = [f.key.exec_id for f in b.exchange.audit().executions]
    assert len(fills) == len(set(fills)) == 3, "two opened, one closed"


def test_an_engine_that_was_stopped_finds_itself_locked_out_and_gets_the_lease_back() -> None:
    with bench("cancel") as b:
        b.start()
        b.exposed()
        b.engine.send(signal.SIGSTOP)
        b.silent(Phase.HOLDING)
        assert b.held() == 2 and not b.working(), "cancelled, positions kept"
        sent = len(b.exchange.audit().orders)
        b.engine.send(signal.SIGCONT)
        picture = b.back()
        assert position(picture) == 2 and not resting(picture)
        alarms = {a.code for a in picture.alerts}
        assert "sentinel_acted" in alarms and "unsolicited_cancel" not in alarms
        assert len(b.exchange.audit().orders) == sent, "it sent nothing"
        assert "released" in b.notes()
        answer = b.engine.command(Submit(symbol="ES", side=Side.BUY, size=Decimal(1), limit=Decimal(4900)))
        assert not answer.ok, "halted until a person resets it"
        assert b.engine.command(Reset(scope="halt")).ok
        b.trading()


def test_the_policy_alert_tells_and_touches_nothing(tells: Bench) -> None:
    b = tells
    b.ready()
    b.exposed()
    b.engine.send(signal.SIGSTOP)
    b.silent(Phase.SILENT)
    assert b.held() == 2 and len(b.working()) == 2
    wait_for(lambda: any("the sentinel: " in text for text in b.paged()), "the sentinel's page")
    b.engine.send(signal.SIGCONT)
    b.phase(Phase.WATCHING)
    assert b.notes()[-2:] == ["silent", "back"]
    assert lease_of(b.state).holder is Holder.ENGINE  # type: ignore[union-attr]
    b.send(Side.BUY, 1, 4901)
    b.engine.command(Kill(flatten=True))
    wait_for(lambda: any("the kill ended: " in text for text in b.paged()), "the page about the kill")


def test_the_engine_hears_that_the_sentinel_could_page_nobody(tells: Bench) -> None:
    """From the sentinel itself while that lives; and no more once a person was reached."""

    def unpaged(picture: Snapshot) -> list[AlertRow]:
        return [a for a in picture.alerts if a.code == "sentinel_pager"]

    b = tells
    b.ready()
    b.pages.unlink()
    b.engine.send(signal.SIGSTOP)
    b.silent(Phase.SILENT)
    wait_for(lambda: "unpaged" in b.notes(), "the sentinel's trouble")
    b.engine.send(signal.SIGCONT)
    (alarm,) = b.engine.until(unpaged, "the alarm")
    assert alarm.text == "the sentinel paged nobody: the program ended with 3: no line"
    picture = b.engine.until(lambda p: p if "it paged nobody" in p.health.sentinel.text else None, "F6")
    assert picture.health.sentinel.state == "warn"
    b.engine.kill()
    b.silent(Phase.SILENT)
    said = ask(b.state)
    assert said is not None
    b.pages.touch()  # a person can be reached again, and is, with what there was to say
    os.kill(said.pid, signal.SIGTERM)
    wait_for(lambda: not alive(said.pid), "the sentinel leaves")
    assert b.notes()[-1] == "paged"
    assert sum("nothing heard of the engine" in text for text in b.paged()) == 2
    b.engine.begin()
    picture = b.engine.until(
        lambda p: p if any(a.code == "sentinel_saw" for a in p.alerts) else None,
        "it has read what was seen",
    )
    assert [a.id for a in unpaged(picture)] == [alarm.id], "no news"


@pytest.mark.parametrize("dies", [False, True])
def test_an_engine_that_starts_while_the_sentinel_works_takes_over_from_it_dead_or_alive(
    flattens: Bench, dies: bool
) -> None:
    b = flattens
    said = b.at_work()
    before = len(b.notes())
    if dies:
        os.kill(said.pid, signal.SIGKILL)
        wait_for(lambda: not alive(said.pid), "it is dead")
        assert lease_of(b.state).holder is Holder.SENTINEL  # type: ignore[union-attr]
    b.engine.begin()
    picture = b.back()
    assert position(picture) == 2
    text = next(a.text for a in picture.alerts if a.code == "sentinel_acted")
    assert "did NOT come to its end" in text
    assert ("released" in b.notes()[before:]) is not dies
    b.exchange.drill("state", symbol="ES", state="OPEN")


def test_a_planned_end_stands_it_down_and_its_own_death_is_mended(flattens: Bench) -> None:
    b = flattens
    b.ready()
    b.exposed()
    before = len(b.notes())
    first = ask(b.state)
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    again = wait_for(lambda: (s := ask(b.state)) and s.pid != first.pid and s, "another sentinel")
    b.phase(Phase.WATCHING)
    code, summary, _ = b.engine.stop()
    assert code == 0 and summary["positions"] == {"ES": 2}
    wait_for(lambda: not alive(again.pid), "the sentinel leaves")
    assert b.held() == 2
    assert lease_of(b.state).holder is Holder.NOBODY, "nobody is missed"  # type: ignore[union-attr]
    assert "silent" not in b.notes()[before:]


HALF_SENT = """
import pathlib, signal, os, socket, sys, time
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
from engine.sentinel.messages import Beat, line
from engine.journal.files import InstanceLock
state = pathlib.Path(sys.argv[1])
lock = InstanceLock.exclusive(state / "journal.db")
side = Leasehold(LeaseFile(state / "sentinel.lease"), Holder.ENGINE)
assert side.claim()
wire = socket.socket(socket.AF_UNIX)
wire.connect(str(state / "sentinel.sock"))
for n in range(5):
    wire.sendall(line(Beat(n=n, epoch=side.epoch, seq=n)))
    time.sleep(0.1)
assert side.enter() == ""
os.kill(os.getpid(), signal.SIGSTOP)  # between the look at the lease and the last byte
"""
STRAY = """
import pathlib, socket, sys
from engine.sentinel.messages import Beat, line
wire = socket.socket(socket.AF_UNIX)
wire.connect(str(pathlib.Path(sys.argv[1]) / "sentinel.sock"))
wire.sendall(line(Beat(n=9, epoch=1, seq=9)))
wire.recv(1)
print("heard", flush=True)
sys.stdin.read()
"""


def test_an_engine_that_stands_still_in_the_midst_of_sending_is_ended_before_anything_is_done() -> None:
    with bench("flatten") as b:
        b.state.mkdir(mode=0o700)
        watcher = b.sentinel()
        b.phase(Phase.IDLE)
        child = subprocess.Popen([sys.executable, "-c", HALF_SENT, str(b.state)], cwd=ROOT)
        wait_for(lambda: state_of(child.pid) == "T", "it stands still")
        # A program that is no engine, the last to be heard: found by reading, it was the one that was ended.
        stray = subprocess.Popen(
            [sys.executable, "-c", STRAY, str(b.state)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert stray.stdout is not None and stray.stdin is not None
        assert stray.stdout.readline() == b"heard\n"
        try:
            b.silent(Phase.HOLDING)
            assert child.wait(10) == -signal.SIGKILL
            assert stray.poll() is None
            assert b.notes().index("trouble") < b.notes().index("fenced")
            watcher.terminate()
            assert watcher.wait(20) == 0
            assert lease_of(b.state).holder is Holder.SENTINEL, "it keeps the lease"  # type: ignore[union-attr]
        finally:
            for process in (child, stray, watcher):
                process.kill()
                process.wait()
            stray.stdin.close()
            stray.stdout.close()


def test_with_no_disk_left_it_closes_all_the_same(flattens: Bench) -> None:
    """Found by this test: the work never began while the sentinel's own journal could not be written."""
    b = flattens
    b.ready()
    b.exposed()
    said = ask(b.state)
    assert said is not None
    b.engine.kill()
    shutil.rmtree(b.state)
    b.hurry.touch()
    try:
        wait_for(lambda: b.held() == 0 and not b.working(), "everything is closed", patience=30)
    finally:
        os.kill(said.pid, signal.SIGKILL)


def test_one_that_only_tells_leaves_when_its_state_directory_is_gone(tells: Bench) -> None:
    b = tells
    b.ready()
    said = ask(b.state)
    assert said is not None
    b.engine.kill()
    shutil.rmtree(b.state)
    wait_for(lambda: not alive(said.pid), "it leaves", patience=30)
