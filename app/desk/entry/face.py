"""How a form is drawn: the market, the fields, what is wrong or what it would mean, and what Enter does."""

from __future__ import annotations

import textwrap
from typing import ClassVar, Final

from textual.screen import ModalScreen

from app.desk.entry.fields import Field
from app.desk.entry.judging import GIVE_UP
from app.desk.painting import Lines
from app.desk.view.cells import Cell
from app.desk.view.preview import Line
from app.grammar.saying import say
from app.grammar.tokens import Misspoken
from engine.control.commands import Answer, AnyCommand
from engine.control.snapshot import Snapshot

WIDTH: Final = 70
_LABEL: Final = 9
_AROUND: Final = 4
"""Lines of the box's frame, and of the desk's first and last line, which stay in sight."""


class Face(ModalScreen[AnyCommand | None]):
    """Base of the forms; what it draws is set by `Form`."""

    fields: dict[str, Field]
    does: ClassVar[str]
    again: str
    may_send: bool
    _at: str
    _whole: bool
    _composed: bool
    _answer: Answer | None
    _checked: AnyCommand | None
    _old: bool
    _problem: Misspoken | None
    _confirming: bool
    _said: str
    _tallest: int
    _seen: tuple[Snapshot, float] | None

    def above(self, snapshot: Snapshot, age: float) -> list[Line]:  # noqa: ARG002 - for those that show prices
        """What stands over the fields, of the newest picture and its age in seconds."""
        return []

    def meaning(self, answer: Answer) -> list[Line]:
        """The answer as lines."""
        raise NotImplementedError

    def draw(self) -> None:
        """Prices, fields, what is wrong or what it would mean, and what Enter does."""
        if not self._composed:
            return
        if self._problem is not None:
            middle = _wrapped(f"△ {self._problem}", "alarm-warning")
        elif self._answer is None:
            middle = [(Cell("… the engine is asked", "muted"),)]
        else:
            middle = self.meaning(self._answer)
        if self._old:
            text = f"△ no answer for {GIVE_UP:.0f} s: what stands here is old"
            faded = [tuple(Cell(cell.text, "muted") for cell in line) for line in middle]
            middle = [(Cell(text, "stale"),), *(faded if self._answer is not None else ())]
        head = self.above(*self._seen) if self._seen is not None else []
        head = [*head, *(self._line(field) for field in self.fields.values() if field.shown)]
        last = self._last()
        below = max(0, self.size.height - _AROUND - len(head))
        room = max(0, below - len(last))
        # Where it does not all fit, what Enter does must still stand there.
        middle = [(), *middle, ()] if len(middle) + 2 <= room else middle[:room]
        # It does not shrink again: lines that are read must not move with every verdict.
        self._tallest = max(self._tallest, len(middle) + len(last))
        middle += [()] * (min(self._tallest, below) - len(middle) - len(last))
        shown = self.query_one("#form", Lines)
        before = len(shown.lines)
        shown.show(*head, *middle, *last)
        if len(shown.lines) != before:
            shown.refresh(layout=True)

    def _line(self, field: Field) -> Line:
        here = field.name == self._at
        mark = Cell("▸ " if here else "  ", "heading")
        label = Cell(field.label.ljust(_LABEL), "muted")
        if field.choices:
            value = field.value or f"{' or '.join(field.choices)}?"
            shown = [Cell(f"‹ {value} ›", "heading" if here else "text" if field.value else "alarm-warning")]
        else:
            replaced = f"[{field.value}]" if self._whole and field.value else f"{field.value}_"
            shown = [Cell(replaced if here else field.value, "heading" if here else "text")]
        hint = self.hint(field, here)
        if hint:
            shown.append(Cell(f"  {hint}", "muted"))
        return (mark, label, *shown)

    def hint(self, field: Field, here: bool) -> str:
        """What stands behind a field. `here`: the cursor is in it."""
        others = [choice for choice in field.choices if choice != field.value]
        if here and field.value and others:
            return f"or {', '.join(others)}"
        return field.hint if here or not field.value else ""

    def _last(self) -> list[Line]:
        said = _wrapped(self._said, "alarm-warning") if self._said else []
        if self._confirming and self._checked is not None:
            words = say(self._checked)
            return [
                *_wrapped(f"▶ {words}", "heading"),
                *said,
                (Cell(f"{self.again} Esc leaves; any change takes it back.", "heading"),),
            ]
        if self.may_send:
            hint = f"Tab next · Enter, then once more, {self.does} · Esc leaves · F1 help"
        else:
            hint = "SAFE: preview only, Ctrl+O arms · Tab next · Esc leaves · F1 help"
        return [*said, (Cell(hint, "muted"),)]


def _wrapped(text: str, meaning: str) -> list[Line]:
    return [(Cell(line, meaning),) for line in textwrap.wrap(text, WIDTH)] or [()]
