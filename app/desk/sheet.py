"""What every screen of the desk is built on: a container of panes that is painted only while it is shown.

They are containers that take turns inside one Textual screen (called sheets here, because Textual's `Screen`
is another thing): status, alarm, kill panel, command line, footer and the keys of everywhere stay where they
are, and a question lies over whichever sheet is shown.
"""

from __future__ import annotations

from typing import Any, ClassVar

from textual.containers import Container

from app.desk.grid import Grid
from app.desk.painting import ByMeaning
from engine.control.snapshot import Snapshot


class Sheet(Container, can_focus=True):
    """One screen. It has the focus itself while none of its panes has, so that its keys always work."""

    main: ClassVar[str] = ""
    """Id of the pane that takes the focus; empty: none does, and no row is selected."""

    _looking: list[Any]

    def on_mount(self) -> None:
        """Learns its panes; they are composed by now."""
        self._looking = [widget for widget in self.query("*") if callable(getattr(widget, "look", None))]

    @property
    def faders(self) -> list[ByMeaning]:
        """All that must not look alive when the picture is old."""
        return [widget for widget in self.query("*") if isinstance(widget, ByMeaning)]

    @property
    def main_pane(self) -> Grid | None:
        """The pane that takes the focus."""
        return self.query_one(f"#{self.main}", Grid) if self.main else None

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Hands a new snapshot to the panes; each paints only what has changed. Only while shown."""
        for pane in self._looking:
            pane.look(snapshot, zone)

    def shown(self) -> None:
        """The operator has come here; `look` follows."""

    def hidden(self) -> None:
        """The operator has gone elsewhere; no `look` until `shown`."""
