"""What the ticket and the change of an order share: the market over the fields, and steps of one tick."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import ClassVar

from app.desk.asking import Asker
from app.desk.entry.fields import Field, stepped
from app.desk.entry.form import Form
from app.desk.view import quote
from app.desk.view.cells import Cell
from app.desk.view.formats import size
from app.desk.view.preview import Line
from engine.control.commands import Answer
from engine.control.questions import AnyQuestion, AnyReply, MarketOf
from engine.control.replies import MarketSeen
from engine.control.snapshot import PositionRow, Snapshot

EVERY = 1.0
"""Seconds after which the tick of a symbol is asked for again, until it is known."""


class Priced(Form):
    """A form about one symbol."""

    does: ClassVar[str] = "sends"
    material: ClassVar[dict[str, str]] = {"limit": "the position limit", "reduces": "whether it only reduces"}

    def __init__(self, title: str, fields: Sequence[Field], *, at: str = "", confirm: bool = False) -> None:
        super().__init__(title, fields, at=at, confirm=confirm)
        self._ticks: dict[str, Decimal] = {}
        self._asked_of = ""
        self._asker = Asker(self, self._question, self._took, EVERY)

    @property
    def symbol(self) -> str:
        """What the form is about, as far as it is entered."""
        raise NotImplementedError

    def worst(self, answer: Answer) -> Decimal | None:
        """Where the position would be on the order's side, if that and all that works there filled."""
        ends = answer.data.get("worst_then", "").split(" … ")
        if len(ends) != 2:
            return None
        return Decimal(ends[1 if self.buys else 0])

    @property
    def buys(self) -> bool:
        """The side of the order."""
        raise NotImplementedError

    @property
    def sells(self) -> bool:
        """Whether it sells; where no side is chosen it neither buys nor sells."""
        return not self.buys

    @property
    def waits(self) -> bool:
        """Whether its limit waits for a trigger first."""
        trigger = self.fields.get("trigger") or self.fields["stop"]
        return trigger.shown

    def differs(self, agreed: Answer, answer: Answer) -> str:
        """A worst case that has become better is no reason: strategies trade on while this stands here."""
        was, now = self.worst(agreed), self.worst(answer)
        if answer.ok and was != now:
            if was is None or now is None:
                return (
                    "the worst case is not known any more" if now is None else "the worst case is known now"
                )
            if now > was if self.buys else now < was:
                return f"the worst case has grown, {size(was, sign=True)} → {size(now, sign=True)}"
        return super().differs(agreed, answer)

    def row(self, snapshot: Snapshot | None = None) -> PositionRow | None:
        """The market of the symbol in the newest picture; None: there is none of that name."""
        if snapshot is None and self._seen is not None:
            snapshot = self._seen[0]
        wanted = self.symbol.casefold()
        rows = snapshot.positions if snapshot is not None else ()
        return next((row for row in rows if row.symbol.casefold() == wanted), None)

    def above(self, snapshot: Snapshot, age: float) -> list[Line]:
        """Bid, ask and last trade."""
        row = self.row(snapshot)
        if row is not None:
            return [quote.line(row, age)]
        text = f"no prices of {self.symbol}" if self.symbol else "no symbol yet, so no prices"
        return [(Cell(text, "muted"),)]

    def follow(self, snapshot: Snapshot, age: float) -> None:
        """Prices go on, and the tick is asked for where it is not known."""
        super().follow(snapshot, age)
        row = self.row(snapshot)
        if row is not None and row.symbol != self._asked_of:
            self._asked_of = row.symbol
            self._asker.forget()  # another symbol need not wait for its second
        self._asker.pulse()

    def _question(self) -> AnyQuestion | None:
        row = self.row()
        if row is None or row.symbol in self._ticks:
            return None
        return MarketOf(symbol=row.symbol, levels=0, prints=0)

    def _took(self, reply: AnyReply) -> None:
        if isinstance(reply, MarketSeen):
            self._ticks[reply.symbol] = reply.tick
            self.desk.learn(reply)
            self.learnt()
            self.draw()

    def learnt(self) -> None:
        """Tick and lot of the symbol are known."""

    # Steps

    def unit(self, field: Field) -> Decimal | None:
        """What Up and Down add to a field or take away; None: they lead to another field."""
        row = self.row()
        if row is None or field.choices or field.kind == "text":
            return None
        if field.kind == "price":
            return self._ticks.get(row.symbol)
        usual: Decimal = self.desk.size_of(row.symbol)
        return usual

    def step(self, field: Field, direction: int) -> str:
        """One tick, or one size of `desk.sizes`; a price that is needed begins at the market. Another field
        that is empty is left to those who go through it."""
        unit = self.unit(field)
        if unit is None or not field.value:
            return self.begin(field) if unit is not None else ""
        try:
            value = stepped(Decimal(field.value), unit, direction)
        except InvalidOperation:
            return field.value
        return f"{value:f}" if field.kind == "price" or value > 0 else field.value

    def crosses(self, field: Field) -> str:
        """Says of a limit that it would trade at once; empty: it would not, or nobody knows."""
        row = self.row()
        if row is None or field.name not in ("price", "limit") or self.waits:
            return ""
        try:
            limit = Decimal(field.value)
        except InvalidOperation:
            return ""
        if self.buys and row.ask is not None and limit >= row.ask:
            return "not below the ask: trades at once"
        if self.sells and row.bid is not None and limit <= row.bid:
            return "not above the bid: trades at once"
        return ""

    def begin(self, field: Field) -> str:  # noqa: ARG002 - for those in which something is needed
        """Where the steps of an empty field begin; empty: nowhere."""
        return ""

    def hint(self, field: Field, here: bool) -> str:
        """As elsewhere, and what a step is."""
        unit = self.unit(field) if here else None
        known = self.crosses(field) or super().hint(field, here)
        if unit is None or not (field.value or self.begin(field)):
            return known
        if not field.value:
            return f"{known} · ↑ the market's"
        return " · ".join(
            filter(None, (known, f"↑↓ {'a tick of ' if field.kind == 'price' else ''}{unit:f}"))
        )
