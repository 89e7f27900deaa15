"""Runs the command line with a sentinel whose silence passes on a test's word:
`python -m tests.sentinel.hurried FILE …`.

So a test need not count on a busy machine to let an engine be heard within a second: `after` is long, and
only while FILE is there, and the sentinel waits for an engine or takes the lease from it, its time runs fast:
it goes by its steps alone, and each comes after `STEP`, however much time it stands for. FILE may say how
many (`CYCLE COUNT`); then they stop, as its time does, until FILE says another cycle or is gone, and
`FILE.done` has the cycle. It looks at the broker, and for its engine, more often. All else goes by the real
clock.
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
ENDLESS: Final = 10**9


class HurriedClock:
    """The sentinel's clock. Implements as much of `engine.ports.Clock` as its watch asks for."""

    def __init__(self, clock: Clock, file: Path, counting: Callable[[], bool]) -> None:
        self._clock = clock
        self._file = file
        self._counting = counting
        self._ahead = 0
        """What it is ahead of the real clock, ns; behind it where negative."""
        self._stands: int | None = None
        """Its time, while that goes by steps."""
        self._cycle: str | None = None
        self._left = 0

    def _by_steps(self) -> bool:
        """Whether it goes by steps now; what the file says has been taken in."""
        try:
            told = self._file.read_text() if self._counting() else None
        except FileNotFoundError:
            told = None
        if told is None:
            if self._stands is not None:
                self._ahead, self._stands, self._cycle = self._stands - self._clock.mono(), None, None
            return False
        if self._stands is None:
            self._stands = self._clock.mono() + self._ahead
        cycle, _, count = told.partition(" ")
        if cycle != self._cycle:
            self._cycle, self._left = cycle, int(count or ENDLESS)
        return True

    def mono(self) -> int:
        if self._by_steps():
            assert self._stands is not None
            return self._stands
        return self._clock.mono() + self._ahead

    def call_later(self, delay: int, callback: Callable[..., object], *args: Any) -> TimerHandle:
        if not self._by_steps():
            return self._clock.call_later(delay, callback, *args)

        def passed() -> None:
            if self._by_steps() and self._left > 0 and self._stands is not None:
                self._stands += delay
                self._left -= 1
            callback(*args)
            if self._left == 0 and self._stands is not None:
                self._file.with_suffix(".done").write_text(self._cycle or "")

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
            def counting() -> bool:
                return hasattr(self, "_state") and self.phase in COUNTING

            super().__init__(rules, HurriedClock(clock, file, counting), *rest)  # type: ignore[arg-type]

    process.Watch = Hurried  # type: ignore[misc]
    process.PROBE_EVERY = NS // 5  # type: ignore[misc]
    from app.cli import main as breakwater

    return breakwater(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
