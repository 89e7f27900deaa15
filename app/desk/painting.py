"""What every widget of the desk shares: cells painted by meaning, and lines of cells as a widget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from app.desk.view.cells import Cell, clean, fit
from app.desk.view.meanings import BOLD, FILLED

if TYPE_CHECKING:
    _Base = Widget
else:
    _Base = object


def joined(pieces: Iterable[tuple[str, Style]]) -> list[Segment]:
    """Segments of texts in their styles; neighbours of one style are one segment."""
    found: list[tuple[list[str], Style]] = []
    for text, style in pieces:
        # Most of those that are alike are the same: to compare two styles takes longer than all else here.
        if found and (found[-1][1] is style or found[-1][1] == style):
            found[-1][0].append(text)
        else:
            found.append(([text], style))
    return [Segment("".join(texts), style) for texts, style in found]


class ByMeaning(_Base):
    """Mixin: styles by meaning from the theme's variables, cached until the theme changes.

    Not by component classes: Textual would apply the style sheet to each of them, in every widget, whenever
    a class or the focus changes, some 80 ms for the whole desk. External text reaches the terminal only
    through Segments made here, never through markup.
    """

    faded: bool = False
    """True while the numbers are old: everything is drawn muted."""
    _styles_by_meaning: dict[tuple[str, bool], Style]

    def style_of(self, meaning: str, *, cursor: bool = False) -> Style:
        """Rich style of a meaning on this widget's ground, or on the cursor's."""
        known: dict[tuple[str, bool], Style] | None = self.__dict__.get("_styles_by_meaning")
        if known is None:
            known = self._styles_by_meaning = {}
        found = known.get((meaning, cursor))
        if found is None:
            found = self._make_style(meaning, cursor)
            known[meaning, cursor] = found
        return found

    def _make_style(self, meaning: str, cursor: bool) -> Style:
        if self.faded and meaning not in ("stale", "halted"):
            meaning = "muted"
        colours = self.app.theme_variables
        colour = colours[f"m-{meaning}"]
        bold = True if meaning in BOLD or cursor else None
        # Where grounds cannot be told apart, the selected row is turned round.
        turned = True if cursor and getattr(self.app, "few_colours", False) else None
        if meaning in FILLED:
            return Style(color=colours["background"], bgcolor=colour, bold=bold)
        ground = colours["m-cursor"] if cursor else self.rich_style.bgcolor
        return Style(color=colour, bgcolor=ground, bold=bold, reverse=turned)

    def notify_style_update(self) -> None:
        """Called by Textual when theme or style sheet changed."""
        self.__dict__.pop("_styles_by_meaning", None)
        super().notify_style_update()

    def fade(self, faded: bool) -> None:
        """Draws everything muted, or in its colours again."""
        if faded != self.faded:
            self.faded = faded
            self.notify_style_update()
            self.refresh()

    def strip_of(self, cells: Iterable[Cell], width: int) -> Strip:
        """Cells one after the other in exactly `width` terminal cells; what does not fit ends in …."""
        pieces: list[tuple[str, Style]] = []
        room = width
        for cell in cells:
            if room <= 0:
                break
            text = clean(cell.text)
            length = cell_len(text)
            if length > room:
                text, length = fit(text, room), room
            pieces.append((text, self.style_of(cell.meaning)))
            room -= length
        if room > 0:
            pieces.append((" " * room, self.style_of("text")))
        return Strip(joined(pieces), width)


class Lines(ByMeaning, Widget):
    """A few lines of cells. Only lines that changed are painted again."""

    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[tuple[Cell, ...], ...] = ()
        self._strips: dict[int, Strip] = {}

    @property
    def lines(self) -> tuple[tuple[Cell, ...], ...]:
        return self._lines

    @property
    def plain(self) -> str:
        """The text alone, for tests and reports."""
        return "\n".join("".join(cell.text for cell in line) for line in self._lines)

    def show(self, *lines: Sequence[Cell]) -> None:
        """Replaces the lines."""
        new = tuple(tuple(line) for line in lines)
        if new == self._lines:
            return
        old, self._lines = self._lines, new
        width = self.size.width
        for y in range(max(len(old), len(new))):
            if old[y : y + 1] != new[y : y + 1]:
                self._strips.pop(y, None)
                self.refresh(Region(0, y, max(1, width), 1))

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != width:
            strip = self.strip_of(self._lines[y] if y < len(self._lines) else (), width)
            self._strips[y] = strip
        return strip

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's signature
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return max(1, len(self._lines))

    def render(self) -> str:
        return ""
