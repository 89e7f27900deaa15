"""ARMED or SAFE: whether this desk sends orders or only previews them. It never gates kill, cancel, flatten.

It is a state of one desk and of nothing else: it starts SAFE, and goes back to SAFE when nobody has pressed a
key for a while.
"""

from __future__ import annotations

from collections.abc import Callable


class Arming:
    """`now` is a monotonic clock in seconds; `idle_after` seconds without a key make it SAFE, 0 never."""

    def __init__(self, now: Callable[[], float], idle_after: float) -> None:
        self._now = now
        self._idle_after = idle_after
        self._touched = now()
        self.armed = False

    def arm(self) -> None:
        """Orders may be sent from now on."""
        self.armed = True
        self._touched = self._now()

    def safe(self) -> None:
        """Orders are previewed only."""
        self.armed = False

    def touch(self) -> None:
        """A key was pressed."""
        self._touched = self._now()

    def fell_safe(self) -> bool:
        """True once when nobody was there for too long."""
        if not self.armed or not self._idle_after or self._now() - self._touched < self._idle_after:
            return False
        self.armed = False
        return True
