"""The market of a simulated run: random walks with prints for the exchange and, with faults, the engine.

The exchange always sees the true market; what is stale, one-sided, crossed, zero, negative or absurd is so in
the engine's feed only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import log

from engine.model import NS, Quote, Side, Trade
from engine.ports import Clock, MarketSink


class Walk:
    """One instrument's market. `spoil` changes what the engine is shown of a quote; None keeps it back."""

    def __init__(self, symbol: str, middle: int, rng: random.Random, period: int) -> None:
        self.symbol = symbol
        self.bid = middle
        self._random = rng.random
        """Drawn from for every quote; the library's finer draws cost several times as much."""
        self.period = period
        self.stale_until = 0
        self.spoiled_until = 0
        self.spoil: Callable[[Quote], Quote] = lambda quote: quote
        self.absurd = 0
        """So many of the next prints are far away from the market."""

    def start(self, clock: Clock, venue: MarketSink, engine: Callable[[], MarketSink | None]) -> None:
        self._clock = clock
        self._venue = venue
        self._engine = engine
        self._next()

    def _next(self) -> None:
        delay = int(-log(1.0 - self._random()) * self.period) + 1_000_000
        self._clock.call_later(min(delay, 10 * self.period), self._move)

    def quote(self) -> Quote:
        random, bid = self._random, self.bid
        spread = 1 if random() < 0.9 else 2
        now = self._clock.now()
        return Quote(self.symbol, now, bid, 5 + int(random() * 40), bid + spread, 5 + int(random() * 40))

    def _move(self) -> None:
        random = self._random
        roll = random()
        if roll < 0.3:
            self.bid += 1
        elif roll < 0.6:
            self.bid -= 1
        elif roll < 0.63:
            self.bid += int(random() * 13) - 6
        quote = self.quote()
        now = quote.ts
        self._venue.on_quote(quote)
        trade = None
        roll = random()
        if roll < 0.5:
            side, price = (Side.BUY, quote.ask) if roll < 0.25 else (Side.SELL, quote.bid)
            assert price is not None
            trade = Trade(self.symbol, now, price, 1 + int(random() * 30), side)
            self._venue.on_trade(trade)
        self._venue.on_batch_end(now)
        self._show(quote, trade, now)
        self._next()

    def _show(self, quote: Quote, trade: Trade | None, now: int) -> None:
        engine = self._engine()
        if engine is None or now < self.stale_until:
            return
        shown = self.spoil(quote) if now < self.spoiled_until else quote
        engine.on_quote(shown)
        if trade is not None:
            if self.absurd:
                self.absurd -= 1
                trade = Trade(self.symbol, now, trade.price * 3 + 10_000, trade.size, trade.aggressor)
            engine.on_trade(trade)
        engine.on_batch_end(now)


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


PERIOD = NS // 5
