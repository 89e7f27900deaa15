"""Runs the command line with a sentinel whose silence passes on a test's word:
`python -m tests.sentinel.hurried FILE …`.

So a test need not count on a busy machine to let an engine be heard within a second: `after` is long, and
only while FILE is there, and the sentinel waits for an engine or takes the lease from it, its time runs fast:
each of its steps comes after `STEP`, however much time it stands for. All else goes by the real clock.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from engine.model import NS
from engine.ports import Clock, TimerHandle
from engine.sentinel.machine import Phase
from engine.sentinel.watch import Watch

STEP: Final = NS // 50
"""ns that a hurried step takes."""
COUNTING: Final = (Phase.WATCHING, Phase.FENCING, Phase.RESTORED)


class HurriedClock:
    """The sentinel's clock. Implements as much of `engine.ports.Clock` as its watch asks for."""

    def __init__(self, clock: Clock, wanted: Callable[[], bool]) -> None:
        self._clock = clock
        self._wanted = wanted
        self._ahead = 0

    def mono(self) -> int:
        return self._clock.mono() + self._ahead

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> TimerHandle:
        if not self._wanted():
            return self._clock.call_later(delay, callback, *args)

        def passed() -> None:
            self._ahead += delay
            callback(*args)

        return self._clock.call_later(min(delay, STEP), passed)

    def call_soon(self, callback: Callable[..., object], *args: Any) -> TimerHandle:
        return self._clock.call_soon(callback, *args)


def main(words: Sequence[str]) -> int:
    """The first word is the file, the others are those of `breakwater`."""
    file = Path(words[0])
    from app.sentinel import post, process

    post.PROGRAM = (sys.executable, "-m", "tests.sentinel.hurried", words[0])  # type: ignore[misc]

    class Hurried(Watch):
        def __init__(self, rules: Any, clock: Clock, *rest: Any) -> None:
            def wanted() -> bool:
                return hasattr(self, "_state") and self.phase in COUNTING and file.exists()

            super().__init__(rules, HurriedClock(clock, wanted), *rest)  # type: ignore[arg-type]

    process.Watch = Hurried  # type: ignore[misc]
    from app.cli import main as breakwater

    return breakwater(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
