"""What every screen of the desk is built on: a container of panes that is painted only while it is shown.

They are containers that take turns inside one Textual screen (called sheets here, because Textual's `Screen`
is another thing): status, alarm, kill panel, command line, footer and the keys of everywhere stay where they
are, and a question lies over whichever sheet is shown.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from textual.containers import Container

from app.desk import keys
from app.desk.grid import Grid
from app.desk.host import Host, host_of
from app.desk.painting import ByMeaning
from engine.control.snapshot import Snapshot

_MOVE: Final = frozenset({"up", "down", "page_up", "page_down", "first", "last", "detail"})
"""Keys of tables that only choose a row where none is selected."""


class Sheet(Container, can_focus=True):
    """One screen. It has the focus itself while none of its panes has, so that its keys always work."""

    main: ClassVar[str] = ""
    """Id of the pane that takes the focus; empty: none does, and no row is selected."""

    _looking: list[Any]
    _looked: tuple[Snapshot, str] | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """The one that is shown."""
        return self._looked[0] if self._looked is not None else None

    def on_mount(self) -> None:
        """Learns its panes; they are composed by now."""
        self._looking = [widget for widget in self.query("*") if callable(getattr(widget, "look", None))]
        main = self.main_pane
        if main is not None and self.id:
            named = keys.hints(self.id, getattr(self.app, "keys", keys.KEYS))
            main.hint = tuple((key.first, key.label.lower()) for key in named)

    @property
    def faders(self) -> list[ByMeaning]:
        """All that must not look alive when the picture is old."""
        return [widget for widget in self.query("*") if isinstance(widget, ByMeaning)]

    @property
    def main_pane(self) -> Grid | None:
        """The pane that takes the focus."""
        return self.query_one(f"#{self.main}", Grid) if self.main else None

    async def take_table_key(self, key: str) -> None:
        """A key of tables that no table took, because none has the focus: the first one takes it. Those that
        move select a row first and do no more. None falls through: what is typed after a `/` is no key of
        the desk."""
        named = next((k for k in self._desk.keys if k.group == "table" and key in k.keys), None)
        pane = next((grid for grid in self.query(Grid) if grid.region.height), None)
        if named is None or pane is None or self.screen.focused is not self:
            return
        pane.take_cursor()
        self.screen.set_focus(pane)
        if named.id not in _MOVE:
            await pane.run_action(named.action)

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Hands a new snapshot to the panes; each paints only what has changed. Only while shown."""
        self._looked = snapshot, zone
        for pane in self._looking:
            pane.look(snapshot, zone)

    def look_again(self) -> None:
        """Something else is to be shown of the same snapshot."""
        if self._looked is not None:
            self.look(*self._looked)

    # What the keys of a screen need

    def selected_symbol(self, otherwise: str) -> str:
        """Symbol of the row selected in the main pane; if there is none, empty, and `otherwise` is said."""
        main = self.main_pane
        row = main.selected if main is not None else None
        if row is None or not row.symbol:
            self.say(otherwise)
            return ""
        return row.symbol

    def run_line(self, text: str) -> None:
        """Runs a command as if it had been typed: with the same question."""
        self._desk.run_line(text)

    def begin_line(self, text: str) -> None:
        """Opens the command line with the begin of a command."""
        self._desk.begin_line(text)

    def say(self, text: str) -> None:
        """Says something on the note line."""
        self._desk.hint(text)

    @property
    def _desk(self) -> Host:
        return host_of(self)

    def shown(self) -> None:
        """The operator has come here; `look` follows."""

    def hidden(self) -> None:
        """The operator has gone elsewhere; no `look` until `shown`."""
