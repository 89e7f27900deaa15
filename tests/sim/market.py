"""The market of a simulated run: random walks with prints for the exchange and, with faults, the engine.

The exchange always sees the true market; what is stale, one-sided, crossed, zero, negative or absurd is so in
the engine's feed only.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from math import log

from engine.model import Quote, Side, Trade
from engine.ports import Clock, MarketSink


class Walk:
    """One instrument's market. `spoil` changes what the engine is shown of a quote."""

    def __init__(self, symbol: str, middle: int, rng: random.Random) -> None:
        self.symbol = symbol
        self.bid = middle
        self.random = rng.random
        """Drawn from for every quote; the library's finer draws cost several times as much."""
        self.stale_until = 0
        self.spoiled_until = 0
        self.spoil: Callable[[Quote], Quote] = lambda quote: quote
        self.absurd = 0
        """So many of the next prints are far away from the market."""

    def quote(self, now: int) -> Quote:
        """The market as it is."""
        random, bid = self.random, self.bid
        spread = 1 if random() < 0.9 else 2
        return Quote(self.symbol, now, bid, 5 + int(random() * 40), bid + spread, 5 + int(random() * 40))

    def move(self, now: int) -> tuple[Quote, Trade | None]:
        """One step, and the print that came with it."""
        random = self.random
        roll = random()
        if roll < 0.3:
            self.bid += 1
        elif roll < 0.6:
            self.bid -= 1
        elif roll < 0.63:
            self.bid += int(random() * 13) - 6
        quote = self.quote(now)
        roll = random()
        if roll >= 0.5:
            return quote, None
        side, price = (Side.BUY, quote.ask) if roll < 0.25 else (Side.SELL, quote.bid)
        assert price is not None
        return quote, Trade(self.symbol, now, price, 1 + int(random() * 30), side)

    def show(self, sink: MarketSink, quote: Quote, trade: Trade | None) -> bool:
        """Shows the engine what its feed makes of it. False where that is nothing."""
        now = quote.ts
        if now < self.stale_until:
            return False
        sink.on_quote(self.spoil(quote) if now < self.spoiled_until else quote)
        if trade is not None:
            if self.absurd:
                self.absurd -= 1
                trade = Trade(self.symbol, now, trade.price * 3 + 10_000, trade.size, trade.aggressor)
            sink.on_trade(trade)
        return True


class Packets:
    """A feed that moves these markets at the same moments, and brings what is new of them as one batch.

    `period`: mean time between two packets, ns. The venue has moved before the engine hears of it.
    """

    def __init__(self, walks: Sequence[Walk], period: int) -> None:
        self._walks = walks
        self._period = period

    def start(self, clock: Clock, venue: MarketSink, engine: Callable[[], MarketSink | None]) -> None:
        self._clock = clock
        self._venue = venue
        self._engine = engine
        self._next()
        for walk in self._walks:
            venue.on_quote(walk.quote(clock.now()))

    def _next(self) -> None:
        delay = int(-log(1.0 - self._walks[0].random()) * self._period) + 1_000_000
        self._clock.call_later(min(delay, 10 * self._period), self._move)

    def _move(self) -> None:
        venue, now = self._venue, self._clock.now()
        moved = []
        for walk in self._walks:
            quote, trade = walk.move(now)
            venue.on_quote(quote)
            if trade is not None:
                venue.on_trade(trade)
            moved.append((walk, quote, trade))
        venue.on_batch_end(now)
        engine = self._engine()
        if engine is not None:
            shown = [walk.show(engine, quote, trade) for walk, quote, trade in moved]
            if any(shown):
                engine.on_batch_end(now)
        self._next()


def one_sided(quote: Quote) -> Quote:
    return Quote(quote.symbol, quote.ts, None, 0, quote.ask, quote.ask_size)


def crossed(quote: Quote) -> Quote:
    assert quote.bid is not None and quote.ask is not None
    return Quote(quote.symbol, quote.ts, quote.ask + 3, quote.ask_size, quote.bid, quote.bid_size)


def zero(quote: Quote) -> Quote:
    return Quote(quote.symbol, quote.ts, 0, quote.bid_size, 0, quote.ask_size)


def negative(quote: Quote) -> Quote:
    assert quote.bid is not None and quote.ask is not None
    return Quote(quote.symbol, quote.ts, -quote.ask, quote.ask_size, -quote.bid, quote.bid_size)
