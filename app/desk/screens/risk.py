"""The screen of the risk controls: used, limit, gauge and state of each, and the reset from the row."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType

from app.desk.host import host_of
from app.desk.keys import bindings
from app.desk.panes.risk import RiskPane
from app.desk.sheet import Sheet

WIDE: Final = 20
"""Cells of a gauge that has the whole width."""


class RiskSheet(Sheet):
    """What is tripped stands first."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("risk")]
    main = "risk"

    def compose(self) -> ComposeResult:
        yield RiskPane(id="risk", gauge=WIDE)

    def action_edit_limit(self) -> None:
        """Changes the limit of the selected control, of its symbol where it has one."""
        row = self.query_one("#risk", RiskPane).selected
        if row is None:
            self.say("l changes the selected limit: select one first")
            return
        control, _, scope = row.key.partition("/")
        own = {
            "max_position": scope,
            "order_qty": f"{scope}.max_order_qty",
            "spread": f"{scope}.max_spread_ticks",
        }
        host_of(self).edit_limit(own.get(control, control) if scope else control)

    def action_reset_control(self) -> None:
        """Asks to take back what the selected control has done."""
        row = self.query_one("#risk", RiskPane).selected
        if row is None:
            self.say("R resets the selected control: select one first")
            return
        control, _, scope = row.key.partition("/")
        # That of this row alone: what tripped for another symbol or strategy is another decision.
        name = f"{control}:{scope}" if scope else control
        self.run_line("reset day_loss" if control == "daily_loss" else f"reset control {name}")
