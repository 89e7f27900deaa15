"""Engine and gateway as processes, killed without a word while orders are under way, in both orders."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.drill.processes import ROOT, EngineProcess, short_folder
from brokers.loopback.tws import Gateway, GatewayThread
from brokers.loopback.walk import INSTRUMENTS, Walk
from engine.control.commands import Pause
from engine.control.snapshot import Snapshot
from tests.ib.kit import needs_library
from tests.ib.test_ib_storm import mischief

pytestmark = [needs_library, pytest.mark.slow]

CONFIG = """
broker = "ib"
account = "DU1234567"
[feed]
source = "ib"
[ib]
port = {port}
answer_within = 2
[ib.contracts.ES]
exchange = "CME"
expiry = "front"
calendar = "always"
[ib.contracts.NQ]
exchange = "CME"
expiry = "front"
calendar = "always"
[risk]
daily_loss_pct = 50
max_drawdown_pct = 100
order_rate = 300
order_burst = 300
cancel_rate = 1000
duplicate_window = 0
max_position = 200
max_gross = 1000000000
max_net = 1000000000
max_executions = 1000000
reject_storm = 10000
error_storm = 10000
[orders]
answer_after = 0.5
[reconcile]
every = 1
settle = 0.5
[kill]
confirm_every = 0.2
[link]
heartbeat = 0.5
patience = 3
connect_within = 5
answer_within = 3
retry_first = 0.2
retry_max = 1
[[strategies]]
module = "tests.crash.strategies:Churn"
name = "churn"
symbols = ["ES", "NQ"]
max_position = 200
max_working = 400
[strategies.params]
rate = 6
cap = 4
cancel = true
"""


class GatewayProcess:
    """`breakwater venue tws`, with files that outlive it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [sys.executable, "-m", "brokers.loopback.tws", "--port", str(self.port)]
        self._command += ["--feed", "walk:ES,NQ@25", "--cash", "10000000", "--directory", str(folder / "tws")]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert json.loads(self._process.stdout.readline())["ready"]

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


def settings(port: int, *, churns: bool, lost_after: float = 5) -> str:
    """`lost_after`: seconds after which the engine takes what TWS does not show for lost."""
    text = CONFIG if churns else CONFIG.partition("[[strategies]]")[0]
    return text.format(port=port).replace("[orders]\n", f"[orders]\nlost_after = {lost_after}\n")


@contextmanager
def engine_at(
    folder: Path, port: int, *, churns: bool = True, lost_after: float = 5
) -> Iterator[EngineProcess]:
    """An engine whose broker is the gateway on this port. `churns`: with a strategy that never rests."""
    config = folder / "breakwater.toml"
    config.write_text(settings(port, churns=churns, lost_after=lost_after))
    engine = EngineProcess(folder / "state", config, "", env=_environment(folder))
    engine.begin()
    try:
        yield engine
    finally:
        if engine.running:
            engine.kill()


def _environment(folder: Path) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
    return {**own, "HOME": str(folder)}


@pytest.fixture
def running() -> Iterator[tuple[GatewayProcess, EngineProcess]]:
    with short_folder() as folder:
        gateway = GatewayProcess(folder)
        try:
            with engine_at(folder, gateway.port) as engine:
                yield gateway, engine
        finally:
            gateway.kill()


@contextmanager
def beside_a_gateway(
    *, churns: bool = True, lost_after: float = 5
) -> Iterator[tuple[GatewayThread, EngineProcess]]:
    """The gateway in this process, to be reached into; it understood everything that the engine said."""
    with (
        short_folder() as folder,
        GatewayThread(feed=Walk("ES,NQ@25", INSTRUMENTS, random.Random(3))) as venue,
        engine_at(folder, venue.port, churns=churns, lost_after=lost_after) as engine,
    ):
        yield venue, engine
        assert not venue.call(lambda gateway: list(gateway.problems))


def in_the_midst(engine: EngineProcess) -> None:
    engine.until(lambda p: p.trading and len(p.orders) > 0, "orders at the gateway")


def trades(engine: EngineProcess, when: str) -> None:
    engine.until(lambda p: p if p.trading else None, f"it trades {when}")


def stands(engine: EngineProcess, why: str) -> None:
    engine.until(lambda p: p if not p.trading else None, f"it stands still: {why}")


def comes_to_rest(engine: EngineProcess, what: str) -> None:
    """With the strategy paused nothing may be unknown and nothing differ."""
    answer = engine.command(Pause())
    assert answer.ok, answer
    engine.until(lambda p: p if _rest(p) else None, f"nothing unknown {what}")


def _rest(picture: Snapshot) -> bool:
    unknown = [o for o in picture.orders if str(o.status) in ("UNKNOWN", "PENDING_NEW")]
    differs = [p for p in picture.positions if p.broker is None or p.broker != p.executed]
    return not unknown and not differs and bool(picture.positions)


def kill(*processes: EngineProcess | GatewayProcess) -> None:
    """kill -9, one after the other."""
    for process in processes:
        process.kill()


def test_the_engine_is_killed_in_the_middle_of_orders(
    running: tuple[GatewayProcess, EngineProcess],
) -> None:
    _, engine = running
    for _ in range(3):
        in_the_midst(engine)
        kill(engine)
        engine.begin()
    trades(engine, "again")
    comes_to_rest(engine, "after kills of the engine")


def test_the_gateway_is_killed_in_the_middle_of_orders(
    running: tuple[GatewayProcess, EngineProcess],
) -> None:
    gateway, engine = running
    for _ in range(2):
        in_the_midst(engine)
        kill(gateway)
        stands(engine, "the gateway is gone")
        gateway.start()
        trades(engine, "again")
    comes_to_rest(engine, "after kills of the gateway")


def test_both_are_killed_the_gateway_first_and_the_engine_first(
    running: tuple[GatewayProcess, EngineProcess],
) -> None:
    gateway, engine = running
    for order in ((gateway, engine), (engine, gateway)):
        in_the_midst(engine)
        kill(*order)
        gateway.start()
        engine.begin()
    trades(engine, "after both double kills")
    comes_to_rest(engine, "after both were killed")


def test_tws_loses_ib_and_restarts_at_night() -> None:
    """1100 and 1102, 1101, then a restart that forgets: the engine stops, waits, reads and goes on. Before
    orders that open it has asked what they need."""
    with beside_a_gateway() as (venue, engine):
        for data_lost in (False, True):
            in_the_midst(engine)
            venue.call(lambda gateway: gateway.lose_server())
            stands(engine, "IB is away")
            venue.call(lambda gateway, lost=data_lost: gateway.restore_server(data_lost=lost))  # type: ignore[misc]
            trades(engine, "again")
        # The day's executions are there after it: what is filled as it begins is told of by nothing else.
        venue.call(lambda gateway: gateway.restart(forget_executions=False))
        stands(engine, "TWS restarts")
        trades(engine, "after the restart")
        comes_to_rest(engine, "after the night")
        counters = engine.until(lambda p: p.health.counters, "counters")
        assert counters["what_if"]  # how many of them went down with the line is chance


def test_a_whole_engine_comes_to_rest_after_a_storm() -> None:
    """Faults of wire and venue twice a second under a strategy that never rests; then books are compared."""
    rng = random.Random("engine storm")
    with beside_a_gateway() as (venue, engine):
        in_the_midst(engine)
        for _ in range(40):
            venue.call(lambda gateway: mischief(gateway, rng))
            time.sleep(rng.uniform(0.1, 0.7))
        venue.call(_calm)
        trades(engine, "after the storm")
        comes_to_rest(engine, "after the storm")

        def same(picture: Snapshot) -> bool:
            held = {p.symbol: int(p.executed) for p in picture.positions if p.executed}
            works = {o.id for o in picture.orders if str(o.status) in ("WORKING", "PARTIAL_FILL")}
            return (held, works) == venue.call(_truth)

        engine.until(lambda p: p if same(p) else None, "positions and orders of the venue")


def _calm(gateway: Gateway) -> None:
    gateway.script.clear()
    gateway.exchange.faults.clear()
    if not gateway.server_up:
        gateway.restore_server()


def _truth(gateway: Gateway) -> tuple[dict[str, int], set[str]]:
    """What is held and what works, by the gateway's own books."""
    held = gateway.exchange.audit("DU1234567").positions.get("DU1234567", {})
    works = {o.request()["orderRef"] for o in gateway.trading.book.open() if not o.foreign}
    return {symbol: lots for symbol, lots in held.items() if lots}, works


def test_drills_run_against_an_account_at_ib() -> None:
    """What needs no power over the exchange: limits over the wire, and the kill switch."""
    with short_folder() as folder:
        gateway = GatewayProcess(folder)
        try:
            config = folder / "ib.toml"
            config.write_text(settings(gateway.port, churns=False))
            command = [sys.executable, "-m", "app.cli", "drill", "--only", "4.41", "--json"]
            command += ["--against", str(config)]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=_environment(folder),
                capture_output=True,
                text=True,
                timeout=150,
            )
            assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
            assert '"passed"' in done.stdout
        finally:
            gateway.kill()
