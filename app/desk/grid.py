"""The one table of the desk, on Textual's Line API: it repaints what changed, and nothing else.

A DataTable repaints every visible cell whatever changed, some 80 ms a frame; this takes a few. Each row keeps
its finished strip until its content, the layout or the cursor changes. A row that changed is dirty from the
left edge to its last changed cell, because Textual sends a line from the left edge anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from app.desk.arranging import Arranging
from app.desk.framing import Framed
from app.desk.keys import bindings
from app.desk.painting import ByMeaning, joined
from app.desk.view.arranging import Arrangement, arrange, choose, described, pinned_first
from app.desk.view.cells import Cell, Column, Laid, Row, Table, fit, heading, lay, longest
from app.desk.view.rows import Rows, stable_order

HOLD = 10.0
"""Seconds for which rows keep their places after the operator's last key in the table. Not for ever: what is
new and important would stay out of sight below what is old."""
LARGE = 500
"""Rows from which on a sorted or filtered table is sorted anew only every `SETTLE` seconds."""
SETTLE = 1.0
_RULE = Style(underline=True)
HEADER = 1
"""Lines that the column titles take; they do not scroll."""


class Grid(Arranging, ByMeaning, Framed, can_focus=True):
    """A table of rows with a cursor. `show` is the only way in."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("table")]
    keeps_places: ClassVar[bool] = True
    """Whether rows keep their places while the operator is at work here."""
    leads: ClassVar[bool] = False
    """Whether the cursor goes with the first row until the operator has chosen another: for tables that put
    what is wrong first, and whose keys ask, with the row's name, before they do anything."""

    class Detail(Message):
        """The operator asks for everything about a row."""

        def __init__(self, grid: Grid, row: Row) -> None:
            self.grid = grid
            self.row = row
            super().__init__()

        @property
        def control(self) -> Grid:
            return self.grid

    class Moved(Message):
        """Another row is selected, or none."""

        def __init__(self, grid: Grid) -> None:
            self.grid = grid
            super().__init__()

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.border_title = ""
        self._table = Table("", (), (), "")
        self.chosen = {}
        self._columns: tuple[Column, ...] = ()
        """Those of the table, with the operator's wishes."""
        self._hidden: frozenset[int] = frozenset()
        self._rows = Rows.of(())
        self._arranged_at = float("-inf")
        self._arranged_how = Arrangement()
        self._laid: tuple[Laid, ...] = ()
        self._laid_width = 0
        self._needs: tuple[int, ...] = ()
        """The longest text seen in each column since the last resize; none shrinks under the eye."""
        self._ends: tuple[int, ...] = ()
        self._cursor = 0
        self._cursor_key = ""
        self._moved = False
        """Whether the operator has chosen a row that is not the first."""
        # `has_focus` changes only after our handlers of Focus and Blur.
        self._focused = False
        self._used_at = float("-inf")
        self._strips: dict[str, tuple[Row, tuple[bool, bool], Strip]] = {}
        self._ruled = ""
        """Key of the last pinned row: a line under it parts it from the others."""
        self._header: Strip | None = None
        self._said = ""
        """What the frame says of the arrangement."""
        self.hint: tuple[tuple[str, str], ...] = ()
        """Keys and what they do, for the lower frame."""
        self._below = ""
        self.painted_rows = 0
        """Strips made since the start; a test's view of how little is painted."""

    # What is shown

    @property
    def table(self) -> Table:
        return self._table

    @property
    def rows(self) -> Rows:
        """The rows in the order in which they stand."""
        return self._rows

    @property
    def cursor(self) -> int:
        """Where the cursor is or would be."""
        return self._cursor

    def on_mount(self) -> None:
        """What the operator chose in earlier sessions holds from the first frame on."""
        self.recall()

    @property
    def selected(self) -> Row | None:
        """The row that the operator has chosen. None when it has left the table: nothing slides under the
        cursor by itself, so that no key acts on a row that was not looked at."""
        if not self._rows or not self._cursor_key:
            return None
        row = self._rows[self._cursor]
        return row if row.key == self._cursor_key else None

    def show(self, table: Table) -> None:
        """Takes over a table. While the operator is at work here, rows keep their places."""
        self._show(table, self.keeps_places and self._focused and self._now() - self._used_at < HOLD)

    def rearrange(self) -> None:
        self._show(self._table, held=False)

    def _show(self, table: Table, held: bool) -> None:
        old_rows = self._rows
        old_empty = self._table.empty
        columns_changed = table.columns != self._table.columns
        if table.title != self._table.title:
            # Titles are ours, yet names in them may not be.
            self.label("title", table.title.replace("[", "(").replace("]", ")"))
        self._table = table
        how = self.arrangement
        self._rows = self._arranged(table, held, old_rows)
        ruled = (
            next((key for key in reversed(self._rows.keys) if key in how.pinned), "") if how.pinned else ""
        )
        if ruled != self._ruled:
            self._ruled = ruled
            self.refresh()
        said = described(how, len(self._rows), len(table.rows))
        if said != self._said:
            self._said = said
            self._header = None
            self.refresh()
        self._say_below(said)
        if columns_changed:
            self._columns, self._hidden = choose(table.columns, self.chosen)
        self._keep_cursor()
        if self._focused and not held:
            self._drop_what_is_not_seen()
        if columns_changed:
            self._needs = ()
        if self._measure() or columns_changed:
            self._lay_out()
        if columns_changed or len(self._rows) != len(old_rows):
            self.resize_content(Size(self._width, len(self._rows) + HEADER))
            live = set(self._rows.keys)
            for key in [key for key in self._strips if key not in live]:
                del self._strips[key]
        if not self._rows and table.empty != old_empty:
            self.refresh()
        self._refresh_changes(old_rows)

    def _say_below(self, said: str) -> None:
        """In the lower frame: how the table is arranged, else as many of its keys as have room."""
        if not said:
            room = self.size.width - 6
            for shown, label in self.hint:
                more = f"{' · ' if said else ''}{shown} {label}"
                if cell_len(said) + cell_len(more) > room:
                    break
                said += more
        if said != self._below:
            self._below = said
            self.label("subtitle", said)

    def _arranged(self, table: Table, held: bool, old_rows: Rows) -> Rows:
        """The rows as they stand now. A large table that is sorted or filtered is so anew once a second; in
        between the same rows stay in their places: sorting looks at every cell."""
        how = self.arrangement
        large = len(table.rows) > LARGE and bool(how.wanted or how.sort)
        if large and how == self._arranged_how and self._now() - self._arranged_at < SETTLE:
            every = Rows.of(table.rows)
            places = {key: index for index, key in enumerate(every.keys)}
            return every.picked([places[key] for key in old_rows.keys if key in places])
        self._arranged_at, self._arranged_how = self._now(), how
        found = arrange(table.columns, table.rows, how)
        return pinned_first(stable_order(old_rows.keys, found), how.pinned) if held else found

    def _refresh_changes(self, old_rows: Rows) -> None:
        top = self.scroll_offset.y
        height = self.size.height - HEADER
        dirty: list[Region] = []
        for index in range(top, top + max(0, height)):
            old = old_rows[index] if index < len(old_rows) else None
            new = self._rows[index] if index < len(self._rows) else None
            if old is new or old == new:
                continue
            end = self._changed_until(old, new)
            if end:
                dirty.append(Region(0, index - top + HEADER, end, 1))
        if dirty:
            self.refresh(*dirty)

    def _changed_until(self, old: Row | None, new: Row | None) -> int:
        if old is None or new is None:
            return max(1, self._width)
        for at, right in zip(reversed(self._laid), reversed(self._ends), strict=True):
            if old.cells[at.place] != new.cells[at.place]:
                return right if old.key == new.key else max(1, self._width)
        return 0

    def _now(self) -> float:
        clock: Callable[[], float] = getattr(self.app, "now", time.monotonic)
        return clock()

    def _drop_what_is_not_seen(self) -> None:
        """A row that has left the view by itself is no longer selected: no key acts on what is not seen."""
        top = self.scroll_offset.y
        if self._cursor_key and not top <= self._cursor < top + max(1, self.size.height - HEADER):
            self._cursor_key = ""
            self._cursor = top

    def _keep_cursor(self) -> None:
        keys = self._rows.keys
        if self.leads and self._cursor_key and keys and not self._moved and keys[0] != self._cursor_key:
            self._dirty_line(self._cursor)
            self._cursor, self._cursor_key = 0, keys[0]
            self._dirty_line(0)
            self.post_message(self.Moved(self))
        self._cursor = max(0, min(self._cursor, len(keys) - 1))
        if not self._cursor_key or (keys and keys[self._cursor] == self._cursor_key):
            return
        if self._cursor_key in keys:
            self._cursor = keys.index(self._cursor_key)
        else:
            self._cursor_key = ""

    # Layout and styles

    def _measure(self) -> bool:
        """Looks at the rows that can be seen; True where their longest texts ask for another layout."""
        top = self.scroll_offset.y
        seen = self._rows[top : top + max(1, self.size.height)]
        needs = longest(self._columns, seen, self._needs)
        if needs == self._needs:
            return False
        self._needs = needs
        return lay(self._columns, self._laid_width, needs, hidden=self._hidden) != self._laid

    def relay(self) -> None:
        self._columns, self._hidden = choose(self._table.columns, self.chosen)
        self._lay_out()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._measure():
            self._lay_out()

    def _lay_out(self) -> None:
        width = self._width
        self._laid_width = width
        self._laid = lay(self._columns, width, self._needs, hidden=self._hidden)
        ends: list[int] = []
        x = 0
        for at in self._laid:
            x += at.width
            ends.append(min(x, width))
            x += 1
        self._ends = tuple(ends)
        self._strips.clear()
        self._header = None
        self.refresh()

    @property
    def _width(self) -> int:
        # `size` is without the border, yet with the scroll bar.
        return max(0, self.size.width - self.scrollbar_size_vertical)

    def on_resize(self) -> None:
        """A new width may drop or bring back columns."""
        self.resize_content(Size(self._width, len(self._rows) + HEADER))
        self._needs = ()
        self._measure()
        self._lay_out()
        self._say_below(self._said)

    def notify_style_update(self) -> None:
        # Called by Textual from the constructor on, before our own attributes exist.
        if "_strips" in self.__dict__:
            self._strips.clear()
            self._header = None
        super().notify_style_update()

    # Painting

    def render_line(self, y: int) -> Strip:
        width = self._width
        if width != self._laid_width:
            # A scroll bar came or went without a resize.
            self._lay_out()
        if y < HEADER:
            if self._header is None or self._header.cell_length != width:
                self._header = self._head(width)
            return self._header
        index = y - HEADER + self.scroll_offset.y
        if index >= len(self._rows):
            if not self._rows and index == 0:
                wanted = self.arrangement.wanted
                said = f"no row has {wanted}; Esc shows all" if self._table.rows else self._table.empty
                return self.strip_of((Cell(f" {said}", "muted"),), width)
            return Strip.blank(width, self.style_of("text"))
        row = self._rows[index]
        cursor = self._focused and row.key == self._cursor_key
        looks = (cursor, row.key == self._ruled)
        known = self._strips.get(row.key)
        if known is not None and known[1] == looks and known[2].cell_length == width and known[0] == row:
            return known[2]
        strip = self._paint(row, cursor, width)
        if looks[1]:
            strip = strip.apply_style(_RULE)
        self._strips[row.key] = (row, looks, strip)
        return strip

    def _head(self, width: int) -> Strip:
        how = self.arrangement
        text = " ".join(heading(self._laid, how.sort, "▼" if how.descending else "▲"))
        return Strip([Segment(fit(text, width), self.style_of("muted"))], width)

    def _paint(self, row: Row, cursor: bool, width: int) -> Strip:
        self.painted_rows += 1
        ground = self.style_of("text", cursor=cursor)
        pieces: list[tuple[str, Style]] = []
        used = 0
        for at in self._laid:
            cell = row.cells[at.place]
            if pieces:
                pieces.append((" ", ground))
                used += 1
            text = fit(cell.text, at.width, number=at.column.number)
            pieces.append((text, self.style_of(cell.meaning, cursor=cursor)))
            used += at.width
        if used < width:
            pieces.append((" " * (width - used), ground))
        return Strip(joined(pieces), max(used, width)).adjust_cell_length(width)

    # Cursor

    def move_to(self, index: int) -> None:
        """Puts the cursor on a row, and brings it into view."""
        self._used_at = self._now()
        if not self._rows:
            return
        old = self._cursor
        self._cursor = max(0, min(len(self._rows) - 1, index))
        self._cursor_key = self._rows[self._cursor].key
        self._moved = self._cursor > 0
        top = self.scroll_offset.y
        height = max(1, self.size.height - HEADER)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False)
        for line in {old, self._cursor}:
            self._dirty_line(line)
        self.post_message(self.Moved(self))

    def shine(self, index: int) -> None:
        """Puts the cursor on a row and shows it, though another widget has the focus."""
        self._focused = True
        self.move_to(index)

    def _dirty_line(self, index: int) -> None:
        y = index - self.scroll_offset.y + HEADER
        if HEADER <= y < self.size.height:
            self.refresh(Region(0, y, max(1, self._width), 1))

    def on_focus(self) -> None:
        """The cursor becomes visible."""
        self._focused = True
        self._used_at = self._now()
        self.take_cursor()
        self._dirty_line(self._cursor)

    def take_cursor(self) -> None:
        """Selects the row where the cursor was or would be, if none is selected."""
        if not self._cursor_key and self._rows:
            self._cursor_key = self._rows[self._cursor].key
            self.post_message(self.Moved(self))

    def on_blur(self) -> None:
        """The cursor goes, and the table sorts itself again."""
        self._focused = False
        self._dirty_line(self._cursor)
        self.show(self._table)

    def on_click(self, event: events.Click) -> None:
        """A click selects a row, or sorts by the column whose title it hits; it never does more."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y >= HEADER:
            self.move_to(offset.y - HEADER + self.scroll_offset.y)
            return
        for at, end in zip(self._laid, self._ends, strict=True):
            if offset.x < end:
                self.sort_on_click(at.column.title)
                return

    def action_row(self, step: int) -> None:
        """Moves the cursor by rows."""
        self.move_to(self._cursor + step)

    def action_page(self, step: int) -> None:
        """Moves the cursor by pages."""
        self.move_to(self._cursor + step * max(1, self.size.height - HEADER - 1))

    def action_edge(self, direction: int) -> None:
        """To the first or the last row."""
        self.move_to(0 if direction < 0 else len(self._rows) - 1)

    def action_detail(self) -> None:
        """Asks for everything about the selected row."""
        row = self.selected
        if row is not None:
            self.post_message(self.Detail(self, row))
