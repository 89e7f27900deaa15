"""The frame of a table: its title, what stands below, its scroll bar; none costs more than its own line.

Textual lays the whole screen out anew when the content of a scrolling widget grows, and paints all of a
widget whose title changes; a table of orders does both in every frame.
"""

from __future__ import annotations

from typing import Literal

from textual.content import Content
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView


class Framed(ScrollView):
    """A scrolling widget of a size of its own, which its content does not change."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), repaint=False)

    def label(self, place: Literal["title", "subtitle"], text: str) -> None:
        """Writes into the upper or the lower frame, as it stands: nothing in it is markup."""
        setattr(self, f"_border_{place}", Content(text))
        width, height = self.outer_size
        left, top = self.content_offset
        self.refresh(Region(-left, -top + (0 if place == "title" else height - 1), width, 1))

    def resize_content(self, size: Size) -> None:
        """The scroll bar shows the new size of what can be scrolled."""
        if size != self.virtual_size:
            self.virtual_size = size
            self._scroll_update(size)
