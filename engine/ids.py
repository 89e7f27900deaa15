"""Our own ids: unique for ever, over restarts, machines and brokers that hand theirs out again.

A client order id reads `<strategy>-<install><run><mark>-<n>`: the install is drawn once when the journal is
made, the run counts the engine's starts in that journal, the mark is drawn at each start, n counts within the
run; run and n are in base 36. Without the mark an engine that starts on an older copy of its journal would
count its runs anew and give ids out that the venue has seen. With names of at most 12 characters an id stays
below 30, short enough for FIX, IB and the crypto venues (36).
"""

from __future__ import annotations

import random

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(n: int) -> str:
    """A whole number ≥ 0 in base 36."""
    if n < 0:
        raise ValueError("base36 takes whole numbers from 0")
    out = ""
    while True:
        n, digit = divmod(n, 36)
        out = _DIGITS[digit] + out
        if n == 0:
            return out


def draw_install(rng: random.Random) -> str:
    """A new install's mark: four characters, drawn once for each journal."""
    return "".join(rng.choice(_DIGITS) for _ in range(4))


def draw_mark(rng: random.Random) -> str:
    """The mark of one start: three characters, always so many, so that run and mark cannot be confused."""
    return "".join(rng.choice(_DIGITS) for _ in range(3))


class Ids:
    """`engine.ports.IdSource` for one run of the engine."""

    def __init__(self, install: str, run: int, mark: str = "") -> None:
        self._infix = f"{install}{base36(run)}{mark}"
        self._orders = 0
        self._correlations = 0

    def order_id(self, strategy: str) -> str:
        self._orders += 1
        return f"{strategy}-{self._infix}-{base36(self._orders)}"

    def gave(self, order_id: str) -> bool:
        """Whether an order id was given in this run."""
        return order_id.rpartition("-")[0].endswith(f"-{self._infix}")

    def correlation(self) -> str:
        self._correlations += 1
        return f"{self._infix}:{base36(self._correlations)}"
