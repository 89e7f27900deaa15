"""The screen of the day's result: the curve against the limit, and who made what."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Container

from app.desk.asking import Asker
from app.desk.panes.pnl import DayCurve, DayHead, MadePane
from app.desk.sheet import Sheet
from app.desk.view import pnl
from engine.control.questions import AnyQuestion, AnyReply, DayOf
from engine.control.replies import DaySeen, Declined
from engine.control.snapshot import Snapshot

LOW = 14
"""Lines of the sheet under which there is no curve."""
EVERY = 1.0
"""Seconds between two looks."""


class PnlSheet(Sheet):
    """Asks for the day while it is shown."""

    main = "byinstrument"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._zone = "UTC"
        self._day = Asker(self, self._question, self._took, EVERY)

    def compose(self) -> ComposeResult:
        yield DayHead(id="dayhead")
        yield DayCurve(id="daycurve")
        with Container(id="made"):
            yield MadePane(id="byinstrument")
            yield MadePane(id="bystrategy")

    def shown(self) -> None:
        """What was seen last time is old."""
        self._day.forget()

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Asks for what is new."""
        super().look(snapshot, zone)
        self._zone = zone
        self._day.pulse()

    def on_resize(self) -> None:
        """Where there is little room, the figures have it."""
        self.query_one(DayCurve).display = self.size.height >= LOW

    def _question(self) -> AnyQuestion:
        return DayOf()

    def _took(self, reply: AnyReply) -> None:
        if not isinstance(reply, DaySeen | Declined):
            return
        seen = reply if isinstance(reply, DaySeen) else None
        text = reply.text if isinstance(reply, Declined) else ""
        self.query_one(DayHead).tell(seen, text)
        self.query_one(DayCurve).tell(seen, self._zone)
        self.query_one("#byinstrument", MadePane).tell(pnl.instruments(seen) if seen else None, text)
        self.query_one("#bystrategy", MadePane).tell(pnl.strategies(seen) if seen else None, text)
