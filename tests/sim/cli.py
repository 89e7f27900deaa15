"""The command line of the simulation: one seed to read, or many seeds on all cores."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from engine.sim.faults import BY_NAME, KINDS
from engine.sim.options import Options
from tests.sim.run import Result, play

SECONDS = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 where every seed held, 1 where one failed."""
    args = _parser().parse_args(arguments)
    if args.faults:
        for kind in KINDS:
            print(f"{kind.name:20} {kind.group:9} {kind.typical:6g} per {kind.unit:7} {kind.text}")
        return 0
    if args.seed is not None:
        return _one(args)
    return _many(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this seed alone and say what happens")
    world_arguments(parser)
    parser.add_argument("--seeds", type=int, default=500, help="how many seeds to play (default: 500)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default: 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    parser.add_argument("--log", action="store_true", help="with --seed: print all that happens")
    parser.add_argument("--faults", action="store_true", help="list the kinds of fault")
    return parser


def world_arguments(parser: argparse.ArgumentParser) -> None:
    """What makes the world of a seed another one."""
    parser.add_argument("--seconds", type=float, default=SECONDS, help="simulated seconds with faults")
    parser.add_argument("--schedule", choices=("fifo", "shuffle"), default="fifo")
    parser.add_argument(
        "--only-faults", type=_names, help="only these of the seed's faults; 'none': no faults"
    )
    parser.add_argument("--without", type=_names, default=(), help="the seed's faults without these")
    parser.add_argument(
        "--sentinel", choices=("alert", "cancel", "flatten"), help="a sentinel watches over the engine"
    )


def _names(text: str) -> tuple[str, ...]:
    names = () if text == "none" else tuple(text.split(","))
    unknown = [n for n in names if n not in BY_NAME]
    if unknown:
        raise argparse.ArgumentTypeError(f"no fault {', '.join(unknown)}; --faults lists them")
    return names


def world_of(args: argparse.Namespace, seed: int) -> Options:
    """The options of a seed with these arguments."""
    options = Options.draw(seed, SECONDS, args.schedule)
    options = options.narrow(args.only_faults, args.without, args.seconds)
    return options.guarded(args.sentinel) if args.sentinel else options


def _one(args: argparse.Namespace) -> int:
    options = world_of(args, args.seed)
    print(options.text())
    began = time.perf_counter()
    result = play(options, print if args.log else None)
    wall = time.perf_counter() - began
    happened = ", ".join(f"{name} {count}" for name, count in result.counts.items() if count)
    print(f"  {result.simulated:.0f} simulated seconds in {wall:.2f} s, {result.steps} steps; {happened}")
    print(f"  trace {result.trace}")
    if result.failure:
        print(f"FAILED {result.failure}")
        return 1
    return 0


def _many(args: argparse.Namespace) -> int:
    seeds = range(args.first, args.first + args.seeds)
    began = time.perf_counter()
    failed: list[Result] = []
    total: Counter[str] = Counter()
    simulated = cpu = 0.0
    for number, result in enumerate(results([world_of(args, s) for s in seeds], args.jobs), 1):
        simulated += result.simulated
        cpu += result.cpu
        total.update(result.counts)
        if result.failure:
            failed.append(result)
            print("\r" + failed_seed(result), flush=True)
        if sys.stderr.isatty():
            print(f"\r{number}/{len(seeds)} seeds, {len(failed)} failed", end="", file=sys.stderr, flush=True)
    wall = time.perf_counter() - began
    print(
        f"\n{len(seeds)} seeds, {len(failed)} failed; {simulated / 3600:.1f} simulated hours in {wall:.0f} s "
        f"on {args.jobs} processes, {cpu:.0f} s of processor: {simulated / cpu:.0f} simulated seconds in one"
    )
    print(tally(total))
    if failed:
        print("rules broken:", dict(Counter(r.rule for r in failed)))
    return 1 if failed else 0


def failed_seed(result: Result) -> str:
    """What went wrong in a seed, in what world, how to see it again, and how to make it smaller."""
    options = result.options
    smaller = options.command().replace("python -m tests.sim", "python -m tests.sim.shrink", 1)
    return (
        f"FAILED seed {options.seed}: {result.failure[:600]}\n"
        f"{textwrap.indent(options.text(), '    ')}\n"
        f"  again:   {options.command()}\n"
        f"  smaller: {smaller}"
    )


def tally(counts: Mapping[str, int]) -> str:
    """How often each thing happened, on lines that a terminal holds."""
    words = (f"{name} {count}".replace(" ", "\u00a0") for name, count in sorted(counts.items()) if count)
    return textwrap.fill(", ".join(words), 100).replace("\u00a0", " ")


def _tame() -> None:
    """In each process that plays seeds: what was imported is no garbage, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def results(runs: Sequence[Options], jobs: int) -> Iterator[Result]:
    """Plays runs in processes of their own, in the order in which they end."""
    if jobs <= 1:
        yield from map(play, runs)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _tame) as pool:
        yield from pool.imap_unordered(play, runs, chunksize=2)
