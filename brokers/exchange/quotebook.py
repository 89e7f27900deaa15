"""Other people's liquidity as far as quotes and prints tell it: touch, estimated depth, our queue place.

The model, stated once:
* We join at the back: what is displayed at our price when we arrive is ahead of us. Behind the touch, where
  nothing is displayed, an estimate stands in for it (`depth`, else `depth_ratio` × median touch size).
* Prints at our price eat what is ahead, then fill us. A displayed size that shrinks by more than the prints
  explain was cancelled somewhere in the queue: what is ahead shrinks in proportion, rounded against us.
* What we take from a side is gone until that side of the quote changes.
* A print that follows within `overtake_ms` the quote that already shows it does not move the queue twice.
* Without sizes in the feed `assumed_touch` lots stand at the touch and the queue never shrinks unexplained.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from brokers.exchange.config import ExchangeConfig
from brokers.exchange.orders import VenueOrder
from engine.model import Quote, Side

BUY, SELL = Side.BUY, Side.SELL


class QuoteBook:
    """The market around our orders in one instrument, from its top of book."""

    __slots__ = (
        "_depth",
        "_median",
        "_overtake",
        "_ratio",
        "_sizes",
        "_step",
        "assumed",
        "dirty",
        "dropped",
        "levels_deep",
        "made",
        "printed",
        "seen",
        "sized",
        "taken",
        "top",
    )

    def __init__(self, symbol: str, config: ExchangeConfig) -> None:
        self.top: Quote | None = None
        self.sized = False
        """True once any size was published; a size of 0 then means empty, before that unknown."""
        self.made: Quote | None = None
        """The last touch that was made up from a print, because the feed has no quotes."""
        self.dirty = False
        self.taken: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        """Lots that we took, by side of the resting liquidity and price, since that side last changed."""
        self.printed: dict[Side, int] = {Side.BUY: 0, Side.SELL: 0}
        """Lots printed at each touch (side = resting side) since the last quote."""
        self.dropped: dict[Side, tuple[int, int, int]] = {}
        """Resting side → (price, lots, ts) of the last unexplained shrinking."""
        self.assumed = config.assumed_touch
        self.levels_deep = config.depth_levels
        self.seen = 0
        self._depth = config.depth.get(symbol)
        self._ratio = config.depth_ratio
        self._step = config.depth_step
        self._overtake = round(config.overtake_ms * 1e6)
        self._sizes: deque[int] = deque(maxlen=101)
        self._median = 0

    # -- what is there

    @property
    def synthetic(self) -> bool:
        """True while the touch is made up from prints: one tick on either side of the last."""
        return self.made is not None and self.top is self.made

    @property
    def sane(self) -> bool:
        """False while crossed or locked, and when neither side has anything: then nothing is matched."""
        quote = self.top
        if quote is None:
            return False
        if quote.bid is None or quote.ask is None:
            return quote.bid is not None or quote.ask is not None
        return quote.bid < quote.ask

    def best(self, side: Side) -> int | None:
        """Best price of a side in ticks; None where that side is empty."""
        quote = self.top
        if quote is None:
            return None
        return quote.bid if side is BUY else quote.ask

    def displayed(self, side: Side) -> int:
        """Lots shown at the touch of a side."""
        quote = self.top
        if quote is None or self.best(side) is None:
            return 0
        size = quote.bid_size if side is BUY else quote.ask_size
        return size if self.sized else max(size, self.assumed)

    def touch_lots(self, side: Side) -> int:
        """Lots at the touch of a side that we have not taken yet."""
        price = self.best(side)
        if price is None:
            return 0
        return max(self.displayed(side) - self.taken[side].get(price, 0), 0)

    def levels(self, taker: Side, bound: int | None) -> Iterator[tuple[int, int]]:
        """What an aggressor may take, best first, as (price, lots), no worse than `bound`."""
        side = taker.opposite
        touch = self.best(side)
        if touch is None or self.displayed(side) <= 0:
            return  # a price without any size is no market, and says nothing about what is behind it
        sign, taken = taker.sign, self.taken[side]
        for k in range(self.levels_deep + 1):
            price = touch + sign * k * self._step
            if bound is not None and (price - bound) * sign > 0:
                return
            size = self.displayed(side) if k == 0 else self.estimate(k)
            lots = size - taken.get(price, 0)
            if lots > 0:
                yield price, lots

    def take(self, taker: Side, price: int, lots: int) -> None:
        taken = self.taken[taker.opposite]
        taken[price] = taken.get(price, 0) + lots
        self.dirty = True

    def estimate(self, level: int) -> int:
        """Lots on the level that many steps behind the touch (1 = the next)."""
        if self._depth:
            return self._depth[min(level, len(self._depth)) - 1]
        if not self._median:
            self.sample()
        return max(round(self._median * self._ratio), 1)

    def sample(self) -> None:
        """Takes the present touch sizes into the running median."""
        quote = self.top
        if quote is not None:
            self._sizes.extend(size for size in (quote.bid_size, quote.ask_size) if size > 0)
        sizes = sorted(self._sizes)
        self._median = sizes[len(sizes) // 2] if sizes else self.assumed

    # -- our place in it

    def join(self, order: VenueOrder, last: VenueOrder | None) -> None:
        """Puts an order at the back of the queue at its price. `last`: our own last order there."""
        price, touch = order.limit, self.best(order.side)
        assert price is not None
        if touch is None:
            order.ahead = 0
        else:
            behind = (touch - price) * order.side.sign
            if behind < 0:
                order.ahead = 0
            elif behind == 0:
                order.ahead = self.displayed(order.side)
            else:
                order.ahead = self.estimate(max(behind // self._step, 1))
        if last is not None:
            order.ahead = max(order.ahead, last.ahead)

    def ahead(self, order: VenueOrder) -> int:
        return order.ahead

    def overtaken(self, side: Side, price: int, size: int, ts: int) -> int:
        """Lots of a print at `price` that an earlier quote already took off the queue of `side`."""
        drop = self.dropped.get(side)
        if drop is None or self._overtake <= 0 or drop[0] != price or ts - drop[2] > self._overtake:
            return 0
        use = min(size, drop[1])
        self.dropped[side] = (price, drop[1] - use, drop[2])
        return use

    def shrink(self, side: Side, orders: list[VenueOrder], old: Quote, new: Quote) -> None:
        """Moves our orders at the touch of `side` forward by what left the displayed queue unexplained."""
        if not self.sized:
            return
        if side is BUY:
            before, had, price, has = old.bid, old.bid_size, new.bid, new.bid_size
        else:
            before, had, price, has = old.ask, old.ask_size, new.ask, new.ask_size
        if before == price and price is not None:
            expected = had - self.printed[side]
            drop = expected - has
            if drop > 0:
                self.dropped[side] = (price, drop, new.ts)
                for order in orders:
                    order.ahead -= order.ahead * drop // expected
        for order in orders:
            if order.ahead > has:
                order.ahead = has

    def refresh(self, old: Quote | None, new: Quote) -> None:
        """A new quote: what changed is new liquidity; the prints before it are accounted for."""
        self.printed[BUY] = self.printed[SELL] = 0
        if old is None or old.bid != new.bid or old.bid_size != new.bid_size:
            self.taken[BUY].clear()
        if old is None or old.ask != new.ask or old.ask_size != new.ask_size:
            self.taken[SELL].clear()
        self.dirty = bool(self.taken[BUY] or self.taken[SELL])
