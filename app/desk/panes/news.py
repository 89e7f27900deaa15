"""The news pane: fills, rejections, alarms and audit, each once and none left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from app.desk.panes.tail import TailPane
from app.desk.view import news
from app.desk.view.cells import Table
from engine.control.link import Link
from engine.control.news import KEPT, Event
from engine.recorder.words import Words
from engine.records import RunStarted


class NewsPane(TailPane[Event]):
    """News of one stream or of all, or about one id. All that came stays at hand: a filter asks nobody."""

    kept: ClassVar[int] = KEPT

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.stream = "all"
        self._words = Words()
        self._run: RunStarted | None = None
        """The run whose instruments the words know."""

    def anew(self, stream: str, ident: str) -> None:
        """Other news are wanted: those that are at hand are looked through again."""
        self.stream, self.ident = stream, ident
        self.draw()

    def follow(self, link: Link, zone: str) -> None:
        """Takes what the link has heard since."""
        if (started := link.started) is not None and started is not self._run:
            self._words, self._run = Words(started.instruments), started
        batch = link.news(self.last)
        if batch.events:
            self.take(batch.events, batch.events[-1].seq, batch.missed, zone)
        elif self.zone != zone:
            self.zone = zone
            self.draw()

    def number(self, line: Event) -> int:
        return line.seq

    def ident_of(self, line: Event) -> str:
        return news.about(line)

    def tabled(self, lines: Sequence[Event], newer: int) -> Table:
        if self.stream != "all" or self.ident:
            # Of all that is at hand, not of what the pane has room for: what is looked for may be old.
            found = [line for line in self._lines if news.fits(line, self.stream, self.ident)]
            lines = found[-max(1, self._shown) :] if not self._focused else found
        return news.table(
            lines,
            self._words,
            self.zone,
            stream=self.stream,
            ident=self.ident,
            missed=self._missed,
            newer=newer,
        )
