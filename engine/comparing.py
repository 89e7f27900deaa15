"""When positions and orders were last compared with the broker, and whether that still tells of now."""

from __future__ import annotations

from engine.control.snapshot import Comparison
from engine.core import Core
from engine.view import EngineView


class Compared:
    """Kept by the reconciler. An old agreement is none: the link may have changed, or nothing can be read."""

    def __init__(self, core: Core, view: EngineView) -> None:
        self._core = core
        self._view = view
        self._last: tuple[int, int, int] | None = None
        """Epoch of the link, UTC ns and monotonic ns of the last comparison."""
        self._unread = ""
        """Why the broker could not be read the last time; empty: it could."""

    def read(self, epoch: int) -> None:
        """All was read in this epoch of the link, and is compared now."""
        clock = self._core.clock
        self._last, self._unread = (epoch, clock.now(), clock.mono()), ""

    def unread(self, why: str) -> None:
        """The broker could not be read."""
        self._unread = why

    def row(self) -> Comparison:
        """For the snapshot. It holds no longer than the broker's account figures are believed."""
        core = self._core
        behind = f": {self._unread}" if self._unread else ""
        at = None if self._last is None else self._last[1]
        if not core.link_up:
            return Comparison(at=at, holds=False, orders=False, why="the link to the broker is down")
        if self._last is None:
            return Comparison(holds=False, orders=False, why=f"the broker has not been read yet{behind}")
        epoch, _, mono = self._last
        if epoch != core.link_epoch:
            why = f"the broker has not been read since the link is back{behind}"
            return Comparison(at=at, holds=False, orders=False, why=why)
        if core.clock.mono() - mono > self._view.believed:
            return Comparison(at=at, holds=False, why=f"the broker cannot be read{behind}")
        return Comparison(at=at)
