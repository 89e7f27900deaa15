"""The alerts pane."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import alerts
from app.desk.view.cells import Row
from engine.control.snapshot import Snapshot


class AlertsPane(Grid):
    """What happened, newest first."""

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Shows the alerts; times in the exchange's zone."""
        self.show(alerts.table(snapshot, zone))

    def story_of(self, row: Row) -> str:
        """The alarm's own story."""
        return f"#{row.key}"
