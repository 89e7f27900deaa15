"""Exchange, engine and its sentinel as real processes, and what a test asks of them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from app.drill.processes import (
    ROOT,
    EngineProcess,
    ExchangeProcess,
    end_sentinel,
    short_folder,
    wait_for,
)
from app.paths import sentinel_journal_path
from app.sentinel.asking import ask
from app.sentinel.post import rows_of
from engine.control.commands import Kill, Reset, Submit
from engine.control.snapshot import Snapshot
from engine.model import Side
from engine.records import KINDS, KillEnded, decode
from engine.records_sentinel import SentinelNote
from engine.sentinel.machine import Phase
from engine.sentinel.messages import Said

CONFIG = """
strategies = []
[alerts]
command = ["sh", "-c", 'test -e "$0" || {{ echo no line >&2; exit 3; }}; cat >> "$0"', "{pages}"]
gap = 0.1
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

    def __init__(self, folder: Path, policy: str) -> None:
        self.state = folder / "state"
        config = folder / "breakwater.toml"
        self.pages = folder / "pages"
        """Where it is missing, nobody can be reached."""
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

    def sentinel(self) -> subprocess.Popen[bytes]:
        """One as an engine starts it."""
        command = [sys.executable, *self.program, "sentinel", "--spawned", "--state-dir", str(self.state)]
        command += ["--config", str(self.engine.config), "--feed", f"exchange:{self.exchange.address}"]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "HOME": str(self.state)})

    def close_sentinel(self) -> None:
        end_sentinel(self.state)

    def start(self) -> None:
        self.engine.begin()
        self.watched()

    def ready(self) -> None:
        """Watched, trading and flat with nothing working, whatever the test before has left."""
        if not self.engine.running:
            self.engine.begin()
        self.watched()
        if self.held() or self.working():
            assert self.engine.command(Kill(flatten=True)).ok
            wait_for(lambda: not self.held() and not self.working(), "it is flat")
        if self.engine.until(lambda p: p, "a picture").halted:
            wait_for(lambda: self.engine.command(Reset(scope="halt")).ok, "the halt is taken back")
        self.trading()

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

    def protected(self) -> None:
        """Long 1 more, with stop and target far away."""
        held, orders = self.held(), len(self.working())
        self.send(Side.BUY, 1, 5050, stop_loss=Decimal(4700), take_profit=Decimal(5400))
        self.engine.until(lambda p: position(p) == held + 1 or None, "the position")
        self.engine.until(lambda p: len(resting(p)) == orders + 2 or None, "stop and target")

    def send(self, side: Side, qty: int, limit: int, **more: Decimal) -> None:
        order = Submit(symbol="ES", side=side, size=Decimal(qty), limit=Decimal(limit), **more)  # type: ignore[arg-type]
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

    def at_work(self) -> Said:
        """The engine is dead, and the sentinel, which has cancelled, cannot close: the market is halted. What
        it says."""
        self.ready()
        self.exposed()
        self.exchange.drill("state", symbol="ES", state="HALTED")
        self.engine.kill()
        self.silent(Phase.ACTING)
        wait_for(lambda: not self.working(), "the orders are cancelled")
        said = ask(self.state)
        assert said is not None
        return said

    def steps(self, cycle: str, count: int) -> None:
        """So many steps of the sentinel's time pass, of which `after` has 20; then it stands until another
        cycle."""
        fresh = self.hurry.with_suffix(".new")
        fresh.write_text(f"{cycle} {count}")
        fresh.rename(self.hurry)
        done = self.hurry.with_suffix(".done")
        wait_for(lambda: done.exists() and done.read_text() == cycle, "the steps have passed")

    def heard_again(self) -> None:
        """The sentinel has heard one more heartbeat."""
        before = self.asked().n
        wait_for(lambda: self.asked().n > before, "a heartbeat")

    def asked(self) -> Said:
        said = ask(self.state)
        assert said is not None
        return said

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
def bench(policy: str) -> Iterator[Bench]:
    with short_folder() as folder:
        made = Bench(folder, policy)
        try:
            yield made
        finally:
            made.close()
