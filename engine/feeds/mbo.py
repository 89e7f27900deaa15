"""Order-by-order recordings: their messages, the book that they build, and the decoder.

Actions: R clears the book, A adds, C cancels (a part of) an order, M gives it a new price and size, T is a
print and F the fill of a resting order; T and F do not touch the book, the C or M that follows does. The book
may be read only where `last` is set: in between it shows states that never existed.
"""

from __future__ import annotations

from typing import Final, Literal

from engine.model import Quote, Side, Value

Action = Literal["R", "A", "C", "M", "T", "F"]

MBO_HEADER: Final = "ts_ns,ts_recv_ns,seq,action,side,order_id,px,sz,last,snapshot"


class MboMessage(Value, frozen=True, array_like=True):
    """One message. `price` in ticks (0 for R), `size` in lots, `ts` exchange time in UTC ns.

    `side` is the resting order's, or for T the aggressor's; None where there is none (R, auction prints).
    `snapshot`: part of a picture of the whole book, not an event.
    """

    symbol: str
    ts: int
    action: Action
    side: Side | None
    order_id: int
    price: int
    size: int
    last: bool
    snapshot: bool = False
    seq: int = 0


class _BookSide:
    """Levels of one side: orders by level in their priority, totals, and the best price."""

    __slots__ = ("best", "buy", "levels", "totals")

    def __init__(self, buy: bool) -> None:
        self.buy = buy
        self.levels: dict[int, dict[int, int]] = {}
        self.totals: dict[int, int] = {}
        self.best: int | None = None

    def add(self, price: int, order_id: int, size: int) -> None:
        level = self.levels.get(price)
        if level is None:
            self.levels[price] = {order_id: size}
            self.totals[price] = size
            if self.best is None or (price > self.best if self.buy else price < self.best):
                self.best = price
        else:
            level[order_id] = size
            self.totals[price] += size

    def remove(self, price: int, order_id: int) -> None:
        level = self.levels[price]
        self.totals[price] -= level.pop(order_id)
        if not level:
            del self.levels[price], self.totals[price]
            if price == self.best:
                self.best = None if not self.levels else max(self.levels) if self.buy else min(self.levels)


class MboBook:
    """A book of single orders in price-time priority, built from messages."""

    def __init__(self) -> None:
        self.bids = _BookSide(buy=True)
        self.asks = _BookSide(buy=False)
        self._where: dict[int, tuple[_BookSide, int]] = {}
        self.unknown = 0
        """Cancels and changes of orders that the book does not hold."""

    def apply(self, message: MboMessage) -> None:
        """Takes over one message; T and F change nothing."""
        action = message.action
        if action in ("T", "F"):
            return
        if action == "R":
            self.bids = _BookSide(buy=True)
            self.asks = _BookSide(buy=False)
            self._where.clear()
            return
        order_id = message.order_id
        place = self._where.get(order_id)
        if action == "C":
            if place is None:
                self.unknown += 1
                return
            side, price = place
            level = side.levels[price]
            if message.size < level[order_id]:
                level[order_id] -= message.size
                side.totals[price] -= message.size
            else:
                side.remove(price, order_id)
                del self._where[order_id]
            return
        if place is not None:
            side, price = place
            size = side.levels[price][order_id]
            if price == message.price and message.size <= size:
                side.levels[price][order_id] = message.size
                side.totals[price] += message.size - size
                return
            side.remove(price, order_id)
        elif action == "M":
            self.unknown += 1
        side = self.bids if message.side is Side.BUY else self.asks
        side.add(message.price, order_id, message.size)
        self._where[order_id] = (side, message.price)

    def quote(self, symbol: str, ts: int) -> Quote:
        """Top of the book."""
        bid, ask = self.bids.best, self.asks.best
        return Quote(
            symbol,
            ts,
            bid,
            0 if bid is None else self.bids.totals[bid],
            ask,
            0 if ask is None else self.asks.totals[ask],
        )

    def queue(self, side: Side, price: int) -> list[tuple[int, int]]:
        """Order ids and sizes at a level, first in priority first; empty where there is none."""
        level = (self.bids if side is Side.BUY else self.asks).levels.get(price)
        return [] if level is None else list(level.items())

    def as_snapshot(self, symbol: str, ts: int) -> list[MboMessage]:
        """Messages that build this very book, priorities included, from nothing."""
        out = [MboMessage(symbol, ts, "R", None, 0, 0, 0, last=False, snapshot=True)]
        for side, half in ((Side.BUY, self.bids), (Side.SELL, self.asks)):
            for price in sorted(half.levels, reverse=half.buy):
                for order_id, size in half.levels[price].items():
                    out.append(MboMessage(symbol, ts, "A", side, order_id, price, size, False, True))
        return out
