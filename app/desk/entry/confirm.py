"""Enter to see, Enter again to send: how a second Enter is told from one that was typed ahead, or is held.

Times are seconds of the monotonic clock that stamps key events. A terminal reports a held key as many
presses: the first repeat may come late, but then they come fast. So a press counts only if it stands alone.
"""

from __future__ import annotations

from typing import Final

GUARD: Final = 0.25
"""Seconds that what is confirmed must have been on screen, and that the key must have been still before."""
QUIET: Final = 0.15
"""Seconds after the press in which no other may come: a held key repeats faster."""


APART: Final = 1.0
"""Seconds after which the same key is certainly pressed anew: no terminal waits longer to repeat one."""


class OneKey:
    """A key that trades at once. Held, it acts once: what might be a repeat waits until it stands alone."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def pressed(self, at: float) -> bool | None:
        """True: act now. False: not at all. None: act `QUIET` seconds later, if `stands` says so then."""
        apart = at - self._last
        self._last = at
        return True if apart >= APART else None if apart >= GUARD else False

    def stands(self, at: float) -> bool:
        """Whether the press of that time was the last one."""
        return self._last == at


class Confirm:
    """One question; `show` it, then ask `pressed` and, `QUIET` seconds later, `stands`."""

    def __init__(self) -> None:
        self._shown: float | None = None
        self._last = float("-inf")
        self.held = False
        """Whether the last press came as fast after another one as a held key repeats."""

    def show(self, at: float) -> None:
        """It can be read from now on."""
        self._shown = at

    def hide(self) -> None:
        """It has changed, or cannot be read any more."""
        self._shown = None

    def pressed(self, at: float) -> bool:
        """Whether this press may be the confirmation; ask `stands` before it is taken for one."""
        apart = at - self._last
        still, self.held = apart >= GUARD, apart < QUIET
        self._last = at
        return self._shown is not None and at >= self._shown + GUARD and still

    def stands(self, at: float) -> bool:
        """Whether the press of that time was the last one, and the question is still there."""
        return self._shown is not None and self._last == at
