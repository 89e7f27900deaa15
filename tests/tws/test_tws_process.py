"""The gateway as a process: its line when it is ready, its feeds, kill -9 with orders in it, a recording."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from brokers.loopback.tws import GatewayThread, make_gateway
from brokers.loopback.tws.recording import check
from engine.clock import RealClock
from engine.model import Quote
from tests.feeds.recordings import recording
from tests.tws.tws_kit import LIBRARY, Tap, es, limit, needs_library, until

if LIBRARY:
    from tests.tws.tws_kit import ibi

pytestmark = needs_library


class Process:
    def __init__(self, *words: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "brokers.loopback.tws", "--port", "0", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            assert self.child.stderr is not None
            raise AssertionError(self.child.stderr.read())
        self.ready: dict[str, Any] = json.loads(line)

    def say(self, line: str) -> dict[str, Any]:
        """A command, and its answer."""
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        answer: dict[str, Any] = json.loads(self.child.stdout.readline())
        return answer

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.child.send_signal(number)
        _, errors = self.child.communicate(timeout=20)
        return self.child.returncode, errors


@contextmanager
def process(*words: str) -> Iterator[Process]:
    running = Process(*words)
    try:
        yield running
    finally:
        if running.child.poll() is None:
            running.end(signal.SIGKILL)


async def connect(port: int, client_id: int = 1) -> Any:
    ib = ibi.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=client_id, timeout=15)
    return ib


def test_it_says_when_it_is_ready_trades_the_synthetic_market_and_ends_on_sigterm() -> None:
    async def session(port: int) -> None:
        ib = await connect(port)
        (details, *_) = await ib.reqContractDetailsAsync(ibi.Future("ES", exchange="CME"))
        ticker = ib.reqMktData(details.contract)
        await until(lambda: ticker.bid > 0, seconds=20)
        trade = ib.placeOrder(details.contract, ibi.MarketOrder("BUY", 1, tif="DAY"))
        await until(lambda: trade.orderStatus.status == "Filled", seconds=20)
        ib.disconnect()

    with process() as venue:
        assert venue.ready["accounts"] == ["DU1234567"]
        asyncio.run(session(venue.ready["port"]))
        code, errors = venue.end()
    assert code == 0
    assert "never compared with a real TWS" in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--feed", "replay:/nowhere.csv"], "nowhere.csv"),
        (["--feed", "synthetic:XX"], "XX"),
        (["--check", "/nowhere.jsonl"], "nowhere.jsonl"),
        (["--market-data", "some"], "invalid choice"),
    ],
)
def test_what_is_wrong_is_named_and_ends_it_with_2(words: list[str], complaint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "brokers.loopback.tws", "--port", "0", *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and complaint in done.stderr and "Traceback" not in done.stderr


def test_books_of_other_instruments_are_not_opened(tmp_path: Path) -> None:
    async def place(port: int) -> None:
        ib = await connect(port)
        trade = ib.placeOrder(es(), limit("BUY", 1, 4000, tif="GTC"))
        await until(lambda: trade.orderStatus.status == "Submitted", seconds=20)
        ib.disconnect()

    with process("--feed", "none", "--directory", str(tmp_path)) as venue:
        asyncio.run(place(venue.ready["port"]))
        venue.end()
    words = [sys.executable, "-m", "brokers.loopback.tws", "--port", "0", "--directory", str(tmp_path)]
    done = subprocess.run(
        [*words, "--feed", "synthetic:GC"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "hold ES, which this feed does not list" in done.stderr


def test_a_port_that_is_taken_says_what_to_do() -> None:
    with process("--feed", "none") as venue:
        words = [sys.executable, "-m", "brokers.loopback.tws", "--feed", "none"]
        again = [*words, "--port", str(venue.ready["port"])]
        done = subprocess.run(again, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(f"breakwater venue tws: port {venue.ready['port']} cannot be opened")
    assert "--port 0" in done.stderr and "Traceback" not in done.stderr


def test_it_remembers_its_orders_over_kill_9(tmp_path: Path) -> None:
    before: dict[str, Any] = {}

    async def place(port: int) -> None:
        ib = await connect(port)
        rest = ib.placeOrder(es(), limit("BUY", 2, 4000, tif="GTC", orderRef="rests"))
        filled = ib.placeOrder(es(), limit("BUY", 1, 6000, tif="GTC", orderRef="filled"))
        await until(lambda: rest.orderStatus.status == "Submitted" and filled.fills, seconds=20)
        before.update(perm=rest.order.permId, exec=filled.fills[0].execution.execId)
        before["next"] = ib.client.getReqId()
        ib.disconnect()

    async def look(port: int) -> None:
        ib = await connect(port)
        (left,) = ib.openTrades()
        assert (left.order.permId, left.order.orderRef) == (before["perm"], "rests")
        assert [f.execution.execId for f in ib.fills()] == [before["exec"]]
        assert ib.fills()[0].execution.orderRef == "filled"
        assert [p.position for p in ib.positions()] == [1]
        assert ib.client.getReqId() >= left.order.orderId + 2
        ib.client.cancelOrder(left.order.orderId)
        await until(lambda: left.orderStatus.status == "Cancelled", seconds=20)
        ib.disconnect()

    with process("--feed", "walk:ES@50", "--directory", str(tmp_path / "venue")) as venue:
        asyncio.run(place(venue.ready["port"]))
        os.kill(venue.child.pid, signal.SIGKILL)
    with process("--feed", "walk:ES@50", "--directory", str(tmp_path / "venue")) as venue:
        assert venue.ready["restored"]
        asyncio.run(look(venue.ready["port"]))


@pytest.mark.slow
def test_killed_with_orders_under_way_it_has_each_of_them_once_or_not_at_all(tmp_path: Path) -> None:
    """kill -9 at a random moment after orders were sent, eight times over on the same books."""
    rng = random.Random(11)
    known: set[str] = set()
    filled: dict[str, float] = {}

    async def send(venue: Process, turn: int) -> None:
        ib = await connect(venue.ready["port"])
        for number in range(4):
            side, price = rng.choice((("BUY", 6000), ("SELL", 4000), ("BUY", 4000)))
            ib.placeOrder(es(), limit(side, 1, price, tif="GTC", orderRef=f"{turn}-{number}"))
        await asyncio.sleep(rng.uniform(0, 0.012))
        os.kill(venue.child.pid, signal.SIGKILL)
        await until(lambda: not ib.isConnected(), seconds=20)

    async def look(venue: Process) -> None:
        ib = await connect(venue.ready["port"])
        fills = [f.execution for f in ib.fills()]
        refs = [f.orderRef for f in fills] + [t.order.orderRef for t in ib.openTrades()]
        assert len(refs) == len(set(refs)) and all(refs)
        assert known <= set(refs)  # what was there once stays
        assert len({f.execId for f in fills}) == len(fills)
        assert filled.items() <= {f.execId: f.price for f in fills}.items()
        held = sum(f.shares if f.side == "BOT" else -f.shares for f in fills)
        assert held == sum(p.position for p in ib.positions())
        known.update(refs)
        filled.update({f.execId: f.price for f in fills})
        ib.disconnect()

    words = ("--feed", "walk:ES@50", "--directory", str(tmp_path / "venue"))
    for turn in range(8):
        with process(*words) as venue:
            asyncio.run(send(venue, turn))
        with process(*words) as venue:
            asyncio.run(look(venue))
            venue.end(signal.SIGKILL)
    assert filled and len(known) > len(filled)


@pytest.mark.data
def test_a_recorded_hour_is_traded_in_its_own_time() -> None:
    path = recording("es_mbo_20231225/es_mbo_20231225.csv.gz")

    async def session(port: int) -> None:
        ib = await connect(port)
        (details,) = await ib.reqContractDetailsAsync(ibi.Future("ES", exchange="CME"))
        assert details.contract.localSymbol == "ESH4"
        assert details.contract.lastTradeDateOrContractMonth == "20240315"
        ticker = ib.reqMktData(details.contract)
        await until(lambda: ticker.bid > 4000, seconds=40)
        trade = ib.placeOrder(details.contract, limit("BUY", 1, ticker.ask + 5))
        await until(lambda: trade.fills, seconds=40)
        execution = trade.fills[0].execution
        assert 4790 < execution.price < 4820
        assert f"{execution.time:%Y-%m-%d}" in ("2023-12-25", "2023-12-26")
        ib.disconnect()

    with process("--feed", f"replay:{path}", "--speed", "600") as venue:
        asyncio.run(session(venue.ready["port"]))


def test_it_records_the_wire_and_checks_it(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"

    async def session(port: int) -> None:
        (await connect(port)).disconnect()

    with process("--feed", "walk", "--record", str(path)) as venue:
        asyncio.run(session(venue.ready["port"]))
        assert venue.end()[0] == 0
    assert check(path) == []
    done = subprocess.run(
        [sys.executable, "-m", "brokers.loopback.tws", "--check", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "0 messages are not explained" in done.stdout


def test_commands_on_standard_input_make_things_go_wrong() -> None:
    async def session(venue: Process) -> None:
        ib = await connect(venue.ready["port"])
        tap = Tap(ib)
        assert venue.say("refuse place_order 203 no") == {"error": "there is no command 'refuse'; say help"}
        assert "done" in venue.say("script.refuse place_order 203 'not today' times=2")
        ib.placeOrder(es(), limit("BUY", 1, 4000))
        await until(lambda: tap.codes() == [203])
        assert tap.of("error")[0][2] == "not today"
        assert "done" in venue.say("script.clear") and "done" in venue.say("lose_server")
        assert "done" in venue.say("restore_server data_lost=true")
        await until(lambda: tap.codes() == [203, 1100, 1101])
        assert "done" in venue.say("exchange.set_state ES HALTED")
        ib.placeOrder(es(), ibi.MarketOrder("BUY", 1, tif="DAY"))
        await until(lambda: tap.codes()[-1] == 201)
        ib.disconnect()

    with process("--feed", "none", "--control") as venue:
        asyncio.run(session(venue))
        assert any(line.startswith("script.drop NAME") for line in venue.say("help")["help"])
        for line, complaint in (
            ("exchange.set_state ES LUNCH", "state cannot be 'LUNCH'"),
            ("script.drop nothing", "there is no message 'nothing'"),
            ("script.drop", "missing a required argument: 'name'"),
            ("farm 2104 a b", "takes no more than 2 words"),
            ("bust 00.01", "there is no execution 00.01"),
            ("exchange.manual_trade DU1234567 ES X 1", "side cannot be 'X'"),
            ("error 'unclosed", "No closing quotation"),
        ):
            assert complaint in venue.say(line)["error"]
        assert venue.end()[0] == 0


def test_a_correction_after_a_restart_is_the_next_revision_of_the_same_execution(tmp_path: Path) -> None:
    async def run() -> list[str]:
        gateway = make_gateway(RealClock(asyncio.get_running_loop()), directory=tmp_path)
        gateway.start()
        listener, port = await gateway.listen()
        gateway.on_quote(Quote("ES", gateway.clock.now(), 20_000, 10, 20_001, 10))
        ib = await connect(port)
        tap = Tap(ib)
        if not gateway.executions.by_stem:
            ib.placeOrder(es(), limit("BUY", 2, 5000.25, orderRef="once"))
            await until(lambda: tap.of("commissionReport"))
        (execution,) = gateway.executions.by_stem.values()
        gateway.correct(execution.exec_id, execution.fill.price - 1)
        await until(lambda: gateway.executions.by_stem[execution.stem].revision > execution.revision)
        (fill,) = await ib.reqExecutionsAsync()
        assert (fill.execution.orderRef, fill.execution.cumQty) == ("once", 2)
        assert [p.position for p in ib.positions()] == [2]
        ib.disconnect()
        listener.close()
        await gateway.close()
        return [fill.execution.execId, str(fill.execution.price)]

    first, second = asyncio.run(run()), asyncio.run(run())
    assert first[0].rpartition(".")[0] == second[0].rpartition(".")[0]
    assert (first[0][-2:], first[1]) == ("02", "5000.0")
    assert (second[0][-2:], second[1]) == ("03", "4999.75")


def test_on_a_thread_of_its_own_it_takes_commands_from_outside() -> None:
    async def session(venue: GatewayThread) -> None:
        ib = await connect(venue.port)
        trade = ib.placeOrder(es(), limit("BUY", 1, 4990))
        await until(lambda: trade.orderStatus.status == "Submitted")
        venue.call(lambda gateway: gateway.lose_server())
        assert venue.call(lambda gateway: gateway.server_up) is False
        with pytest.raises(ValueError, match="no message"):
            venue.call(lambda gateway: gateway.script.drop("nothing"))
        ib.disconnect()

    with GatewayThread(lambda clock: make_gateway(clock, seed=3)) as venue:
        asyncio.run(session(venue))


def test_a_thread_that_cannot_start_says_why_where_it_was_started() -> None:
    with GatewayThread() as venue, pytest.raises(OSError), GatewayThread(port=venue.port):
        pass
