"""Reconnecting for real: an engine, an exchange with two doors, sockets that break, processes that stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.drill.processes import EngineProcess, ExchangeProcess, short_folder
from brokers.loopback.wire import Address
from engine.control.client import NoAnswer
from engine.control.commands import Kill, Submit
from engine.control.snapshot import Snapshot
from engine.model import Side

CONFIG = """
[risk]
duplicate_window = 0
collar_pct = 50
[orders]
answer_after = 0.5
[reconcile]
every = 0.5
settle = 0.3
[kill]
confirm_every = 0.1
[link]
heartbeat = 0.3
patience = 1.5
connect_within = 1
answer_within = 1
retry_first = 0.1
retry_max = 1
retry_urgent = 0.3
stable_after = 3
failover_attempts = 2
failover_after = 2
failback = "never"
{connections}
"""


class Exchange(ExchangeProcess):
    """The exchange process with two doors: a Unix socket and a TCP port, over which it is asked."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(folder, 1, "walk:ES@20", ("--port", str(port), *options))
        self.first, self.address = self.address, Address(port=port)


class Bench:
    """Exchange and engine, with an operator who sends orders."""

    def __init__(self, folder: Path, exchange: Exchange, engine: EngineProcess) -> None:
        self.folder, self.exchange, self.engine = folder, exchange, engine

    def send(self, side: Side, qty: int, limit: int) -> None:
        answer = self.engine.command(Submit(symbol="ES", side=side, size=Decimal(qty), limit=Decimal(limit)))
        assert answer.ok, answer

    def until(self, look: Callable[[Snapshot], Any], what: str) -> Any:
        return self.engine.until(look, what)

    def trading(self, what: str = "it trades") -> Snapshot:
        return self.until(lambda p: p if p.trading else None, what)

    def exposed(self) -> None:
        """Long 2, with two orders resting far away."""
        self.trading()
        self.until(lambda p: [r for r in p.positions if r.symbol == "ES" and r.bid is not None], "a market")
        self.send(Side.BUY, 2, 5050)
        self.until(lambda p: position(p) == 2, "the position of the test")
        self.send(Side.BUY, 1, 4900)
        self.send(Side.SELL, 1, 5100)
        self.until(lambda p: position(p) == 2 and len(resting(p)) == 2, "the orders of the test")

    def flat(self) -> Snapshot:
        """The kill that runs ends flat, by the engine's word and by the exchange's books."""
        picture = self.until(
            lambda p: p if p.kill is not None and p.kill.verdict.startswith("flat") else None, "flat"
        )
        audit = self.exchange.audit()
        assert sum(f.qty * f.side.sign for f in audit.executions) == 0
        assert picture.halted and not resting(picture)
        return picture


def position(picture: Snapshot) -> int:
    return int(sum(r.executed for r in picture.positions if r.symbol == "ES"))


def resting(picture: Snapshot) -> list[Any]:
    return [o for o in picture.orders if o.status == "WORKING"]


@contextlib.contextmanager
def bench(connections: Callable[[Exchange], str] = lambda _: "", *options: str) -> Iterator[Bench]:
    with short_folder() as folder:
        exchange = Exchange(folder, *options)
        config = folder / "breakwater.toml"
        config.write_text(CONFIG.format(connections=connections(exchange)))
        engine = EngineProcess(folder / "state", config, f"exchange:{exchange.first.path}")
        try:
            engine.begin()
            yield Bench(folder, exchange, engine)
            assert not engine.errors_in_log(), engine.errors_in_log()[0]
        finally:
            engine.give_up()
            os.kill(exchange.pid, signal.SIGCONT)
            exchange.kill()


def two(exchange: Exchange) -> str:
    return (
        '[[connections]]\nname = "primary"\n'
        f'[[connections]]\nname = "backup"\naddress = "{exchange.address}"\n'
    )


def kill(bench: Bench) -> None:
    """Begins a kill and does not wait for its end."""
    with contextlib.suppress(NoAnswer):
        bench.engine.command(Kill(reason="drill"), 0.2)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_cut_connection_is_made_anew_and_what_filled_meanwhile_is_found() -> None:
    with bench() as b:
        b.exposed()
        b.exchange.drill("drop", account="PAPER")
        b.until(lambda p: p.health.link.losses == 1 and p.health.link.up, "it is back")
        b.trading()
        b.exchange.drill("trade", account="PAPER", symbol="ES", side=Side.SELL, qty=2, price=20_000)
        b.until(lambda p: [a for a in p.alerts if a.code == "manual_trade"], "the manual trade is found")


def test_an_exchange_that_stops_is_noticed_and_a_kill_meanwhile_ends_by_itself() -> None:
    """Half-open: the process is stopped, its sockets stay as they are."""
    with bench() as b:
        b.exposed()
        os.kill(b.exchange.pid, signal.SIGSTOP)
        lost = b.until(lambda p: p if not p.health.link.up else None, "the loss is noticed")
        assert "nothing heard for" in lost.health.link.last_loss and not lost.trading
        kill(b)
        b.until(lambda p: p.kill is not None and p.kill.running, "the kill runs")
        b.until(lambda p: p.health.link.attempts >= 2, "attempts are made")
        os.kill(b.exchange.pid, signal.SIGCONT)
        b.flat()


def test_a_kill_goes_on_over_the_second_door() -> None:
    with bench(two) as b:
        b.exposed()
        b.exchange.drill("shut", gateway="primary")
        kill(b)
        picture = b.flat()
        assert picture.health.link.connection == "backup"
        assert "failover" in [a.code for a in picture.alerts]


def test_the_second_door_serves_when_the_first_is_shut_and_the_first_when_the_second_is() -> None:
    with bench(two) as b:
        b.exposed()
        for shut, left in (("primary", "backup"), ("backup", "primary")):
            b.exchange.drill("open", gateway=left)
            b.exchange.drill("shut", gateway=shut)
            b.until(
                lambda p, left=left: p.health.link.connection == left and p.health.link.up and p.trading,
                f"it trades over {left}",
            )
        assert b.until(lambda p: len(resting(p)) == 2, "the same orders") and position(b.trading()) == 2
        kill(b)
        b.flat()


def test_an_exchange_that_is_killed_and_comes_back_with_its_ids_handed_out_again() -> None:
    with short_folder() as place:
        config = place / "exchange.json"
        config.write_text(json.dumps({"faults": {"reuse_ids": 1.0}}))
        with bench(lambda _: "", "--config", str(config)) as b:
            b.exposed()
            before = {o.id: o.broker_id for o in resting(b.trading())}
            b.exchange.kill()
            b.until(lambda p: not p.health.link.up, "the loss is noticed")
            b.exchange.start()
            b.until(lambda p: p.trading, "it trades again")
            b.send(Side.BUY, 1, 4890)
            b.send(Side.BUY, 1, 4880)
            after = b.until(lambda p: r if len(r := resting(p)) == 4 else None, "two more orders")
            again = {o.id: o.broker_id for o in after}
            assert before.items() <= again.items()
            assert len(set(again.values())) < len(again), "the broker used an id again"
            kill(b)
            b.flat()


def test_a_kill_begun_while_the_exchange_is_dead_goes_on_when_it_lives() -> None:
    with bench() as b:
        b.exposed()
        b.exchange.kill()
        b.until(lambda p: not p.health.link.up, "the loss is noticed")
        kill(b)
        b.until(lambda p: p.health.link.attempts >= 3, "attempts are made")
        b.exchange.start()
        b.flat()


def test_a_link_that_flaps_ends_in_agreement() -> None:
    with bench(two) as b:
        b.exposed()
        for number in range(8):
            b.exchange.drill("drop", account="PAPER")
            b.until(lambda p, n=number: p.health.link.losses > n, "one more loss")
            b.until(lambda p: p.health.link.up, "and it is back")
        picture = b.trading("it trades again")
        assert position(picture) == 2 and len(resting(picture)) == 2
        kill(b)
        b.exchange.drill("drop", account="PAPER")
        b.flat()


def test_an_engine_that_was_stopped_for_long_does_not_blame_the_exchange_twice() -> None:
    """The exchange drops the silent client; woken, the engine hears of it and comes back."""
    with bench() as b:
        b.exposed()
        b.engine.send(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, b.engine.pid, os.WSTOPPED | os.WNOWAIT)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                time.sleep(0.1)
        finally:
            b.engine.send(signal.SIGCONT)
        picture = b.until(lambda p: p if p.health.link.losses and p.trading else None, "it is back")
        assert "nothing heard from the client" in picture.health.link.last_loss, picture.health.link
        assert position(picture) == 2
