"""The paper broker: the simulated exchange in the engine's own process."""

from brokers.paper.adapter import PaperAdapter

__all__ = ["PaperAdapter"]
