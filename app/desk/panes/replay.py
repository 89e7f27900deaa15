"""The panes of the flight recorder: where it stands, the timeline, the rows around."""

from __future__ import annotations

from typing import ClassVar

from app.desk.grid import HEADER, Grid
from app.desk.painting import Lines
from app.desk.view import replay
from app.desk.view.cells import Cell, Row, Table
from engine.control.replies import RowsTold


class ReplayHead(Lines):
    """Where it stands, and the keys."""

    def tell(self, told: RowsTold | None, zone: str, text: str = "") -> None:
        """Shows it, or why there is no recording."""
        width = self.size.width or self.app.size.width
        lines = replay.head(told, zone, width) if told is not None else ((Cell(f" {text}", "risk-warn"),),)
        self.styles.height = len(lines)
        self.show(*lines)


class Timeline(Lines):
    """The journal in one line."""

    def tell(self, told: RowsTold | None, zone: str) -> None:
        """Shows it."""
        self.show(*(replay.timeline(told, zone, self.size.width) if told is not None else ((),)))


class RowsPane(Grid):
    """Rows around the moment, which stays in the middle until the operator moves the cursor away from it."""

    keeps_places: ClassVar[bool] = False

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._told: RowsTold | None = None

    def tell(self, told: RowsTold | None, zone: str, text: str = "") -> None:
        """Shows the rows, or why there are none. When the moment has moved, the cursor goes with it."""
        if told is None:
            self._told = None
            self.show(Table("Rows of the journal", replay.COLUMNS, (), text))
            return
        before, selected = self._told, self.selected
        with_it = before is None or selected is None or selected.key == str(before.at)
        self._told = told
        self.show(replay.table(told, zone))
        if before is None or told.at != before.at or with_it:
            self.follow()

    def on_resize(self) -> None:
        """The moment stays in the middle."""
        super().on_resize()
        self.call_after_refresh(self.follow)

    def follow(self) -> None:
        """The cursor onto the moment, the moment into the middle."""
        if self._told is None:
            return
        for index, row in enumerate(self.rows):
            if row.key == str(self._told.at):
                self.move_to(index)
                # After what `move_to` scrolls, and once the new number of rows is known to the view.
                self.call_after_refresh(self._centre, index)

    def _centre(self, index: int) -> None:
        height = max(1, self.size.height - HEADER)
        self.scroll_to(y=max(0, index - height // 2), animate=False, immediate=True)

    def story_of(self, row: Row) -> str:
        """The story of the order, or of the cause, that a row is about."""
        told = self._told
        line = next((r for r in told.rows if str(r.row) == row.key), None) if told is not None else None
        return "" if line is None else line.order_id or line.correlation
