"""What the engine thinks of a form: asked when it changes, on Enter, and about each second while it is open.

A verdict ages: prices move, pauses end, other orders fill. So it is never shown for longer than `AGAIN`
without being asked for anew, and one that the engine does not renew is said to be old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from engine.control.commands import Answer, AnyCommand

AGAIN: Final = 1.0
"""Seconds after which an unchanged form is judged again."""
GIVE_UP: Final = 3.0
"""Seconds after which an answer is not waited for any more."""


class Case(NamedTuple):
    """What is to be judged: the question that is asked, and the command that would be sent."""

    asked: AnyCommand
    real: AnyCommand


class Judge:
    """One question under way at most; what changes meanwhile is asked when its answer has come.

    `send` puts a question to the engine and has its answer handed over on the app's loop; `now` is a
    monotonic clock in seconds; `judged` hears each verdict on the case that still counts, `unheard` that none
    has come for `GIVE_UP` seconds.
    """

    def __init__(
        self,
        send: Callable[[AnyCommand, Callable[[Answer], None]], None],
        now: Callable[[], float],
        judged: Callable[[Case, Answer], None],
        unheard: Callable[[], None],
    ) -> None:
        self._send = send
        self._now = now
        self._judged = judged
        self._unheard = unheard
        self._case: Case | None = None
        self._number = 0
        self._waits = 0
        """Number of the question that is under way; 0: none."""
        self._due = False
        """To be asked (again) as soon as none is under way."""
        self._asked_at = float("-inf")

    @property
    def fresh(self) -> bool:
        """Whether the last verdict was asked for after the last call of `about` or `ask`."""
        return not self._due and not self._waits

    def about(self, case: Case | None) -> None:
        """What counts from now on; None: nothing can be judged."""
        self._case = case
        self._due = False
        if case is not None:
            self.ask()

    def ask(self) -> None:
        """Asks at once, or as soon as the question that is under way is answered."""
        if self._waits:
            self._due = True
        elif self._case is not None:
            self._out(self._case)

    def pulse(self) -> None:
        """To be called with each frame."""
        since = self._now() - self._asked_at
        if self._waits and since >= GIVE_UP:
            self._waits = 0
            if self._case is not None:
                self._unheard()
                self.ask()
        elif not self._waits and since >= AGAIN:
            self.ask()

    def _out(self, case: Case) -> None:
        self._number += 1
        self._waits = number = self._number
        self._due = False
        self._asked_at = self._now()
        self._send(case.asked, lambda answer: self._answered(number, case, answer))

    def _answered(self, number: int, case: Case, answer: Answer) -> None:
        if number != self._waits:
            return
        self._waits = 0
        if case is self._case:
            self._judged(case, answer)
        if self._due and not self._waits:
            self.ask()
