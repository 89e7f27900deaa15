"""From the text of a price or size to ticks or lots, quickly and exactly: a known text is one lookup."""

from __future__ import annotations

import re
from typing import Final

from engine.model import Instrument, OffGrid

_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d{1,2})?", re.ASCII)
_CACHE: Final = 1 << 16
"""Texts kept per instrument and kind before the cache starts anew; bounds memory for coin sizes."""


class Grid:
    """One instrument's texts. `prices` and `sizes` hold only texts that are exactly on the grid.

    A caller looks there first and calls `price_of` or `size_of` for what is missing; these raise `ValueError`
    for what is no plain decimal number, and count what had to be rounded.
    """

    __slots__ = ("_rounded", "instrument", "prices", "rounded_prices", "rounded_sizes", "sizes", "symbol")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.prices: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self._rounded: dict[str, int] = {}
        self.rounded_prices = 0
        self.rounded_sizes = 0

    def price_of(self, text: str) -> int:
        """Ticks; off the tick: to the nearest, counted in `rounded_prices`."""
        known = self._rounded.get(text)
        if known is not None:
            self.rounded_prices += 1
            return known
        if _NUMBER.fullmatch(text) is None:
            raise ValueError(f"{text!r} is no price")
        try:
            ticks = self.instrument.to_ticks(text)
        except OffGrid:
            self.rounded_prices += 1
            ticks = self.instrument.nearest_ticks(text)
            _keep(self._rounded, text, ticks)
            return ticks
        _keep(self.prices, text, ticks)
        return ticks

    def size_of(self, text: str) -> int:
        """Lots, 0 for an empty text (size not published); off the lot: down, counted in `rounded_sizes`."""
        if not text:
            return 0
        if _NUMBER.fullmatch(text) is None or text[0] == "-":
            raise ValueError(f"{text!r} is no size")
        try:
            lots = self.instrument.to_lots(text)
        except OffGrid:
            self.rounded_sizes += 1
            return self.instrument.nearest_lots(text)
        _keep(self.sizes, text, lots)
        return lots


def _keep(cache: dict[str, int], text: str, steps: int) -> None:
    if len(cache) >= _CACHE:
        cache.clear()
    cache[text] = steps
