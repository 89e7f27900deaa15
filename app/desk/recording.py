"""The keys that move a recording. On a running engine they say that there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.desk.host import Part
from app.desk.screen import CommandLine

JUMP = "at "
"""What the command line begins with when a time is typed."""


class Recording(Protocol):
    """What a link to a recording has beyond `Link`. Each returns what to say; empty: nothing."""

    def step(self, rows: int) -> str: ...

    def event(self, direction: int) -> str: ...

    def jump(self, text: str, zone: str) -> str: ...

    def play(self) -> str: ...


class Recorded(Part):
    """Part of the app."""

    def _move(self, how: Callable[[Recording], str]) -> None:
        link = self._link
        if not hasattr(link, "jump"):
            text = "this is for recordings; 'breakwater replay --desk' opens a journal"
            self.note(text, "heading")
            return
        said = how(link)  # type: ignore[arg-type]
        self.note(said, "heading")

    def action_replay_step(self, rows: int) -> None:
        """Rows forward, or back."""
        self._move(lambda recording: recording.step(rows))

    def action_replay_event(self, direction: int) -> None:
        """To the next event, or the one before."""
        self._move(lambda recording: recording.event(direction))

    def action_replay_play(self) -> None:
        """Plays, faster, and stands again."""
        self._move(lambda recording: recording.play())

    def action_replay_jump(self) -> None:
        """Has a time typed."""
        if not hasattr(self._link, "jump"):
            self._move(lambda _: "")
            return
        self.desk.command_line(True)
        line = self.desk.query_one(CommandLine)
        line.value = JUMP
        line.cursor_position = len(JUMP)

    def jumped(self, text: str) -> bool:
        """Takes a typed line that names a moment of a recording."""
        if not hasattr(self._link, "jump") or not f"{text} ".startswith(JUMP):
            return False
        self._move(lambda recording: recording.jump(text[len(JUMP) :].strip(), self._zone))
        return True
