"""Sample: follows the trend of closed bars by declaring the position that it wants.

Long while the fast average of closes is above the slow one, short while it is below. The engine turns the
declared position into orders. Where a limit refuses them it wants half, and half of that, down to what it
holds; after `again` seconds it tries for all of it once more. Needs `bar_seconds` in its configuration.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from pydantic import Field

from engine.strategy.api import Bar, OrderStatus, Strategy, StrategyOrder

SMALLER_MAY_PASS = ("max_position", "order_qty", "order_notional", "gross", "net", "margin")
"""Controls that measure lots. What refuses stands before the colon of the reason."""
PASS_SOON = ("duplicate", "order_rate")
"""Controls that let the same order through after a moment, as the second half of a turn."""


class Trend(Strategy):
    class Params(Strategy.Params):
        fast: int = Field(5, ge=1, le=1_000, description="bars of the fast average")
        slow: int = Field(20, ge=2, le=10_000, description="bars of the slow average")
        size: int = Field(1, ge=1, le=1_000_000, description="lots that it holds, long or short")
        margin: float = Field(
            0.5, ge=0, le=1_000, description="ticks by which the averages must differ to turn the position"
        )
        again: float = Field(
            30.0, gt=0, le=86_400, description="seconds for which it wants no more than what was not refused"
        )
        sides: Literal["both", "long", "short"] = Field("both", description="positions that it may take")
        flat_by: str = Field("", description="HH:MM UTC from which it stays flat; empty: never")

    params: Params

    def on_start(self) -> None:
        self.closes = {symbol: deque[int](maxlen=self.params.slow) for symbol in self.symbols}
        self.most = dict.fromkeys(self.symbols, self.params.size)
        self.closing = False
        if self.params.flat_by:
            self.set_timer(self.seconds_until(self.params.flat_by), "flat")

    def on_bar(self, bar: Bar) -> None:
        closes = self.closes[bar.symbol]
        closes.append(bar.close)
        if self.closing or len(closes) < self.params.slow:
            return
        recent = list(closes)[-self.params.fast :]
        lead = sum(recent) / len(recent) - sum(closes) / len(closes)
        if abs(lead) > self.params.margin:
            self.turn(bar.symbol, 1 if lead > 0 else -1)

    def turn(self, symbol: str, direction: int) -> None:
        if (direction > 0 and self.params.sides == "short") or (
            direction < 0 and self.params.sides == "long"
        ):
            direction = 0
        self.intend(symbol, direction * self.most[symbol])

    def on_order(self, order: StrategyOrder) -> None:
        held, wanted = self.position(order.symbol), self.intended(order.symbol)
        if order.status is not OrderStatus.REJECTED or not wanted or held * order.side.sign < 0:
            return  # what closes goes on being wanted
        control = order.reason.partition(":")[0]
        if control in PASS_SOON:
            return
        lots = abs(wanted) // 2 if control in SMALLER_MAY_PASS else 0
        self.most[order.symbol] = max(lots, abs(held))
        self.log("wants less", symbol=order.symbol, lots=self.most[order.symbol], reason=order.reason)
        self.turn(order.symbol, 1 if wanted > 0 else -1)
        self.set_timer(self.params.again, order.symbol)

    def on_timer(self, name: str) -> None:
        if name in self.most:
            self.most[name] = self.params.size
            return
        self.closing = True
        self.flatten(name)

    def on_stop(self, reason: str) -> None:
        self.flatten(reason)

    def flatten(self, why: str) -> None:
        self.log("wants to be flat", why=why)
        for symbol in self.symbols:
            if self.intended(symbol) is not None:
                self.intend(symbol, 0)
