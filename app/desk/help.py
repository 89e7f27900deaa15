"""The page of help and the palette: both are made from the table of keys and the command language."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from app.desk import keys as table_of_keys
from app.desk.dialogs import Page
from app.desk.grid import Grid
from app.desk.keys import Key
from app.desk.screens import entry
from app.desk.view.arranging import holds
from app.desk.view.cells import Cell, Column, Row, Table
from app.grammar.verbs import HELP

COLUMNS = (Column("Key", 15), Column("Does", 40, stretch=True), Column("Where", 10, 1))
LEAST = 20
"""Cells of a line of a sentence, on however narrow a terminal."""
GAPS = 4
"""Cells between the columns, and of the scroll bar."""


class Place(NamedTuple):
    """Where the operator is: on which screen, in which mode, and whether a table has the focus."""

    screen: str
    mode: str = ""
    in_table: bool = False


def sections(keys: Sequence[Key], place: Place) -> Iterator[tuple[str, list[Key]]]:
    """The keys that work here, what is nearest first."""
    here = [key for key in keys if not key.modes or place.mode in key.modes]
    yield f"{entry(place.screen).label} screen", [key for key in here if key.group == place.screen]
    yield "everywhere, also in questions and while typing", [key for key in here if key.group == "everywhere"]
    tables = [key for key in here if key.group == "table"]
    if place.in_table:
        yield "this table", tables
    yield "every screen", [key for key in here if key.group == "screen"]
    if not place.in_table:
        yield "tables", tables


def _heading(text: str) -> Row:
    return Row(f"#{text}", (Cell(""), Cell(text.upper(), "muted"), Cell("")))


class HelpPage(Page):
    """The keys that work where the operator is, then all others, then the commands."""

    def __init__(self, keys: Sequence[Key], place: Place) -> None:
        super().__init__()
        self._keys = keys
        self._place = place

    def compose(self) -> ComposeResult:
        box = Vertical(Grid(id="help"), classes="box")
        box.border_title = f"{entry(self._place.screen).label} · keys and commands · Esc closes"
        yield box

    def on_mount(self) -> None:
        """Fills the page."""
        self.query_one("#help", Grid).focus()
        self._fill()

    def on_resize(self) -> None:
        """Another width wraps sentences elsewhere."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        if not self.is_mounted:
            return
        grid = self.query_one("#help", Grid)
        where = max(len(table_of_keys.where(key)) for key in self._keys)
        width = max(LEAST, (grid.size.width or self.app.size.width) - COLUMNS[0].width - where - GAPS)
        grid.show(Table("", COLUMNS, tuple(self.wrapped(width)), ""))

    def wrapped(self, width: int) -> Iterator[Row]:
        """The rows, with sentences that are longer than `width` cells going on in rows below."""
        for row in self.rows():
            first, *rest = textwrap.wrap(row.cells[1].text, width) or [""]
            yield Row(row.key, (row.cells[0], Cell(first, row.cells[1].meaning), row.cells[2]))
            for number, more in enumerate(rest, 1):
                yield Row(f"{row.key}+{number}", (Cell(""), Cell(more, row.cells[1].meaning), Cell("")))

    def rows(self) -> Iterator[Row]:
        """Sections of keys, the keys of other screens, the commands."""
        told: set[str] = set()
        for name, keys in sections(self._keys, self._place):
            if keys:
                yield _heading(name)
            for key in keys:
                told.add(key.id)
                yield self._row(key)
        others = [key for key in self._keys if key.id not in told]
        if others:
            yield _heading("other screens")
        yield from map(self._row, others)
        yield _heading("commands, after a colon")
        for form, text in HELP:
            words = (Cell(f":{form.split()[0]}", "heading"), Cell(f"{form}: {text}"), Cell(""))
            yield Row(f":{form}", words)

    @staticmethod
    def _row(key: Key) -> Row:
        where = Cell(table_of_keys.where(key), "muted")
        return Row(key.id, (Cell(key.shown, "heading"), Cell(key.help), where))


class PaletteInput(Input):
    """Where the palette's words are typed; Enter takes the first, or the chosen, of what is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "screen.step(-1)", show=False),
        Binding("down", "screen.step(1)", show=False),
        Binding("pageup", "screen.step(-8)", show=False),
        Binding("pagedown", "screen.step(8)", show=False),
        Binding("tab,shift+tab", "screen.step(0)", show=False),
    ]

    async def action_submit(self) -> None:
        """At once, so that the next key is for what was chosen."""
        await self.run_action("screen.take")


class Palette(ModalScreen[str | None]):
    """Everything that can be done here, by name. The answer is a key's id, or a colon and a command."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", show=False)]
    COLUMNS = (Column("Does", 30, stretch=True, most=80), Column("Key", 16, 1))

    def __init__(self, keys: Sequence[Key], place: Place) -> None:
        super().__init__()
        self._rows = [
            Row(key.id, (Cell(f"{key.label}: {key.help}"), Cell(key.shown, "heading")))
            for _, found in sections(keys, place)
            for key in found
            if key.id not in ("palette", "command") and (place.in_table or key.group != "table")
        ]
        self._rows += [
            Row(f":{form.split()[0]}", (Cell(f"{form}: {text}"), Cell(f":{form.split()[0]}", "heading")))
            for form, text in HELP
        ]

    def compose(self) -> ComposeResult:
        line = PaletteInput(id="words", placeholder="what is to be done?", select_on_focus=False)
        line.cursor_blink = False
        box = Vertical(line, Grid(id="actions"), classes="box")
        box.border_title = "Palette · Enter does it, Esc closes"
        yield box

    def on_mount(self) -> None:
        """Everything, until letters choose."""
        self.query_one("#actions", Grid).can_focus = False
        self._show()
        self.set_focus(self.query_one("#words", Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Fewer with every letter."""
        event.stop()
        self._show()

    def _show(self) -> None:
        words = self.query_one("#words", Input).value.casefold().split()
        found = tuple(row for row in self._rows if holds(row, words))
        grid = self.query_one("#actions", Grid)
        grid.show(Table("", self.COLUMNS, found, "nothing is called so"))
        grid.shine(0)

    def action_step(self, step: int) -> None:
        """To another one."""
        grid = self.query_one("#actions", Grid)
        grid.shine(grid.cursor + step)

    def action_take(self) -> None:
        """The chosen one. What was typed in the same moment counts."""
        self._show_if_behind()
        row = self.query_one("#actions", Grid).selected
        if row is not None:
            self.dismiss(row.key)

    def _show_if_behind(self) -> None:
        grid = self.query_one("#actions", Grid)
        words = self.query_one("#words", Input).value.casefold().split()
        if [row.key for row in grid.rows] != [row.key for row in self._rows if holds(row, words)]:
            self._show()

    def action_close(self) -> None:
        """Nothing is done."""
        self.dismiss(None)
