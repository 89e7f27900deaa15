"""What waits to be taken by a strategy: bounded, in order, and never in the way of the engine.

While a strategy is busy only the newest quote of a symbol is kept, the oldest prints and bars are dropped
beyond a bound (and counted), and what concerns its own orders is kept without exception.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, Final

import msgspec

from engine.model import Bar, Quote, Trade
from engine.strategy.messages import (
    COLUMNS,
    LETTERS,
    Batch,
    Event,
    Kind,
    Pause,
    PositionSet,
    StrategyFill,
    StrategyOrder,
    Timer,
)

MAX_OWN: Final = 10_000
"""Events beside prints and bars that may wait. Fills are never dropped: who leaves more is stopped."""
MAX_BATCH: Final = 128
"""Events in one batch; the hang time-out counts for a batch."""


class Waiting(msgspec.Struct, frozen=True):
    """One event. `arrived`: host's performance counter when it reached the engine, ns, 0 if not told."""

    event: Event
    arrived: int


class Mailbox:
    """Events for one strategy, oldest first.

    `wants` may be set late: until the process has said what it wants, quotes are conflated as if it were busy
    and prints and bars are not kept.
    """

    def __init__(self, symbols: Collection[str], max_prints: int = 2_000) -> None:
        self._symbols = frozenset(symbols)
        self._max_prints = max_prints
        self.waiting: dict[int, Waiting] = {}
        """What is there, by number; for others to look at only."""
        self._next = 0
        self._quote_at: dict[str, int] = {}
        self._prints: deque[int] = deque()
        self._marks: dict[str, Quote] = {}
        self._wants: frozenset[Kind] = frozenset({"quote"})
        self.conflated = 0
        """Quotes that a newer one replaced before they were taken."""
        self.dropped = 0
        """Prints and bars that were dropped because too many waited."""

    def __len__(self) -> int:
        return len(self.waiting)

    def oldest(self) -> int | None:
        """When the oldest event that waits arrived, host's performance counter, ns."""
        return next(iter(self.waiting.values())).arrived if self.waiting else None

    def want(self, kinds: Collection[Kind]) -> None:
        """From now on only these kinds of market event are kept; all quotes still update the touch."""
        self._wants = frozenset(kinds)
        if "quote" not in self._wants:
            for symbol, key in self._quote_at.items():
                event = self.waiting.pop(key).event
                assert isinstance(event, Quote)
                self._marks[symbol] = event
            self._quote_at.clear()

    def quote(self, quote: Quote, arrived: int, conflate: bool) -> None:
        """`conflate`: replaces the waiting quote of the symbol and takes its place at the end."""
        symbol = quote.symbol
        if symbol not in self._symbols:
            return
        if "quote" not in self._wants:
            self._marks[symbol] = quote
            return
        if conflate:
            old = self._quote_at.pop(symbol, None)
            if old is not None:
                del self.waiting[old]
                self.conflated += 1
            self._quote_at[symbol] = self._next
        self._add(quote, arrived)

    def print(self, event: Trade | Bar, arrived: int) -> None:
        kind: Kind = "trade" if isinstance(event, Trade) else "bar"
        if kind not in self._wants or event.symbol not in self._symbols:
            return
        if len(self._prints) >= self._max_prints:
            del self.waiting[self._prints.popleft()]
            self.dropped += 1
        self._prints.append(self._next)
        self._add(event, arrived)

    def own(self, event: StrategyFill | StrategyOrder | Timer | PositionSet | Pause, arrived: int) -> None:
        """What concerns the strategy itself is never dropped, replaced or reordered."""
        self._add(event, arrived)

    @property
    def full(self) -> bool:
        """Whether more waits of what may not be dropped than a strategy that keeps up would ever leave."""
        return len(self.waiting) - len(self._prints) > MAX_OWN

    def _add(self, event: Event, arrived: int) -> None:
        self.waiting[self._next] = Waiting(event, arrived)
        self._next += 1

    def take(self, limit: int = MAX_BATCH) -> tuple[Waiting, ...]:
        """Removes and returns up to `limit` of the oldest events."""
        if len(self.waiting) <= limit:
            taken = tuple(self.waiting.values())
            self.waiting = {}
            self._quote_at.clear()
            self._prints.clear()
            return taken
        keys = [key for key, _ in zip(self.waiting, range(limit), strict=False)]
        taken = tuple(self.waiting.pop(key) for key in keys)
        self._quote_at = {symbol: key for symbol, key in self._quote_at.items() if key > keys[-1]}
        while self._prints and self._prints[0] <= keys[-1]:
            self._prints.popleft()
        return taken

    def marks(self) -> tuple[Quote, ...]:
        """Removes and returns the newest quotes of symbols whose quotes are not events."""
        marks = tuple(self._marks.values())
        self._marks.clear()
        return marks


def batch(seq: int, now: int, waiting: Collection[Waiting], marks: tuple[Quote, ...]) -> Batch:
    """The message that carries these events, each in the tuple of its kind."""
    if len(waiting) == 1:  # by far the most frequent
        (only,) = waiting
        letter = LETTERS[type(only.event)]
        column: dict[str, Any] = {COLUMNS[letter]: (only.event,)}
        return Batch(seq, now, letter, marks, **column)
    kinds = "".join([LETTERS[type(item.event)] for item in waiting])
    columns: dict[str, list[Any]] = {COLUMNS[letter]: [] for letter in kinds}
    for item, kind in zip(waiting, kinds, strict=True):
        columns[COLUMNS[kind]].append(item.event)
    return Batch(seq, now, kinds, marks, **{name: tuple(events) for name, events in columns.items()})
