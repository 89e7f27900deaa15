"""The sentinel for real: an engine that is killed, stopped or restarted over an exchange that outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from app.drill.processes import (
    ROOT,
    EngineProcess,
    ExchangeProcess,
    alive,
    end_sentinel,
    short_folder,
    wait_for,
)
from app.paths import journal_path, sentinel_journal_path
from app.sentinel.asking import ask, lease_of
from app.sentinel.post import rows_of
from engine.control.commands import Kill, Reset, Submit
from engine.control.snapshot import AlertRow, Snapshot
from engine.model import Side
from engine.recorder import open_tape
from engine.recorder.story import tell
from engine.records import KINDS, KillEnded, SentinelNote, decode
from engine.sentinel.lease import Holder
from engine.sentinel.machine import Phase

CONFIG = """
strategies = []
[alerts]
command = ["sh", "-c", 'test -e "$0" || {{ echo no line >&2; exit 3; }}; cat >> "$0"', "{pages}"]
[sentinel]
policy = "{policy}"
after = 6
[risk]
duplicate_window = 0
collar_pct = 50
max_spread_ticks = 100
[orders]
answer_after = 0.5
[reconcile]
every = 0.5
settle = 0.3
[kill]
confirm_every = 0.1
[link]
retry_first = 0.1
"""


class Bench:
    """Exchange, engine and its sentinel."""

    def __init__(self, folder: Path, policy: str, *, pages: bool) -> None:
        """`pages`: a person can be reached from the beginning."""
        self.state = folder / "state"
        config = folder / "breakwater.toml"
        self.pages = folder / "pages"
        if pages:
            self.pages.touch()
        config.write_text(CONFIG.format(policy=policy, pages=self.pages))
        self.exchange = ExchangeProcess(folder, 7, "walk:ES@20")
        self.hurry = folder / "hurry"
        self.program = ("-m", "tests.sentinel.hurried", str(self.hurry))
        self.engine = EngineProcess(
            self.state, config, f"exchange:{self.exchange.address}", wrapper=self.program, sentinel=True
        )

    def close(self) -> None:
        self.engine.give_up()
        end_sentinel(self.state)
        self.exchange.close()

    def start(self) -> None:
        self.engine.begin()
        self.watched()

    def watched(self) -> None:
        self.engine.until(lambda p: p.health.sentinel.state == "ok" or None, "a sentinel that is well")

    def trading(self) -> None:
        self.engine.until(lambda p: p.trading or None, "it trades")

    def exposed(self) -> None:
        """Long 2, with two orders resting far away."""
        self.trading()
        self.engine.until(lambda p: [r for r in p.positions if r.bid is not None], "a market")
        self.send(Side.BUY, 2, 5050)
        self.engine.until(lambda p: position(p) == 2 or None, "the position")
        self.send(Side.BUY, 1, 4900)
        self.send(Side.SELL, 1, 5100)
        self.engine.until(lambda p: len(resting(p)) == 2 or None, "the orders")

    def send(self, side: Side, qty: int, limit: int) -> None:
        order = Submit(symbol="ES", side=side, size=Decimal(qty), limit=Decimal(limit))
        answer = self.engine.command(order)
        assert answer.ok, answer

    def held(self) -> int:
        return sum(f.qty * f.side.sign for f in self.exchange.audit().executions)

    def working(self) -> list[str]:
        return [o.order_id or "" for o in self.exchange.audit().orders if o.status == "WORKING"]

    def phase(self, *wanted: Phase) -> None:
        wait_for(lambda: (s := ask(self.state)) is not None and s.phase in wanted, f"{wanted}")

    def silent(self, *wanted: Phase) -> None:
        """The engine will not be heard any more: the time passes that the sentinel waits, and it comes so
        far."""
        self.hurry.touch()
        self.phase(*wanted)
        self.hurry.unlink()

    def notes(self) -> list[str]:
        rows = rows_of(sentinel_journal_path(self.state))
        found = [decode(r.kind, r.body) for r in rows if r.kind == KINDS[SentinelNote]]
        return [n.event for n in found if isinstance(n, SentinelNote)]

    def paged(self) -> list[str]:
        """The lines of all pages, of engine and sentinel."""
        whole = self.pages.read_text(encoding="utf-8").rpartition("\n")[0]
        return [told["text"] for line in whole.splitlines() for told in json.loads(line)["alarms"]]

    def verdict(self) -> str:
        rows = rows_of(sentinel_journal_path(self.state))
        found = [decode(r.kind, r.body) for r in rows if r.kind == KINDS[KillEnded]]
        return found[-1].verdict if found and isinstance(found[-1], KillEnded) else ""

    def back(self) -> Snapshot:
        """The engine that runs has the lease again, and is halted."""
        return self.engine.until(
            lambda p: p if p.halted and p.health.sentinel.state == "ok" else None,
            "halted, and watched again",
        )


def position(picture: Snapshot) -> int:
    return int(sum(r.executed for r in picture.positions if r.symbol == "ES"))


def state_of(pid: int) -> str:
    """One letter, as `ps` has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def resting(picture: Snapshot) -> list[str]:
    return [o.id for o in picture.orders if o.status == "WORKING"]


@contextlib.contextmanager
def bench(policy: str, *, pages: bool = True) -> Iterator[Bench]:
    with short_folder() as folder:
        made = Bench(folder, policy, pages=pages)
        try:
            yield made
        finally:
            made.close()


def test_an_engine_that_is_killed_is_flattened_and_its_successor_knows_it() -> None:
    with bench("flatten") as b:
        b.start()
        b.exposed()
        b.engine.kill()
        b.silent(Phase.HOLDING)
        assert b.held() == 0 and not b.working()
        assert b.verdict().startswith("flat, confirmed twice by the broker")
        assert lease_of(b.state).holder is Holder.SENTINEL  # type: ignore[union-attr]
        b.engine.begin()
        picture = b.back()
        assert position(picture) == 0 and not resting(picture)
        assert b.notes()[-2:] == ["started", "watching"]
        assert b.engine.command(Reset(scope="halt")).ok
        b.trading()
        closing = next(o.id for o in picture.orders if o.id.startswith("flatten-"))
        b.engine.stop()
        with open_tape(journal_path(b.state)) as tape:
            story = tell(tape, closing)
        assert story is not None and story.symbol == "ES"
        kinds = [line.row.kind for line in story.lines]
        assert kinds.count("order_imported") == 1
        fills = [f.key.exec_id for f in b.exchange.audit().executions]
        assert len(fills) == len(set(fills)) == 2, "one opened, one closed"


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
        assert "sentinel_acted" in alarms
        assert len(b.exchange.audit().orders) == sent, "it sent nothing"
        assert "released" in b.notes()
        answer = b.engine.command(Submit(symbol="ES", side=Side.BUY, size=Decimal(1), limit=Decimal(4900)))
        assert not answer.ok, "halted until a person resets it"
        assert b.engine.command(Reset(scope="halt")).ok
        b.trading()


def test_the_policy_alert_tells_and_touches_nothing() -> None:
    with bench("alert") as b:
        b.start()
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


def test_the_engine_hears_that_the_sentinel_could_page_nobody() -> None:
    """From the sentinel itself while that lives; and no more once a person was reached."""

    def unpaged(picture: Snapshot) -> list[AlertRow]:
        return [a for a in picture.alerts if a.code == "sentinel_pager"]

    with bench("alert", pages=False) as b:
        b.start()
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


def test_a_planned_end_stands_it_down_and_its_own_death_is_mended() -> None:
    with bench("flatten") as b:
        b.start()
        b.exposed()
        first = ask(b.state)
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        again = wait_for(lambda: (s := ask(b.state)) and s.pid != first.pid and s, "another sentinel")
        b.phase(Phase.WATCHING)
        code, summary, _ = b.engine.stop()
        assert code == 0 and summary["positions"] == {"ES": 2}
        wait_for(lambda: not alive(again.pid), "the sentinel leaves")
        assert b.held() == 2
        assert "silent" not in b.notes()


@pytest.mark.parametrize("dies", [False, True])
def test_an_engine_that_starts_while_the_sentinel_works_takes_over_from_it_dead_or_alive(dies: bool) -> None:
    with bench("flatten") as b:
        b.start()
        b.exposed()
        b.exchange.drill("state", symbol="ES", state="HALTED")  # so that nothing can be closed
        b.engine.kill()
        b.silent(Phase.ACTING)
        wait_for(lambda: not b.working(), "the orders are cancelled")
        said = ask(b.state)
        assert said is not None
        if dies:
            os.kill(said.pid, signal.SIGKILL)
            wait_for(lambda: not alive(said.pid), "it is dead")
            assert lease_of(b.state).holder is Holder.SENTINEL  # type: ignore[union-attr]
        b.engine.begin()
        picture = b.back()
        assert position(picture) == 2
        text = next(a.text for a in picture.alerts if a.code == "sentinel_acted")
        assert "did NOT come to its end" in text
        assert ("released" in b.notes()) is not dies


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
        command = [sys.executable, *b.program, "sentinel", "--spawned", "--state-dir", str(b.state)]
        command += ["--config", str(b.engine.config), "--feed", f"exchange:{b.exchange.address}"]
        env = {**os.environ, "HOME": str(b.state)}
        watcher = subprocess.Popen(command, cwd=ROOT, env=env)
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


def test_with_no_disk_left_it_closes_all_the_same() -> None:
    """Found by this test: the work never began while the sentinel's own journal could not be written."""
    with bench("flatten") as b:
        b.start()
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


def test_one_that_only_tells_leaves_when_its_state_directory_is_gone() -> None:
    with bench("alert") as b:
        b.start()
        said = ask(b.state)
        assert said is not None
        b.engine.kill()
        shutil.rmtree(b.state)
        wait_for(lambda: not alive(said.pid), "it leaves", patience=30)
