"""Brackets that the venue works, which fits them to what their own members fill and to nothing else.

Where somebody closes part of their position by other orders (by hand, a strategy, at the broker), their
stops would stand at their size and turn the position round; one that a person made larger outlives it; and a
replace may leave two under one id. This finds the first two, comparisons the third; from then on
`engine.grouping` fits them as it fits its own. Nothing of it is in the journal: it is found out again after a
restart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from engine.books import EXTERNAL
from engine.core import Core
from engine.lifecycle_types import OrderLife
from engine.model import NS, Side
from engine.ordering import MANUAL
from engine.orders_groups import leg, open_lots
from engine.orders_record import OrderRecord
from engine.positions import PositionBook

PATIENCE: Final = 2 * NS
"""ns within which the venue has cancelled the children of what is closed, of an entry that came to nothing or
was busted as well (simulated seed 4355), and has said so."""

Owner = tuple[str, str]
"""Strategy and symbol."""


def protectable(positions: PositionBook, strategy: str, symbol: str) -> int:
    """What a strategy holds and its own stops may close, signed lots: less what was traded the other way
    round by hand at the broker's, which is booked apart. Of several holders the operator's lots are closed by
    that first, then those of who came last."""
    parts = positions.get(symbol).parts
    held = positions.strategy_qty(strategy, symbol)
    away = positions.strategy_qty(EXTERNAL, symbol)
    if strategy == EXTERNAL or held * away >= 0:
        return held
    left = abs(away)
    holders = [s for s, part in reversed(parts.items()) if part.qty * away < 0]
    for holder in sorted(holders, key=lambda s: s != MANUAL):
        taken = min(left, abs(parts[holder].qty))
        if holder == strategy:
            return held + (taken if away > 0 else -taken)
        left -= taken
    return held


def _is_over(life: OrderLife) -> bool:
    """Closed, as the venue said: one that is only presumed lost may have been filled."""
    return life.is_closed and not life.missing and not life.presumed


class AtVenue:
    """Entries with a bracket of the venue's that may not be over. Runs on the engine's thread."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._entries: dict[str, dict[str, str]] = {}
        """By symbol: whose each entry is, oldest first."""
        self._seen: dict[str, int] = {}
        """The version of a symbol's books at the last look."""
        self._due: dict[str, int] = {}
        """Until when children of what is closed are left to the venue, monotonic ns."""

    def note(self, parent_id: str, owner: Owner) -> None:
        strategy, symbol = owner
        entries = self._entries.setdefault(symbol, {})
        if parent_id not in entries:
            entries[parent_id] = strategy
            self._seen.pop(symbol, None)

    def forget(self, parent_id: str, symbol: str) -> None:
        entries = self._entries.get(symbol)
        if entries is not None and entries.pop(parent_id, None) is not None and not entries:
            del self._entries[symbol]
            self._seen.pop(symbol, None)
            self._due.pop(symbol, None)

    def entries(self) -> list[tuple[str, Owner]]:
        """All of them, and whose each is."""
        return [
            (entry, (strategy, symbol))
            for symbol, entries in self._entries.items()
            for entry, strategy in entries.items()
        ]

    def outgrown(self, busy: Callable[[str], bool], ours: Collection[str]) -> list[tuple[str, Owner]]:
        """Entries, now forgotten here, of owners that hold less than their brackets protect. `busy`: symbols
        at which it looks later; `ours`: entries whose brackets are the engine's."""
        found: list[tuple[str, Owner]] = []
        if not self._entries:
            return found
        versions, now = self._core.books.versions, self._core.clock.mono()
        for symbol in list(self._entries):
            version = versions.get(symbol, 0)
            seen = self._seen.get(symbol) == version and now < self._due.get(symbol, now + 1)
            if seen or busy(symbol):
                continue
            self._seen[symbol] = version
            whose = self._look(symbol, now, ours)
            found += [(entry, (strategy, symbol)) for entry, strategy in whose.items()]
        for parent_id, (_, symbol) in found:
            self.forget(parent_id, symbol)
        return found

    def next_due(self) -> int | None:
        """When it is looked again although nothing has changed, monotonic ns."""
        return min(self._due.values()) if self._due else None

    def _look(self, symbol: str, now: int, ours: Collection[str]) -> dict[str, str]:
        """Whose each entry is, of those whose brackets are larger than what they protect."""
        found: dict[str, str] = {}
        left_over: dict[str, str] = {}
        orders = self._core.books.orders
        fitted = [r for r in map(orders.get, ours) if r is not None and r.order.symbol == symbol]
        for strategy in dict.fromkeys(self._entries[symbol].values()):
            held = protectable(self._core.books.positions, strategy, symbol)
            for side in Side:
                entries = self._of(strategy, symbol, side)
                lots = [self._lots(entry) for entry in entries]
                beside = [r for r in fitted if (r.order.strategy, r.order.side) == (strategy, side)]
                if sum(lots) + sum(map(self._lots, beside)) > max(0, held * side.sign):
                    found |= dict.fromkeys((entry.order.id for entry in entries), strategy)
                for entry, open_ in zip(entries, lots, strict=True):
                    if not open_ and _is_over(entry.life):
                        left_over[entry.order.id] = strategy
        if not left_over.keys() - found.keys():
            self._due.pop(symbol, None)
        elif now >= self._due.setdefault(symbol, now + PATIENCE):
            del self._due[symbol]
            found |= left_over
        return found

    def _of(self, strategy: str, symbol: str, side: Side) -> list[OrderRecord]:
        orders = self._core.books.orders
        mine = [parent_id for parent_id, owner in self._entries[symbol].items() if owner == strategy]
        return [r for r in map(orders.get, mine) if r is not None and r.order.side is side]

    def _lots(self, entry: OrderRecord) -> int:
        """What it and its children left open by what they filled."""
        children = self._core.books.orders.children(entry.order.id)
        return open_lots(entry.life, [leg(c) for c in children])
