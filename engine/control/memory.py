"""The link in memory: a screen's thread looks at snapshots and leaves commands, the engine's serves them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from engine.control.commands import Answer, AnyCommand, Kill
from engine.control.link import AnswerSink
from engine.control.snapshot import Snapshot

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
        self._wake: Callable[[], object] | None = None
        self._gone = ""

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
        wake = self._wake
        if wake is not None:
            try:
                wake()
            except RuntimeError:
                # The engine's loop has closed between the look at `_gone` and here.
                self._refuse_all()

    def alive(self) -> bool:
        return not self._gone

    # -- the engine's side

    def attach(self, wake: Callable[[], object]) -> None:
        """`wake` is called from the screen's thread when a command waits."""
        self._wake = wake

    def publish(self, snapshot: Snapshot) -> None:
        self._snapshot = (snapshot, self._clock())

    def serve(self, handle: Serve) -> None:
        """Hands over what waits, kills first. On the engine's thread."""
        for box in (self._urgent, self._inbox):
            while box:
                handle(*box.popleft())

    def close(self, reason: str) -> None:
        """The engine has ended; what still waits is refused."""
        self._gone = reason or "it has stopped"
        self._refuse_all()

    def _refuse_all(self) -> None:
        for box in (self._urgent, self._inbox):
            while box:
                _, _, answer = box.popleft()
                if answer is not None:
                    answer(Answer(ok=False, text=f"the engine is gone: {self._gone or 'it has stopped'}"))
