"""Percentiles, tables and temporary folders for the benchmarks."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""What a section found; goes into the JSON line as it is."""


def quantile(ordered: Sequence[int], share: float) -> int:
    """Smallest value below or at which `share` of the ordered values lie."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Iterable[int], unit: int = 1_000) -> dict[str, float]:
    """n, p10, p50, p99, p99.9 and max of durations in ns, in units of `unit` ns (µs)."""
    ordered = sorted(values)
    if not ordered:
        return {"n": 0}
    shares = {"p10": 0.1, "p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {"n": len(ordered), **{k: round(quantile(ordered, s) / unit, 3) for k, s in shares.items()}}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the straight line through the points that fits best, y for each x; 0 where there are too few."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def middle(found: Sequence[Any]) -> Any:
    """The figures of several runs of one section as one: of each number the median, of all else the last."""
    last = found[-1]
    if isinstance(last, dict):
        return {key: middle([one[key] for one in found if key in one]) for key in last}
    if isinstance(last, list) and all(len(one) == len(last) for one in found):
        return [middle(entries) for entries in zip(*found, strict=True)]
    if isinstance(last, int | float) and not isinstance(last, bool):
        return statistics.median(found)
    return last


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table; the first column is left-aligned."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    print(f"\n{title}")
    for row in cells:
        first = row[0].ljust(widths[0])
        print("  " + "  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return (
            f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder on a disk: /var/tmp, because /tmp is memory on many systems, or $BREAKWATER_BENCH_DIR."""
    usual = "/var/tmp" if Path("/var/tmp").is_dir() else None
    base = os.environ.get("BREAKWATER_BENCH_DIR", usual)
    with tempfile.TemporaryDirectory(prefix="breakwater-bench-", dir=base) as name:
        yield Path(name)


def rss_mib(pid: int | str = "self") -> float:
    """Resident memory of a process, MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def yardstick() -> int:
    """ns for a fixed piece of Python: the floor where no disk is in it, what the machine is worth now."""
    began = time.perf_counter_ns()
    known: dict[str, int] = {}
    for number in range(300):
        known[f"order-{number % 50}"] = known.get(f"order-{number % 50}", 0) + number
    return time.perf_counter_ns() - began


class Floor:
    """What durability costs at the least: an append and an fdatasync on the same disk."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / "floor", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(self, size: int) -> None:
        os.write(self._fd, b"\x5a" * size)
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
