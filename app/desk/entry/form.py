"""A form of a few fields over the desk: live checked by the engine, sent by Enter and Enter again.

Everything that is typed here stays here. A change takes a confirmation back; what is sent is what the preview
that stands on the screen was about, never what was typed since.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from app.desk.entry.confirm import QUIET, Confirm
from app.desk.painting import Lines
from app.desk.view.cells import Cell
from app.desk.view.preview import Line
from app.grammar.saying import say
from app.grammar.tokens import Misspoken
from engine.control.commands import Answer, AnyCommand

WIDTH: Final = 70
_LABEL: Final = 9
CALM: Final = 0.15
"""Seconds after a key before the engine is asked what it thinks."""


@dataclass(slots=True)
class Field:
    """One line. With `choices` it takes one of them: Space or the first letter of one changes it."""

    name: str
    label: str
    value: str = ""
    choices: tuple[str, ...] = ()
    hint: str = ""
    shown: bool = True


class Form(ModalScreen[AnyCommand | None]):
    """Dismissed with the command that is to be sent, or None."""

    kind: ClassVar[str] = ""
    """What it edits; the app does not stack two of a kind."""
    waits_for_arming: ClassVar[bool] = True
    """Whether SAFE leaves it at a preview."""
    again: str = "Enter again does it."
    """What the second Enter does."""

    def __init__(self, title: str, fields: Sequence[Field], *, at: str = "", confirm: bool = False) -> None:
        """`confirm`: as if Enter had been pressed already, for what was typed elsewhere."""
        super().__init__()
        self.fields = {field.name: field for field in fields}
        self._title_text = title
        self._at = at or fields[0].name
        self._composed = False
        self._serial = 0
        """Counts what was entered; an answer about an older one is not shown."""
        self._answer: Answer | None = None
        self._checked: AnyCommand | None = None
        """What `_answer` is about."""
        self._problem: Misspoken | None = None
        self._wanted = confirm
        """Enter was pressed: to be confirmed once the answer is there."""
        self._confirming = False
        self._confirm = Confirm()
        self._said = ""

    # What a form is about

    def command(self, *, preview: bool) -> AnyCommand:
        """What the fields say. Raises `Misspoken`."""
        raise NotImplementedError

    def meaning(self, answer: Answer) -> list[Line]:
        """The answer as lines."""
        raise NotImplementedError

    def changed(self) -> None:
        """After each change: fields that go with others."""

    def sending(self, command: AnyCommand, answer: Answer) -> None:  # noqa: ARG002 - for those that ask once more
        """The confirmation has been given."""
        self.dismiss(command)

    # Life

    def compose(self) -> ComposeResult:
        box = Vertical(Lines(id="form"), classes="box")
        box.border_title = self._title_text.replace("[", "(").replace("]", ")")
        yield box

    def on_mount(self) -> None:
        """Stands, and asks for the first preview."""
        self._composed = True
        self.changed()
        self._edited()

    @property
    def desk(self) -> Any:
        """The app, which sends for it."""
        return self.app

    @property
    def may_send(self) -> bool:
        """Whether anything may leave."""
        return not self.waits_for_arming or bool(self.desk.arming.armed)

    def look(self) -> None:
        """ARMED or SAFE may have changed."""
        if self._confirming and not self.may_send:
            self._back()
        self.draw()

    # Checking

    def _edited(self) -> None:
        self._serial += 1
        self._answer = self._checked = self._problem = None
        self._said = ""
        self._back()
        try:
            self.command(preview=True)
        except Misspoken as error:
            self._problem = error
        else:
            serial = self._serial
            self.set_timer(CALM, lambda: self._check(serial))
        self.draw()

    def _check(self, serial: int) -> None:
        if serial != self._serial:
            return
        asked, real = self.command(preview=True), self.command(preview=False)

        def answered(answer: Answer) -> None:
            if serial == self._serial and self.is_running:
                self._answer, self._checked = answer, real
                if self._wanted:
                    self._ask()
                self.draw()

        self.desk.preview(asked, answered)

    def _back(self) -> None:
        self._confirming = False
        self._confirm.hide()

    def _ask(self) -> None:
        """Enter: to be confirmed, if it may be sent at all."""
        self._wanted = False
        if self._problem is not None:
            self._said = "not yet: see above"
        elif self._answer is None:
            self._wanted = True
        elif not self._answer.ok:
            self._said = "it would be refused: nothing is sent"
        elif not self.may_send:
            self._said = "SAFE: previewed only. Ctrl+O arms this desk, then Enter"
        else:
            self._confirming = True
            self.call_after_refresh(self._shown)
        self.draw()

    def _shown(self) -> None:
        if not self._confirming:
            return
        if getattr(self.app._driver, "congested", False):
            # The terminal does not read: nobody has seen it yet.
            self.set_timer(QUIET, self._shown)
            return
        self._confirm.show(time.monotonic())

    def _stands(self, at: float, serial: int) -> None:
        command, answer = self._checked, self._answer
        if serial != self._serial or not self._confirming or command is None or answer is None:
            return
        if not self._confirm.stands(at):
            self._said = "Enter is held, or was pressed twice: press it once"
            self.draw()
        elif self.may_send:
            self.sending(command, answer)

    # Keys

    async def on_key(self, event: events.Key) -> None:
        """Fields and confirmation; nothing that is typed here reaches anything else."""
        event.stop()
        event.prevent_default()
        field, key = self.fields[self._at], event.key
        if key == "escape":
            self.dismiss(None)
        elif key == "enter":
            self._enter(event.time)
        elif key in ("tab", "down", "shift+tab", "up"):
            self._move(-1 if key in ("shift+tab", "up") else 1)
        elif key == "backspace" and not field.choices:
            self._set(field.value[:-1])
        elif key == "ctrl+u" and not field.choices:
            self._set("")
        elif field.choices and key in ("space", "right", "left"):
            step = -1 if key == "left" else 1
            at = field.choices.index(field.value) if field.value in field.choices else -1
            self._set(field.choices[(at + step) % len(field.choices)])
        elif event.is_printable and event.character:
            self._typed(field, event.character)

    def _typed(self, field: Field, character: str) -> None:
        if not field.choices:
            if character != " " and len(field.value) < 32:
                self._set(field.value + character)
            return
        for choice in field.choices:
            if choice.lower().startswith(character.lower()):
                self._set(choice)
                return

    def _enter(self, at: float) -> None:
        ripe = self._confirm.pressed(at)
        if not self._confirming:
            self._said = ""
            self._ask()
        elif ripe:
            serial = self._serial
            self.set_timer(QUIET, lambda: self._stands(at, serial))

    def _move(self, step: int) -> None:
        names = [name for name, field in self.fields.items() if field.shown]
        self._at = names[(names.index(self._at) + step) % len(names)]
        self.draw()

    def _set(self, value: str) -> None:
        field = self.fields[self._at]
        if value != field.value:
            field.value = value
            self._wanted = False
            self.changed()
            self._edited()

    def on_paste(self, event: events.Paste) -> None:
        """Nothing is pasted into an order."""
        event.stop()

    # Painting

    def draw(self) -> None:
        """Fields, what is wrong or what it would mean, and what Enter does."""
        if not self._composed:
            return
        if self._problem is not None:
            middle = _wrapped(f"△ {self._problem}", "alarm-warning")
        elif self._answer is None:
            middle = [(Cell("… the engine is asked", "muted"),)]
        else:
            middle = self.meaning(self._answer)
        head: list[Line] = [self._line(field) for field in self.fields.values() if field.shown]
        last = self._last()
        room = max(0, self.size.height - 2 - len(head) - len(last))
        # Where it does not all fit, what Enter does must still stand there.
        middle = [(), *middle, ()] if len(middle) + 2 <= room else middle[:room]
        shown = self.query_one("#form", Lines)
        shown.show(*head, *middle, *last)
        shown.refresh(layout=True)

    def _line(self, field: Field) -> Line:
        here = field.name == self._at
        mark = Cell("▸ " if here else "  ", "heading")
        label = Cell(field.label.ljust(_LABEL), "muted")
        if field.choices:
            shown = [Cell(f"‹ {field.value} ›", "heading" if here else "text")]
        else:
            shown = [Cell(field.value + ("_" if here else ""), "heading" if here else "text")]
        if field.hint and (here or not field.value):
            shown.append(Cell(f"  {field.hint}", "muted"))
        return (mark, label, *shown)

    def _last(self) -> list[Line]:
        if self._confirming and self._checked is not None:
            words = say(self._checked)
            return [
                *_wrapped(f"▶ {words}", "heading"),
                *([(Cell(self._said, "alarm-warning"),)] if self._said else []),
                (Cell(f"{self.again} Esc leaves; any change takes it back.", "heading"),),
            ]
        lines: list[Line] = [(Cell(self._said, "alarm-warning"),)] if self._said else []
        state = "" if self.may_send else "SAFE, preview only (Ctrl+O arms). "
        hint = f"{state}Tab next, Enter previews, Esc leaves."
        return [*lines, (Cell(hint, "muted"),)]


def _wrapped(text: str, meaning: str) -> list[Line]:
    return [(Cell(line, meaning),) for line in textwrap.wrap(text, WIDTH)] or [()]
