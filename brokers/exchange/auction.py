"""The price of an opening auction: most volume, least surplus, then the pressure of the market."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brokers.exchange.orders import VenueOrder
from engine.model import Side

Interest = tuple[int | None, int]
"""(limit in ticks or None for a market order, lots)."""


def equilibrium(
    bids: Sequence[Interest], asks: Sequence[Interest], reference: int | None
) -> tuple[int, int] | None:
    """The single price (ticks) and volume (lots) at which the most is traded; None where nothing crosses.

    Candidates are the limits of all orders, and `reference` where it lies between them. Ties go to the
    smaller surplus; then to the highest price where buyers are left over at all of them, to the lowest where
    sellers are; else to the price nearest to `reference` (the usual rules of a call auction).
    """
    prices = sorted({price for price, _ in (*bids, *asks) if price is not None})
    if reference is not None and prices and prices[0] < reference < prices[-1]:
        prices = sorted({*prices, reference})
    found: list[tuple[int, int, int]] = []
    for price in prices:
        demand = sum(lots for limit, lots in bids if limit is None or limit >= price)
        supply = sum(lots for limit, lots in asks if limit is None or limit <= price)
        if min(demand, supply) > 0:
            found.append((price, min(demand, supply), demand - supply))
    if not found:
        return None
    volume = max(v for _, v, _ in found)
    surplus = min(abs(s) for _, v, s in found if v == volume)
    best = [(price, s) for price, v, s in found if v == volume and abs(s) == surplus]
    if all(s > 0 for _, s in best):
        return best[-1][0], volume
    if all(s < 0 for _, s in best) or reference is None:
        return best[0][0], volume
    return min((price for price, _ in best), key=lambda price: abs(price - reference)), volume


def participants(orders: Iterable[VenueOrder]) -> list[VenueOrder]:
    """Those that take part, in their priority: market orders first, then by price, then by time."""

    def rank(order: VenueOrder) -> tuple[int, int, int]:
        bound = order.bound
        return (0, 0, order.seq) if bound is None else (1, -bound * order.side.sign, order.seq)

    return sorted((o for o in orders if o.live > 0 and not o.is_stop), key=rank)


def shares(orders: Sequence[VenueOrder], price: int, volume: int) -> Iterator[tuple[VenueOrder, int]]:
    """What each of `orders` (in priority) gets of `volume` lots at `price`, on its side.

    Orders exactly at the price came last and keep their place in the queue instead.
    """
    left = {Side.BUY: volume, Side.SELL: volume}
    for order in orders:
        bound = order.bound
        if bound is not None and (bound - price) * order.side.sign <= 0:
            continue
        lots = min(order.live, left[order.side])
        if lots > 0:
            left[order.side] -= lots
            yield order, lots
