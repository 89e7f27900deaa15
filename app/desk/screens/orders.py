"""The screen of the orders: all of them, or those of one kind."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from app.desk.keys import bindings
from app.desk.painting import Lines
from app.desk.panes.orders import OrdersPane
from app.desk.sheet import Sheet
from app.desk.view import orders
from engine.control.snapshot import Snapshot


class OrdersSheet(Sheet):
    """Every order; v goes through the kinds: all, working, filled, rejected."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("orders")]
    main = "orders"

    def compose(self) -> ComposeResult:
        yield Lines(id="kinds")
        yield OrdersPane(id="orders")

    @property
    def orders(self) -> OrdersPane:
        """The table."""
        return self.query_one("#orders", OrdersPane)

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """The table, and how many there are of each kind."""
        super().look(snapshot, zone)
        self.query_one("#kinds", Lines).show(orders.kinds(snapshot, self.orders.which))

    def action_kind(self, step: int) -> None:
        """Shows the next kind of orders."""
        kinds = list(orders.WHICH)
        pane = self.orders
        pane.which = kinds[(kinds.index(pane.which) + step) % len(kinds)]
        self.look_again()
        pane.rearrange()
        pane.take_cursor()
