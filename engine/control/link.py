"""The one interface between a screen (or `ctl`) and the engine, and its in-memory form.

A screen sees immutable snapshots, asks for more where it needs more, and sends commands; whether the engine
is a thread beside it or a process behind a socket is not visible here. The engine never waits for a screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.control.commands import Answer, AnyCommand
from engine.control.news import Batch
from engine.control.questions import AnyQuestion, ReplySink
from engine.control.snapshot import ScreenRole, Snapshot
from engine.records import RunStarted

AnswerSink = Callable[[Answer], None]
"""Called once or more on a thread of the link's choosing; the last answer has `final`."""


class Link(Protocol):
    """What a screen holds."""

    def latest(self) -> Snapshot | None:
        """The newest snapshot; None before the first."""

    def age(self) -> float:
        """Seconds since the newest snapshot came, on the screen's own clock."""

    def send(self, command: AnyCommand, who: str, answer: AnswerSink | None = None) -> None:
        """Sends a command. Never blocks; safe from every thread; the kill is handled before all others."""

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        """Asks for what one screen needs. Never blocks; safe from every thread. `sink` is called once, on a
        thread of the link's choosing, with the answer or a `Declined`. Ask again when the answer has come."""

    def alive(self) -> bool:
        """False once the engine is gone; a link to another process may find it again."""

    def news(self, after: int) -> Batch:
        """Fills, rejections, alarms and audit after the event with this number, oldest first."""

    @property
    def started(self) -> RunStarted | None:
        """How the engine's run began, with its instruments; None: not known."""

    def role(self) -> ScreenRole:
        """Whether this screen is in control, as of the newest snapshot."""


def role_of(snapshot: Snapshot | None, seat: int) -> ScreenRole:
    """The role of a seat; `view` for one that is not there yet, or no more."""
    rows = () if snapshot is None else snapshot.screens
    return next((row.role for row in rows if row.id == seat), "view")
