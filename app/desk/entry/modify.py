"""The change of a working order: size and prices as they stand, judged by the real gate as they change."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Literal

from app.desk.entry.fields import Field
from app.desk.entry.priced import Priced
from app.desk.view.cells import Cell
from app.desk.view.preview import Line, meaning, verdict
from app.grammar.tokens import Misspoken, Word, decimal
from engine.control.commands import Answer, AnyCommand, Modify
from engine.control.snapshot import OrderRow, Snapshot


class Change(Priced):
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
            kind: Literal["number", "price"] = "number" if name == "size" else "price"
            text = "" if value is None else f"{value:f}"
            fields.append(Field(name, label, text, hint=hint, shown=shown, kind=kind))
        at = "limit" if order.limit is not None else "stop" if order.stop is not None else "size"
        super().__init__(f"MODIFY {order.id}", fields, at=at, confirm=confirm)

    @property
    def symbol(self) -> str:
        return self._order.symbol

    @property
    def buys(self) -> bool:
        return not self._order.side.startswith("S")

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
        return [self._before_and_after(), *verdict(answer), *meaning(answer.data, "this change")]

    def _before_and_after(self) -> Line:
        """What differs."""
        cells = [Cell("Change    ", "muted")]
        for name, field in self.fields.items():
            before = self._before[name]
            if field.shown and field.value != (was := "none" if before is None else f"{before:f}"):
                said = f"{', ' if len(cells) > 1 else ''}{field.label.lower()} {was} → "
                cells += [Cell(said), Cell(field.value, "heading")]
        return tuple(cells)

    def above(self, snapshot: Snapshot, age: float) -> list[Line]:
        """The order as it stands now, and its market."""
        order = self._order
        side = "BUY" if self.buys else "SELL"
        state = f" {order.status}, {order.filled:f} of {order.qty:f} filled"
        name = Cell(f"{side} {order.symbol}", "heading")
        return [(name, Cell(state, "muted")), *super().above(snapshot, age)]

    def follow(self, snapshot: Snapshot, age: float) -> None:
        """What has become of the order meanwhile stands there, and takes a confirmation back."""
        found = next((row for row in snapshot.orders if row.id == self._order.id), None)
        if found is not None:
            before, self._order = self._order, found
            self._before = {"size": found.qty, "limit": found.limit, "stop": found.stop}
            for name, value in self._before.items():
                if value is not None:
                    self.fields[name].hint = f"now {value:f}"
            if (before.filled, before.qty, before.limit, before.stop) != (
                found.filled,
                found.qty,
                found.limit,
                found.stop,
            ):
                self._changed_meanwhile()
        super().follow(snapshot, age)

    def _changed_meanwhile(self) -> None:
        confirming = self._confirming
        self._edited()
        if confirming:
            self.fall("the order itself has changed")
