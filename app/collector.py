"""Keeps the interpreter out of the risk loop: the garbage collector and the switch between threads.

A collection holds every thread, whichever began it. So it begins on the engine's thread, right after a round
of the risk loop, when the next one is the longest away; and the oldest generation, whose look takes longest,
waits for a moment in which no order is under way.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread gives the interpreter up to another that waits; the default of 5 ms is half a
risk period."""
YOUNG: Final = 1_000
"""Objects more than were let go, from which the youngest generation is looked at."""
MIDDLE: Final = 2
"""Looks at the youngest, from which the middle one is looked at in a calm moment; twice as many, in any. Each
look holds all threads, so it had better be short than rare: with 4 and 8 it took 1.4 ms of CPU instead of 0.9
beside a desk with 150 orders a second, and all of them together 0.8 ms a second instead of 1."""
OLD_EVERY: Final = 60.0
"""Seconds between two looks at the oldest in calm moments."""
OLD_AT_LATEST: Final = 600.0
"""Seconds after which it is looked at in any moment."""
OLD_GROWTH: Final = 2_000
"""Looks at the middle one, some five million objects that stayed, after which it is not put off either."""
SETTLED: Final = 10.0
"""Seconds after the start when a screen stands, whose many objects live as long as it does."""
LONG: Final = 5_000_000
"""ns of the processor. What took longer to look through is frozen afterwards: the next look must not go
through it again."""
THAW_EVERY: Final = 6 * 3600.0
"""Seconds between two looks at what is frozen as well, in a calm moment: a ring of objects that was frozen
and has died since would stay for ever."""
BACKSTOP: Final = (20_000, 20, 1_000_000)
"""Thresholds of the interpreter's own looks, for when no round comes; it never looks at the oldest."""
STAGES: Final = ("collector young", "collector middle", "collector old")
"""Under which name the pauses of each generation are measured."""


def tame_collector() -> None:
    """Keeps the garbage collector's long pauses out of the risk loop: what exists now is frozen, young
    generations stay small and frequent, and the oldest is looked at by hand alone (`Collector`)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 1_000_000)


class Collector:
    """Chooses the moments. For the engine's thread, once that runs its rounds.

    `note`: told of every pause by its stage and ns of the processor, whichever thread it began on and whoever
    began it; called from `after_round` alone. By a clock on the wall others would count that ran meanwhile:
    the interpreter is lent out again before it says that a look is over. `now`: seconds that go on.
    """

    def __init__(self, note: Callable[[str, int], None], now: Callable[[], float] = time.monotonic) -> None:
        self._note = note
        self._now = now
        self._began = 0
        self._pauses: deque[tuple[int, int]] = deque(maxlen=1_000)
        self._settles: float | None = now() + SETTLED
        self._last = self._thawed = now()

    def start(self) -> None:
        """From here on the interpreter's own looks are the exception."""
        gc.callbacks.append(self._measure)
        gc.set_threshold(*BACKSTOP)

    def stop(self) -> None:
        gc.callbacks.remove(self._measure)
        gc.set_threshold(2_000, 20, 1_000_000)

    def after_round(self, calm: bool) -> None:
        """A round of the risk loop has just ended; `calm`: no order is under way."""
        young, middle, old = gc.get_count()
        if young >= YOUNG:
            gc.collect(1 if middle >= (MIDDLE if calm else 2 * MIDDLE) else 0)
        else:
            now = self._now()
            if self._settles is not None and now >= self._settles:
                # Nothing of it is garbage; to look through it now would be the longest pause of the run.
                self._settles, self._last = None, now
                gc.freeze()
            elif now - self._last >= (OLD_EVERY if calm else OLD_AT_LATEST) or old >= OLD_GROWTH:
                self._look_at_old(now, calm)
        while self._pauses:
            generation, took = self._pauses.popleft()
            self._note(STAGES[generation], took)

    def _look_at_old(self, now: float, calm: bool) -> None:
        self._last = now
        thaw = calm and now - self._thawed >= THAW_EVERY
        if thaw:
            self._thawed = now
            gc.unfreeze()
        began = time.thread_time_ns()
        gc.collect()
        if thaw or time.thread_time_ns() - began > LONG:
            gc.freeze()

    def _measure(self, phase: str, info: dict[str, Any]) -> None:
        """On whichever thread; one at a time, as the interpreter has it."""
        if phase == "start":
            self._began = time.thread_time_ns()
        elif self._began:
            self._pauses.append((info["generation"], time.thread_time_ns() - self._began))
