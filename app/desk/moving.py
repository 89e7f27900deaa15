"""What the desk's keys do to what is seen: another screen, help, palette, a row's details, painting."""

from __future__ import annotations

from typing import Any

from textual.widgets import Input

from app.desk.dialogs import DetailPage
from app.desk.grid import Grid
from app.desk.help import HelpPage, Palette, Place
from app.desk.host import Part
from app.desk.panes.kill import KillPanel
from app.desk.screen import DeskScreen
from app.desk.screens import entry
from app.desk.storypage import StoryPage
from app.desk.view.status import mode


class Moving(Part):
    """Part of the app."""

    _painting: bool = True

    async def action_show(self, name: str) -> None:
        """Shows a screen; keys that follow are for it."""
        snapshot = self._shown
        screen = entry(name)
        if not screen.exists_in(mode(snapshot) if snapshot is not None else ""):
            self.note(f"{screen.label}: for recordings; open one with 'breakwater replay --desk'", "heading")
            return
        self.leave_hint()
        await self.desk.choose(name)
        # The panes have not been painted at their size yet.
        self.call_after_refresh(self.paint)

    async def show_log(self, ident: str) -> None:
        """The log, with only what is about an id."""
        await self.action_show("log")
        sheet: Any = self.desk.sheet
        sheet.about(ident)

    def action_help(self) -> None:
        """Keys and commands."""
        self.push_screen(HelpPage(self.keys, self.place))

    @property
    def place(self) -> Place:
        """Where the operator is."""
        where = mode(self._lined) if self._lined is not None else ""
        return Place(self.desk.sheet.id or "", where, isinstance(self.desk.focused, Grid))

    def action_palette(self) -> None:
        """Everything that can be done here, by name."""
        if isinstance(self.screen, DeskScreen):
            self.push_screen(Palette(self.keys, self.place), self._from_palette)

    async def _from_palette(self, chosen: str | None) -> None:
        if chosen is None:
            return
        if chosen.startswith(":"):
            self.begin_line(f"{chosen[1:]} ")
            return
        key = next(key for key in self.keys if key.id == chosen)
        owner: Any = self
        if key.group == "table":
            owner = self.desk.focused
        elif key.group not in ("everywhere", "screen"):
            owner = self.desk.sheet
        await self.run_action(key.action, owner)

    def action_pause_painting(self) -> None:
        """Stops painting, or goes on."""
        self._painting = not self._painting
        self.paint()

    def action_dismiss(self) -> None:
        """Closes the command line, takes back a table's filter, or hides a finished kill report."""
        if isinstance(self.desk.focused, Input):
            self.desk.command_line(False)
        elif isinstance(self.desk.focused, Grid) and self.desk.focused.arrangement.wanted:
            self.desk.focused.filter("")
        else:
            self.desk.query_one(KillPanel).dismiss()

    def action_detail(self) -> None:
        """Nothing is selected where no table has the focus."""

    def on_grid_detail(self, message: Grid.Detail) -> None:
        """Everything about a row."""
        if not isinstance(self.screen, DeskScreen):
            return
        table, row = message.grid.table, message.row
        story_of = getattr(message.grid, "story_of", None)
        ident = story_of(row) if story_of is not None else ""
        self.push_screen(StoryPage(table, row, ident, self._zone) if ident else DetailPage(table, row))

    def action_suspend_process(self) -> None:
        """Not offered: it would stop the engine."""
