"""Which targets lost half of their worth between two runs: `python -m tests.bench guard BASE.json NEW.json`.

Only ratios to the control or floor of the same run are compared, so the runs may be of different machines.
It is generous, because such machines are noisy: what is told of has become worse by half.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.bench.figures import table

HALVED = 0.5


class NotComparable(Exception):
    """A file is no result of a benchmark, or the two have nothing in common."""


def read(path: Path) -> dict[str, float]:
    """The worth of each target in a file that `--json` wrote. Raises `NotComparable`."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return {one["name"]: one["worth"] for one in found["summary"] if one["worth"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotComparable(
            f"{path} is no result of a benchmark ({error}); python -m tests.bench --json {path} makes one"
        ) from error


def compare(base: dict[str, float], new: dict[str, float]) -> list[tuple[str, float, float, float]]:
    """Name, worth before, worth now and their ratio, the worst first, of all that both have."""
    both = [(name, base[name], new[name], new[name] / base[name]) for name in base if name in new]
    return sorted(both, key=lambda one: one[3])


def crowded(path: Path) -> str:
    """What to say where a run began on a machine with more to do than it has processors; else empty."""
    machine = json.loads(path.read_text(encoding="utf-8")).get("machine", {})
    load, cores = machine.get("load", 0), machine.get("cores", 1)
    if load <= cores:
        return ""
    return (
        f"{path.name} began at a load of {load:g} on {cores} processors: what the clock measures "
        "(orders/s) says little; trust what is counted by CPU, or play it again when it is quiet"
    )


def run(base: Path, new: Path) -> int:
    """Prints the comparison; 1 where a figure was halved, 2 where nothing can be compared."""
    try:
        found = compare(read(base), read(new))
        if not found:
            raise NotComparable(f"{base} and {new} have no target in common; play the same sections in both")
    except NotComparable as problem:
        print(f"guard: {problem}")
        return 2
    worse = [one for one in found if one[3] <= HALVED]
    table(
        f"Worth of each target against {base.name} (figure over its control, more is better)",
        ("", "before", "now", "ratio", ""),
        [(*one[:3], round(one[3], 2), "HALVED" if one in worse else "") for one in found],
    )
    print(f"  {len(worse)} of {len(found)} have lost half of their worth or more")
    for said in filter(None, (crowded(base), crowded(new))):
        print(f"  {said}")
    return 1 if worse else 0
