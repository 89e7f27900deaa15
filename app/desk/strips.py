"""Keeps Textual's strips from referring to themselves, so that they go when they are replaced.

A strip that is asked for its whole self puts itself into its own cache (Textual 8.2.8, `Strip.divide` and
`Strip.crop_extend`). Only the collector can free such a ring; a desk would make some hundred dead objects a
second, and the collector's pauses stop the risk loop with the rest of the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.style import Style
from textual.strip import Strip

_divide = Strip.divide
_crop_extend = Strip.crop_extend


def _divide_without_ring(self: Strip, cuts: Iterable[int]) -> Sequence[Strip]:
    wanted = [cut for cut in cuts if cut <= self.cell_length]
    return [self] if wanted == [self.cell_length] else _divide(self, wanted)


def _crop_extend_without_ring(self: Strip, start: int, end: int, style: Style | None) -> Strip:
    return self if start <= 0 and end == self.cell_length else _crop_extend(self, start, end, style)


def install() -> None:
    """From here on, whichever strip is made; a second call changes nothing."""
    Strip.divide = _divide_without_ring  # type: ignore[method-assign]
    Strip.crop_extend = _crop_extend_without_ring  # type: ignore[method-assign]
