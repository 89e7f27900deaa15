"""A strategy for simulated runs that does whatever its dice say: every kind of order, cancels, replaces."""

from __future__ import annotations

from typing import ClassVar

from engine.strategy.api import Strategy


class Dice(Strategy):
    class Params(Strategy.Params):
        every: float = 1.5
        most: int = 3

    params: Params
    resting: ClassVar[bool] = False
    """The run comes to its end: no more throws."""

    def on_start(self) -> None:
        self.set_timer(self.params.every, "throw")

    def on_timer(self, name: str) -> None:
        self.set_timer(self.random.expovariate(1.0) * self.params.every + 0.005, "throw")
        if self.resting:
            return
        symbol = self.random.choice(self.symbols)
        mine = [o for o in self.orders_in(symbol) if o.ref is not None]
        throw = self.random.random()
        if mine and throw < 0.25:
            self.cancel(self.random.choice(mine).ref or 0)
        elif mine and throw < 0.45:
            order = self.random.choice(mine)
            self.replace(
                order.ref or 0,
                qty=max(1, order.qty + self.random.randint(-1, 2)),
                limit=None if order.limit is None else order.limit + self.random.randint(-4, 4),
            )
        elif throw < 0.5:
            self.cancel_all(symbol)
        else:
            self.order(symbol)

    def order(self, symbol: str) -> None:
        quote = self.quote(symbol)
        if quote is None or quote.bid is None or quote.ask is None:
            return
        buy = self.random.random() < 0.5 - 0.03 * self.position(symbol)
        send, near, far = (self.buy, quote.bid, quote.ask) if buy else (self.sell, quote.ask, quote.bid)
        sign = 1 if buy else -1
        qty = self.random.randint(1, self.params.most)
        kind = self.random.random()
        if kind < 0.45:
            send(symbol, qty, limit=near - sign * self.random.randint(0, 6))
        elif kind < 0.7:
            send(symbol, qty, limit=far + sign * self.random.randint(0, 2))
        elif kind < 0.76:
            send(symbol, qty)
        elif kind < 0.84:
            send(symbol, qty, limit=far, tif=self.random.choice(("IOC", "FOK")))
        elif kind < 0.92:
            send(symbol, qty, stop=far + sign * self.random.randint(2, 8))
        else:
            send(
                symbol,
                qty,
                limit=far + sign,
                take_profit=far + sign * 8,
                stop_loss=near - sign * 8,
            )
