"""The screen of the positions: three sources side by side, who holds what, and what to do about drift."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from app.desk.grid import Grid
from app.desk.keys import bindings
from app.desk.painting import Lines
from app.desk.panes.breakdown import BreakdownPane
from app.desk.panes.positions import PositionsPane
from app.desk.sheet import Sheet
from app.desk.view.positions import day_sum
from engine.control.snapshot import Snapshot


class PositionsSheet(Sheet):
    """Intended, executed, broker and the difference; below, each strategy's share of the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("positions")]
    main = "positions"

    def compose(self) -> ComposeResult:
        yield Lines(id="daysum")
        yield PositionsPane(id="positions")
        yield BreakdownPane(id="breakdown")

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """The tables, and how the day's result adds up."""
        super().look(snapshot, zone)
        self.query_one("#daysum", Lines).show(day_sum(snapshot))

    def on_grid_moved(self, message: Grid.Moved) -> None:
        """The shares are those of the selected instrument."""
        row = self.query_one("#positions", Grid).selected
        shares = self.query_one("#breakdown", BreakdownPane)
        symbol = row.symbol if row is not None else ""
        if message.grid.id == "positions" and symbol != shares.symbol:
            shares.symbol = symbol
            self.look_again()

    def action_adopt(self) -> None:
        """Asks to take the broker's position of the selected instrument as the truth."""
        if symbol := self.selected_symbol("d adopts the selected position: select one first"):
            self.run_line(f"adopt {symbol}")

    def action_reset_instrument(self) -> None:
        """Asks to take back the halt of the selected instrument."""
        if symbol := self.selected_symbol("R resets the selected instrument's halt: select one first"):
            self.run_line(f"reset instrument {symbol}")
