"""The line in which a search or a filter of a table is typed; the table follows with every letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

if TYPE_CHECKING:
    from app.desk.grid import Grid


class FindLine(Input):
    """Hidden until it is asked for. Enter keeps what was typed, Esc takes it back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,shift+tab", "stay", "Stay", show=False),
        Binding("escape", "take_back", "Take back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="find", select_on_focus=False)
        self.cursor_blink = False
        self._grid: Grid | None = None
        self._filtering = False
        self._before = ""
        self._row = 0

    def begin(self, grid: Grid, *, filtering: bool) -> None:
        """Searches or filters a table from here on."""
        self._grid = grid
        self._filtering = filtering
        self._before = grid.arrangement.wanted
        self._row = grid.cursor
        self.placeholder = "show only rows with …" if filtering else "search rows for …"
        with self.prevent(Input.Changed):
            self.value = self._before if filtering else ""
        self.cursor_position = len(self.value)
        self.display = True
        # At once, not with `focus()`, which comes later: the next letter is no key of the desk any more.
        self.screen.set_focus(self)

    def end(self) -> None:
        """Back to the table."""
        grid, self._grid = self._grid, None
        # Before it goes: Textual would look for another widget. Not `has_focus`, which comes later.
        if grid is not None and self.screen.focused is self:
            self.screen.set_focus(grid)
        self.display = False

    def action_stay(self) -> None:
        """Nothing: the next letter would be a key of the desk."""

    def action_take_back(self) -> None:
        """As it was before."""
        if self._grid is not None:
            if self._filtering:
                self._grid.filter(self._before)
            else:
                self._grid.move_to(self._row)
        self.end()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The table follows."""
        event.stop()
        if self._grid is None:
            return
        if self._filtering:
            self._grid.filter(self.value)
        elif self.value.strip():
            self._grid.move_to(self._row)
            self._grid.search(self.value, here=True)

    async def action_submit(self) -> None:
        """Enter: kept. At once, so that nothing typed after it gets in."""
        grid = self._grid
        if grid is not None and self._filtering:
            grid.filter(self.value)
        elif grid is not None and self.value.strip():
            grid.move_to(self._row)
            if not grid.search(self.value, here=True):
                grid._say(f"no row has {self.value.strip()!r}")
        self.end()
