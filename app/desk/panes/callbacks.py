"""The pane that says how long a strategy's callbacks take."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import callbacks
from engine.control.snapshot import Snapshot


class CallbacksPane(Grid):
    """Durations of each callback of one strategy."""

    strategy = ""

    def look(self, snapshot: Snapshot, zone: str) -> None:  # noqa: ARG002 - all panes alike
        """Shows the callbacks."""
        self.show(callbacks.table(snapshot, self.strategy))
