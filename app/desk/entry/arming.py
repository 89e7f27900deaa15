"""ARMED or SAFE: whether this desk sends orders or only previews them. It never gates kill, cancel, flatten.

It is a state of one desk and of nothing else: only its operator arms it. It starts SAFE, and goes back to
SAFE when nobody has pressed a key for a while, when the account is halted or a kill begins, whoever did it,
when a halt is lifted under which it was armed (to send what reduces), when another screen takes control, and
when the engine is gone. What is over again does not arm it.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.control.snapshot import ScreenRole, Snapshot


class Arming:
    """`now` is a monotonic clock in seconds; `idle_after` seconds without a key make it SAFE, 0 never."""

    def __init__(self, now: Callable[[], float], idle_after: float) -> None:
        self._now = now
        self._idle_after = idle_after
        self._touched = now()
        self._stops = 0
        self._halted = False
        self.armed = False

    def arm(self, stops: int) -> None:
        """Orders may be sent from now on. `stops`: the engine's count (`Snapshot.stops`) that the operator
        saw when he decided so."""
        self.armed = True
        self._stops = stops
        self._touched = self._now()

    def safe(self) -> None:
        """Orders are previewed only."""
        self.armed = False

    def touch(self) -> None:
        """A key was pressed."""
        self._touched = self._now()

    def fell_safe(self, snapshot: Snapshot, role: ScreenRole, alive: bool) -> str:
        """Makes it SAFE where something says so: why, once; empty where it stays as it is."""
        if not self.armed:
            self._halted = snapshot.halted
            return ""
        why = ""
        if not alive:
            why = "the engine is gone"
        elif snapshot.stops != self._stops:
            why = f"halted: {snapshot.halt_reason}" if snapshot.halted else "there was a kill or a halt"
        elif self._halted and not snapshot.halted:
            why = "the halt is lifted: from here on orders that open would be sent"
        elif role != "control":
            why = "another screen is in control"
        elif self._idle_after and self._now() - self._touched >= self._idle_after:
            why = "nobody pressed a key"
        self._halted = snapshot.halted
        self.armed = not why
        return why
