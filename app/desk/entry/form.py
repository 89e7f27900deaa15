"""A form of a few fields over the desk: live checked by the engine, sent by Enter and Enter again.

Everything that is typed here stays here. A change takes a confirmation back, and so does a verdict that
changes while the form is open; what is sent is what the preview that stands on the screen was about, never
what was typed since.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from app.desk.entry.confirm import QUIET, Confirm
from app.desk.entry.face import Face
from app.desk.entry.fields import Field
from app.desk.entry.formhelp import FormHelp
from app.desk.entry.judging import GIVE_UP, Case, Judge
from app.desk.host import Host, host_of
from app.desk.painting import Lines
from app.grammar.tokens import Misspoken
from engine.control.commands import Answer, AnyCommand
from engine.control.snapshot import Snapshot

CALM: Final = 0.15
"""Seconds after a key before the engine is asked what it thinks."""
_COLON: Final = "':' opens no command line in here, and what follows it is not entered: Esc leaves, then ':'"


class Form(Face):
    """Dismissed with the command that is to be sent, or None."""

    kind: ClassVar[str] = ""
    """What it edits; the app does not stack two of a kind."""
    waits_for_arming: ClassVar[bool] = True
    """Whether SAFE leaves it at a preview."""
    material: ClassVar[dict[str, str]] = {}
    """What of a verdict, besides its being one, must not change under a confirmation: name and words."""
    does: ClassVar[str] = "does it"
    """What confirming it does, in words."""
    again: str = "Enter again does it."
    """What the second Enter does."""

    def __init__(self, title: str, fields: Sequence[Field], *, at: str = "", confirm: bool = False) -> None:
        """`confirm`: as if Enter had been pressed already, for what was typed elsewhere."""
        super().__init__()
        self.fields = {field.name: field for field in fields}
        self._title_text = title
        self._at = at or fields[0].name
        self._whole = True
        """The cursor has just come to its field: what stands there goes when something is typed."""
        self._composed = False
        self._serial = 0
        """Counts what was entered; an answer about an older one is not shown."""
        self._judge = Judge(self._preview, lambda: self.desk.now(), self._judged, self._unheard)
        self._answer: Answer | None = None
        self._checked: AnyCommand | None = None
        """What `_answer` is about."""
        self._old = False
        """Whether the engine has not renewed `_answer` in time."""
        self._problem: Misspoken | None = None
        self._wanted = confirm
        """Enter was pressed: to be confirmed once a verdict of after that is there."""
        self._confirming = False
        self._agreed: Answer | None = None
        """The verdict that the confirmation is about."""
        self._confirm = Confirm()
        self._pressed: float | None = None
        """When the confirming Enter was pressed that has stood alone; sent once a verdict of after it is
        there."""
        self._deaf = False
        """A ':' was typed: what follows is meant for the command line, and is not entered here."""
        self._said = ""
        self._tallest = 0
        """Most lines that there were below the fields."""
        self._seen: tuple[Snapshot, float] | None = None
        """The newest picture and its age in seconds."""

    # What a form is about

    def command(self, *, preview: bool) -> AnyCommand:
        """What the fields say. Raises `Misspoken`."""
        raise NotImplementedError

    def changed(self) -> None:
        """After each change: fields that go with others."""

    def step(self, field: Field, direction: int) -> str:  # noqa: ARG002 - for those that know a step
        """What Up (1) or Down (-1) makes of a number; empty: they lead to another field."""
        return ""

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
        link = self.desk.link
        if (snapshot := link.latest()) is not None:
            self._seen = snapshot, link.age()
        self.changed()
        self._edited()
        if self._seen is not None:
            self.follow(*self._seen)

    def on_screen_resume(self) -> None:
        """What lay over it is gone: what is to be confirmed can be read from now on."""
        if self._confirming:
            self._confirm.hide()
            self.call_after_refresh(self._shown)

    @property
    def desk(self) -> Host:
        """The app, which sends for it."""
        return host_of(self)

    @property
    def may_send(self) -> bool:  # type: ignore[override]
        """Whether anything may leave."""
        return not self.waits_for_arming or bool(self.desk.arming.armed)

    def look(self) -> None:
        """ARMED or SAFE may have changed."""
        self._said = ""
        if self._confirming and not self.may_send:
            self.fall("this desk is SAFE")
        self.draw()

    def follow(self, snapshot: Snapshot, age: float) -> None:
        """With each frame: prices go on, and the verdict is renewed. `age`: of the snapshot, in seconds."""
        before = self._seen
        self._seen = snapshot, age
        self._judge.pulse()
        if before is None or self.above(*before) != self.above(snapshot, age):
            self.draw()

    # Checking

    def _edited(self) -> None:
        self._serial += 1
        self._answer = self._checked = self._problem = None
        self._old = False
        self._said = ""
        self._back()
        self._judge.about(None)
        try:
            self.command(preview=True)
        except Misspoken as error:
            self._problem = error
        else:
            serial = self._serial
            self.set_timer(CALM, lambda: self._check(serial))
        self.draw()

    def _check(self, serial: int) -> None:
        if serial == self._serial:
            self._judge.about(Case(self.command(preview=True), self.command(preview=False)))

    def _preview(self, asked: AnyCommand, answered: Any) -> None:
        self.desk.preview(asked, answered)

    def _judged(self, case: Case, answer: Answer) -> None:
        if not self.is_running:
            return
        before, self._answer, self._checked, self._old = self._answer, answer, case.real, False
        if before is not None and before.ok != answer.ok and not self._confirming:
            self._said = ""  # it was about the verdict that stood here
        agreed = self._agreed if self._confirming else None
        if agreed is not None and (why := self.differs(agreed, answer)):
            self.fall(why)
        elif self._judge.fresh and self._wanted:
            self._ask()
        elif self._judge.fresh and self._pressed is not None:
            self._send(self._pressed)
        self.draw()

    def differs(self, agreed: Answer, answer: Answer) -> str:
        """How a verdict differs from the one that is to be confirmed; empty: in nothing that counts."""
        if not answer.ok:
            return "it would be refused now"
        for name, words in self.material.items():
            was, now = (found.data.get(name, "not known") for found in (agreed, answer))
            if was != now:
                return f"{words} has changed, {was} → {now}"
        return ""

    def _unheard(self) -> None:
        self._old = True
        if self._confirming or self._wanted:
            self._wanted = False
            self.fall(f"the engine has not answered for {GIVE_UP:.0f} s")
        self.draw()

    def fall(self, why: str) -> None:
        """Takes a standing confirmation back, and says why."""
        self._back()
        self._said = f"Taken back: {why}. Nothing is sent; Enter asks again"
        self.draw()

    def _back(self) -> None:
        self._confirming = False
        self._pressed = None
        self._confirm.hide()

    def _ask(self) -> None:
        """Enter: to be confirmed, if it may be sent at all."""
        answer, self._wanted = self._answer, False
        if self._problem is not None:
            self._said = "not yet: see above"
        elif answer is None or not self._judge.fresh:
            self._wanted = True
        elif not answer.ok:
            self._said = "it would be refused: nothing is sent"
        elif not self.may_send:
            self._said = "SAFE: previewed only. Ctrl+O arms this desk, then Enter"
        else:
            self._confirming, self._agreed = True, answer
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
        if serial != self._serial or not self._confirming:
            return
        self._pressed = at
        if self._judge.fresh:
            self._send(at)
        self.draw()

    def _send(self, at: float) -> None:
        self._pressed = None
        if not self._confirm.stands(at):
            self._said = self._too_quick()
        elif self._checked is not None and self._answer is not None and self.may_send:
            self.sending(self._checked, self._answer)

    def _too_quick(self) -> str:
        why = "Enter is held, or pressed twice" if self._confirm.held else "too quick"
        return f"{why}: Enter once more, by itself, does it"

    # Keys

    async def on_key(self, event: events.Key) -> None:
        """Fields and confirmation; nothing that is typed here reaches anything else."""
        event.stop()
        event.prevent_default()
        field, key = self.fields[self._at], event.key
        if key == "escape":
            self.dismiss(None)
        elif key == "f1":
            self._back()
            self.draw()
            self.app.push_screen(FormHelp(self.waits_for_arming))
        elif self._deaf and (key in ("enter", "backspace") or event.is_printable):
            self._unheeded(key)
        elif key == "enter":
            self._enter(event.time)
        elif key in ("up", "down") and (value := self.step(field, 1 if key == "up" else -1)):
            self._set(value)
        elif key in ("tab", "down", "shift+tab", "up"):
            self._move(-1 if key in ("shift+tab", "up") else 1)
        elif key == "backspace" and not field.choices:
            self._whole = False
            self._set(field.value[:-1])
        elif key == "end":
            self._whole = False
            self.draw()
        elif key == "ctrl+u" and not field.choices:
            self._set("")
        elif field.choices and key in ("space", "right", "left"):
            self._set(field.next_choice(-1 if key == "left" else 1))
        elif event.is_printable and event.character:
            self._typed(field, event.character)

    def _typed(self, field: Field, character: str) -> None:
        if character == ":" and not field.colon:
            self._deaf, self._wanted = True, False
            self._back()
            self._say(_COLON)
        elif field.choices:
            if choice := field.choice_of(character):
                self._set(choice)
            elif character != " ":
                self._say(f"{field.label} is one of {', '.join(field.choices)}: {character!r} begins none")
        elif character != " ":
            # As in any form: a size of 1 that stands there and a 2 that is typed are 2 and never 12.
            known = "" if self._whole else field.value
            if why := field.refuses(character, known):
                self._say(why)
            else:
                self._whole = False
                self._set(known + character)

    def _unheeded(self, key: str) -> None:
        """After a ':' nothing is entered until the line that was meant has ended."""
        if key == "backspace":
            self._deaf = False
            self._say("goes on with what stands here")
        elif key == "enter":
            self._deaf = False
            self._say("that line was not run: Esc leaves this, then ':' opens the command line")
        else:
            self._say(_COLON)

    def _say(self, text: str) -> None:
        self._said = text
        self.draw()

    def _enter(self, at: float) -> None:
        ripe = self._confirm.pressed(at)
        if not self._confirming:
            # A second one before the answer to the first has come is none that could have been meant.
            self._said = self._too_quick() if self._wanted else ""
            self._wanted = self._problem is None
            self._judge.ask()
            if self._problem is not None:
                self._ask()
        elif ripe:
            self._said, self._pressed = "", None
            serial = self._serial
            self._judge.ask()
            self.set_timer(QUIET, lambda: self._stands(at, serial))
        else:
            self._said = self._too_quick()
        self.draw()

    def _move(self, step: int) -> None:
        self._deaf = False
        self._said = ""
        names = [name for name, field in self.fields.items() if field.shown]
        self._at = names[(names.index(self._at) + step) % len(names)]
        self._whole = True
        self.draw()

    def _set(self, value: str) -> None:
        field = self.fields[self._at]
        self._deaf = False
        self._said = ""
        if value != field.value:
            field.value = value
            self._wanted = False
            self.changed()
            self._edited()
        else:
            self.draw()

    def on_paste(self, event: events.Paste) -> None:
        """Nothing is pasted into an order."""
        event.stop()
        self._say("nothing is pasted into a form: type it")
