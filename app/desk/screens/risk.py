"""The screen of the risk."""

from __future__ import annotations

from textual.app import ComposeResult

from app.desk.panes.risk import RiskPane
from app.desk.sheet import Sheet


class RiskSheet(Sheet):
    """The risk alone, with all the room there is."""

    main = "risk"

    def compose(self) -> ComposeResult:
        yield RiskPane(id="risk")
