"""`python -m tests.bench`: runs the sections, prints their tables and that of all targets.

Each section is a process of its own, with a time that it may take: whatever becomes of one, the others are
played, and none measures what another has left in memory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import guard, summary
from tests.bench.figures import middle

SECTIONS = (
    "risk",
    "kill",
    "orders",
    "fills",
    "scaling",
    "quotes",
    "start",
    "replay",
    "screen",
    "soak",
    "peers",
)
"""Those of the table, which `make bench` plays."""
MORE = ("stages", "journal", "hostile", "ticks")
"""Those that are played when they are named."""
THRICE = ("orders",)
"""Played three times, the medians shown; the others repeat themselves, or measure over many windows."""
LONGEST = 300
"""Seconds that a section may take: more than twice what the longest does."""
REDUCED = ("orders", "scaling", "quotes")
"""What continuous integration compares."""


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["guard"]:
        parser = argparse.ArgumentParser(prog="python -m tests.bench guard", description=guard.__doc__)
        parser.add_argument("base", type=Path)
        parser.add_argument("new", type=Path)
        args = parser.parse_args(arguments[1:])
        return guard.run(args.base, args.new)
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Benchmarks of the engine.")
    known = (*SECTIONS, *MORE)
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        help=f"of {', '.join(known)}; default: all up to {SECTIONS[-1]}; `reduced`: {', '.join(REDUCED)}",
    )
    parser.add_argument("--quick", action="store_true", help="short; only to see that it runs")
    parser.add_argument("--long", action="store_true", help="the soak plays a whole week; takes minutes more")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--summary", action="store_true", help="write the table of all targets alone, as `guard` reads it"
    )
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    named = [one for s in args.sections for one in (REDUCED if s == "reduced" else (s,))]
    chosen = tuple(named) or SECTIONS
    unknown = [s for s in chosen if s not in known]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(known)}, and reduced")
    if args.within:
        args.json.write_text(json.dumps(_play(chosen[0], args.quick, args.long)), encoding="utf-8")
        return 0
    began = time.monotonic()
    machine = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2),
    }
    print("  ".join(f"{k} {v}" for k, v in machine.items()))
    found: dict[str, Any] = {}
    failed = []
    took: dict[str, float] = {}
    for name in known:
        if name in chosen:
            since = time.monotonic()
            played = _in_a_process(name, args.quick, args.long)
            took[name] = round(time.monotonic() - since, 1)
            if played is None:
                failed.append(name)
            else:
                found[name] = played
    targets = summary.lines(found)
    summary.show(targets)
    seconds = round(time.monotonic() - began, 1)
    parts = ", ".join(f"{name} {t:.0f}" for name, t in took.items())
    print(f"\n{seconds} s in all ({parts})" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    whole = {
        "machine": machine,
        "quick": args.quick,
        "seconds": seconds,
        "took": took,
        "failed": failed,
        **found,
        "summary": [one.as_json() for one in targets],
    }
    text = json.dumps({"summary": whole["summary"]} if args.summary else whole, allow_nan=False)
    if args.json is not None:
        args.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 1 if failed else 0


def _in_a_process(name: str, quick: bool, long: bool) -> Any:
    """What a section has found; None where it failed, which its output tells."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", "tests.bench", "--within", "--json", str(out), name]
        command += ["--quick"] * quick + ["--long"] * long
        longest = LONGEST * (4 if long else 1)
        sys.stdout.flush()
        try:
            done = subprocess.run(command, check=False, timeout=longest)
        except subprocess.TimeoutExpired:
            print(f"  {name} was ended: it took longer than {longest} s", flush=True)
            return None
        if done.returncode != 0 or not out.exists():
            print(f"  {name} failed with {done.returncode}", flush=True)
            return None
        return json.loads(out.read_text(encoding="utf-8"))


def _play(name: str, quick: bool, long: bool) -> Any:
    section = importlib.import_module(f"tests.bench.{name}")
    if name == "soak":
        return section.run(quick, long)
    return middle([section.run(quick) for _ in range(3 if name in THRICE and not quick else 1)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
