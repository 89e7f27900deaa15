"""Runs the command line with a wall clock that a drill can step: `python -m app.drill.steppedclock FILE …`.

`time.time` and `time.time_ns` are moved by the nanoseconds that FILE holds; the machine's own clock, and the
monotonic one, are left alone. That is what a wall clock that is set back does to a process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path


def install(path: Path) -> None:
    """From now on this process's wall clock is off by what the file says."""
    real = time.time_ns

    def offset() -> int:
        try:
            return int(path.read_text() or 0)
        except (OSError, ValueError):
            return 0

    time.time_ns = lambda: real() + offset()
    time.time = lambda: (real() + offset()) / 1e9  # noqa: TID251 - it is the wall clock that is stepped


def main(words: Sequence[str]) -> int:
    """The first word is the file, the others are those of `breakwater`."""
    install(Path(words[0]))
    from app.cli import main as breakwater

    return breakwater(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
