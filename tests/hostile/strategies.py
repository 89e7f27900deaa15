"""Strategies that take a position and then go bad, each in its own way; and one that behaves all the while.

Imported by the strategies' own processes. Each of the bad ones buys its lots, waits until they are filled,
and goes bad with the next quote, so that there is always a position to be looked after.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from engine.strategy.api import NS, OrderStatus, Quote, Strategy, StrategyFill, StrategyOrder


class Holder(Strategy):
    """Buys `lots` at the far touch, then calls `go_bad` with each quote."""

    class Params(Strategy.Params):
        lots: int = 2
        after: float = 0.0
        """Seconds that it behaves once it holds its lots."""
        at: float = 0.0
        """Host's monotonic clock before which it behaves, seconds; all processes share that clock."""

    def on_start(self) -> None:
        self.asked = False
        self.bad_from = 0

    def on_quote(self, quote: Quote) -> None:
        if not self.asked:
            if quote.ask is not None:
                self.asked = True
                self.buy(quote.symbol, self.params.lots, limit=quote.ask + 2)
        elif self.bad_from and self.now >= self.bad_from and time.monotonic() >= self.params.at:
            self.go_bad(quote)

    def on_order(self, order: StrategyOrder) -> None:
        if order.status is OrderStatus.REJECTED and not self.bad_from:
            self.asked = False

    def on_fill(self, fill: StrategyFill) -> None:
        if self.position(fill.symbol) >= self.params.lots and not self.bad_from:
            self.bad_from = self.now + int(self.params.after * NS)

    def go_bad(self, quote: Quote) -> None:
        """What the others do; this one only holds."""


class Spins(Holder):
    def go_bad(self, quote: Quote) -> None:
        while True:
            pass


class Sleeps(Holder):
    def go_bad(self, quote: Quote) -> None:
        time.sleep(60)


class Raises(Holder):
    def go_bad(self, quote: Quote) -> None:
        raise RuntimeError("the model has no answer")


class Allocates(Holder):
    def go_bad(self, quote: Quote) -> None:
        kept = []
        while True:
            kept.append(b"\1" * (1 << 20))


class FloodsAtOnce(Holder):
    """More orders in answer to one event than any strategy can mean."""

    def go_bad(self, quote: Quote) -> None:
        assert quote.bid is not None
        for distance in range(1_000):
            self.buy(quote.symbol, 1, limit=quote.bid - 10 - distance % 50)


class FloodsSteadily(Holder):
    """As many orders with each quote as are let through in one answer."""

    def go_bad(self, quote: Quote) -> None:
        assert quote.bid is not None
        for distance in range(400):
            self.buy(quote.symbol, 1, limit=quote.bid - 10 - distance % 50)


class Churns(Holder):
    """Forty orders with each quote: below what counts as a flood, far beyond what the gate lets through."""

    def go_bad(self, quote: Quote) -> None:
        assert quote.bid is not None
        for distance in range(40):
            self.buy(quote.symbol, 1, limit=quote.bid - 10 - distance)


class PrintsGarbage(Holder):
    """Says a great deal on all its outputs, none of it text; that alone is no reason to stop it."""

    def go_bad(self, quote: Quote) -> None:
        for _ in range(200):
            print("\x00\x1b[2J\x9b\ufffe" * 50)
        sys.stderr.write("\x07" * 100_000 + "\n")
        os.write(1, b"\xff\x00" * 1_000)
        os.write(2, b"\xfe\x1b]0;" * 500)


class GarblesItsLink(Holder):
    """Writes past the interface, straight into its connection to the engine."""

    def go_bad(self, quote: Quote) -> None:
        os.write(int(sys.argv[1]), b"\x00\x00\x00\x20" + os.urandom(32))


class PromisesTooMuch(Holder):
    """Announces a message of four gigabytes to the engine."""

    def go_bad(self, quote: Quote) -> None:
        os.write(int(sys.argv[1]), b"\xff\xff\xff\xff")
        time.sleep(60)


class Leaves(Holder):
    def go_bad(self, quote: Quote) -> None:
        os._exit(7)


class LeavesAChild(Holder):
    """Ends, but not before it has started a process that holds on to everything it had."""

    class Params(Holder.Params):
        note: str
        """File that is told the child's pid."""

    def go_bad(self, quote: Quote) -> None:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        with open(self.params.note, "w") as note:  # noqa: PTH123 - no more than needed
            note.write(str(child))
        os._exit(7)


class Freezes(Holder):
    """Stopped by a signal: it cannot run, and it cannot end by itself either."""

    def go_bad(self, quote: Quote) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


class WillNotStop(Holder):
    """Behaves until it is told to stop."""

    def on_stop(self, reason: str) -> None:
        while True:
            pass


class Steady(Strategy):
    """Buys and sells one lot by turns, a few times a second, for as long as it is let."""

    def on_start(self) -> None:
        self.set_timer(0.3, "turn")

    def on_quote(self, quote: Quote) -> None:
        """Quotes keep the touch fresh."""

    def on_timer(self, name: str) -> None:
        self.set_timer(0.3, "turn")
        symbol = self.symbols[0]
        quote = self.quote(symbol)
        if quote is None or quote.bid is None or quote.ask is None:
            return
        if self.position(symbol) > 0:
            self.sell(symbol, self.position(symbol), limit=quote.bid - 2, tif="IOC")
        else:
            self.buy(symbol, 1, limit=quote.ask + 2, tif="IOC")
