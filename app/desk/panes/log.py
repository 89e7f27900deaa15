"""The log pane: follows the newest line, unless somebody reads further down."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from app.desk.grid import HEADER, Grid
from app.desk.view import log
from app.desk.view.cells import Row, Table, steady
from engine.control.questions import MAX_LINES
from engine.control.replies import LogLine, LogLines


class LogPane(Grid):
    """Lines of the log, newest first. While the cursor stands below the first line, nothing moves; Home
    follows again."""

    keeps_places: ClassVar[bool] = False

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: deque[LogLine] = deque(maxlen=2 * MAX_LINES)
        self._newer: list[LogLine] = []
        """Held back while somebody reads."""
        self._missed = 0
        self._shown = 0
        self.level = "info"
        self.ident = ""
        """The id that all lines are about; empty: lines of all."""
        self.last = 0
        """Number of the newest line that the engine has told of; ask after this."""
        self.zone = "UTC"

    @property
    def reading(self) -> bool:
        """Whether somebody reads below the newest line."""
        return self._focused and bool(self._cursor_key) and self._cursor > 0

    def anew(self, level: str, ident: str) -> None:
        """Other lines are wanted."""
        self.level, self.ident = level, ident
        self._lines.clear()
        self._newer = []
        self.last = self._missed = 0
        self.draw()

    def add(self, reply: LogLines, zone: str) -> None:
        """Takes further lines."""
        self.zone = zone
        if reply.last < self.last:
            self.anew(self.level, self.ident)  # another engine's log
        self._newer += reply.lines
        self._missed += reply.missed if self.last else 0
        self.last = reply.last
        self.draw()

    def tell(self, text: str) -> None:
        """There is no log to show, and why."""
        self._lines.clear()
        self.last = 0
        self.show(Table("Log", log.COLUMNS, (), text))

    def on_focus(self) -> None:
        """Who looks here closely can scroll through all of it."""
        super().on_focus()
        self.draw()

    def on_resize(self) -> None:
        """More room takes more lines."""
        super().on_resize()
        self.draw()

    def draw(self) -> None:
        """Shows what there is, and what is held back as a number."""
        if not self.reading:
            self._lines.extend(self._newer)
            self._newer = []
            self._shown = steady(len(self._lines), max(1, self.size.height - HEADER), self._focused)
        self.show(
            log.table(
                list(self._lines)[-self._shown :] if self._shown else (),
                self.zone,
                level=self.level,
                ident=self.ident,
                missed=self._missed,
                newer=len(self._newer),
            )
        )

    def line(self, row: Row | None) -> LogLine | None:
        """The line behind a row."""
        if row is None:
            return None
        return next((line for line in self._lines if str(line.n) == row.key), None)

    def story_of(self, row: Row) -> str:
        """The id whose story Enter tells."""
        line = self.line(row)
        return log.about(line) if line is not None else ""
