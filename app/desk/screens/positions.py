"""The screen of the positions."""

from __future__ import annotations

from textual.app import ComposeResult

from app.desk.panes.positions import PositionsPane
from app.desk.sheet import Sheet


class PositionsSheet(Sheet):
    """The positions alone, with all the room there is."""

    main = "positions"

    def compose(self) -> ComposeResult:
        yield PositionsPane(id="positions")
