"""The change of a working order: size and prices as they stand, judged by the real gate as they change."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from app.desk.entry.form import Field, Form
from app.desk.view.preview import Line, meaning, verdict
from app.grammar.tokens import Misspoken, Word, decimal
from engine.control.commands import Answer, AnyCommand, Modify
from engine.control.snapshot import OrderRow


class Change(Form):
    """Sends only what differs from the order as it stood when the form was opened."""

    kind: ClassVar[str] = "modify"

    def __init__(self, order: OrderRow, asked: Modify | None = None, *, confirm: bool = False) -> None:
        """`asked`: what was typed elsewhere."""
        self._order = order
        self._before = {"size": order.qty, "limit": order.limit, "stop": order.stop}
        fields = []
        for name, label in (("size", "Size"), ("limit", "Price"), ("stop", "Trigger")):
            before = self._before[name]
            wanted = getattr(asked, name, None)
            value = before if wanted is None else wanted
            hint = "" if before is None else f"now {before:f}"
            shown = before is not None or wanted is not None
            fields.append(Field(name, label, "" if value is None else f"{value:f}", hint=hint, shown=shown))
        at = "limit" if order.limit is not None else "stop" if order.stop is not None else "size"
        filled = f", {order.filled:f} filled" if order.filled else ""
        title = f"MODIFY {order.id} · {order.side} {order.symbol}{filled}"
        super().__init__(title, fields, at=at, confirm=confirm)

    def command(self, *, preview: bool) -> AnyCommand:
        found: dict[str, Decimal] = {}
        for name, field in self.fields.items():
            if not field.shown:
                continue
            text = field.value.strip()
            value = decimal(Word(text, 0, len(text)), field.label.lower())
            if name == "size" and value <= 0:
                raise Misspoken("the size must be above zero; x cancels the order")
            if value != self._before[name]:
                found[name] = value
        if not found:
            raise Misspoken("nothing is changed yet")
        return Modify(order_id=self._order.id, preview=preview, **found)

    def meaning(self, answer: Answer) -> list[Line]:
        return [*verdict(answer), *meaning(answer.data)]
