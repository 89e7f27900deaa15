"""The screen of the health."""

from __future__ import annotations

from textual.app import ComposeResult

from app.desk.panes.health import HealthPane
from app.desk.sheet import Sheet


class HealthSheet(Sheet):
    """The health alone, with all the room there is."""

    main = "health"

    def compose(self) -> ComposeResult:
        yield HealthPane(id="health")
