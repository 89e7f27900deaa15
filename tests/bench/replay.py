"""Section `replay`: records a second of a full-speed replay in virtual time, with and without a strategy."""

from __future__ import annotations

import math
import os
import random
import time
from pathlib import Path
from typing import Any

from app import runner
from app.options import RunOptions
from app.settings import Settings
from engine.config import StrategyConfig
from engine.control.memory import MemoryLink
from engine.model import NS
from tests.bench.figures import Figures, table, workplace

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
GOLD = "gc_l5_20230501/gc_l5_20230501.csv.gz"
HOURS = 6
"""Of the recorded day: the whole of it would take minutes."""
SAMPLE = "engine.strategy.samples.meanrev:MeanReversion"
START = 1_682_899_200 * NS
"""2023-05-01 00:00 UTC."""


def run(quick: bool) -> Figures:
    found: Figures = {}
    with workplace() as folder:
        made = folder / "made.csv"
        generate(made, 6_000 if quick else 60_000)
        found["generated, no strategy"] = _replay(folder / "a", made, strategy=False)
        found["generated, sample"] = _replay(folder / "b", made, strategy=True)
        gold = Path(os.environ.get("BREAKWATER_DATA", _BESIDE)) / GOLD
        if gold.exists() and not quick:
            found[f"gold 2023-05-01, {HOURS} h, sample"] = _replay(
                folder / "c", gold, strategy=True, hours=HOURS
            )
        elif not quick:
            print(f"  no recording at {gold}: set BREAKWATER_DATA to the folder that holds it")
    header = ("", "records", "seconds", "records/s", "× real time", "orders", "fills")
    keys = ("records", "seconds", "records_s", "times_real", "orders", "fills")
    table("Replay at full speed", header, [(name, *(one[k] for k in keys)) for name, one in found.items()])
    return found


def generate(path: Path, records: int) -> None:
    """A recording of gold: three quotes to a trade, 20 records a second in bursts, a random walk."""
    rng = random.Random(1)
    ts, bid = START, 19_957
    with path.open("w") as file:
        file.write("ts_ns,symbol,kind,bid_px,bid_sz,ask_px,ask_sz,px,sz,aggressor\n")
        for number in range(records):
            ts += int(rng.expovariate(20) * NS)
            if number % 4 == 3:
                side = rng.choice("BS")
                price = bid + (side == "B")
                file.write(f"{ts},GCM3,trade,,,,,{price / 10},{rng.randint(1, 5)},{side}\n")
                continue
            bid += rng.choice((-1, 0, 0, 0, 1))
            sizes = rng.randint(1, 30), rng.randint(1, 30)
            file.write(f"{ts},GCM3,quote,{bid / 10},{sizes[0]},{(bid + 1) / 10},{sizes[1]},,,\n")


def _replay(state: Path, file: Path, *, strategy: bool, hours: int | None = None) -> Figures:
    state.mkdir(mode=0o700)
    strategies = (StrategyConfig(module=SAMPLE, name="meanrev", symbols=("GCM3",)),) if strategy else ()
    settings = Settings().model_copy(update={"strategies": strategies})
    options = RunOptions(
        state_dir=state,
        config=None,
        feed=f"replay:{file}",
        speed=math.inf,
        duration=None if hours is None else hours * 3600 * NS,
    )
    errors: list[str] = []

    def log(level: str, event: str, **fields: Any) -> None:
        if level == "error":
            errors.append(event)

    own = runner.with_default_strategies
    runner.with_default_strategies = lambda settings, *_: settings  # type: ignore[assignment]
    try:
        began = time.perf_counter()
        run = runner.Runner(settings, options, MemoryLink(time.monotonic), log)
        code, summary = run.run()
        seconds = time.perf_counter() - began
    finally:
        runner.with_default_strategies = own
    assert run.session is not None
    counters = run.session.feed.counters  # type: ignore[attr-defined]
    records = sum(counters.get(k, 0) for k in ("quotes", "trades"))
    span = run.session.clock.now() - START
    return {
        "records": records,
        "seconds": round(seconds, 2),
        "records_s": round(records / seconds),
        "times_real": round(span / NS / seconds),
        "orders": summary["orders"],
        "fills": summary["fills"],
        "risk_rounds": summary["risk_rounds"],
        "exit_code": int(code),
        "errors": errors[:5],
        "latency": {k: {p: row[p] for p in ("p50_us", "p99_us")} for k, row in summary["latency"].items()},
    }
