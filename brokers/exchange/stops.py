"""Stops of one instrument that wait for their trigger."""

from __future__ import annotations

from brokers.exchange.orders import VenueOrder
from engine.model import Side


class StopBook:
    """Parked stops in order of time, with the nearest stop of each side for a quick look."""

    __slots__ = ("_highest_sell", "_lowest_buy", "_orders")

    def __init__(self) -> None:
        self._orders: list[VenueOrder] = []
        self._lowest_buy: int | None = None
        self._highest_sell: int | None = None

    def __bool__(self) -> bool:
        return bool(self._orders)

    def __contains__(self, order: VenueOrder) -> bool:
        return order in self._orders

    def add(self, order: VenueOrder) -> None:
        self._orders.append(order)
        self._look()

    def remove(self, order: VenueOrder) -> None:
        """Takes a stop out; does nothing for an order that is not parked here."""
        if order in self._orders:
            self._orders.remove(order)
            self._look()

    def reached(self, up: int | None, down: int | None) -> list[VenueOrder]:
        """Buy stops at or below `up` and sell stops at or above `down` (ticks), oldest first."""
        rises = up is not None and self._lowest_buy is not None and up >= self._lowest_buy
        falls = down is not None and self._highest_sell is not None and down <= self._highest_sell
        if not (rises or falls):
            return []
        found = []
        for order in self._orders:
            level = up if order.side is Side.BUY else down
            if level is not None and order.stop is not None and (level - order.stop) * order.side.sign >= 0:
                found.append(order)
        return found

    def _look(self) -> None:
        buys = [o.stop for o in self._orders if o.side is Side.BUY and o.stop is not None]
        sells = [o.stop for o in self._orders if o.side is Side.SELL and o.stop is not None]
        self._lowest_buy = min(buys, default=None)
        self._highest_sell = max(sells, default=None)
