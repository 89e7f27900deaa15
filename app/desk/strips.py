"""Keeps Textual's strips light: none refers to itself, and none has a cache before it is used.

A strip that is asked for its whole self puts itself into its own cache (Textual 8.2.8, `Strip.divide` and
`Strip.crop_extend`). Only the collector can free such a ring; a desk would make some hundred dead objects a
second, and the collector's pauses stop the risk loop with the rest of the process. And each strip is made
with seven caches, of which most lines use two: they were nearly half of what the collector looked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.segment import Segment
from rich.style import Style
from textual.cache import FIFOCache
from textual.strip import Strip

_CACHES: Final = {
    "_divide_cache": 4,
    "_crop_cache": 16,
    "_style_cache": 16,
    "_filter_cache": 4,
    "_line_length_cache": 4,
    "_crop_extend_cache": 4,
    "_offsets_cache": 4,
}
"""Entries of each, as Textual has them."""
_divide = Strip.divide
_crop_extend = Strip.crop_extend


class _Later:
    """A cache of a strip that is made when it is first asked for."""

    def __init__(self, slot: Any, size: int) -> None:
        self._slot = slot
        self._size = size

    def __get__(self, strip: Strip | None, owner: type[Strip]) -> Any:
        if strip is None:
            return self
        try:
            return self._slot.__get__(strip, owner)
        except AttributeError:
            made: FIFOCache[Any, Any] = FIFOCache(self._size)
            self._slot.__set__(strip, made)
            return made


def _begin(self: Strip, segments: Iterable[Segment], cell_length: int | None = None) -> None:
    self._segments = list(segments)
    self._cell_length = cell_length
    self._render_cache = None
    self._link_ids = None
    self._cell_count = None


def _divide_without_ring(self: Strip, cuts: Iterable[int]) -> Sequence[Strip]:
    wanted = [cut for cut in cuts if cut <= self.cell_length]
    return [self] if wanted == [self.cell_length] else _divide(self, wanted)


def _crop_extend_without_ring(self: Strip, start: int, end: int, style: Style | None) -> Strip:
    return self if start <= 0 and end == self.cell_length else _crop_extend(self, start, end, style)


def install() -> None:
    """From here on, whichever strip is made; a second call changes nothing."""
    for name, size in _CACHES.items():
        slot = Strip.__dict__[name]
        if not isinstance(slot, _Later):
            setattr(Strip, name, _Later(slot, size))
    Strip.__init__ = _begin  # type: ignore[method-assign]
    Strip.divide = _divide_without_ring  # type: ignore[method-assign]
    Strip.crop_extend = _crop_extend_without_ring  # type: ignore[method-assign]
