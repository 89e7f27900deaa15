"""The strategies of the kill tests: one that never rests, with many orders a second; and a mere witness."""

from __future__ import annotations

from pathlib import Path

from engine.strategy.api import NS, OrderStatus, Quote, Side, Strategy, StrategyFill, StrategyOrder

TICK = 0.02
"""Seconds between two rounds."""
KEEP = 8
"""Resting orders beyond which the oldest is cancelled."""


class Churn(Strategy):
    """Buys until it holds `cap` lots, then sells until it is as much short, and so on."""

    class Params(Strategy.Params):
        rate: float = 50.0
        """Orders a second; 0: it only looks."""
        cap: int = 6
        """Lots held at which it turns round."""
        mark: str = ""
        """File that is written once an order of its own got through the gate."""
        intent: bool = False
        """Declares positions instead of placing orders."""
        cancel: bool = False
        """Withdraws whatever it finds open."""
        stuck: bool = False
        """Never returns from its last callback."""

    params: Params

    def on_start(self) -> None:
        self.placed = 0
        self.marked = False
        self.began = 0
        self.aim = {symbol: Side.BUY if n % 2 == 0 else Side.SELL for n, symbol in enumerate(self.symbols)}
        self.set_timer(TICK, "go")

    def on_timer(self, name: str) -> None:
        self.set_timer(TICK, "go")
        if self.params.cancel:
            self.cancel_all()
        if not self.params.rate:
            return
        self.began = self.began or self.now
        due = int((self.now - self.began) / NS * self.params.rate) - self.placed
        for _ in range(min(due, 10)):
            self.placed += 1
            self.act(self.symbols[self.placed % len(self.symbols)])

    def on_order(self, order: StrategyOrder) -> None:
        if order.ref is not None and order.status is not OrderStatus.REJECTED:
            self.trades()

    def on_fill(self, fill: StrategyFill) -> None:
        if self.placed:
            self.trades()

    def on_stop(self, reason: str) -> None:
        while self.params.stuck:
            pass

    def trades(self) -> None:
        if self.params.mark and self.params.rate and not self.marked:
            self.marked = True
            Path(self.params.mark).touch()

    def act(self, symbol: str) -> None:
        quote = self.quote(symbol)
        if quote is None or quote.bid is None or quote.ask is None:
            return
        rng = self.random
        if self.params.intent:
            self.intend(symbol, rng.randint(-self.params.cap, self.params.cap))
            return
        self.turn(symbol)
        side = self.aim[symbol]
        near, far = (quote.bid, quote.ask) if side is Side.BUY else (quote.ask, quote.bid)
        send = self.buy if side is Side.BUY else self.sell
        draw = rng.random()
        if draw < 0.35:
            send(symbol, rng.randint(1, 2), limit=far, tif="IOC" if draw < 0.1 else "DAY")
        else:
            send(symbol, rng.randint(1, 3), limit=near - side.sign * rng.randrange(4))
        resting = [o for o in self.orders_in(symbol) if o.ref is not None and not o.overlay]
        if len(resting) > KEEP:
            self.cancel(self.ref_of(resting[0]))
        elif resting and rng.random() < 0.2:
            # Not the newest: that one was just placed, and the venue does not know it yet.
            self.change(rng.choice(resting))

    def turn(self, symbol: str) -> None:
        side = self.aim[symbol]
        if self.position(symbol) * side.sign < self.params.cap:
            return
        self.aim[symbol] = side.opposite
        for order in self.orders_in(symbol):
            if order.side is side and order.ref is not None:
                self.cancel(order.ref)

    def change(self, order: StrategyOrder) -> None:
        """One tick further away, or one lot more."""
        if order.status is not OrderStatus.WORKING or order.limit is None or order.limit < 2:
            return
        if self.random.random() < 0.5:
            self.replace(self.ref_of(order), limit=order.limit - order.side.sign)
        else:
            self.replace(self.ref_of(order), qty=order.qty + 1)

    @staticmethod
    def ref_of(order: StrategyOrder) -> int:
        assert order.ref is not None
        return order.ref


class Witness(Strategy):
    """Notes the time of the first quote that each start of it sees."""

    class Params(Strategy.Params):
        file: str
        """Gets one line for each start: UTC ns."""

    params: Params

    def on_start(self) -> None:
        self.seen = False

    def on_quote(self, quote: Quote) -> None:
        if not self.seen:
            self.seen = True
            with Path(self.params.file).open("a") as file:
                file.write(f"{quote.ts}\n")
