"""The panes of the health screen: links, latencies with their distributions, rates and counts."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import health
from engine.control.snapshot import Snapshot


class LinksPane(Grid):
    """Broker, data, risk loop, journal, process."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows their state."""
        self.show(health.links(snapshot))


class LatencyPane(Grid):
    """Percentiles of each stage, and how they are spread."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the stages."""
        self.show(health.latencies(snapshot))


class RatesPane(Grid):
    """Rejects, fills, slippage."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the rates."""
        self.show(health.rates(snapshot))


class CountsPane(Grid):
    """What was counted since the start."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the counts."""
        self.show(health.counters(snapshot))
