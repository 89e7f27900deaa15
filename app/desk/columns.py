"""The page on which the operator chooses a table's columns; the choice holds for the next start as well."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical

from app.desk.dialogs import Page
from app.desk.grid import Grid
from app.desk.view.arranging import Chosen
from app.desk.view.cells import Cell, Column, Row, Table

_NEXT: Final[dict[Chosen | None, Chosen | None]] = {None: "always", "always": "never", "never": None}
_SAID: Final[dict[Chosen | None, tuple[str, str]]] = {
    None: ("· as there is room", "muted"),
    "always": ("✓ always", "text"),
    "never": ("✕ never", "text"),
}


class ColumnsPage(Page):
    """One row a column; Enter goes through as there is room, always, never."""

    COLUMNS = (Column("Column", 12, most=20), Column("Shown", 18, stretch=True))

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self._of = grid

    def compose(self) -> ComposeResult:
        box = Vertical(Grid(id="columns"), classes="box low")
        box.border_title = "Columns · Enter changes, Esc closes"
        yield box

    def on_mount(self) -> None:
        """Lists the columns."""
        self._show()
        self.query_one("#columns", Grid).focus()

    def on_grid_detail(self, message: Grid.Detail) -> None:
        """The next of the three."""
        message.stop()
        title = message.row.key
        self._of.choose_column(title, _NEXT[self._of.chosen.get(title)])
        self._show()

    def _show(self) -> None:
        rows = [
            Row(
                column.title, (Cell(column.title, "heading"), Cell(*_SAID[self._of.chosen.get(column.title)]))
            )
            for column in self._of.table.columns
        ]
        self.query_one("#columns", Grid).show(Table("", self.COLUMNS, tuple(rows), ""))
