"""Whole engines in stage shadow beside a gateway that keeps the wire: nothing ever goes there."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.drill.processes import ROOT, EngineProcess, ExchangeProcess, short_folder
from app.exitcodes import ExitCode
from brokers.loopback.tws import Gateway, GatewayThread, make_gateway
from brokers.loopback.walk import INSTRUMENTS, Walk
from engine.control.commands import Flatten, Kill, Pause, Resume
from engine.control.snapshot import Snapshot
from engine.facts import Executed
from engine.model import Side
from engine.recorder import open_tape
from engine.records import FactTaken, RunStarted, decode
from tests.ib.kit import needs_library
from tests.ib.test_ib_processes import CONFIG
from tests.ib.test_ib_storm import mischief
from tests.shadow.test_shadow_ib import changes

pytestmark = [needs_library, pytest.mark.slow]

OVERRIDE = ("--override-gate", "promote DU1234567 to shadow")


@contextmanager
def beside_a_gateway() -> Iterator[tuple[GatewayThread, EngineProcess]]:
    """A shadow that never rests beside a gateway in this process. At the end neither its exchange nor its
    wire may have met anything that changes an order."""
    with short_folder() as folder:
        config, recording = folder / "breakwater.toml", folder / "wire.jsonl"
        venue = GatewayThread(
            lambda clock: make_gateway(clock, record=recording),
            feed=Walk("ES,NQ@25", INSTRUMENTS, random.Random(3)),
        )
        with venue:
            config.write_text('stage = "shadow"\n' + CONFIG.format(port=venue.port))
            engine = EngineProcess(folder / "state", config, "")
            engine.begin(*OVERRIDE)
            try:
                yield venue, engine
            finally:
                engine.give_up()
            audit = venue.call(lambda gateway: gateway.exchange.audit("DU1234567"))
            assert all(o.order_id is None for o in audit.orders), "an order of ours"
            assert all(f.order_id is None for f in audit.executions), "an execution of ours"
            assert not venue.call(lambda gateway: gateway.trading.book.open())
            assert not venue.call(lambda gateway: list(gateway.problems))
        assert changes(recording) == []


def trades(engine: EngineProcess, when: str) -> None:
    engine.until(lambda p: p if p.trading and len(p.orders) > 2 else None, f"it trades {when}")


def comes_to_rest(engine: EngineProcess, what: str) -> Snapshot:
    """With the strategy paused nothing may be unknown, and the shadow account agrees."""
    answer = engine.command(Pause())
    assert answer.ok, answer

    def rest(p: Snapshot) -> bool:
        unknown = [o for o in p.orders if str(o.status) in ("UNKNOWN", "PENDING_NEW")]
        return bool(p.positions) and not unknown and all(q.broker == q.executed for q in p.positions)

    return engine.until(lambda p: p if rest(p) else None, f"nothing unknown {what}")


def calm(gateway: Gateway) -> None:
    gateway.script.clear()
    gateway.exchange.faults.clear()
    if not gateway.server_up:
        gateway.restore_server()


def test_nothing_leaves_through_storms_deaths_and_kills() -> None:
    """Faults on the wire, the line lost, kill -9 of the engine, a restart, flatten, and the kill switch; the
    real account trades by hand meanwhile."""
    rng = random.Random("shadow storm")
    with beside_a_gateway() as (venue, engine):
        trades(engine, "first")
        venue.call(lambda gateway: gateway.exchange.manual_trade("DU1234567", "ES", Side.BUY, 3))
        for _ in range(12):
            venue.call(lambda gateway: mischief(gateway, rng))
            time.sleep(rng.uniform(0.05, 0.3))
        venue.call(calm)
        for _ in range(2):
            trades(engine, "again")
            engine.kill()
            engine.begin(*OVERRIDE)
        trades(engine, "after its deaths")
        venue.call(lambda gateway: gateway.lose_server())
        engine.until(lambda p: p if not p.trading else None, "it stands still without IB")
        venue.call(lambda gateway: gateway.restore_server(data_lost=True))
        trades(engine, "with IB back")
        comes_to_rest(engine, "after deaths")
        assert engine.command(Flatten()).ok
        held = "flat, and not the three lots that are really held"
        flat = engine.until(
            lambda p: p if all(q.executed == q.broker == 0 for q in p.positions) else None, held
        )
        assert flat.mode == "SHADOW"
        assert engine.command(Resume()).ok
        trades(engine, "once more")
        answer = engine.command(Kill(reason="test"))
        assert answer.ok and "flat" in answer.text.lower(), answer
        code, summary, _ = engine.stop()
        assert code == ExitCode.HALTED and summary["flat"] and summary["reconciled"]
        assert summary["shadow_days"] == 0
        books_agree(engine.state)


def books_agree(state: Path) -> None:
    """The shadow account outlived every death: each of its executions is in the journal, once."""
    found: set[str] = set()
    with open_tape(state / "journal.db") as tape:
        for row in tape.of_kind("fact"):
            record = decode(row.kind, row.body)
            assert isinstance(record, FactTaken)
            if isinstance(record.fact, Executed):
                found.add(f"{record.fact.fill.key}")
        starts = [decode(r.kind, r.body) for r in tape.of_kind("run_started")]
    assert {s.mode for s in starts if isinstance(s, RunStarted)} == {"SHADOW"} and len(starts) == 3
    assert len(found) == executions_kept(state) > 0


def executions_kept(state: Path) -> int:
    """Executions in the shadow account's own books."""
    with sqlite3.connect(state / "exchange.db") as ledger:
        (kept,) = ledger.execute("SELECT count(*) FROM executions").fetchone()
    return int(kept)


def test_a_shadow_and_another_stage_never_share_a_journal() -> None:
    with (
        short_folder() as folder,
        GatewayThread(feed=Walk("ES,NQ@25", INSTRUMENTS, random.Random(3))) as venue,
    ):
        config = folder / "b.toml"
        quiet = CONFIG.format(port=venue.port).partition("[[strategies]]")[0]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}

        def run(stage: str, state: str) -> subprocess.CompletedProcess[str]:
            config.write_text(f'stage = "{stage}"\n' + quiet)
            words = OVERRIDE if stage == "shadow" else ()
            return subprocess.run(
                [sys.executable, "-m", "app.cli", "headless", "--json", "--for", "2s",
                 "--config", str(config), "--state-dir", str(folder / state), *words],
                cwd=ROOT, env={**env, "HOME": str(folder)}, capture_output=True, text=True, timeout=60,
            )  # fmt: skip

        first = run("shadow", "s")
        assert first.returncode == 0, first.stderr
        assert json.loads(first.stdout)["shadow_days"] == 0
        assert run("paper", "p").returncode == 0
        for stage, state, was in (("paper", "s", "SHADOW"), ("shadow", "p", "PAPER")):
            refused = run(stage, state)
            assert refused.returncode == ExitCode.STORE_REFUSED, refused.stderr
            assert f"journal of a {was} run" in refused.stderr and "another --state-dir" in refused.stderr


EXCHANGE = 'stage = "shadow"\naccount = "PAPER"\n' + CONFIG[CONFIG.index("[risk]") :]


def test_an_exchange_of_its_own_process_is_shadowed_through_its_death_and_ours() -> None:
    with short_folder() as folder:
        exchange = ExchangeProcess(folder, 5)
        config = folder / "breakwater.toml"
        config.write_text(EXCHANGE)
        engine = EngineProcess(folder / "state", config, f"exchange:{exchange.address}")
        override = ("--override-gate", "promote PAPER to shadow")
        engine.begin(*override)
        try:
            engine.until(lambda p: p.health.counters.get("fills"), "a fill")
            exchange.kill()
            engine.until(lambda p: p if not p.trading else None, "it stands still without its exchange")
            exchange.start()
            trades(engine, "with the exchange back")
            engine.kill()
            engine.begin(*override)
            trades(engine, "after its own death")
            answer = engine.command(Kill(reason="test"))
            assert answer.ok and "flat" in answer.text.lower(), answer
            _, summary, _ = engine.stop()
            assert summary["flat"] and summary["reconciled"] and executions_kept(engine.state)
            audit = exchange.audit()
            assert (audit.orders, audit.executions) == ((), ())
        finally:
            engine.give_up()
            exchange.close()
