"""Bad ticks: a jump far beyond the recent range is believed only when a second record confirms it.

Prices here are doubled ticks, so that mids are whole numbers.
"""

from __future__ import annotations

from typing import Final

from engine.model import NS

RANGE_WINDOW: Final = 60 * NS
"""Time in which the remembered price range shrinks to a third."""
RANGE_FACTOR: Final = 3
"""A jump beyond this many recent ranges is doubted."""
JUMP_BP: Final = 25
"""Hundredths of a percent of the price up to which a jump is always believed."""
JUMP_MAX_BP: Final = 300
"""Hundredths of a percent of the price beyond which a jump is always doubted."""
JUMP_TICKS: Final = 20
"""Ticks up to which a jump is always believed."""
DOUBTS: Final = 3
"""Records in a row that may be doubted; the next is believed, since then the market itself is wild."""


class JumpFilter:
    """The believed level and range of one instrument, and what is doubted at the moment."""

    __slots__ = (
        "_hi",
        "_lo",
        "_moved",
        "_print_doubts",
        "_print_suspect",
        "_ref",
        "_suspect",
        "confirmed",
        "doubted",
        "doubts",
        "refuted",
    )

    def __init__(self) -> None:
        self.doubted = 0
        """Records refused: the first sight of a jump."""
        self.confirmed = 0
        """Jumps that a second record confirmed."""
        self.refuted = 0
        """Jumps that the next record took back: bad ticks."""
        self._ref: int | None = None
        self._hi = self._lo = 0
        self._moved = 0
        self._suspect = self._print_suspect = 0
        self.doubts = self._print_doubts = 0
        """Quotes in a row that were refused (and prints): above 0 while a jump of the quotes is neither
        confirmed nor refuted."""

    def reset(self) -> None:
        """The next level is believed whatever it is: a session opens."""
        self._ref = None
        self.doubts = self._print_doubts = 0

    def believes(self, mid: int, spread: int, now: int) -> bool:
        """Judges a two-sided quote. A wide spread may move the mid by half of it for no reason."""
        ref = self._ref
        if ref is None:
            self._settle(mid, now)
            return True
        if abs(mid - ref) <= self._room(ref) + spread:
            if self.doubts:
                self.refuted += 1
            self._follow(mid, now)
            return True
        if self.doubts and (self.doubts >= DOUBTS or self._near(mid, self._suspect, spread)):
            self.confirmed += 1
            self._settle(mid, now)
            return True
        self._suspect = mid
        self.doubts += 1
        self.doubted += 1
        return False

    def believes_print(self, price: int, spread: int, now: int, *, leads: bool) -> bool:
        """Judges a print. `leads`: there are no quotes, so prints make the level."""
        ref = self._ref
        if ref is None:
            if leads:
                self._settle(price, now)
            return True
        if abs(price - ref) <= self._room(ref) + spread:
            if self._print_doubts:
                self.refuted += 1
                self._print_doubts = 0
            if leads:
                self._follow(price, now)
            return True
        if (
            (self._print_doubts and self._near(price, self._print_suspect, spread))
            or (self.doubts and self._near(price, self._suspect, spread))
            or self._print_doubts >= DOUBTS
        ):
            self.confirmed += 1
            self._print_doubts = 0
            if leads:
                self._settle(price, now)
            return True
        self._print_suspect = price
        self._print_doubts += 1
        self.doubted += 1
        return False

    def _near(self, price: int, suspect: int, spread: int) -> bool:
        return abs(price - suspect) <= self._room(suspect) + spread

    def _room(self, ref: int) -> int:
        """How far from `ref` a record is believed at once."""
        size = abs(ref)
        room = RANGE_FACTOR * (self._hi - self._lo)
        most = size * JUMP_MAX_BP // 10_000
        if room > most:
            room = most
        least = size * JUMP_BP // 10_000
        if room < least:
            room = least
        return room if room > 2 * JUMP_TICKS else 2 * JUMP_TICKS

    def _follow(self, mid: int, now: int) -> None:
        self._ref = mid
        self.doubts = 0
        passed = now - self._moved
        hi, lo = self._hi, self._lo
        if passed >= RANGE_WINDOW:
            hi = lo = mid
        else:
            hi -= (hi - mid) * passed // RANGE_WINDOW
            lo += (mid - lo) * passed // RANGE_WINDOW
        self._hi = hi if hi > mid else mid
        self._lo = lo if lo < mid else mid
        self._moved = now

    def _settle(self, mid: int, now: int) -> None:
        """A new level: the range starts there."""
        self._ref = self._hi = self._lo = mid
        self.doubts = 0
        self._moved = now
