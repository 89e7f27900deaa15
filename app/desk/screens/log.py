"""The screen of what happened: the alarms."""

from __future__ import annotations

from textual.app import ComposeResult

from app.desk.panes.alerts import AlertsPane
from app.desk.sheet import Sheet


class LogSheet(Sheet):
    """Alarms, newest first."""

    main = "alerts"

    def compose(self) -> ComposeResult:
        yield AlertsPane(id="alerts")
