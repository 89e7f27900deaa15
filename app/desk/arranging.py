"""What an operator does to a table's looks: sort, filter, search, pin, choose columns, copy a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from app.desk.remembered import Remembered
from app.desk.view import arranging
from app.desk.view.arranging import Arrangement, Chosen
from app.desk.view.cells import Laid, Row, Table, clean
from app.desk.view.rows import Rows

if TYPE_CHECKING:
    _Base = Widget
else:
    _Base = object


class Arranging(_Base):
    """Mixin of the grid: its actions, and the arrangement that they make."""

    arrangement: Arrangement = Arrangement()
    chosen: dict[str, Chosen]
    """Columns that the operator wants always or never."""
    sought: str = ""
    """What was searched for last."""
    _table: Table
    _rows: Rows
    _laid: tuple[Laid, ...]
    _cursor: int

    # Given by the grid

    @property
    def selected(self) -> Row | None:
        raise NotImplementedError

    def rearrange(self) -> None:
        """Puts the rows into the order that is asked for, whatever the cursor holds."""
        raise NotImplementedError

    def relay(self) -> None:
        """Chooses the columns again."""
        raise NotImplementedError

    def move_to(self, index: int) -> None:
        """Puts the cursor on a row."""
        raise NotImplementedError

    # What is remembered

    @property
    def _remembered(self) -> Remembered | None:
        return getattr(self.app, "remembered", None)

    def recall(self) -> None:
        """Takes over what was chosen in earlier sessions."""
        self.chosen = {}
        known = self._remembered
        if known is None or not self.id:
            return
        chosen = known.looks.columns.get(self.id, {})
        self.chosen = {title: how for title, how in chosen.items() if how in ("always", "never")}  # type: ignore[misc]
        title, descending = known.looks.sort.get(self.id, ("", False))
        self.arrangement = self.arrangement._replace(sort=title, descending=descending)

    def _keep(self) -> None:
        known = self._remembered
        if known is None or not self.id:
            return
        known.looks.columns[self.id] = dict(self.chosen)
        known.looks.sort[self.id] = (self.arrangement.sort, self.arrangement.descending)
        known.keep()

    # Sorting

    def sort_by(self, title: str, *, descending: bool = False) -> None:
        """Sorts by a column; by none with an empty title."""
        self.arrangement = self.arrangement._replace(sort=title, descending=descending and bool(title))
        self._keep()
        self.rearrange()

    def sort_on_click(self, title: str) -> None:
        """A click on a title: ascending, descending, the table's own order."""
        how = self.arrangement
        if how.sort != title:
            self.sort_by(title)
        elif not how.descending:
            self.sort_by(title, descending=True)
        else:
            self.sort_by("")

    def action_sort(self, step: int) -> None:
        """Sorts by the next shown column to the right or left; beyond either end, by none."""
        titles = [at.column.title for at in self._laid]
        place = titles.index(self.arrangement.sort) if self.arrangement.sort in titles else None
        if place is None:
            place = 0 if step > 0 else len(titles) - 1
        else:
            place += step
        inside = 0 <= place < len(titles)
        self.sort_by(titles[place] if inside else "", descending=self.arrangement.descending)

    def action_invert(self) -> None:
        """Turns the sorting round."""
        how = self.arrangement
        if how.sort:
            self.sort_by(how.sort, descending=not how.descending)

    # Filter and search

    def filter(self, wanted: str) -> None:
        """Shows only rows that hold these words; all with an empty text."""
        if wanted.strip() != self.arrangement.wanted:
            self.arrangement = self.arrangement._replace(wanted=wanted.strip())
            self.rearrange()

    def search(self, text: str, step: int = 1, *, here: bool = False) -> bool:
        """Moves the cursor to the next row with these words; `here`: or leaves it where it is."""
        self.sought = text
        start = self._cursor if here else self._cursor + step
        found = arranging.find(self._rows, text, start, step) if self._rows else None
        if found is None:
            return False
        self.move_to(found)
        return True

    def action_find(self, kind: str) -> None:
        """Opens the line in which a `search` or a `filter` is typed."""
        from app.desk.finding import FindLine
        from app.desk.grid import Grid

        lines = self.screen.query(FindLine)
        if lines and isinstance(self, Grid):
            lines.first().begin(self, filtering=kind == "filter")

    def action_again(self, step: int) -> None:
        """The next or the previous row with what was searched for."""
        if not self.sought:
            self._say("/ searches this table")
        elif not self.search(self.sought, step):
            self._say(f"no row has {self.sought!r}")

    # Pins

    def action_pin(self) -> None:
        """Keeps the selected row on top, or lets it go."""
        row = self.selected
        if row is None:
            return
        pinned = self.arrangement.pinned
        pinned = tuple(key for key in pinned if key != row.key) if row.key in pinned else (*pinned, row.key)
        self.arrangement = self.arrangement._replace(pinned=pinned)
        self.rearrange()

    # Columns and copies

    def choose_column(self, title: str, how: Chosen | None) -> None:
        """Shows a column always, never, or (None) as there is room."""
        self.chosen.pop(title, None)
        if how is not None:
            self.chosen[title] = how
        self._keep()
        self.relay()

    def action_columns(self) -> None:
        """Asks which columns to show."""
        from app.desk.columns import ColumnsPage
        from app.desk.grid import Grid

        if self._table.columns and isinstance(self, Grid) and not isinstance(self.screen, ColumnsPage):
            self.app.push_screen(ColumnsPage(self))

    def action_copy(self) -> None:
        """Copies the selected row, all columns, as tab-separated text (OSC 52)."""
        row = self.selected
        if row is None:
            self._say("c copies the selected row: select one first")
            return
        self.app.copy_to_clipboard("\t".join(clean(cell.text) for cell in row.cells))
        self._say(f"copied {row.key} (where the terminal allows it)")

    def _say(self, text: str) -> None:
        note: Any = getattr(self.app, "note", None)
        if note is not None:
            note(text, "heading")
