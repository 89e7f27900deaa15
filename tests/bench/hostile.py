"""Section `hostile`: the period of the risk loop beside strategies that go bad, and beside screens.

Longer windows than `risk`, one of each; not part of the table.
"""

from __future__ import annotations

from typing import Any

from tests.bench.figures import Figures
from tests.bench.risk import SPIN, figures, hanging, in_time, nothing, sample, several, show

CASES: dict[str, dict[str, Any]] = {
    "no strategy": {"make": nothing},
    "sample": {"make": sample},
    "spin": {"make": SPIN},
    "sleep": {"make": hanging("Sleeps")},
    "raise": {"make": several("Raises", 4)},
    "allocate": {"make": several("Allocates", 3, memory_mb=256)},
    "flood": {"make": several("FloodsSteadily", 3)},
    "desk, sample": {"make": sample, "desk": True},
    "desk, spin": {"make": SPIN, "desk": True},
    "3 attached screens, sample": {"make": sample, "screens": 3},
}


def run(quick: bool) -> Figures:
    seconds = 3.0 if quick else 15.0
    found = {name: figures([in_time(seconds=seconds, **case)]) for name, case in CASES.items()}
    show(found, seconds)
    return found
