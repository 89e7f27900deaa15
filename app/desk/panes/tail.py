"""A table of what happens, newest first: it follows the newest line unless somebody reads further down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

from app.desk.grid import HEADER, Grid
from app.desk.view.cells import Row, Table, steady

T = TypeVar("T")


class TailPane(Grid, Generic[T]):
    """While the cursor stands below the first line, nothing moves; Home follows again."""

    keeps_places: ClassVar[bool] = False
    kept: ClassVar[int] = 1000
    """Lines that can be scrolled through."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: deque[T] = deque(maxlen=self.kept)
        self._newer: list[T] = []
        """Held back while somebody reads."""
        self._missed = 0
        self._shown = 0
        self.ident = ""
        """The id that all lines are about; empty: lines of all."""
        self.last = 0
        """Number of the newest line that was taken; ask after this."""
        self.zone = "UTC"

    def number(self, line: T) -> int:
        """The line's number, which is its row's key."""
        raise NotImplementedError

    def tabled(self, lines: Sequence[T], newer: int) -> Table:
        """The lines, oldest first, as a table."""
        raise NotImplementedError

    def ident_of(self, line: T) -> str:
        """The id whose story the line belongs to; empty: none."""
        raise NotImplementedError

    @property
    def reading(self) -> bool:
        """Whether somebody reads below the newest line."""
        return self._focused and bool(self._cursor_key) and self._cursor > 0

    def empty(self) -> None:
        """Begins anew."""
        self._lines.clear()
        self._newer = []
        self.last = self._missed = 0
        self.draw()

    def take(self, lines: Iterable[T], last: int, missed: int, zone: str) -> None:
        """Takes further lines; `last`: number of the newest that there is."""
        self.zone = zone
        self._newer += lines
        del self._newer[: -self.kept]
        self._missed += missed if self.last else 0
        self.last = last
        self.draw()

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
        self.show(self.tabled(list(self._lines)[-self._shown :] if self._shown else (), len(self._newer)))

    def line(self, row: Row | None) -> T | None:
        """The line behind a row."""
        if row is None:
            return None
        return next((line for line in self._lines if str(self.number(line)) == row.key), None)

    def story_of(self, row: Row) -> str:
        """The id whose story Enter tells."""
        line = self.line(row)
        return self.ident_of(line) if line is not None else ""
