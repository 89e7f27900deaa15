"""The strategies pane."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import strategies
from engine.control.snapshot import Snapshot


class StrategiesPane(Grid):
    """Who trades, who was stopped, and why."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the strategies."""
        self.show(strategies.table(snapshot))
