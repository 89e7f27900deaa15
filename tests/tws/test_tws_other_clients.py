"""The same gateway with clients that need an environment of their own: ib_async, and the vendor's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from brokers.loopback.tws import GatewayThread, make_gateway
from brokers.loopback.tws.recording import check
from engine.model import Quote
from tests.tws.tws_kit import LIBRARY

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / ".venv-ibapi" / "bin" / "python"
here_first = pytest.mark.skipif(
    LIBRARY == "ib_async", reason="run from the environment that has ib_insync; this is the other one"
)


@pytest.mark.skipif(LIBRARY == "ib_insync" or not LIBRARY, reason="one library only, as it must be")
def test_here_is_ib_async() -> None:
    import ib_async

    assert ib_async.__version__ == "2.1.0"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[Any]]]:
    """What the vendor's client was told in its session; the wire is checked to the last field both ways."""
    record = tmp_path_factory.mktemp("vendor") / "wire.jsonl"
    with GatewayThread(lambda clock: make_gateway(clock, record=record)) as venue:
        venue.call(lambda g: g.on_quote(Quote("ES", g.clock.now(), 20_000, 10, 20_001, 10)))
        done = subprocess.run(
            [VENDOR, Path(__file__).with_name("vendor_session.py"), str(venue.port)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        assert venue.gateway.problems == []
    assert check(record) == []
    return [(name, arguments) for name, arguments in json.loads(done.stdout)]


with_vendor = pytest.mark.skipif(not VENDOR.exists(), reason="no .venv-ibapi: make test-ib creates it")


TOLD = [
    *("openOrder", "orderStatus", "execDetails", "commissionReport", "completedOrder", "contractDetails"),
    *("position", "updatePortfolio", "updateAccountValue", "accountSummary", "accountUpdateMulti", "pnl"),
    *("pnlSingle", "marketRule", "tickPrice", "tickSize", "tickReqParams", "marketDataType", "realtimeBar"),
    *("historicalData", "historicalDataEnd", "currentTime", "openOrderEnd", "execDetailsEnd"),
    *("completedOrdersEnd", "positionEnd", "accountDownloadEnd"),
]


@here_first
@with_vendor
def test_the_vendors_client_agrees_on_157_and_reads_every_field(told: list[tuple[str, list[Any]]]) -> None:
    counts = Counter(name for name, _ in told)
    assert ("serverVersion", [157]) in told
    assert counts["leftOver"] == 0, [a for n, a in told if n == "leftOver"]
    for name in TOLD:
        assert counts[name], name


def last(told: list[tuple[str, list[Any]]], name: str, *first: Any) -> list[Any]:
    return [a for n, a in told if n == name and a[: len(first)] == list(first)][-1]


@here_first
@with_vendor
def test_the_vendors_client_understands_what_we_meant(told: list[tuple[str, list[Any]]]) -> None:
    _, contract, execution = last(told, "execDetails", 902)
    assert (contract["symbol"], contract["multiplier"]) == ("ES", "50")
    assert (execution["side"], execution["shares"], execution["price"]) == ("BOT", 2.0, 5000.25)
    assert (execution["orderRef"], execution["lastLiquidity"], execution["clientId"]) == ("vendor", 2, 7)
    (report,) = last(told, "commissionReport")
    assert (report["commission"], report["currency"]) == (4.5, "USD")
    assert report["realizedPNL"] == sys.float_info.max
    what_if = next(a for n, a in told if n == "openOrder" and a[2]["whatIf"])
    assert (what_if[3]["initMarginChange"], what_if[3]["commission"]) == ("12000", 2.25)
    stop = next(a for n, a in told if n == "openOrder" and a[2]["orderType"] == "STP")
    assert (stop[2]["auxPrice"], stop[2]["tif"], stop[3]["status"]) == (4980.0, "GTC", "PreSubmitted")
    statuses = {a[0]: a[1] for n, a in told if n == "orderStatus"}
    assert [statuses[k] for k in sorted(statuses)] == ["Filled", "Cancelled", *["Cancelled"] * 3]
    done = {a[1]["permId"]: a for n, a in told if n == "completedOrder"}
    assert sorted(a[2]["completedStatus"] for a in done.values()) == [
        "Cancelled by Trader",
        "Filled Size: 2",
    ]
    assert last(told, "position")[2:] == [2.0, 250_012.5]
    assert last(told, "historicalData", 909)[1]["close"] == 5000.0
    assert last(told, "pnlSingle", 906)[1:3] == [2, -25.0]
    (rule,) = last(told, "marketRule")[1]
    assert (rule["lowEdge"], rule["increment"]) == (0.0, 0.25)


@here_first
@with_vendor
def test_the_vendors_conditions_algos_and_scales_are_read_and_refused(
    told: list[tuple[str, list[Any]]],
) -> None:
    refusals = [a[2].split(": ")[1] for n, a in told if n == "error" and a[1] == 387]
    assert refusals == ["conditions is set.", "algoStrategy is set.", "hedgeType is set."]
