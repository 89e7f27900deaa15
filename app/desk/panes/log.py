"""The log pane: lines of the log as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from app.desk.panes.tail import TailPane
from app.desk.view import log
from app.desk.view.cells import Table
from engine.control.questions import MAX_LINES
from engine.control.replies import LogLine, LogLines


class LogPane(TailPane[LogLine]):
    """Lines of a level and above, or about one id."""

    kept: ClassVar[int] = 2 * MAX_LINES

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.level = "info"

    def anew(self, level: str, ident: str) -> None:
        """Other lines are wanted."""
        self.level, self.ident = level, ident
        self.empty()

    def add(self, reply: LogLines, zone: str) -> None:
        """Takes further lines."""
        if reply.last < self.last:
            self.empty()  # another engine's log
        self.take(reply.lines, reply.last, reply.missed, zone)

    def tell(self, text: str) -> None:
        """There is no log to show, and why."""
        self._lines.clear()
        self.last = 0
        self.show(Table("Log", log.COLUMNS, (), text))

    def number(self, line: LogLine) -> int:
        return line.n

    def ident_of(self, line: LogLine) -> str:
        return log.about(line)

    def tabled(self, lines: Sequence[LogLine], newer: int) -> Table:
        return log.table(
            lines, self.zone, level=self.level, ident=self.ident, missed=self._missed, newer=newer
        )
