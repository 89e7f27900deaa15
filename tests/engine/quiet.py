"""A strategy that does nothing by itself: what becomes of its orders is the engine's doing alone."""

from __future__ import annotations

from engine.strategy.api import Strategy


class Keeper(Strategy):
    """Counts its starts, and remembers what the earlier run intended."""

    def on_start(self) -> None:
        self.saved["starts"] = self.saved.get("starts", 0) + 1
        self.saved["before"] = self.intended_before("CL")
        self.intend("CL", 2)


class Quiet(Strategy):
    """Nothing."""
