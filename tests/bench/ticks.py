"""Section `ticks`: the period of the risk loop while the gateway of Interactive Brokers floods it with ticks.

The engine is a process of its own, the gateway a thread here; the client library decodes in the engine's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from brokers.ib import library
from brokers.loopback.tws import Gateway, GatewayThread
from brokers.loopback.tws.client import Client
from brokers.loopback.tws.framing import join
from brokers.loopback.walk import INSTRUMENTS
from engine.model import Quote
from tests.bench.figures import Figures, spread, table, workplace
from tests.bench.risk import LEAD_IN, TARGET_MS

BURST = 50_000
CASES = {"no burst": 0, "one burst": 1, "five bursts": 5}


def run(quick: bool) -> Figures:
    """Runs every case; returns the figures by case."""
    if library.problem():
        print(f"\nticks: {library.problem()}")
        return {"skipped": {"bursts": 0}}
    seconds = 4.0 if quick else 12.0
    found = {name: _case(n, seconds) for name, n in CASES.items() if not quick or n < 2}
    _print(found, seconds)
    return found


def _case(bursts: int, seconds: float) -> Figures:
    with workplace() as folder, GatewayThread() as venue:
        venue.call(_quote)
        begin = time.monotonic_ns() + int((LEAD_IN + 2) * 1e9)
        end = begin + int(seconds * 1e9)
        contracts = {"ES": {"exchange": "CME", "expiry": "front"}}
        job = {
            "state": str(folder / "state"),
            "out": str(folder / "engine.json"),
            "begin": begin,
            "end": end,
            "strategies": [],
            "feed": "ib",
            "desk": False,
            "ib": {"port": venue.port, "contracts": contracts},
        }
        (folder / "state").mkdir(mode=0o700)
        control = folder / "control.json"
        module = [sys.executable, "-m"]
        ticking = subprocess.Popen([*module, "tests.bench.ticker", str(begin), str(end), str(control)])
        log = folder / "said"
        with log.open("wb") as said:
            engine = subprocess.Popen(
                [*module, "tests.bench.risk_engine", json.dumps(job)], stdout=said, stderr=said
            )
            try:
                ready: list[tuple[Client, bytes]] = []
                while bursts and not ready and time.monotonic_ns() < end:
                    time.sleep(0.2)
                    ready = venue.call(_bursts)  # before the window: making them is not what is measured
                for n in range(bursts):
                    at = begin + int((n + 0.5) / bursts * (end - begin))
                    time.sleep(max(0.0, (at - time.monotonic_ns()) / 1e9))
                    venue.call(lambda _: _send(ready))
                engine.wait(LEAD_IN + seconds + 60)
                ticking.wait(30)
            finally:
                for process in (engine, ticking):
                    process.kill()
                    process.wait()
        if not Path(job["out"]).exists():  # type: ignore[arg-type]
            raise RuntimeError(f"the engine process left no figures: {log.read_text()[-2_000:]}")
        return _figures(json.loads((folder / "engine.json").read_text()), json.loads(control.read_text()))


def _quote(gateway: Gateway) -> None:
    es = next(i for i in INSTRUMENTS if i.symbol == "ES")
    gateway.on_quote(Quote(es.symbol, gateway.clock.now(), 20_000, 10, 20_001, 10))


def _bursts(gateway: Gateway) -> list[tuple[Client, bytes]]:
    """For everybody who watches, 50,000 bids."""
    found = []
    for client in gateway.clients.values():
        for req_id in client.ticks:
            prices = (f"{5000 + (n % 8) * 0.25}" for n in range(BURST))
            bids = b"".join(join(["1", "6", str(req_id), "1", price, "7", "0"]) for price in prices)
            found.append((client, bids))
    return found


def _send(bursts: list[tuple[Client, bytes]]) -> None:
    """All of them in one piece."""
    for client, bids in bursts:
        client._write(bids)


def _figures(engine: dict[str, Any], control: dict[str, Any]) -> Figures:
    period = spread(engine["periods"], 1_000_000)
    alone = spread(control["periods"], 1_000_000)
    heard, conflated = engine["ticks"]
    return {
        "period_ms": period,
        "control_ms": alone,
        "ratio": round(period["p999"] / alone["p999"], 3),
        "within_target": period["p999"] <= TARGET_MS,
        "ticks": heard,
        "conflated": conflated,
        "kill": engine["kill"],
    }


def _print(found: Figures, seconds: float) -> None:
    shown = ("n", "p50", "p99", "p999", "max")
    header = ("case", "ticks", *shown, "control p999", "max", "ratio", "≤ 20 ms")
    rows = []
    for name, case in found.items():
        period, control = case["period_ms"], case["control_ms"]
        good = "yes" if case["within_target"] else "NO"
        figures = [period[key] for key in shown]
        rows.append((name, case["ticks"], *figures, control["p999"], control["max"], case["ratio"], good))
    title = f"Risk loop period beside bursts of {BURST:,} ticks from IB, ms, {seconds:g} s windows"
    table(f"{title} (control: the same ticker alone)", header, rows)
