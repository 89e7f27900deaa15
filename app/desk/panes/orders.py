"""The orders pane."""

from __future__ import annotations

from app.desk.grid import Grid
from app.desk.view import orders
from app.desk.view.cells import Row
from engine.control.snapshot import Snapshot


class OrdersPane(Grid):
    """Working orders and the newest closed ones."""

    which = "all"
    """Kind of orders that is shown, one of `orders.WHICH`."""

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Shows the orders; times in the exchange's zone."""
        self.show(orders.table(snapshot, zone, self.which))

    def story_of(self, row: Row) -> str:
        """The order's own story."""
        return row.key
