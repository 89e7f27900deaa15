"""Percentiles, tables and temporary folders for the benchmarks."""

from __future__ import annotations

import math
import os
import tempfile
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
    """n, p50, p99, p99.9 and max of durations in ns, in units of `unit` ns (µs)."""
    ordered = sorted(values)
    if not ordered:
        return {"n": 0}
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {"n": len(ordered), **{k: round(quantile(ordered, s) / unit, 3) for k, s in shares.items()}}


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


class Floor:
    """What durability costs at the least: an append and an fdatasync on the same disk."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory / "floor", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(self, size: int) -> None:
        os.write(self._fd, b"\x5a" * size)
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
