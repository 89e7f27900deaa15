"""Kept states of a fold, so that going back in a long journal does not begin at its first row."""

from __future__ import annotations

import pickle
from bisect import bisect_right
from typing import Any, Final

EVERY: Final = 4_000
"""Rows between two kept states at first: taking one up costs about as much as folding so many."""
MOST: Final = 64_000_000
"""Bytes that are kept in all; beyond it every other state goes."""


class Checkpoints:
    """States by row number, as bytes: a state that is taken up is a new one, and may be changed."""

    def __init__(self, every: int = EVERY, most: int = MOST) -> None:
        self._every = every
        self._most = most
        self._seqs: list[int] = []
        self._states: list[bytes] = []

    def __len__(self) -> int:
        return len(self._seqs)

    def due(self, seq: int) -> bool:
        """Whether the state after this row is to be kept."""
        return seq - (self._seqs[-1] if self._seqs else 0) >= self._every

    def keep(self, seq: int, state: object) -> None:
        """Keeps a state, and makes room."""
        self._seqs.append(seq)
        self._states.append(pickle.dumps(state, protocol=5))
        while len(self._states) > 1 and sum(map(len, self._states)) > self._most:
            self._every *= 2
            self._seqs, self._states = self._seqs[1::2], self._states[1::2]

    def before(self, seq: int) -> Any:
        """The newest kept state up to a row; None where there is none."""
        place = bisect_right(self._seqs, seq)
        # Our own bytes, of this process.
        return pickle.loads(self._states[place - 1]) if place else None
