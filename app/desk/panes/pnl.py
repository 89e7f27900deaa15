"""The panes of the day's result: its words, its curve, who made what."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.painting import Lines
from app.desk.view import chart, pnl
from app.desk.view.cells import Cell, Table
from engine.control.replies import DaySeen


class DayHead(Lines):
    """The day against its limit."""

    def tell(self, seen: DaySeen | None, text: str = "") -> None:
        """Shows the day, or why it is not known."""
        if seen is None:
            self.show((Cell(f" {text}", "risk-warn"),), ())
        else:
            self.show(*pnl.head(seen))


class DayCurve(Lines):
    """Profit over the day, with the loss that stops it."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._seen: DaySeen | None = None
        self._zone = "UTC"

    def tell(self, seen: DaySeen | None, zone: str) -> None:
        """Shows the curve."""
        self._seen, self._zone = seen, zone
        self.border_title = "Profit of the day · ─ STOP is the limit"
        self.on_resize()

    def on_resize(self) -> None:
        """Another size takes another chart."""
        seen, size = self._seen, self.size
        if seen is None:
            self.show(())
        elif size.height > 0:
            room = (size.width, size.height)
            self.show(*chart.curve(seen.points, room, seen.limit, seen.step, seen.ts, self._zone))


class MadePane(Grid):
    """Who made what: strategies, or instruments."""

    def tell(self, table: Table | None, text: str = "") -> None:
        """Shows the table, or why there is none."""
        self.show(table if table is not None else Table("", pnl.COLUMNS, (), text))
