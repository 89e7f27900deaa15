"""The gateway as a process: its line when it is ready, its feeds, kill -9 with orders in it, a recording."""

from __future__ import annotations

import asyncio
import json
import os
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
from tests.tws.tws_kit import LIBRARY, es, limit, needs_library, until

if LIBRARY:
    from tests.tws.tws_kit import ibi

pytestmark = needs_library


class Process:
    def __init__(self, *words: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "brokers.loopback.tws", "--port", "0", *words],
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
