"""What the desk's keys do to orders that work: the one under the cursor, or all of them."""

from __future__ import annotations

from app.desk.dialogs import Ask, wrapped
from app.desk.host import Part
from app.desk.panes.orders import OrdersPane
from app.desk.view.cells import Row
from app.desk.view.orders import is_working
from engine.control.commands import Cancel, CancelAll
from engine.model import Purpose


class OrderKeys(Part):
    """Part of the app."""

    def action_cancel_order(self) -> None:
        """Cancels the order under the cursor, where a table of orders has the focus."""
        if row := self.selected_order("x cancels"):
            self._cancel(row.key)

    def selected_order(self, does: str) -> Row | None:
        """The order under the cursor. Where no table of orders has the focus, the sheet's own gets it: the
        order is seen before anything is done to it; without one it is said where they are. None: not yet."""
        pane = self.desk.focused
        if isinstance(pane, OrdersPane):
            if pane.selected is None:
                self.hint(f"{does} an order: there is none in this table")
            return pane.selected
        tables = self.desk.sheet.query(OrdersPane)
        if not tables:
            self.hint(f"{does} the selected order: select it on Desk (F2) or Orders (F3)")
        elif not tables.first().display or not tables.first().size.height:
            self.hint(f"{does} the selected order: there is no room for them here; Orders is F3")
        else:
            tables.first().take_cursor()
            self.desk.set_focus(tables.first(), scroll_visible=False)
            found = tables.first().selected is not None
            self.hint(f"{does} the order under the cursor: press it again" if found else "there is no order")
        return None

    def _cancel(self, order_id: str) -> None:
        """Cancels an order; one that protects a position only after a y."""
        snapshot = self._link.latest()
        found = [] if snapshot is None else [order for order in snapshot.orders if order.id == order_id]
        command, said = Cancel(order_id=order_id), f"cancel {order_id}"
        if not found or found[0].purpose != Purpose.PROTECT.value:
            self.send(command, said)
        elif not self._asking("command"):
            order = found[0]
            scope = f"{order_id} protects {order.symbol}; without it the position has no stop at the broker."
            self._ask_for(command, said, scope, "y")

    def action_cancel_all(self) -> None:
        """Cancels all working orders after a y."""
        snapshot = self._link.latest()
        working = sum(map(is_working, snapshot.orders)) if snapshot is not None else 0
        account = f"{snapshot.mode} account {snapshot.account}" if snapshot is not None else "the account"

        def chosen(outcome: str | None) -> None:
            if outcome:
                self.send(CancelAll(), "cancel all orders")

        body = wrapped(f"Cancel all {working} working orders of {account}.", "heading")
        hint = "y cancels them. Esc does nothing."
        if not self._asking("cancel-all"):
            ask = Ask("CANCEL ALL", body, single={"y": "yes"}, hint=hint, kind="cancel-all")
            self.push_screen(ask, chosen)
