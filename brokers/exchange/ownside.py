"""Our resting orders on one side of one instrument, by price and time."""

from __future__ import annotations

from brokers.exchange.orders import VenueOrder
from engine.model import Side


class OwnSide:
    """Orders by price; `best` is the price that trades first (highest bid, lowest offer)."""

    __slots__ = ("best", "levels", "side", "sign")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = side.sign
        self.best: int | None = None
        self.levels: dict[int, list[VenueOrder]] = {}

    def last_at(self, price: int) -> VenueOrder | None:
        level = self.levels.get(price)
        return level[-1] if level else None

    def add(self, order: VenueOrder) -> None:
        price = order.limit
        assert price is not None
        self.levels.setdefault(price, []).append(order)
        if self.best is None or (price - self.best) * self.sign > 0:
            self.best = price

    def remove(self, order: VenueOrder) -> bool:
        """Takes an order out; False when it does not rest here."""
        level = self.levels.get(order.limit) if order.limit is not None else None
        if level is None or order not in level:
            return False
        level.remove(order)
        if not level:
            assert order.limit is not None
            del self.levels[order.limit]
            if order.limit == self.best:
                self.best = None
                if self.levels:
                    self.best = max(self.levels) if self.sign > 0 else min(self.levels)
        return True

    def reached(self, price: int) -> list[int]:
        """Prices, best first, that somebody who trades at `price` must serve before or with it."""
        sign = self.sign
        return sorted((p for p in self.levels if (p - price) * sign >= 0), reverse=sign > 0)
