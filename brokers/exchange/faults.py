"""The fault plan: when the exchange misbehaves, by ratio or on command, each fault with its own seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from brokers.exchange.config import FaultConfig

KINDS: Final[tuple[str, ...]] = tuple(name for name in FaultConfig.model_fields if not name.endswith("_ms"))
"""Names of all faults."""


class FaultPlan:
    """Decides, event by event, whether a fault strikes.

    A fault strikes because it was armed (`arm`: the next n events of its kind) or by its configured ratio.
    Each kind draws from a generator of its own, seeded from `seed` and its name: turning one on leaves the
    draws of the others as they were.
    """

    def __init__(self, config: FaultConfig, seed: int) -> None:
        self.config = config
        self.counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        """How often each fault struck."""
        self._armed: dict[str, int] = dict.fromkeys(KINDS, 0)
        self._ratios: dict[str, float] = {}
        self._rngs = {kind: random.Random(f"{seed}/{kind}") for kind in KINDS}
        self._live: dict[str, bool] = {}
        self.set_ratios({kind: getattr(config, kind) for kind in KINDS})

    def set_ratios(self, ratios: Mapping[str, float]) -> None:
        """Changes ratios while running. Raises `ValueError` for an unknown kind or a ratio outside 0 to 1."""
        for kind, ratio in ratios.items():
            self._known(kind)
            if not 0.0 <= ratio <= 1.0:
                raise ValueError(f"ratio of fault {kind} must be within 0 to 1, not {ratio}")
            self._ratios[kind] = ratio
            self._refresh(kind)

    def arm(self, kind: str, times: int = 1) -> None:
        """Makes the fault strike at the next `times` events of its kind. Raises `ValueError` if unknown."""
        self._known(kind)
        self._armed[kind] += times
        self._refresh(kind)

    def clear(self) -> None:
        """Turns everything off."""
        for kind in KINDS:
            self._armed[kind] = 0
            self._ratios[kind] = 0.0
        self._live.clear()

    def hit(self, kind: str) -> bool:
        """True when the fault strikes now."""
        if kind not in self._live:
            return False
        if self._armed[kind] > 0:
            self._armed[kind] -= 1
            self._refresh(kind)
        elif self._ratios[kind] <= 0.0 or self._rngs[kind].random() >= self._ratios[kind]:
            return False
        self.counts[kind] += 1
        return True

    def draw(self, kind: str, below: int) -> int:
        """A number of this fault's own generator, 0 ≤ n < below."""
        return self._rngs[kind].randrange(below)

    def _known(self, kind: str) -> None:
        if kind not in self.counts:
            raise ValueError(f"there is no fault {kind!r}; known are {', '.join(KINDS)}")

    def _refresh(self, kind: str) -> None:
        if self._armed[kind] > 0 or self._ratios[kind] > 0.0:
            self._live[kind] = True
        else:
            self._live.pop(kind, None)
