"""The screen of what happened: the alarms, and under them the log or the news."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from app.desk.asking import Asker
from app.desk.keys import bindings
from app.desk.panes.alerts import AlertsPane
from app.desk.panes.log import LogPane
from app.desk.panes.news import NewsPane
from app.desk.sheet import Sheet
from app.desk.view.log import LEVELS
from app.desk.view.news import STREAMS, about
from engine.control.questions import MAX_LINES, AnyQuestion, AnyReply, LogTail
from engine.control.replies import Declined, LogLines
from engine.control.snapshot import Snapshot

EVERY = 0.2
"""Seconds between two looks at the log."""


class LogSheet(Sheet):
    """Alarms and log or news, newest first. Enter on a line tells the story that it belongs to."""

    main = "alerts"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log")]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._zone = "UTC"
        self._tail = Asker(self, self._question, self._took, EVERY)

    def compose(self) -> ComposeResult:
        yield AlertsPane(id="alerts")
        yield LogPane(id="loglines")
        news = NewsPane(id="news")
        news.display = False
        yield news

    def shown(self) -> None:
        """Asks at once."""
        self._tail.forget()

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Asks for what is new."""
        super().look(snapshot, zone)
        self._zone = zone
        if self._news.display:
            self._news.follow(self._desk.link, zone)
        else:
            self._tail.pulse()

    @property
    def _news(self) -> NewsPane:
        return self.query_one(NewsPane)

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
        self._choose(news=False)
        pane = self.query_one(LogPane)
        pane.anew("debug", ident)
        pane.focus()
        self._tail.ask()

    # Keys

    def _choose(self, *, news: bool) -> None:
        """Shows news or log under the alarms; who looked at the one looks at the other."""
        log = self.query_one(LogPane)
        old, new = (log, self._news) if news else (self._news, log)
        if new.display:
            return
        looked = self.app.focused is old
        old.display, new.display = False, True
        if looked:
            new.take_cursor()
            new.focus()

    def action_source(self) -> None:
        """News in the log's place, or the log again."""
        self._choose(news=not self._news.display)
        if self._news.display:
            self._news.follow(self._desk.link, self._zone)
        else:
            self._tail.ask()

    def action_level(self) -> None:
        """Fewer lines, then all again; of news, one stream after the other."""
        if self._news.display:
            stream = STREAMS[(STREAMS.index(self._news.stream) + 1) % len(STREAMS)]
            self._news.anew(stream, self._news.ident)
            return
        pane = self.query_one(LogPane)
        level = LEVELS[(LEVELS.index(pane.level) + 1) % len(LEVELS)]
        pane.anew(level, pane.ident)
        self._tail.ask()

    def action_related(self) -> None:
        """Only lines about what the selected line is about; again: all."""
        if self._news.display:
            self._related_news()
            return
        pane = self.query_one(LogPane)
        if pane.ident:
            pane.anew(pane.level, "")
        else:
            line = pane.line(pane.selected)
            ident = "" if line is None else line.correlation or line.order_id
            if not ident:
                self.say("select a line with a correlation or order id first")
                return
            pane.anew(pane.level, ident)
        self._tail.ask()

    def _related_news(self) -> None:
        pane = self._news
        event = pane.line(pane.selected)
        ident = "" if event is None else event.correlation or about(event)
        if pane.ident or ident:
            pane.anew(pane.stream, "" if pane.ident else ident)
        else:
            self.say("select news with a correlation or order id first")

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
