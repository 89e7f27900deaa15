"""`python -m tests.bench`: runs the sections, prints their tables and one JSON line. See `tests.bench`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sqlite3
import sys
import time

SECTIONS = ("risk", "orders", "fills", "scaling", "journal", "replay", "ticks", "screen")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Benchmarks of the engine.")
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="less than 40 s; only to see that it runs")
    args = parser.parse_args(arguments)
    unknown = [s for s in args.sections if s not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    began = time.monotonic()
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2),
    }
    print("  ".join(f"{k} {v}" for k, v in machine.items()))
    found = {
        name: importlib.import_module(f"tests.bench.{name}").run(args.quick)
        for name in SECTIONS
        if not args.sections or name in args.sections
    }
    seconds = round(time.monotonic() - began, 1)
    print(f"\n{seconds} s in all")
    print(json.dumps({"machine": machine, "quick": args.quick, "seconds": seconds, **found}, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
