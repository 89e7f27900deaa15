"""The link in memory: a screen's thread looks at snapshots and leaves commands, the engine's serves them."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from engine.control.commands import Answer, AnyCommand, Kill
from engine.control.link import AnswerSink, role_of
from engine.control.news import Batch, News
from engine.control.questions import MAX_ASKED, Answerer, AnyQuestion, ReplySink
from engine.control.replies import Declined
from engine.control.seats import NO_SEAT
from engine.control.snapshot import ScreenRole, Snapshot
from engine.records import RunStarted

Serve = Callable[[AnyCommand, str, AnswerSink | None], None]


class MemoryLink:
    """`engine.control.link.Link` between two threads of one process.

    Publishing and looking are single reference assignments, so neither side ever waits for the other.
    `clock` is the reader's own monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._snapshot: tuple[Snapshot, float] | None = None
        self._urgent: deque[tuple[AnyCommand, str, AnswerSink | None]] = deque()
        self._inbox: deque[tuple[AnyCommand, str, AnswerSink | None]] = deque()
        self._asked: deque[tuple[AnyQuestion, ReplySink]] = deque()
        self._wake: Callable[[], object] | None = None
        self._gone = ""
        self.told = News()
        """What has happened; written by the engine's thread."""
        self.seat = NO_SEAT
        """Where this link's screen sits; set by the engine's thread."""

    # -- the screen's side

    def latest(self) -> Snapshot | None:
        held = self._snapshot
        return held[0] if held is not None else None

    def age(self) -> float:
        held = self._snapshot
        return self._clock() - held[1] if held is not None else float("inf")

    def send(self, command: AnyCommand, who: str, answer: AnswerSink | None = None) -> None:
        if self._gone:
            if answer is not None:
                answer(Answer(ok=False, text=f"the engine is gone: {self._gone}"))
            return
        box = self._urgent if isinstance(command, Kill) else self._inbox
        box.append((command, who, answer))
        self._call()

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        if self._gone:
            sink(Declined(text=f"the engine is gone: {self._gone}"))
        elif len(self._asked) >= MAX_ASKED:
            sink(Declined(text=f"{MAX_ASKED} questions wait already; ask when one is answered"))
        else:
            self._asked.append((question, sink))
            self._call()

    def _call(self) -> None:
        """Tells the engine that something waits; refuses it where the engine has ended meanwhile."""
        wake = self._wake
        if wake is not None:
            try:
                wake()
            except RuntimeError:  # its loop has closed
                self._refuse_all()
        if self._gone:
            self._refuse_all()

    def alive(self) -> bool:
        return not self._gone

    def news(self, after: int) -> Batch:
        return self.told.after(after)

    @property
    def started(self) -> RunStarted | None:
        return self.told.started

    def role(self) -> ScreenRole:
        return "control" if self.seat == NO_SEAT else role_of(self.latest(), self.seat)

    # -- the engine's side

    def newest(self) -> tuple[Snapshot, float] | None:
        """The newest snapshot and when it was published, by the clock."""
        return self._snapshot

    def attach(self, wake: Callable[[], object]) -> None:
        """`wake` is called from the screen's thread when a command or a question waits."""
        self._wake = wake
        if self._urgent or self._inbox or self._asked:
            wake()

    def publish(self, snapshot: Snapshot) -> None:
        self._snapshot = (snapshot, self._clock())

    def serve(self, handle: Serve, answerer: Answerer) -> None:
        """Hands over the commands that wait, kills first, and one question. On the engine's thread: between
        two questions everything else there gets its turn."""
        for box in (self._urgent, self._inbox):
            while box:
                handle(*box.popleft())
        if self._asked:
            answerer(*self._asked.popleft())
            if self._asked:
                self._call()

    def close(self, reason: str) -> None:
        """The engine has ended; what still waits is refused."""
        self._gone = reason or "it has stopped"
        self._refuse_all()

    def _refuse_all(self) -> None:
        """Refuses what waits. Both sides may be here at once: each takes what the other has not."""
        text = f"the engine is gone: {self._gone or 'it has stopped'}"
        with contextlib.suppress(IndexError):
            for box in (self._urgent, self._inbox):
                while box:
                    _, _, answer = box.popleft()
                    if answer is not None:
                        answer(Answer(ok=False, text=text))
        with contextlib.suppress(IndexError):
            while self._asked:
                _, sink = self._asked.popleft()
                sink(Declined(text=text))
