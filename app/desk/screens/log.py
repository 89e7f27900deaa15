"""The screen of what happened: the alarms, and under them the log."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from app.desk.asking import Asker
from app.desk.keys import bindings
from app.desk.panes.alerts import AlertsPane
from app.desk.panes.log import LogPane
from app.desk.sheet import Sheet
from app.desk.view.log import LEVELS
from engine.control.questions import MAX_LINES, AnyQuestion, AnyReply, LogTail
from engine.control.replies import Declined, LogLines
from engine.control.snapshot import Snapshot

EVERY = 0.2
"""Seconds between two looks at the log."""


class LogSheet(Sheet):
    """Alarms and log, newest first. Enter on a line tells the story that it belongs to."""

    main = "alerts"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log")]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._zone = "UTC"
        self._tail = Asker(self, self._question, self._took, EVERY)

    def compose(self) -> ComposeResult:
        yield AlertsPane(id="alerts")
        yield LogPane(id="loglines")

    def shown(self) -> None:
        """Asks at once."""
        self._tail.forget()

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Asks for what is new."""
        super().look(snapshot, zone)
        self._zone = zone
        self._tail.pulse()

    def _question(self) -> AnyQuestion:
        pane = self.query_one(LogPane)
        return LogTail(
            after=pane.last,
            level=pane.level,  # type: ignore[arg-type]
            about=pane.ident,
            lines=MAX_LINES,
        )

    def _took(self, reply: AnyReply) -> None:
        pane = self.query_one(LogPane)
        if isinstance(reply, LogLines):
            pane.add(reply, self._zone)
        elif isinstance(reply, Declined):
            pane.tell(reply.text)

    def about(self, ident: str) -> None:
        """Shows only what is about an id, also what is of little weight."""
        pane = self.query_one(LogPane)
        pane.anew("debug", ident)
        pane.focus()
        self._tail.ask()

    # Keys

    def action_level(self) -> None:
        """Fewer lines, then all again."""
        pane = self.query_one(LogPane)
        level = LEVELS[(LEVELS.index(pane.level) + 1) % len(LEVELS)]
        pane.anew(level, pane.ident)
        self._tail.ask()

    def action_related(self) -> None:
        """Only lines about what the selected line is about; again: all."""
        pane = self.query_one(LogPane)
        if pane.ident:
            pane.anew(pane.level, "")
        else:
            line = pane.line(pane.selected)
            ident = "" if line is None else line.correlation or line.order_id
            if not ident:
                self.app.note("select a line with a correlation or order id first", "heading")  # type: ignore[attr-defined]
                return
            pane.anew(pane.level, ident)
        self._tail.ask()

    def action_shelve(self) -> None:
        """Begins the command that shelves the selected alarm; minutes and reason are to be typed."""
        row = self.query_one("#alerts", AlertsPane).selected
        if row is None:
            self.say("z shelves the selected alarm: select one first")
        else:
            self.begin_line(f"shelve {row.key} 30 ")

    def action_ack_row(self) -> None:
        """Acknowledges the selected alarm."""
        row = self.query_one("#alerts", AlertsPane).selected
        if row is None:
            self.say("K acknowledges the selected alarm: select one first")
        else:
            self.run_line(f"ack {row.key}")
