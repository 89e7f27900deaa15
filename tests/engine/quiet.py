"""A strategy that does nothing by itself: what becomes of its orders is the engine's doing alone."""

from __future__ import annotations

from engine.strategy.api import Strategy, StrategyOrder


class Keeper(Strategy):
    """Counts its starts, and remembers what the earlier run intended."""

    def on_start(self) -> None:
        self.saved["starts"] = self.saved.get("starts", 0) + 1
        self.saved["before"] = self.intended_before("CL")
        self.intend("CL", 2)


class Breaks(Strategy):
    """Raises 200 ms after each start."""

    def on_start(self) -> None:
        self.set_timer(0.2, "end")

    def on_timer(self, name: str) -> None:
        raise ValueError("broken")


class Quiet(Strategy):
    """Nothing."""


class Looks(Strategy):
    """Intends two lots at its start, and notes each second what it holds and intends."""

    def on_start(self) -> None:
        self.intend("CL", 2)
        self.set_timer(1, "look")

    def on_timer(self, name: str) -> None:
        self.saved["seen"] = [self.position("CL"), self.intended("CL")]
        self.set_timer(1, name)


class Hears(Strategy):
    """Intends nine lots at its start, and from the tenth second on eight; notes what it hears of orders."""

    def on_start(self) -> None:
        self.saved["heard"] = []
        self.intend("CL", 9)
        self.seconds = 0
        self.set_timer(1, "next")

    def on_timer(self, name: str) -> None:
        self.seconds += 1
        if self.seconds == 10:
            self.intend("CL", 8)
        self.set_timer(1, name)  # what is saved is kept at the end of a callback, once a second

    def on_order(self, order: StrategyOrder) -> None:
        self.saved["heard"].append([order.status, order.ref, order.qty, order.reason])
