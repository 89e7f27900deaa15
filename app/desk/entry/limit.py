"""The change of a risk limit: what it would mean now, and a typed word where it lets more through."""

from __future__ import annotations

from typing import ClassVar

from app.desk.dialogs import Ask, wrapped
from app.desk.entry.fields import Field
from app.desk.entry.form import Form
from app.desk.view.preview import Line, limit, verdict
from app.grammar.tokens import Misspoken
from engine.control.commands import Answer, AnyCommand, SetLimit

WIDEN = "WIDEN"


class LimitChange(Form):
    """A limit can be changed on a SAFE desk as well: it sends no order."""

    kind: ClassVar[str] = "limit"
    waits_for_arming: ClassVar[bool] = False
    material: ClassVar[dict[str, str]] = {
        "effect": "what it does",
        "before": "the limit in force",
        "after": "the limit that would be in force",
        "asked": "what is asked for",
    }

    def __init__(self, name: str, value: str = "", *, confirm: bool = False) -> None:
        self._limit = name
        hint = "a number, one with %, or file to take a change back"
        super().__init__(f"LIMIT {name}", [Field("value", "Limit", value, hint=hint)], confirm=confirm)

    def command(self, *, preview: bool) -> AnyCommand:
        value = self.fields["value"].value.strip()
        if not value:
            raise Misspoken(f"what is the limit to be? {self.fields['value'].hint}")
        return SetLimit(name=self._limit, value=value, preview=preview)

    def meaning(self, answer: Answer) -> list[Line]:
        self.again = f"Enter again asks for {WIDEN}." if answer.data.get("effect") == "wider" else Form.again
        return limit(answer.data) if answer.ok else verdict(answer)

    def sending(self, command: AnyCommand, answer: Answer) -> None:
        if answer.data.get("effect") != "wider":
            self.dismiss(command)
            return

        box = self.query_one(".box")
        box.visible = False  # else both look like one question, and Enter like an answer

        def chosen(outcome: str | None) -> None:
            box.visible = True
            # What the word was typed for must still be so.
            if outcome and self._confirming:
                self.dismiss(command)

        data = answer.data
        lines = [f"{data['title']}: {data['before']} → {data['after']}."]
        if data["before"] == data["after"]:
            lines = [f"{data['title']}: {data['key']} → {data['asked']}; {data['before']} stays in force."]
        self.app.push_screen(widening(*lines), chosen)


def widening(*lines: str, why: str = "This lets MORE through:") -> Ask:
    """The question before anything lets more through than now; `lines`: what changes."""
    body = [*wrapped(why), *(part for line in lines for part in wrapped(line, "heading"))]
    hint = f"Type {WIDEN} and Enter. Esc does nothing."
    return Ask("WIDEN A LIMIT", body, words={WIDEN: "yes"}, hint=hint, kind="widen")
