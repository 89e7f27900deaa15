"""Runs `breakwater headless` as a process of its own and reads what it left behind."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from brokers.exchange.config import AccountConfig
from brokers.exchange.exchange import Exchange
from brokers.exchange.messages import Audit
from engine.feeds.open import open_feed
from engine.sim.loop import VirtualClock, VirtualLoop
from tests.feeds.recordings import recording

ROOT = Path(__file__).parents[2]
STRATEGIES = ROOT / "tests" / "crash" / "strategies.py"
KEYS = {"orders", "fills", "rejects", "pnl", "flat", "reconciled", "latency"}

GC = "gc_l5_20230501/gc_l5_20230501.csv.gz"
ES = "es_mbo_20231225/es_mbo_20231225.csv.gz"
BTC = "btcusdt_perp_20240808/btcusdt_perp_20240808.csv.gz"

LIVELY = """
[[strategies]]
module = "engine.strategy.samples.meanrev:MeanReversion"
name = "meanrev"
symbols = ["GCM3"]
params = { half_life = 6.0, entry = 2.0, stop = 8, hold = 30.0, rest = 1.0 }
"""
"""The mean reversion sample with a short memory: some orders a minute on gold."""

WITNESS = """
[[strategies]]
module = "strategies:Witness"
name = "witness"
symbols = ["GCM3"]
params = { file = "FILE" }
"""
"""Notes the first quote of each start."""

CHURN = """
[risk]
duplicate_window = 0

[[strategies]]
module = "strategies:Churn"
name = "churn"
symbols = ["ES", "NQ"]
max_position = 50
max_working = 100
params = { rate = 10.0, cap = 6 }
"""
"""Orders of all kinds, ten a second: cancels, replaces, immediate-or-cancel."""


class Home:
    """A user's home with nothing in it, and runs that start there."""

    def __init__(self, folder: Path, config: str = "") -> None:
        self.folder = folder
        self.config: Path | None = None
        if config:
            self.config = folder / "breakwater.toml"
            self.config.write_text(config)
            # A strategy's module is looked for beside the configuration.
            shutil.copy(STRATEGIES, folder / "strategies.py")

    def state(self, name: str) -> Path:
        return self.folder / name

    def start(
        self, feed: str, *options: str, state: str | None = "state", hashes: int = 0
    ) -> subprocess.Popen[str]:
        """Starts a run in virtual time. `state` None: where a run puts its state by itself."""
        command = [sys.executable, "-m", "app.cli", "headless", "--json", "--speed", "max", "--feed", feed]
        if state is not None:
            command += ["--state-dir", str(self.state(state))]
        if self.config is not None:
            command += ["--config", str(self.config)]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BREAKWATER_", "XDG_"))}
        return subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "HOME": str(self.folder), "PYTHONHASHSEED": str(hashes)},
        )

    def run(self, feed: str, *options: str, **named: Any) -> dict[str, Any]:
        """Runs to the end, which must be clean; its summary."""
        return finished(self.start(feed, *options, **named))


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Waits for the end of a run, which must be clean; its summary."""
    out, errors = process.communicate()
    assert process.returncode == 0, f"exit {process.returncode}: {errors}\n{out}"
    assert not errors, errors
    summary: dict[str, Any] = json.loads(out)
    assert set(summary) >= KEYS
    assert summary["flat"] is True
    assert summary["reconciled"] is True
    assert summary["working"] == 0
    return summary


def prefix(name: str, lines: int, folder: Path) -> Path:
    """The first part of a recording, as a file of its own."""
    source = recording(name)
    part = folder / source.name
    with gzip.open(source, "rt") as whole, gzip.open(part, "wt", compresslevel=1) as out:
        out.writelines(itertools.islice(whole, lines))
    return part


def ledger_audit(state: Path, feed: str, scratch: Path) -> Audit:
    """What the exchange of a finished or killed run knows, from a copy of its ledger."""
    for file in state.glob("exchange.db*"):
        shutil.copy(file, scratch / file.name)
    loop = VirtualLoop(0)
    instruments = open_feed(feed, seed=1, start_ns=0).instruments
    exchange = Exchange(
        instruments,
        VirtualClock(loop),
        random.Random(0),
        None,
        AccountConfig(),
        ledger=scratch / "exchange.db",
    )
    try:
        assert exchange.restored
        return exchange.audit("PAPER")
    finally:
        exchange.close()
        loop.close()
