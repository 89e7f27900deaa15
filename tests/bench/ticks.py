"""Section `ticks`: the period of the risk loop while the gateway of Interactive Brokers floods it with ticks.

The engine is a process of its own, the gateway a thread here; the client library decodes in the engine's.
Longer windows and more bursts than in `risk`; not part of the table.
"""

from __future__ import annotations

from brokers.ib import library
from tests.bench.figures import Figures
from tests.bench.risk import figures, nothing, play, show

CASES = {"no burst": 0, "one burst": 1, "five bursts": 5}


def run(quick: bool) -> Figures:
    """Runs every case; returns the figures by case."""
    if library.problem():
        print(f"\nticks: {library.problem()}")
        return {"skipped": {"bursts": 0}}
    seconds = 4.0 if quick else 12.0
    cases = {name: n for name, n in CASES.items() if not quick or n < 2}
    found = {name: figures([play(nothing, seconds, bursts=n)]) for name, n in cases.items()}
    show(found, seconds)
    for name, one in found.items():
        print(f"  {name}: {one['ticks']:,} ticks decoded, {one['conflated']:,} conflated")
    return found
