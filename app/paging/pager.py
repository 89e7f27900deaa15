"""The pager's thread: follows the engine's news, runs the program, and tells the engine where that fails.

Nothing here is on the engine's thread: the news is a history that any thread may read, and the engine never
waits for a page.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from app.paging.config import AlertsConfig
from app.paging.delivery import deliver
from app.paging.pages import Page, Pages, Told, Who, page_of, test_line
from engine.control.news import News
from engine.control.snapshot import AlertRow
from engine.core import Log

_LOOK: Final = 0.5
"""Seconds between two looks at the news."""
_LAST: Final = 10.0
"""Seconds that the end of a run waits for its last page at most."""


def here(mode: str, account: str) -> Who:
    """The sender of pages from this machine."""
    return Who(mode=mode, account=account, host=os.uname().nodename)


class Pager:
    """Started once the engine runs, closed when it has ended. `trouble` is called on the pager's thread with
    what keeps pages from being delivered, and with an empty text once one is delivered again."""

    def __init__(
        self,
        rules: AlertsConfig,
        who: Who,
        news: News,
        screens: Callable[[], int],
        log: Log,
        trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._rules = rules
        self._who = who
        self._pages = Pages(rules, who)
        self._news = news
        self._screens = screens
        self._log = log
        self._trouble = trouble
        self._seen = 0
        self._problem = ""
        self._tests: deque[tuple[str, Callable[[str], None]]] = deque()
        self._last: Told | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pager", daemon=True)

    def start(self, standing: Sequence[AlertRow] = ()) -> None:
        """`standing`: the alarms that wait since an earlier run."""
        self._pages.standing(standing, time.monotonic())
        self._thread.start()

    def test(self, text: str, done: Callable[[str], None]) -> None:
        """Sends a test page with the next look; from any thread. `done` is called on the pager's thread with
        what was wrong, or an empty text."""
        self._tests.append((text, done))

    def close(self, last: Told | None = None) -> None:
        """Tells what has not been told yet, and `last`; returns after some seconds in any case."""
        self._last = last
        self._stop.set()
        self._thread.join(_LAST + 1)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK):
            self._look()
            page = self._pages.due(time.monotonic())
            if page is not None:
                self._send(page, self._rules.within)
            elif self._tests:
                text, done = self._tests.popleft()
                line = test_line(time.time_ns(), text)
                page = page_of(self._who, self._screens(), [line])
                done(self._deliver(page, self._rules.within))
        while self._tests:
            self._tests.popleft()[1]("the run has ended before it was sent")
        self._look()
        if self._last is not None:
            self._pages.tell(self._last)
        page = self._pages.last()
        if page is not None:
            self._send(page, min(_LAST, self._rules.within))

    def _look(self) -> None:
        now = time.monotonic()
        self._pages.attended(self._screens(), now)
        batch = self._news.after(self._seen)
        if batch.missed:
            self._log("warning", f"{batch.missed} events came too fast for the pager", component="pager")
        for event in batch.events:
            self._pages.take(event, now)
            self._seen = event.seq

    def _send(self, page: Page, within: float) -> None:
        problem = self._deliver(page, within)
        self._pages.done(time.monotonic(), delivered=not problem)

    def _deliver(self, page: Page, within: float) -> str:
        problem = deliver(self._rules.command, page, within)
        if problem:
            self._log("error", f"page not delivered: {problem}", component="pager", status="FAILED")
        else:
            self._log("info", f"paged: {page.title}", component="pager", status="PAGED")
        if problem != self._problem:
            self._problem = problem
            self._trouble(problem)
        return problem


class PageTest:
    """The pager as a way that a test of the alarms goes, see `engine.alert_test`; for the engine's thread."""

    def __init__(self, pager: Pager, program: str, loop: asyncio.AbstractEventLoop) -> None:
        self._pager = pager
        self._loop = loop
        self.name = f"page by {program}"

    def test(self, text: str, done: Callable[[str], None]) -> None:
        def ended(problem: str) -> None:
            with contextlib.suppress(RuntimeError):  # the run has ended meanwhile
                self._loop.call_soon_threadsafe(done, problem)

        self._pager.test(text, ended)
