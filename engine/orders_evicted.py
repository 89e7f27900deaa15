"""Whose the orders were that ended long ago and have left memory: by id, for ever, and small.

Our ids count on, over all strategies, and no number comes twice in a run of the engine (`engine.ids`); so
for each install, run and mark the runs of numbers are kept, and the strategy is the one that the id begins
with. Ids of another form, and orders that changed their owner, are kept as they are.
"""

from __future__ import annotations

from bisect import bisect_right

from engine.ids import base36
from engine.model import Value


class EvictedImage(Value, frozen=True, kw_only=True):
    """All of it for a saved state of the books: by infix the first and last numbers of the runs, in turns."""

    runs: dict[str, list[int]]
    strategies: dict[str, list[str]]
    odd: dict[str, str]


class Evicted:
    """Ids with the strategies that they were of."""

    def __init__(self) -> None:
        self._runs: dict[str, list[int]] = {}
        """By infix: first and last number of each run, one after the other, rising."""
        self._strategies: dict[str, list[str]] = {}
        """By infix: which strategies had such an order."""
        self._odd: dict[str, str] = {}

    def add(self, order_id: str, strategy: str) -> None:
        parts = _parts(order_id)
        if parts is None or parts[0] != strategy:
            self._odd[order_id] = strategy
            return
        _, infix, number = parts
        known = self._strategies.setdefault(infix, [])
        if strategy not in known:
            known.append(strategy)
        runs = self._runs.setdefault(infix, [])
        at = bisect_right(runs, number)
        if at % 2 or (at and runs[at - 1] == number):
            return  # within a run
        joins_left = at > 0 and runs[at - 1] == number - 1
        joins_right = at < len(runs) and runs[at] == number + 1
        if joins_left and joins_right:
            del runs[at - 1 : at + 1]
        elif joins_left:
            runs[at - 1] = number
        elif joins_right:
            runs[at] = number
        else:
            runs[at:at] = (number, number)

    def get(self, order_id: str) -> str | None:
        """The strategy of an order; None where it is not here."""
        odd = self._odd.get(order_id)
        if odd is not None:
            return odd
        parts = _parts(order_id)
        if parts is None:
            return None
        strategy, infix, number = parts
        runs = self._runs.get(infix)
        if runs is None or strategy not in self._strategies[infix]:
            return None
        at = bisect_right(runs, number)
        return strategy if at % 2 or (at and runs[at - 1] == number) else None

    def __contains__(self, order_id: object) -> bool:
        return isinstance(order_id, str) and self.get(order_id) is not None

    def __len__(self) -> int:
        counted = sum(b - a + 1 for r in self._runs.values() for a, b in zip(r[::2], r[1::2], strict=True))
        return counted + len(self._odd)

    def image(self) -> EvictedImage:
        return EvictedImage(
            runs={infix: runs.copy() for infix, runs in self._runs.items()},
            strategies={infix: known.copy() for infix, known in self._strategies.items()},
            odd=self._odd.copy(),
        )

    def put_back(self, image: EvictedImage) -> None:
        """Takes over what another one had."""
        self._runs, self._strategies, self._odd = image.runs, image.strategies, image.odd

    def state(self) -> tuple[object, ...]:
        """Everything, for comparing."""
        return (*self._runs.items(), *self._strategies.items(), *self._odd.items())


def _parts(order_id: str) -> tuple[str, str, int] | None:
    """Strategy, infix and number of an id of ours; None for one of another form."""
    head, _, tail = order_id.rpartition("-")
    strategy, _, infix = head.rpartition("-")
    if not strategy or not infix or not tail.isascii() or not tail.isalnum() or len(tail) > 12:
        return None
    number = int(tail, 36)
    return (strategy, infix, number) if base36(number) == tail else None
