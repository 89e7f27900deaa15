"""Asks the engine for what one open screen needs, one question at a time, and never waits for the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from app.desk.host import host_of
from engine.control.questions import AnyQuestion, AnyReply
from engine.control.replies import Declined

if TYPE_CHECKING:
    from textual.widget import Widget

GIVE_UP: Final = 3.0
"""Seconds after which an answer is not waited for any more: the next question goes out, and it is said."""


class Asker:
    """Asks when `pulse` is called, `every` seconds at the most, and not before the last answer has come.

    `make` gives the next question, or None where there is nothing to ask; `took` is handed the answer on the
    app's loop. The owner calls `pulse` with each snapshot that it is shown, so nobody asks while it is hidden
    or the desk is paused.
    """

    def __init__(
        self,
        owner: Widget,
        make: Callable[[], AnyQuestion | None],
        took: Callable[[AnyReply], object],
        every: float = 0.2,
    ) -> None:
        self._owner = owner
        self._make = make
        self._took = took
        self._every = every
        self._number = 0
        self._waits = 0
        """Number of the question whose answer is awaited; 0: none."""
        self._asked_at = float("-inf")

    def pulse(self) -> None:
        """Asks, if it is time to."""
        now = host_of(self._owner).now()
        since = now - self._asked_at
        if self._waits:
            if since < GIVE_UP:
                return
            self._took(Declined(text=f"no answer for {GIVE_UP:.0f} s; asking again"))
        elif since < self._every:
            return
        self.ask()

    def ask(self) -> None:
        """Asks at once; an answer to an earlier question is not for us any more."""
        question = self._make()
        self._waits = 0
        if question is None:
            return
        app = host_of(self._owner)
        self._number += 1
        self._waits = number = self._number
        self._asked_at = app.now()

        def sink(reply: AnyReply) -> None:
            # On a thread of the link's choosing.
            app.on_loop(self._answered, number, reply)

        app.link.ask(question, sink)

    def forget(self) -> None:
        """What was asked does not matter any more."""
        self._waits = 0
        self._asked_at = float("-inf")

    def _answered(self, number: int, reply: AnyReply) -> None:
        if number == self._waits and self._owner.is_attached:
            self._waits = 0
            self._took(reply)
