"""`python -m tests.sim.shrink --seed N`: a failing seed with fewer faults and less time that fails alike.

Faults are dropped in ever smaller groups (delta debugging), then the time is cut; what still breaks the same
rule is kept. Every trial is a whole run, so their number is bounded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from engine.sim.options import Options
from tests.sim.cli import world_arguments, world_of
from tests.sim.run import Result, play

TRIALS = 150
"""Runs at most."""
SHORTEST = 2.0
"""Simulated seconds with faults below which nothing is gained for a reader."""

Play = Callable[[Options], Result]


class Shrinker:
    """Finds a smaller run that breaks the same rule."""

    def __init__(
        self, trials: int = TRIALS, run: Play = play, told: Callable[[str], None] | None = None
    ) -> None:
        self._left = trials
        self._run = run
        self._told = told or (lambda _: None)

    def shrink(self, options: Options) -> Result:
        """The smallest run found. Its `failure` is empty where the options do not fail at all."""
        best = self._run(options)
        if not best.failure:
            return best
        best = self._without_faults(best)
        return self._shorter(best)

    def _attempt(self, best: Result, options: Options) -> Result | None:
        """The run, where it breaks the same rule; None where it does not, or no trial is left."""
        if self._left <= 0:
            return None
        self._left -= 1
        result = self._run(options)
        if result.rule != best.rule:
            return None
        self._told(f"{len(options.rates)} faults, {options.seconds:g} s: {result.failure[:150]}")
        return result

    def _without_faults(self, best: Result) -> Result:
        pieces = 2
        while len(best.options.rates) > 0 and self._left > 0:
            names = sorted(best.options.rates)
            size = max(1, len(names) // pieces)
            for start in range(0, len(names), size):
                keep = names[:start] + names[start + size :]
                smaller = self._attempt(best, _again(best.options, keep, best.options.seconds))
                if smaller is not None:
                    best, pieces = smaller, max(2, pieces - 1)
                    break
            else:
                if size == 1:
                    return best
                pieces = min(len(names), pieces * 2)
        return best

    def _shorter(self, best: Result) -> Result:
        """Halves the time while that goes, then goes back in smaller steps."""
        share = 0.5
        while share > 0.05 and best.options.seconds > SHORTEST and self._left > 0:
            seconds = max(SHORTEST, round(best.options.seconds * (1 - share), 1))
            smaller = self._attempt(best, _again(best.options, sorted(best.options.rates), seconds))
            if smaller is None:
                share /= 2
            else:
                best = smaller
        return best


def _again(options: Options, faults: Sequence[str], seconds: float) -> Options:
    """The same seed with these faults and this time; narrowed once, so that the command stays short."""
    drawn = Options.draw(options.seed, schedule=options.schedule).narrow(tuple(faults), (), seconds)
    return drawn.guarded(options.sentinel) if options.sentinel else drawn


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where a smaller failing run was found, 1 where the seed does not fail."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.shrink", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    world_arguments(parser)
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"runs at most (default: {TRIALS})")
    args = parser.parse_args(arguments)
    options = world_of(args, args.seed)
    result = Shrinker(args.trials, told=lambda text: print(text, file=sys.stderr, flush=True)).shrink(options)
    if not result.failure:
        print(f"seed {args.seed} does not fail within {args.seconds:g} s")
        return 1
    print(f"{result.failure}\nfaults: {', '.join(sorted(result.options.rates)) or 'none'}")
    print(result.options.command())
    return 0


if __name__ == "__main__":
    sys.exit(main())
