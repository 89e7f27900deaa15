"""The health pane."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import health
from engine.control.snapshot import Snapshot


class HealthPane(Grid):
    """Links, latencies, rates and counters."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the figures."""
        self.show(health.table(snapshot))
