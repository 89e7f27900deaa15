"""The question before a roll: what the engine says that it would do now, asked again each second."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from app.desk.dialogs import Ask, wrapped
from app.desk.host import host_of
from app.desk.view.cells import Cell
from app.grammar.saying import say
from engine.control.commands import Answer, Roll

WORD: Final = "ROLL"
EVERY: Final = 1.0
"""Seconds between two questions to the engine."""
PATIENCE: Final = 3.0
"""Seconds without an answer after which what stands there counts for nothing."""


class RollAsk(Ask):
    """Takes the typed word only while the engine would begin it, and the desk is ARMED."""

    KIND: Final = "roll"

    def __init__(self, roll: Roll) -> None:
        super().__init__(say(roll).upper(), [], hint="", kind=self.KIND)
        self._roll = roll
        self._answer: Answer | None = None
        self._heard = 0.0
        self._shown = False
        """Whether what it would do has stood on the screen: only from then on the word is taken."""

    def on_mount(self) -> None:
        """Asks the engine; keys count once its answer can be read."""
        self._composed = True
        self._heard = host_of(self).now()
        self.draw()
        self._ask_engine()
        self.set_interval(EVERY, self._ask_engine)

    def _ask_engine(self) -> None:
        host_of(self).preview(replace(self._roll, preview=True), self._judged)
        self.draw()

    def _judged(self, answer: Answer) -> None:
        if not self.is_attached:
            return
        self._answer, self._heard = answer, host_of(self).now()
        self.draw()
        if answer.ok and not self._shown:
            self._shown = True
            self.call_after_refresh(self._mark_painted)

    def draw(self) -> None:
        """The word is taken while nothing speaks against it; what was typed before is not kept."""
        why = self._against()
        self._words = {} if why else {WORD: "yes"}
        if why:
            self.typed = self.mistyped = ""
        self._hint = f"{why} Esc does nothing." if why else f"Type {WORD} and Enter. Esc does nothing."
        super().draw()

    def _against(self) -> str:
        host = host_of(self)
        if self._answer is None:
            return "The engine is asked."
        if host.now() - self._heard > PATIENCE:
            return "The engine does not answer: nothing is sent."
        if not self._answer.ok:
            return "It does not begin."
        return "" if host.arming.armed else "SAFE: this desk only shows it. Esc, Ctrl+O arms, then again."

    def body(self) -> list[tuple[Cell, ...]]:
        answer = self._answer
        if answer is None:
            return wrapped("what it would do is not known yet", "muted")
        if not answer.ok:
            return wrapped(f"✕ {answer.text}", "order-rejected")
        parts = answer.data.get("meaning", answer.text).split("\n")
        first, *rest = [wrapped(part, "text" if n else "heading") for n, part in enumerate(parts)]
        return [*first, *(line for part in rest for line in [(), *part])]
