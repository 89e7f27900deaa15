"""The screen of the strategies."""

from __future__ import annotations

from textual.app import ComposeResult

from app.desk.panes.strategies import StrategiesPane
from app.desk.sheet import Sheet


class StrategiesSheet(Sheet):
    """The strategies alone, with all the room there is."""

    main = "strategies"

    def compose(self) -> ComposeResult:
        yield StrategiesPane(id="strategies")
