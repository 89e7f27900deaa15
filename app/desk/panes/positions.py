"""The positions pane."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import positions
from engine.control.snapshot import Snapshot


class PositionsPane(Grid):
    """Intended, executed and broker position of each instrument."""

    leads = True

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the positions."""
        self.show(positions.table(snapshot))
