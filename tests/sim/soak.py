"""`python -m tests.sim.soak`: thousands of seeds with a progress bar; stopped at any time, it goes on there.

What was played stands in a state file, bound to the code that it was played with: figures of two versions are
never added up.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.sim.options import Options
from engine.sim.schedule import Policy
from tests.sim.cli import SECONDS, failed_seed, results, tally
from tests.sim.run import Result

ROOT = Path(__file__).resolve().parents[2]
SAVE_EVERY = 5.0
"""Seconds between two writes of the state file."""


class State(msgspec.Struct):
    """What a soak has come to."""

    code: str
    """Hash of the code that is tested."""
    seconds: float
    schedule: Policy
    first: int = 1
    next: int = 1
    """The first seed that was not played yet."""
    ahead: list[int] = []
    """Seeds beyond it that were: they come in the order in which they end."""
    simulated: float = 0.0
    wall: float = 0.0
    counts: dict[str, int] = {}
    failed: dict[int, str] = {}
    """Failure by seed."""


def code_hash() -> str:
    """Over all that decides what a seed does."""
    digest = hashlib.sha256()
    for folder in ("engine", "brokers", "tests/sim"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(str(file.relative_to(ROOT)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def load(path: Path, fresh: State) -> State:
    """The state to go on from. Raises `SystemExit` where it belongs to other code or other options."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return fresh
    except msgspec.DecodeError as error:
        raise SystemExit(f"{path} cannot be read ({error}); start over with --restart") from None
    if (state.code, state.seconds, state.schedule, state.first) != (
        fresh.code,
        fresh.seconds,
        fresh.schedule,
        fresh.first,
    ):
        raise SystemExit(f"{path} was made with other code or options; start over with --restart")
    return state


def save(path: Path, state: State) -> None:
    """Replaces the file as a whole: a soak that is cut off leaves the last state or this one."""
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(state))
    new.replace(path)


def take(state: State, result: Result) -> None:
    """Adds one seed to the figures."""
    state.ahead.append(result.options.seed)
    while state.next in state.ahead:
        state.ahead.remove(state.next)
        state.next += 1
    state.simulated += result.simulated
    counts = Counter(state.counts)
    counts.update(result.counts)
    state.counts = dict(counts)
    if result.failure:
        state.failed[result.options.seed] = result.failure


def bar(done: int, total: int, failed: int, left: float) -> str:
    """One line of progress. `left`: seconds to the end."""
    filled = done * 30 // max(total, 1)
    hours, rest = divmod(int(left), 3600)
    blocks = "█" * filled + "·" * (30 - filled)
    return f"[{blocks}] {done}/{total} seeds, {failed} failed, {hours}:{rest // 60:02} h left"


def soak(state: State, path: Path, seeds: int, jobs: int, limit: float) -> None:
    """Plays what is left, at most for `limit` seconds, and keeps the state file up to date."""
    end = state.first + seeds
    began = time.monotonic()
    before, saved = state.wall, began
    left_over = [s for s in range(state.next, end) if s not in state.ahead]
    runs = [Options.draw(s, state.seconds, state.schedule) for s in left_over]
    terminal = sys.stderr.isatty()
    try:
        for played, result in enumerate(results(runs, jobs), 1):
            take(state, result)
            now = time.monotonic()
            state.wall = before + now - began
            if result.failure:
                print("\r" + failed_seed(result), flush=True)
            if now - saved > SAVE_EVERY:
                saved = now
                save(path, state)
            if terminal or played % 500 == 0:
                left = (now - began) / played * (len(runs) - played)
                line = bar(seeds - len(runs) + played, seeds, len(state.failed), left)
                print(f"\r{line}", end="" if terminal else "\n", file=sys.stderr, flush=True)
            if now - began >= limit:
                break
    finally:
        save(path, state)


def summary(state: State, jobs: int) -> str:
    """The last words: how much was simulated, how fast, and what failed."""
    played = state.next - state.first + len(state.ahead)
    pace = state.simulated / state.wall / jobs if state.wall else 0.0
    lines = [
        f"{played} seeds, {len(state.failed)} failed; {state.simulated / 3600:.1f} simulated hours in "
        f"{state.wall / 60:.1f} min on {jobs} processes: {pace:.0f} simulated seconds per second and process",
        tally(state.counts),
    ]
    if state.failed:
        lines.append(f"failed: {', '.join(map(str, state.failed))}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where every seed held, 1 where one failed, 130 where none did and it was stopped early."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many seeds (default: 10000)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default: 1)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="simulated seconds with faults")
    parser.add_argument("--schedule", choices=("fifo", "shuffle"), default="fifo")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    parser.add_argument("--hours", type=float, default=24.0, help="wall time at most (default: 24)")
    parser.add_argument("--state", type=Path, default=ROOT / "state" / "soak.json", help="the state file")
    parser.add_argument("--restart", action="store_true", help="forget what was played before")
    args = parser.parse_args(arguments)
    args.state.parent.mkdir(parents=True, exist_ok=True)
    if args.restart:
        args.state.unlink(missing_ok=True)
    fresh = State(code_hash(), args.seconds, args.schedule, args.first, args.first)
    state = load(args.state, fresh)
    if state.next > state.first:
        print(f"going on after seed {state.next - 1}", file=sys.stderr)
    stopped = False
    try:
        soak(state, args.state, args.seeds, args.jobs, args.hours * 3600)
    except KeyboardInterrupt:
        stopped = True
        print(f"\nstopped; the same command goes on after seed {state.next - 1}", file=sys.stderr)
    print("\n" + summary(state, args.jobs))
    return 1 if state.failed else 130 if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
