"""The risk pane."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import risk
from engine.control.snapshot import Snapshot


class RiskPane(Grid):
    """How much of each limit is used."""

    leads = True

    def __init__(self, id: str | None = None, *, gauge: int = risk.GAUGE) -> None:
        super().__init__(id=id)
        self._gauge = gauge
        """Cells of a gauge."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the limits."""
        self.show(risk.table(snapshot, self._gauge))
