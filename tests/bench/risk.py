"""Section `risk`: the period of the risk loop beside all that could hold it up, each with its control.

The cases are played three times each and their rounds taken together. `tests.bench.hostile` has more of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from statistics import median
from struct import pack
from termios import TIOCSWINSZ
from typing import Any

from app.collector import STAGES
from brokers.ib import library
from tests.bench.figures import Figures, spread, table, workplace
from tests.bench.flood import flooding

LEAD_IN = 4.0
"""Seconds that processes get to start before the window opens."""
TARGET_MS = 20.0
HOSTILE = "tests.hostile.strategies"
Strategies = list[dict[str, Any]]
Make = Callable[[float, float], Strategies]
"""Strategies of a case, for a window that opens at (monotonic s) and lasts (s)."""


def _bad(cls: str, name: str, at: float, **fields: Any) -> dict[str, Any]:
    return {
        "module": f"{HOSTILE}:{cls}",
        "name": name,
        "symbols": ["ES"],
        "hang_timeout": 30.0,
        "params": {"at": at},
        **fields,
    }


def several(cls: str, count: int, **fields: Any) -> Make:
    """`count` of them that go bad one after the other, spread over the window."""

    def make(opens: float, seconds: float) -> Strategies:
        return [
            _bad(cls, f"bad{n}", opens + seconds * (n + 0.5) / (count + 0.5), **fields) for n in range(count)
        ]

    return make


def hanging(cls: str) -> Make:
    """One that hangs for a third of the window and is stopped well inside it, also on a busy machine."""

    def make(opens: float, seconds: float) -> Strategies:
        return [_bad(cls, "bad", opens + seconds * 0.1, hang_timeout=max(0.5, seconds * 0.3))]

    return make


def nothing(opens: float, seconds: float) -> Strategies:
    return []


def sample(opens: float, seconds: float) -> Strategies:
    module = "engine.strategy.samples.meanrev:MeanReversion"
    return [{"module": module, "name": "meanrev", "symbols": ["ES", "NQ", "GC"]}]


SPIN = hanging("Spins")
ORDERS = 150
"""New orders a second; on the desk each is a row of 14 cells, so more than 2,000 changed cells a second."""
SLOW_MS = 20
"""What each commit takes longer on the slow disk."""
CASES: dict[str, dict[str, Any]] = {
    "idle": {"make": nothing},
    "desk, 2,100 cells/s": {"make": nothing, "desk": True, "orders": ORDERS},
    "spin": {"make": SPIN},
    "50,000 ticks at once": {"make": nothing, "bursts": 1},
    "150 orders/s, slow disk": {"make": nothing, "orders": ORDERS, "slow_ms": SLOW_MS},
    "all at once, headless": {"make": SPIN, "orders": ORDERS, "slow_ms": SLOW_MS, "bursts": 1},
    "all at once": {"make": SPIN, "desk": True, "orders": ORDERS, "slow_ms": SLOW_MS, "bursts": 1},
}
QUICK = ("idle", "spin")
_SHARES = ("p50", "p99", "max")


def run(quick: bool) -> Figures:
    """Runs every case; returns the figures by case."""
    seconds, runs = (3.0, 1) if quick else (6.0, 3)
    found: Figures = {}
    for name, case in CASES.items():
        if case.get("bursts") and library.problem():
            print(f"  {name}: left out, {library.problem()}")
        elif not quick or name in QUICK:
            found[name] = figures([in_time(seconds=seconds, **case) for _ in range(runs)])
    show(found, seconds * runs)
    return found


def in_time(**case: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `play` brings. A window that was over before the engine stood, on a machine with much else to do,
    is opened again, later."""
    for lead_in in (LEAD_IN, 3 * LEAD_IN, 9 * LEAD_IN):
        found = play(lead_in=lead_in, **case)
        if all(said["periods"] for said in found):
            return found
    raise RuntimeError(f"no round of the risk loop {lead_in:.0f} s after the engine was started")


def play(
    make: Make,
    seconds: float,
    *,
    lead_in: float = LEAD_IN,
    desk: bool = False,
    screens: int = 0,
    orders: int = 0,
    slow_ms: int = 0,
    bursts: int = 0,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the engine and its control noted. `desk`: with the screen in the same process; `screens`: so many
    in processes of their own; `orders` a second; `slow_ms` more for each commit; `bursts` of ticks from a
    gateway of Interactive Brokers in the window."""
    with workplace() as folder, contextlib.ExitStack() as stack:
        extra = 2.0 * (desk + screens + bool(bursts))
        begin = time.monotonic_ns() + int((lead_in + extra) * 1e9)
        end = begin + int(seconds * 1e9)
        job = {
            "state": str(folder / "state"),
            "out": str(folder / "engine.json"),
            "begin": begin,
            "end": end,
            "strategies": make(begin / 1e9, seconds),
            "feed": "synthetic",
            "desk": desk,
            "orders": orders,
            "slow_ms": slow_ms,
        }
        if bursts:
            port = stack.enter_context(flooding(bursts, begin, end))
            contracts = {"ES": {"exchange": "CME", "expiry": "front", "calendar": "always"}}
            job |= {"feed": "ib", "ib": {"port": port, "contracts": contracts}}
        (folder / "state").mkdir(mode=0o700)
        control = folder / "control.json"
        module = [sys.executable, "-m"]
        patience = lead_in + extra + seconds + 60
        ticking = subprocess.Popen([*module, "tests.bench.ticker", str(begin), str(end), str(control)])
        engine = [*module, "tests.bench.risk_engine", json.dumps(job)]
        log = folder / "said"
        attach = f"until {sys.executable} -m app.cli attach --state-dir {job['state']}; do sleep 0.2; done"
        watching = [_on_terminal(["/bin/sh", "-c", attach]) for _ in range(screens)]
        try:
            _in_terminal(engine, Path(str(job["out"])), patience) if desk else _plain(engine, log, patience)
            ticking.wait(patience)
        finally:
            ticking.kill()
            ticking.wait()
            for pid, master in watching:
                os.killpg(pid, signal.SIGKILL)  # each leads a session of its own
                os.waitpid(pid, 0)
                os.close(master)
        out = Path(str(job["out"]))
        if not out.exists():
            said = log.read_text()[-2_000:] if log.exists() else ""
            raise RuntimeError(f"the engine process left no figures: {said}")
        engine_said = json.loads(out.read_text())
        if engine_said["screens"] != desk + screens:
            raise RuntimeError(f"{engine_said['screens']} screens looked on, {desk + screens} were to")
        if engine_said["sent"] < 0.25 * orders * seconds:
            raise RuntimeError(
                f"{engine_said['sent']} orders left in {seconds} s, {orders} a second were to; "
                f"{engine_said['refusal']}"
            )
        return engine_said, json.loads(control.read_text())


def figures(runs: list[tuple[dict[str, Any], dict[str, Any]]]) -> Figures:
    """The rounds of all runs together; what else there is to tell, of the last."""
    rounds, controls = ([n for run in runs for n in run[which]["periods"]] for which in (0, 1))
    period, alone = spread(rounds, 1_000_000), spread(controls, 1_000_000)
    engine = runs[-1][0]
    return {
        "period_ms": period,
        "control_ms": alone,
        "lateness_ms": spread([n for run in runs for n in run[0]["lateness"]], 1_000_000),
        "own_ms": _less_waiting([run[0] for run in runs]),
        "control_own_ms": _less_waiting([run[1] for run in runs]),
        "ratio": round(period["p999"] / alone["p999"], 3),
        "within_target": period["p999"] <= max(TARGET_MS, 1.25 * alone["p999"]),
        "strategies": engine["rows"],
        "alerts": engine["alerts"],
        "kill": engine["kill"],
        "stages": _stages([run[0]["stages"] for run in runs]),
        "rss_mib": max(run[0]["rss_mib"] for run in runs),
        "sent": engine["sent"],
        "ticks": (engine["ticks"] or [0])[0],
        "conflated": (engine["ticks"] or [0, 0])[1],
    }


def _stages(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Medians of the runs: in the window of one a stage may have had so few that its p99 is its longest."""
    return {
        stage: {
            key: (max if key == "max" else median)([run[stage][key] for run in runs if stage in run])
            for key in _SHARES
        }
        for stage in {name: None for run in runs for name in run}
    }


def _less_waiting(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Periods without what the kernel kept the thread waiting for a processor while others had them all."""
    rounds = [
        (period, waited) for run in runs for period, waited in zip(run["periods"], run["waited"], strict=True)
    ]
    return spread([max(0, period - waited) for period, waited in rounds], 1_000_000)


def show(found: Figures, seconds: float) -> None:
    shown = ("n", "p50", "p99", "p999", "max")
    header = ("case", *shown, "control p999", "max", "ratio", "≤ 20 ms or 1.25×", "kill")
    rows = []
    for name, case in found.items():
        period, control = case["period_ms"], case["control_ms"]
        good = "yes" if case["within_target"] else "NO"
        flat = "flat" if case["kill"]["flat"] else "NOT FLAT"
        figures = [period[key] for key in shown]
        rows.append((name, *figures, control["p999"], control["max"], case["ratio"], good, flat))
    table(f"Risk loop period, ms, {seconds:g} s windows (control: the same ticker alone)", header, rows)
    own = [
        (n, c["own_ms"]["p99"], c["own_ms"]["p999"], c["control_own_ms"]["p999"]) for n, c in found.items()
    ]
    table("Period less the wait for a processor, ms", ("case", "p99", "p999", "control p999"), own)
    pauses = [
        (
            f"{name}, {stage.removeprefix('collector ')}",
            *(case["stages"][stage][key] / 1_000 for key in _SHARES),
        )
        for name, case in found.items()
        for stage in STAGES
        if stage in case["stages"]
    ]
    table("Pauses of the collector by generation, ms", ("case", *_SHARES), pauses)
    for name, case in found.items():
        for strategy, state, reason, _ in case["strategies"]:
            if state == "failed":
                print(f"  {name}: {strategy} stopped: {reason}")


def _plain(command: list[str], log: Path, patience: float) -> None:
    with log.open("wb") as said:
        child = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            child.wait(patience)
        finally:
            child.kill()
            child.wait()


def _on_terminal(command: list[str]) -> tuple[int, int]:
    """Starts it on a terminal of 120×40 that reads everything; its process and the terminal's descriptor."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(command[0], command)
    ioctl(master, TIOCSWINSZ, pack("HHHH", 40, 120, 0, 0))

    def drain() -> None:
        with contextlib.suppress(OSError):
            while os.read(master, 1 << 16):
                pass

    threading.Thread(target=drain, daemon=True).start()
    return pid, master


def _in_terminal(command: list[str], out: Path, patience: float) -> None:
    """Runs it on a terminal; ends it once it has left its figures."""
    pid, master = _on_terminal(command)
    deadline = time.monotonic() + patience
    told = False
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            os.close(master)
            return
        if out.exists() and not told:
            told = True
            deadline = min(deadline, time.monotonic() + 10)
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)
