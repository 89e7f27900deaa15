"""The sentinel at IB: the engine stands still, and everything is closed under its client id."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from app.drill.processes import EngineProcess, end_sentinel, short_folder, wait_for
from app.paths import sentinel_journal_path
from app.sentinel.asking import ask
from app.sentinel.post import rows_of
from engine.control.commands import Submit
from engine.control.snapshot import Snapshot
from engine.model import Side
from engine.records import KillEnded, decode
from engine.sentinel.machine import Phase
from tests.ib.kit import needs_library
from tests.ib.test_ib_processes import CONFIG, GatewayProcess

pytestmark = [needs_library, pytest.mark.slow]


@pytest.fixture
def watched() -> Iterator[tuple[Path, EngineProcess]]:
    """An engine at the gateway, with a position, an order, and a sentinel that flattens."""
    with short_folder() as folder:
        gateway = GatewayProcess(folder)
        config = folder / "breakwater.toml"
        text = CONFIG.format(port=gateway.port).partition("[[strategies]]")[0]
        config.write_text(f"strategies = []\n{text}[sentinel]\npolicy = 'flatten'\nafter = 1\n")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
        state = folder / "state"
        engine = EngineProcess(state, config, "", env={**env, "HOME": str(folder)}, sentinel=True)
        engine.begin()
        try:
            engine.until(lambda p: (p.trading and p.health.sentinel.state == "ok") or None, "it trades")
            bid, ask_ = engine.until(_touch, "a market")
            send(engine, Side.BUY, 2, ask_ + 5)
            engine.until(lambda p: any(r.executed == 2 for r in p.positions) or None, "the position")
            send(engine, Side.BUY, 1, bid - 40)
            engine.until(lambda p: any(o.status == "WORKING" for o in p.orders) or None, "the order")
            yield state, engine
        finally:
            engine.give_up()
            end_sentinel(state)
            gateway.kill()


def _touch(picture: Snapshot) -> tuple[Decimal, Decimal] | None:
    row = next((r for r in picture.positions if r.symbol == "ES"), None)
    if row is None or row.bid is None or row.ask is None:
        return None
    return row.bid, row.ask


def send(engine: EngineProcess, side: Side, qty: int, limit: Decimal) -> None:
    answer = engine.command(Submit(symbol="ES", side=side, size=Decimal(qty), limit=limit))
    assert answer.ok, answer


def test_everything_is_closed_under_the_engines_client_id(watched: tuple[Path, EngineProcess]) -> None:
    state, engine = watched
    engine.send(signal.SIGSTOP)
    wait_for(lambda: (s := ask(state)) is not None and s.phase is Phase.HOLDING, "it is proven", patience=40)
    ended = [
        r
        for row in rows_of(sentinel_journal_path(state))
        if row.kind == "kill_ended" and isinstance(r := decode(row.kind, row.body), KillEnded)
    ]
    assert ended[-1].verdict.startswith("flat, confirmed twice")
    assert engine.process.wait(10) == -signal.SIGKILL, "it was only stopped, and its session had to end"
    engine.process.communicate()
    engine.begin()
    picture = engine.until(
        lambda p: p if p.halted and any(a.code == "sentinel_acted" for a in p.alerts) else None, "it knows"
    )
    assert all(r.executed == 0 for r in picture.positions)
    assert not [o for o in picture.orders if o.status == "WORKING"]
