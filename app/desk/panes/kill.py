"""The kill panel: every step as the engine reports it, and the final verdict."""

from __future__ import annotations

from app.desk.painting import Lines
from app.desk.view import killing
from engine.control.snapshot import KillView, Snapshot


class KillPanel(Lines):
    """Appears with a kill or flatten and stays until it is finished and dismissed."""

    _dismissed: KillView | None = None
    _kill: KillView | None = None

    @property
    def finished(self) -> bool:
        """True while a verdict is shown."""
        return self.display and self._kill is not None and not self._kill.running

    def dismiss(self) -> None:
        """Hides a finished report; a running one stays."""
        if self.finished:
            self._dismissed = self._kill
            self.display = False

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Shows the newest steps; hides itself when there is nothing to tell."""
        kill = snapshot.kill
        self._kill = kill
        if kill is None or (kill == self._dismissed and not kill.running):
            self.display = False
            return
        self._dismissed = None
        self.display = True
        height = self.screen.size.height
        room = 3 if height < 18 else 4 if height < 30 else 9
        # Its own size may not be known yet: it has just appeared, or another line has.
        lines = killing.lines(kill, room, self.screen.size.width - 2, zone)
        if self.styles.height is None or self.styles.height.value != len(lines) + 2:
            self.styles.height = len(lines) + 2
        self.border_title = "Kill and flatten · " + kill.scope.replace("[", "(").replace("]", ")")
        self.border_subtitle = "" if kill.running else "Esc hides this"
        self.show(*lines)
