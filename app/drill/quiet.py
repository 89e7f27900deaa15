"""A strategy that looks and does nothing: with it an engine trades only what the drill asks for."""

from __future__ import annotations

from engine.strategy.api import Strategy


class Quiet(Strategy):
    """Takes no events."""
