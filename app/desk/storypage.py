"""Everything about an order, an alarm or a line of the log: its row, and its story from cause to position."""

from __future__ import annotations

import textwrap
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from app.desk.asking import Asker
from app.desk.dialogs import Page
from app.desk.grid import Grid
from app.desk.host import host_of
from app.desk.painting import Lines
from app.desk.view import story
from app.desk.view.cells import Cell, Row, Table
from app.desk.view.formats import NONE
from engine.control.questions import AnyQuestion, AnyReply, StoryOf
from engine.control.replies import Declined, StoryTold
from engine.control.snapshot import OrderRow, Snapshot

FRAME: Final = 5
"""Cells and lines that borders, padding and the scroll bar take."""


def told_row(table: Table, row: Row, width: int) -> list[tuple[Cell, ...]]:
    """All columns of a row as one paragraph; what says nothing is left out."""
    parts = [
        f"{column.title} {cell.text}"
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.text not in ("", NONE)
    ]
    return [(Cell(line),) for line in textwrap.wrap(" · ".join(parts), width)]


class StoryPage(Page):
    """Asks for the story, and again when the order has changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", "Log", show=False, id="page.log", tooltip="Its lines of the log")
    ]

    def __init__(self, table: Table, row: Row, ident: str, zone: str) -> None:
        super().__init__()
        self._table = table
        self._row = row
        self._ident = ident
        self._zone = zone
        self._told: StoryTold | Declined | None = None
        self._order: OrderRow | None = None
        self._asker = Asker(self, self._question, self._took, 0.5)
        self._wanted = True

    def compose(self) -> ComposeResult:
        box = Vertical(Lines(id="storyrow"), Lines(id="storyhead"), Grid(id="story"), classes="box")
        box.border_title = self._table.title.split(" ·")[0] + " · Esc closes · l: its lines of the log"
        yield box

    def on_mount(self) -> None:
        """Shows the row at once; the story follows."""
        self.query_one("#story", Grid).focus()
        self._draw()
        self._asker.pulse()

    async def action_log(self) -> None:
        """Closes, and shows the lines of the log that are about it: from the tick that caused it on."""
        told = self._told
        ident = told.correlations[0] if isinstance(told, StoryTold) and told.correlations else self._ident
        host = host_of(self)
        self.dismiss(None)
        await host.show_log(ident)

    def look(self, snapshot: Snapshot) -> None:
        """Follows the order: its row in the newest snapshot says whether its story has gone on."""
        found = next((order for order in snapshot.orders if order.id == self._ident), None)
        if found is not None and (self._order is None or _state(found) != _state(self._order)):
            self._wanted = True
            self._order = found
        if self._wanted:
            self._asker.pulse()

    def on_resize(self) -> None:
        """Another width wraps sentences elsewhere."""
        self.call_after_refresh(self._draw)

    def _question(self) -> AnyQuestion:
        self._wanted = False
        return StoryOf(ident=self._ident)

    def _took(self, reply: AnyReply) -> None:
        if isinstance(reply, StoryTold | Declined):
            if isinstance(reply, StoryTold) or not isinstance(self._told, StoryTold):
                self._told = reply
            self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        width = max(20, self.query_one("#story", Grid).size.width or self.app.size.width - FRAME)
        self.query_one("#storyrow", Lines).show(*told_row(self._table, self._row, width), ())
        self.query_one("#storyhead", Lines).show(*story.head(self._told, width))
        told = self._told if isinstance(self._told, StoryTold) else None
        self.query_one("#story", Grid).show(story.table(told, self._zone, width - 1))
        for name in ("#storyrow", "#storyhead"):
            lines = self.query_one(name, Lines)
            lines.styles.height = max(1, len(lines.lines))


def _state(order: OrderRow) -> tuple[object, ...]:
    return order.status, order.filled, order.overlay, order.limit, order.qty, order.stop
