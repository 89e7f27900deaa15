"""Sample: trades back towards a moving average with explicit limit orders and its own exits.

When the middle of the market is `entry` ticks away from its average it joins the near touch, expecting the
way back. It leaves with a limit at the average; when the price goes `stop` ticks the wrong way, or it takes
longer than `hold` seconds, it leaves at once with a limit through the far touch. One order at a time. What
is refused it asks for ever more seldom: each refusal is a row of the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import Field

from engine.strategy.api import NS, OrderStatus, Quote, Side, Strategy, StrategyFill, StrategyOrder

LONGEST_ENTRY, LONGEST_EXIT = 30 * NS, 4 * NS
"""Time after a rejection before it asks again, at the most: to get in, and to get out."""


class Wish(NamedTuple):
    """The one order that it wants to have in the market now."""

    side: Side
    qty: int
    limit: int


@dataclass
class Market:
    """What it remembers of a symbol. Prices in ticks, times UTC ns."""

    average: float = 0.0
    first: int = 0
    last: int = 0
    entry_price: int = 0
    entry_time: int = 0
    """0 for a position of an earlier run: it has been held too long already and is closed."""
    rest_until: int = 0
    """No new entry before this time."""
    retry_at: int = 0
    """After a rejection: no new order at all before this time."""
    patience: int = NS
    """How long that is after the next one; twice as long after each further one in a row."""


class MeanReversion(Strategy):
    class Params(Strategy.Params):
        size: int = Field(1, ge=1, le=1_000_000, description="lots of an entry")
        half_life: float = Field(60.0, gt=0, le=86_400, description="seconds after which a price counts half")
        entry: float = Field(8.0, gt=0, le=100_000, description="ticks from the average at which it enters")
        stop: int = Field(16, ge=1, le=100_000, description="ticks against it at which it gives up")
        hold: float = Field(180.0, gt=0, le=86_400, description="seconds after which it gives up")
        rest: float = Field(20.0, ge=0, le=86_400, description="seconds between two entries")
        slack: int = Field(2, ge=0, le=1_000, description="ticks that its order may stand away from its wish")
        through: int = Field(2, ge=0, le=1_000, description="ticks beyond the far touch when it gives up")
        max_spread: int = Field(3, ge=1, le=1_000, description="ticks; no entry into a wider market")
        flat_by: str = Field("", description="HH:MM UTC from which it stays flat; empty: never")
        reduce_only: bool = Field(True, description="exits say so; off for brokers without it, as IB")

    params: Params

    def on_start(self) -> None:
        self.markets = {symbol: Market() for symbol in self.symbols}
        self.closing = False
        if self.params.flat_by:
            self.set_timer(self.seconds_until(self.params.flat_by), "flat")

    def on_quote(self, quote: Quote) -> None:
        if not quote.spread or quote.spread < 0:
            return  # one-sided, locked or crossed: no price to go by
        self.learn(quote)
        self.work(quote)

    def on_fill(self, fill: StrategyFill) -> None:
        market = self.markets[fill.symbol]
        if fill.position == fill.side.sign * fill.qty:  # it was flat before
            market.entry_price, market.entry_time = fill.price, fill.ts

    def on_order(self, order: StrategyOrder) -> None:
        market = self.markets[order.symbol]
        if order.status is OrderStatus.REJECTED:
            longest = LONGEST_EXIT if self.position(order.symbol) else LONGEST_ENTRY
            market.retry_at = self.now + min(market.patience, longest)
            market.patience = min(2 * market.patience, LONGEST_ENTRY)
        elif order.status is not OrderStatus.PENDING_NEW:
            market.patience = NS

    def on_timer(self, name: str) -> None:
        self.closing = True
        self.log("stays flat from now on", timer=name)

    def on_stop(self, reason: str) -> None:
        self.closing = True
        self.log("leaves the market", reason=reason)
        for symbol in self.symbols:
            quote, position = self.quote(symbol), self.position(symbol)
            leaving = Side.SELL if position > 0 else Side.BUY
            exits = [order for order in self.orders_in(symbol) if position and order.side is leaving]
            for order in self.orders_in(symbol):
                if order not in exits and order.ref is not None:
                    self.cancel(order.ref)
            wish = self.wish(quote) if quote is not None and quote.spread is not None else None
            if wish is None:
                continue
            if not exits:
                self.place(symbol, wish)
            elif exits[0].ref is not None:
                self.replace(exits[0].ref, limit=wish.limit)

    def learn(self, quote: Quote) -> None:
        """Moves the average; newer prices weigh more, by time and not by number of quotes."""
        market = self.markets[quote.symbol]
        middle = self.middle(quote)
        if not market.first:
            market.first, market.average = quote.ts, middle
        else:
            kept = 0.5 ** ((quote.ts - market.last) / NS / self.params.half_life)
            market.average = kept * market.average + (1 - kept) * middle
        market.last = quote.ts

    def work(self, quote: Quote) -> None:
        """Brings the order in the market in line with the wish."""
        market = self.markets[quote.symbol]
        wish = self.wish(quote)
        orders = self.orders_in(quote.symbol)
        for order in orders:
            if order.ref is not None and not self.fits(order, wish):
                self.cancel(order.ref)
        if wish is None or orders or self.now < market.retry_at:
            return
        if not self.position(quote.symbol):
            if self.now < market.rest_until:
                return
            market.rest_until = self.now + round(self.params.rest * NS)
        self.place(quote.symbol, wish)

    def fits(self, order: StrategyOrder, wish: Wish | None) -> bool:
        if wish is None or order.side is not wish.side or order.limit is None:
            return False
        return abs(order.limit - wish.limit) <= self.params.slack

    def place(self, symbol: str, wish: Wish) -> None:
        send = self.buy if wish.side is Side.BUY else self.sell
        send(
            symbol,
            wish.qty,
            limit=wish.limit,
            reduce_only=self.params.reduce_only and self.position(symbol) != 0,
        )

    def wish(self, quote: Quote) -> Wish | None:
        position = self.position(quote.symbol)
        if position:
            return self.exit(quote, position)
        market = self.markets[quote.symbol]
        if self.closing or self.paused or not 0 < (quote.spread or 0) <= self.params.max_spread:
            return None
        if quote.ts - market.first < self.params.half_life * NS:
            return None  # the average knows too little yet
        away = self.middle(quote) - market.average
        if away <= -self.params.entry and quote.bid is not None:
            return Wish(Side.BUY, self.params.size, quote.bid)
        if away >= self.params.entry and quote.ask is not None:
            return Wish(Side.SELL, self.params.size, quote.ask)
        return None

    def exit(self, quote: Quote, position: int) -> Wish | None:
        if quote.bid is None or quote.ask is None:
            return None
        market = self.markets[quote.symbol]
        side = Side.SELL if position > 0 else Side.BUY
        near, far = (quote.ask, quote.bid) if side is Side.SELL else (quote.bid, quote.ask)
        lost = (far - market.entry_price) * side.sign
        held = self.now - market.entry_time
        if self.closing or lost >= self.params.stop or held >= self.params.hold * NS:
            return Wish(side, abs(position), far + side.sign * self.params.through)
        target = round(market.average)
        # Never better than the near touch for the other side: join it, or wait at the average.
        limit = max(target, near) if side is Side.SELL else min(target, near)
        return Wish(side, abs(position), limit)

    @staticmethod
    def middle(quote: Quote) -> float:
        assert quote.bid is not None and quote.ask is not None, "a two-sided quote"
        return (quote.bid + quote.ask) / 2
