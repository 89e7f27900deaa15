"""The screen of the orders."""

from __future__ import annotations

from textual.app import ComposeResult

from app.desk.panes.orders import OrdersPane
from app.desk.sheet import Sheet


class OrdersSheet(Sheet):
    """The orders alone, with all the room there is."""

    main = "orders"

    def compose(self) -> ComposeResult:
        yield OrdersPane(id="orders")
