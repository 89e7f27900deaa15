"""Section `risk`: the period of the risk loop beside strategies that go bad, each with its control."""

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
from struct import pack
from termios import TIOCSWINSZ
from typing import Any

from tests.bench.figures import Figures, spread, table, workplace

LEAD_IN = 3.0
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


def _several(cls: str, count: int, **fields: Any) -> Make:
    """`count` of them that go bad one after the other, spread over the window."""

    def make(opens: float, seconds: float) -> Strategies:
        return [
            _bad(cls, f"bad{n}", opens + seconds * (n + 0.5) / (count + 0.5), **fields) for n in range(count)
        ]

    return make


def _hanging(cls: str) -> Make:
    """One that hangs for most of the window and is stopped inside it."""

    def make(opens: float, seconds: float) -> Strategies:
        return [_bad(cls, "bad", opens + seconds * 0.1, hang_timeout=max(0.5, seconds * 0.7))]

    return make


def _none(opens: float, seconds: float) -> Strategies:
    return []


def _sample(opens: float, seconds: float) -> Strategies:
    module = "engine.strategy.samples.meanrev:MeanReversion"
    return [{"module": module, "name": "meanrev", "symbols": ["ES", "NQ", "GC"]}]


CASES: dict[str, Make] = {
    "no strategy": _none,
    "sample": _sample,
    "spin": _hanging("Spins"),
    "sleep": _hanging("Sleeps"),
    "raise": _several("Raises", 4),
    "allocate": _several("Allocates", 3, memory_mb=256),
    "flood": _several("FloodsSteadily", 3),
}
QUICK = ("no strategy", "spin")


def run(quick: bool) -> Figures:
    """Runs every case; returns the figures by case."""
    seconds = 3.0 if quick else 15.0
    found: Figures = {}
    for name, make in CASES.items():
        if not quick or name in QUICK:
            found[name] = _case(make, seconds)
    if not quick:
        found["desk, sample"] = _case(_sample, seconds, desk=True)
        found["desk, spin"] = _case(CASES["spin"], seconds, desk=True)
        found["3 attached screens, sample"] = _case(_sample, seconds, screens=3)
    _print(found, seconds)
    return found


def _case(make: Make, seconds: float, *, desk: bool = False, screens: int = 0) -> Figures:
    """`desk`: with the screen in the same process; `screens`: so many in processes of their own."""
    with workplace() as folder:
        begin = time.monotonic_ns() + int((LEAD_IN + 2 * desk + 2 * screens) * 1e9)
        end = begin + int(seconds * 1e9)
        job = {
            "state": str(folder / "state"),
            "out": str(folder / "engine.json"),
            "begin": begin,
            "end": end,
            "strategies": make(begin / 1e9, seconds),
            "feed": "synthetic",
            "desk": desk,
        }
        (folder / "state").mkdir(mode=0o700)
        control = folder / "control.json"
        module = [sys.executable, "-m"]
        patience = LEAD_IN + 2 * screens + seconds + 40
        ticking = subprocess.Popen([*module, "tests.bench.ticker", str(begin), str(end), str(control)])
        engine = [*module, "tests.bench.risk_engine", json.dumps(job)]
        log = folder / "said"
        attach = f"until {sys.executable} -m app.cli attach --state-dir {job['state']}; do sleep 0.2; done"
        watching = [_on_terminal(["/bin/sh", "-c", attach]) for _ in range(screens)]
        try:
            _in_terminal(engine, Path(job["out"]), patience) if desk else _plain(engine, log, patience)
            ticking.wait(patience)
        finally:
            ticking.kill()
            ticking.wait()
            for pid, master in watching:
                os.killpg(pid, signal.SIGKILL)  # each leads a session of its own
                os.waitpid(pid, 0)
                os.close(master)
        if not Path(job["out"]).exists():
            said = log.read_text()[-2_000:] if log.exists() else ""
            raise RuntimeError(f"the engine process left no figures: {said}")
        engine_said = json.loads(Path(job["out"]).read_text())
        if engine_said["screens"] != desk + screens:
            raise RuntimeError(f"{engine_said['screens']} screens looked on, {desk + screens} were to")
        return _figures(engine_said, json.loads(control.read_text()))


def _figures(engine: dict[str, Any], control: dict[str, Any]) -> Figures:
    period = spread(engine["periods"], 1_000_000)
    alone = spread(control["periods"], 1_000_000)
    return {
        "period_ms": period,
        "control_ms": alone,
        "lateness_ms": spread(engine["lateness"], 1_000_000),
        "ratio": round(period["p999"] / alone["p999"], 3),
        "within_target": period["p999"] <= TARGET_MS,
        "strategies": engine["rows"],
        "alerts": engine["alerts"],
        "kill": engine["kill"],
        "stages": engine["stages"],
    }


def _print(found: Figures, seconds: float) -> None:
    shown = ("n", "p50", "p99", "p999", "max")
    header = ("case", *shown, "control p999", "max", "ratio", "≤ 20 ms", "kill")
    rows = []
    for name, case in found.items():
        period, control = case["period_ms"], case["control_ms"]
        good = "yes" if case["within_target"] else "NO"
        flat = "flat" if case["kill"]["flat"] else "NOT FLAT"
        figures = [period[key] for key in shown]
        rows.append((name, *figures, control["p999"], control["max"], case["ratio"], good, flat))
    table(f"Risk loop period, ms, {seconds:g} s windows (control: the same ticker alone)", header, rows)
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
