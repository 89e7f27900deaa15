"""The pane that says who holds what: of one symbol, of one strategy, or of all."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import breakdown
from engine.control.snapshot import Snapshot


class BreakdownPane(Grid):
    """Each strategy's share of each position."""

    symbol = ""
    strategy = ""
    """Of which symbol or strategy; empty: of all."""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the shares."""
        self.show(breakdown.table(snapshot, symbol=self.symbol, strategy=self.strategy))
