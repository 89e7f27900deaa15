"""A strategy with one resting order, which tells in the log what it hears of it."""

from __future__ import annotations

from engine.strategy.api import Quote, Strategy, StrategyOrder


class Resting(Strategy):
    """Buys one lot far below the market, once; takes it back when its timer says so."""

    class Params(Strategy.Params):
        cancel_after: float = 0.0
        """Seconds after which it takes the order back; 0: never."""

    params: Params

    def on_start(self) -> None:
        self.ref: int | None = None

    def on_quote(self, quote: Quote) -> None:
        if self.ref is None and quote.bid is not None:
            self.ref = self.buy(quote.symbol, 1, limit=quote.bid - 50)
            if self.params.cancel_after:
                self.set_timer(self.params.cancel_after, "cancel")

    def on_timer(self, name: str) -> None:
        assert self.ref is not None
        self.cancel(self.ref)

    def on_order(self, order: StrategyOrder) -> None:
        mine = order.ref == self.ref
        self.log("heard", told=str(order.status), mine=str(mine), id=order.order_id, why=order.reason)


class Holding(Strategy):
    """Wants two lots from the first quote on."""

    def on_start(self) -> None:
        self.said = False

    def on_quote(self, quote: Quote) -> None:
        if not self.said:
            self.said = True
            self.intend(quote.symbol, 2)
