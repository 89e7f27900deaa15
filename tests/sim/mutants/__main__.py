"""`python -m tests.sim.mutants`: hunts planted bugs with seeds, and prints how many each took to be found."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fnmatch import fnmatch

from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.planting import Mutant, plant

SEEDS = 1_000
"""Within so many seeds each bug must be found."""
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Find:
    """What a hunt came to. `seeds` is the number of seeds that it took; 0: not found."""

    name: str
    seeds: int
    rule: str
    text: str
    command: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where every mutant was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", default=["*"], help="names or patterns (default: all)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds to try at most (default: {SEEDS})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="simulated seconds with faults")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="hunts at a time")
    parser.add_argument("--list", action="store_true", help="list the mutants")
    parser.add_argument("--first", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--hunt", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.hunt:
        print(json.dumps(asdict(hunt(args.hunt, args.first, args.seeds, args.seconds))))
        return 0
    chosen = [m for m in MUTANTS if any(fnmatch(m.name, pattern) for pattern in args.names)]
    if not chosen:
        parser.error(f"no mutant is called {' or '.join(args.names)}; --list shows them")
    if args.list:
        for mutant in chosen:
            print(f"{mutant.name:32} {mutant.story}")
        return 0
    finds = []
    for found in hunts(chosen, args.seeds, args.seconds, args.jobs):
        finds.append(found)
        print(row(found), flush=True)
    missed = [f.name for f in finds if not f.seeds]
    most = max((f.seeds for f in finds), default=0)
    print(f"{len(finds) - len(missed)} of {len(finds)} mutants found, each within {most} seeds")
    if missed:
        print(f"NOT FOUND within {args.seeds} seeds: {', '.join(missed)}")
    return 1 if missed else 0


def row(found: Find) -> str:
    seeds = f"{found.seeds:5}" if found.seeds else " none"
    return f"{found.name:32} {seeds}  {found.rule:12} {found.text[:110]}"


def hunts(mutants: Sequence[Mutant], seeds: int, seconds: float, jobs: int) -> Iterator[Find]:
    """Hunts each mutant in a process of its own; each find comes as its hunt ends."""
    with ThreadPoolExecutor(jobs) as pool:
        for hunted in as_completed([pool.submit(_hunt_apart, m.name, seeds, seconds) for m in mutants]):
            yield hunted.result()


def _hunt_apart(name: str, seeds: int, seconds: float) -> Find:
    first = 1
    while True:
        done = _python("tests.sim.mutants", f"--hunt={name}", f"--first={first}", f"--seeds={seeds}", seconds)
        if done.returncode:
            raise RuntimeError(f"the hunt for {name} broke: {done.stderr.strip()[-2000:]}")
        found = Find(**json.loads(done.stdout.splitlines()[-1]))
        if not found.seeds or not _python("tests.sim", f"--seed={found.seeds}", seconds).returncode:
            return found
        # This seed fails without the bug as well, so it proves nothing about it.
        first = found.seeds + 1


def _python(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a module in a process of its own; the last argument is the simulated time, seconds."""
    *words, seconds = map(str, arguments)
    command = [sys.executable, "-m", module, *words, f"--seconds={seconds}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def hunt(name: str, first: int, seeds: int, seconds: float) -> Find:
    """In this process: plants the bug and plays seeds from the first until one fails, those of its worlds."""
    mutant = next(m for m in MUTANTS if m.name == name)
    plant(mutant)
    from engine.sim.options import Options
    from tests.sim.run import play

    for seed in range(first, seeds + 1):
        # Narrowed as the command line does it, so that the printed command plays the same run.
        options = Options.draw(seed).narrow(seconds=seconds)
        if not mutant.worlds(options):
            continue
        result = play(options)
        if result.failure:
            return Find(name, seed, result.rule, result.failure[:300], result.options.command())
    return Find(name, 0, "", "", "")


if __name__ == "__main__":
    sys.exit(main())
