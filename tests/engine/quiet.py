"""A strategy that does nothing by itself: what becomes of its orders is the engine's doing alone."""

from __future__ import annotations

from engine.strategy.api import Strategy


class Quiet(Strategy):
    """Nothing."""
