"""The screen of the flight recorder: timeline and rows of a journal. Other screens show its moment too."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult

from app.desk.asking import Asker
from app.desk.grid import HEADER
from app.desk.panes.replay import ReplayHead, RowsPane, Timeline
from app.desk.sheet import Sheet
from engine.control.questions import AnyQuestion, AnyReply, RowsOf
from engine.control.replies import Declined, RowsTold
from engine.control.snapshot import Snapshot


class ReplaySheet(Sheet):
    """Asks for the rows around the moment whenever that has moved."""

    main = "replayrows"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._zone = "UTC"
        self._rows = Asker(self, self._question, self._took, 0.05)
        self._seen = -1

    def compose(self) -> ComposeResult:
        yield ReplayHead(id="replayhead")
        yield Timeline(id="timeline")
        yield RowsPane(id="replayrows")

    def shown(self) -> None:
        """What was shown last time is elsewhere."""
        self._rows.forget()
        self._seen = -1

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Asks where the moment has moved."""
        super().look(snapshot, zone)
        self._zone = zone
        if snapshot.seq != self._seen:
            self._seen = snapshot.seq
            self._rows.ask()

    def on_resize(self) -> None:
        """More lines take more rows."""
        self.call_after_refresh(self._rows.ask)

    def _question(self) -> AnyQuestion:
        room = max(10, self.query_one(RowsPane).size.height - HEADER)
        return RowsOf(before=2 * room, after=2 * room)

    def _took(self, reply: AnyReply) -> None:
        if isinstance(reply, RowsTold | Declined):
            told = reply if isinstance(reply, RowsTold) else None
            text = reply.text if isinstance(reply, Declined) else ""
            self.query_one(ReplayHead).tell(told, self._zone, text)
            self.query_one(Timeline).tell(told, self._zone)
            self.query_one(RowsPane).tell(told, self._zone, text)
