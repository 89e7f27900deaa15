"""The screen of the strategies: state, last error, lag, and what each intends beside what it holds."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from app.desk.grid import Grid
from app.desk.keys import bindings
from app.desk.panes.breakdown import BreakdownPane
from app.desk.panes.callbacks import CallbacksPane
from app.desk.panes.strategies import StrategiesPane
from app.desk.sheet import Sheet


class StrategiesSheet(Sheet):
    """Who trades; below, positions of the selected one, and how long its callbacks take."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("strategies")]
    main = "strategies"

    def compose(self) -> ComposeResult:
        yield StrategiesPane(id="strategies")
        yield BreakdownPane(id="breakdown")
        yield CallbacksPane(id="callbacks")

    def on_grid_moved(self, message: Grid.Moved) -> None:
        """The positions and callbacks are those of the selected strategy."""
        row = self.query_one("#strategies", Grid).selected
        shares = self.query_one("#breakdown", BreakdownPane)
        name = row.key if row is not None else ""
        if message.grid.id == "strategies" and name != shares.strategy:
            shares.strategy = name
            self.query_one("#callbacks", CallbacksPane).strategy = name
            self.look_again()

    def action_stop_or_start(self) -> None:
        """Stops the selected strategy, or starts one that has stopped or failed (after a y)."""
        row = self.query_one("#strategies", Grid).selected
        snapshot = self.snapshot
        states = {one.name: one.state for one in snapshot.strategies} if snapshot is not None else {}
        if row is None or row.key not in states:
            self.say("S stops or starts the selected strategy: select one first")
            return
        live = states[row.key] in ("starting", "running", "paused")
        self.run_line(f"{'stop' if live else 'start'} {row.key}")

    def action_reload_strategy(self) -> None:
        """Loads the selected strategy's file again (after a y)."""
        row = self.query_one("#strategies", Grid).selected
        if row is None:
            self.say("u loads the selected strategy's file again: select one first")
        else:
            self.run_line(f"reload {row.key}")

    def action_pause_or_resume(self) -> None:
        """Pauses the selected strategy, or lets it open positions again (after a y)."""
        row = self.query_one("#strategies", Grid).selected
        snapshot = self.snapshot
        states = {one.name: one.state for one in snapshot.strategies} if snapshot is not None else {}
        if row is None or row.key not in states:
            self.say("t pauses or resumes the selected strategy: select one first")
        elif states[row.key] == "paused":
            self.run_line(f"resume {row.key}")
        elif states[row.key] in ("running", "starting"):
            self.run_line(f"pause {row.key}")
        else:
            self.say(f"{row.key} is {states[row.key]}: it neither trades nor can be paused")
