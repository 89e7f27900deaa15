"""Answers what screens ask: each question on the engine's thread, in bounded work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.control.questions import AnyQuestion, AnyReply, ReplySink
from engine.control.replies import Declined

if TYPE_CHECKING:
    from engine.engine import Engine


class Answers:
    """Answers questions about one engine. `ask` is an `engine.control.questions.Answerer`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, question: AnyQuestion, sink: ReplySink) -> None:
        """On the engine's thread. A question that cannot be answered is declined, whatever went wrong."""
        try:
            reply = self._answer(question)
        except Exception as error:  # noqa: BLE001 - a screen's question must not end what else the loop does
            self._engine.metrics.count("question_errors")
            reply = Declined(text=f"this question failed: {error!r}")
        sink(reply)

    def _answer(self, question: AnyQuestion) -> AnyReply:
        return Declined(text=f"this engine does not answer '{question.__struct_config__.tag}' yet")
