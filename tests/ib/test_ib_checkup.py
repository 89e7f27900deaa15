"""`breakwater doctor --broker ib`: each thing that may be wrong with TWS's set-up is found and named."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.drill.processes import ROOT
from brokers.ib import IbAdapter, IbConfig, IbContract
from brokers.ib.checkup import Finding, checkup
from brokers.loopback.tws import TwsConfig
from engine.clock import RealClock
from engine.model import Quote, Side
from tests.conformance.benches.ib import ACCOUNT, PATIENCE, gateway
from tests.ib.kit import needs_library

pytestmark = needs_library
ES = {"ES": IbContract(exchange="CME", expiry="front")}


def walk(
    tws: dict[str, Any] | None = None,
    *,
    account: str = ACCOUNT,
    real_money: bool = False,
    busy: bool = False,
    lost: str = "",
    short: int = 0,
    **ib: Any,
) -> dict[str, Finding]:
    """The findings against a gateway with these settings, by name."""

    async def run() -> dict[str, Finding]:
        clock = RealClock(asyncio.get_running_loop())
        venue = gateway(clock, 3, TwsConfig(**(tws or {})))
        venue.start()
        if lost:
            venue.script.drop(lost, times=1_000)
        listener, port = await venue.listen()
        venue.on_quote(Quote("ES", clock.now(), 100, 20, 101, 10))
        if short:
            venue.exchange.manual_trade(ACCOUNT, "ES", Side.SELL, short)
        config = IbConfig(**{"port": port, "contracts": ES, "answer_within": PATIENCE, **ib})
        other = IbAdapter(config.model_copy(update={"contracts": {}}), ACCOUNT, clock)
        other.bind(lambda fact: None)
        try:
            if busy:
                await other.connect()
            found = [f async for f in checkup(config, account, clock, real_money=real_money)]
            assert not venue.trading.book.open()
            return {f.name: f for f in found}
        finally:
            await other.close()
            listener.close()
            await venue.close()

    return asyncio.run(run())


def test_a_profit_that_is_not_told_is_a_warning_with_its_remedy() -> None:
    found = walk(lost="pnl_value")["ib profit"]
    assert found.state == "WARN" and "risk.broker_pnl" in found.remedy


def test_a_good_set_up_passes() -> None:
    found = walk()
    by_state = {name: f.state for name, f in found.items()}
    assert by_state == {
        "ib session": "PASS",
        "ib account": "PASS",
        "ib clock": "PASS",
        "ib figures": "PASS",
        "ib profit": "PASS",
        "ib ES": "PASS",
        "ib orders": "PASS",
        "ib data ES": "PASS",
        "ib by hand": "WARN",
    }


def test_margin_that_a_lot_more_would_free_is_not_told_as_needed() -> None:
    assert "one lot of ES needs " in walk()["ib orders"].text
    assert "would free " in walk(short=2)["ib orders"].text


@pytest.mark.parametrize(
    ("settings", "name", "state", "says", "remedy"),
    [
        ({"port": 1}, "ib session", "FAIL", "does not answer", "Enable ActiveX and Socket Clients"),
        ({"tws": {"read_only": True}}, "ib orders", "FAIL", "Read-Only", "clear Read-Only API"),
        ({"account": "DU9"}, "ib account", "FAIL", "logged on for DU1234567", "account in the configuration"),
        ({"real_money": True}, "ib account", "FAIL", "simulated money", "right user"),
        ({"busy": True}, "ib client id", "WARN", "client id 1 is in use", "end the other program"),
        ({"tws": {"market_data": "none"}}, "ib data ES", "WARN", "no live data", "Market Data Subscriptions"),
        ({"tws": {"market_data": "delayed"}}, "ib data ES", "WARN", "no live data", "Subscriptions"),
        (
            {"contracts": {"ES": IbContract(exchange="CME")}},
            "ib ES",
            "FAIL",
            "may be 2 contracts",
            "ib.contracts.ES",
        ),
        ({"contracts": {"ZZ": IbContract(exchange="CME")}}, "ib ZZ", "FAIL", "knows no contract", "ib.con"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    settings: dict[str, Any], name: str, state: str, says: str, remedy: str
) -> None:
    found = walk(**settings)
    assert name in found, sorted(found)
    assert found[name].state == state
    assert says in found[name].text and remedy in found[name].remedy


def test_a_client_id_in_use_does_not_end_the_walk() -> None:
    assert walk(busy=True)["ib orders"].state == "PASS"


@pytest.mark.slow
def test_the_command_walks_through_it(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", "--broker", "ib", "--json"],
        cwd=ROOT,
        env={**env, "HOME": str(tmp_path), "BREAKWATER__IB__PORT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    assert checks["ib session"]["state"] == "FAIL" and done.returncode != 0 and not done.stderr
