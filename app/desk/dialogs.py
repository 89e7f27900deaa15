"""The dialogs: a question that takes a typed word or one key, the page of help, the details of a row.

A question cannot be answered by accident: keys that were pressed before it stood on the screen for a quarter
of a second are ignored (the app drops them by their time of creation, see `Ask.ripe`), and no question is
answered by the key that opened it, so that a held key cannot confirm. F12 and Esc always pass.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from app.desk.painting import Lines
from app.desk.view.cells import Cell, Row, Table
from app.desk.view.killing import brief
from app.desk.view.killing import lines as kill_lines
from engine.control.snapshot import Snapshot

GUARD = 0.25
"""Seconds that a question must have been on screen before a key can answer it."""

WIDTH = 70
"""Cells of text in a dialog; it fits a terminal of 80 columns."""


def wrapped(text: str, meaning: str = "text") -> list[tuple[Cell, ...]]:
    """A paragraph as lines of cells."""
    return [(Cell(line, meaning),) for line in textwrap.wrap(text, WIDTH)] or [()]


class Ask(ModalScreen[str | None]):
    """A question. The answer is the outcome of the word or key that was given, None for Esc."""

    def __init__(
        self,
        title: str,
        body: Sequence[tuple[Cell, ...]],
        *,
        words: Mapping[str, str] | None = None,
        single: Mapping[str, str] | None = None,
        hint: str,
        danger: bool = True,
        kind: str = "",
    ) -> None:
        super().__init__()
        self.kind = kind
        """What it asks; the app does not stack two of a kind."""
        self.typed = ""
        self.mistyped = ""
        """What was entered and was no answer."""
        self.hurried = False
        """Whether the last key came too early to be taken."""
        self.painted: float | None = None
        """When it first stood on the screen, on the clock that stamps key events; None before."""
        self._composed = False
        self._title_text = title
        self._body = list(body)
        self._words = dict(words or {})
        self._single = dict(single or {})
        self._hint = hint
        self._danger = danger

    def compose(self) -> ComposeResult:
        box = Vertical(Lines(id="question"), classes="box danger" if self._danger else "box")
        box.border_title = self._title_text.replace("[", "(").replace("]", ")")
        yield box

    def on_mount(self) -> None:
        """Paints, and only then starts to count."""
        self._composed = True
        self.draw()
        self.call_after_refresh(self._mark_painted)

    def _mark_painted(self) -> None:
        if getattr(self.app._driver, "congested", False):
            # The terminal does not read: nobody has seen the question yet.
            self.set_timer(GUARD, self._mark_painted)
            return
        self.painted = time.monotonic()

    def ripe(self, pressed: float) -> bool:
        """May a key that was pressed then (monotonic seconds) count as an answer?"""
        return self.painted is not None and pressed >= self.painted + GUARD

    def too_quick(self) -> None:
        """A key was dropped since it came before the question could be read."""
        self.hurried = True
        self.draw()

    def draw(self) -> None:
        """Paints question, what was typed so far, and the hint."""
        if not self._composed:
            # An answer may come before the question stands.
            return
        lines = self.query_one("#question", Lines)
        body = self.body()
        typed: list[tuple[Cell, ...]] = []
        if self._words:
            longest = max(map(len, self._words))
            blank = "_" * max(0, longest - len(self.typed))
            typed = [(), (Cell("> ", "muted"), Cell(self.typed + blank, "heading"))]
            if self.mistyped:
                wanted = " or ".join(self._words)
                typed[1] += (
                    Cell(f"  {self.mistyped} is not {wanted}: nothing done, type it again", "alarm-warning"),
                )
        if self.hurried:
            anew = "type the word from its beginning" if self._words else "press it once more"
            typed += [
                (),
                *wrapped(f"too quick, not taken: {anew}", "alarm-warning"),
            ]
        hint: list[tuple[Cell, ...]] = [(), *wrapped(self._hint, "muted")]
        lines.show(*body, *typed, *hint)
        lines.refresh(layout=True)

    def body(self) -> list[tuple[Cell, ...]]:
        """The lines above the answer."""
        return self._body

    async def on_key(self, event: events.Key) -> None:
        """Collects the answer; nothing that is typed here reaches anything else."""
        event.stop()
        event.prevent_default()
        key = event.key
        self.hurried = False
        if key == "escape":
            self.dismiss(None)
        elif key == "enter":
            outcome = self._words.get(self.typed.upper())
            if outcome is not None:
                self.dismiss(outcome)
            else:
                # A word begun before the question could be answered has lost its first letters.
                self.typed, self.mistyped = "", self.typed
                self.draw()
        elif key == "backspace":
            self.typed = self.typed[:-1]
            self.draw()
        elif not self.typed and key in self._single:
            self.dismiss(self._single[key])
        elif self._words and event.is_printable and event.character:
            self.mistyped = ""
            self.typed = (self.typed + event.character.upper())[: max(map(len, self._words))]
            self.draw()

    def on_paste(self, event: events.Paste) -> None:
        """A confirmation is typed, never pasted."""
        event.stop()


class KillAsk(Ask):
    """Stage two of the kill key. Stage one has already been sent when this opens."""

    def __init__(self, scope: str, left: str, zone: str) -> None:
        """`left`: what stays open if it is left there; empty where nothing is open."""
        super().__init__(
            "KILL: halt, and cancel all working orders",
            [],
            words={"FLATTEN": "flatten"},
            hint="",
            kind="kill",
        )
        self._scope = scope
        self._left = left
        self._zone = zone
        self.refused = ""
        """What the engine or the link said where stage one was not done."""
        self._answer = Cell("Kill sent; waiting for the engine's answer.", "muted")
        self._snapshot: Snapshot | None = None

    def body(self) -> list[tuple[Cell, ...]]:
        kill = self._snapshot.kill if self._snapshot is not None else None
        found: list[tuple[Cell, ...]] = []
        if kill is None or not kill.verdict or kill.verdict not in self._answer.text:
            found += wrapped(brief(self._answer.text, WIDTH, self._zone), self._answer.meaning)
        if kill is not None:
            found += kill_lines(kill, 5, WIDTH, self._zone)
        self._hint = self._what_esc_does()
        asks = "FLATTEN ALL would close:" if self._left else "Nothing is open, there is nothing to close:"
        return [*found, (), (Cell(asks, "heading"),), *wrapped(self._scope)]

    def _what_esc_does(self) -> str:
        if self.refused and not (self._snapshot is not None and self._snapshot.halted):
            return "Type FLATTEN and Enter to try to close all positions. Esc leaves it as it is, NOT halted."
        if not self._left:
            return "Esc leaves it halted. FLATTEN and Enter would have the broker asked whether it is flat."
        return f"Type FLATTEN and Enter to close all positions. Esc leaves it halted; {self._left}."

    def answered(self, ok: bool, text: str) -> None:
        """What the engine said to the kill."""
        self._answer = Cell(f"{'✓' if ok else '✕ NOT DONE:'} {text}", "text" if ok else "halted")
        self.refused = "" if ok else text
        self.draw()

    def look(self, snapshot: Snapshot, scope: str, left: str) -> None:
        """Follows the engine while the question stands."""
        if self._snapshot is None or (snapshot.kill, scope) != (self._snapshot.kill, self._scope):
            self._snapshot = snapshot
            self._scope, self._left = scope, left
            self.draw()
        self._snapshot = snapshot


class Page(ModalScreen[None]):
    """Something to read; Esc closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,question_mark,q,enter", "close", "Close", show=False, id="page.close")
    ]

    def action_close(self) -> None:
        """Back to the desk."""
        self.dismiss(None)


class DetailPage(Page):
    """Every column of a row, nothing cut."""

    def __init__(self, table: Table, row: Row) -> None:
        super().__init__()
        self._table = table
        self._row = row

    def compose(self) -> ComposeResult:
        box = Vertical(Lines(id="details"), classes="box")
        box.border_title = self._table.title.split(" ·")[0] + " · Esc closes"
        yield box

    def on_mount(self) -> None:
        """Writes one paragraph a column."""
        found: list[tuple[Cell, ...]] = []
        for column, cell in zip(self._table.columns, self._row.cells, strict=True):
            parts = textwrap.wrap(cell.text, WIDTH - 14) or ["-"]
            found.append((Cell(f"{column.title:<13} ", "muted"), Cell(parts[0], cell.meaning)))
            found += [(Cell(" " * 14), Cell(part, cell.meaning)) for part in parts[1:]]
        self.query_one("#details", Lines).show(*found)
