"""The order ticket (F9): every field of an order, judged by the real gate while it is filled in."""

from __future__ import annotations

from typing import ClassVar, Final

from app.desk.entry.fields import Field
from app.desk.entry.priced import Priced
from app.desk.view.preview import Line, meaning, verdict
from app.grammar.saying import say
from app.grammar.tokens import Context, Misspoken, near
from app.grammar.verbs import parse
from engine.control.commands import Answer, AnyCommand, Submit
from engine.model import OrderType, Side, TimeInForce

LIMIT: Final = "limit"
_TYPES: Final = {
    OrderType.LIMIT: LIMIT,
    OrderType.MARKET: "market",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop-limit",
}
_PRICED: Final = (LIMIT, "stop-limit")
_TRIGGERED: Final = ("stop", "stop-limit")
_NEEDED: Final = ("size", "trigger", "price", "until")
"""Without these, where they are shown, there is no order."""
_FLAGS: Final = ("none", "reduce only", "post only", "reduce and post")


class Ticket(Priced):
    """Its fields make a line of the command language, which is what is parsed, previewed and sent."""

    kind: ClassVar[str] = "ticket"

    def __init__(
        self,
        context: Context,
        order: Submit | None = None,
        *,
        confirm: bool = False,
        symbol: str = "",
    ) -> None:
        """`order`: what the fields start with; without one a new order in `symbol`. No side is guessed, and
        the cursor waits for it: the same keys do the same whatever position is open."""
        self._words = context
        fields = _fields(order)
        name, side = fields[:2]
        name.colon = any(":" in known for known in context.symbols)
        if order is None:
            side.value = ""
            name.value = symbol
        self._joins = order is None
        """Whether the price is the one that was put there, on the own side of the market, and follows the
        choice of side and symbol."""
        self._usual = order is None
        """Whether the size is the usual one of the symbol."""
        at = "size" if side.value else "side" if name.value else "symbol"
        super().__init__("ORDER TICKET", fields, at=at, confirm=confirm)

    @property
    def symbol(self) -> str:
        return self.fields["symbol"].value.strip()

    @property
    def buys(self) -> bool:
        return self.fields["side"].value == "buy"

    @property
    def sells(self) -> bool:
        return self.fields["side"].value == "sell"

    def command(self, *, preview: bool) -> AnyCommand:
        text = {name: field.value.strip() for name, field in self.fields.items()}
        known = self._words.symbols
        if not text["symbol"]:
            raise Misspoken(f"which symbol?{near('', known).replace(';', '')}")
        if known and self.symbol.casefold() not in {name.casefold() for name in known}:
            raise Misspoken(f"no symbol {self.symbol}{near(self.symbol, known)}")
        if not text["side"]:
            raise Misspoken("choose the side: b buys, s sells")
        needed = [self.fields[name] for name in _NEEDED]
        missing = [field.label.lower() for field in needed if field.shown and not field.value.strip()]
        if missing:
            raise Misspoken(f"fill in {' and '.join(missing)}")
        kind, words = text["type"], [text["side"], text["size"], text["symbol"]]
        if kind == "market":
            words.append("mkt")
        if kind in _TRIGGERED:
            words += ["trigger", text["trigger"]]
        if kind in _PRICED:
            words += ["@", text["price"]]
        for name in ("stop", "target"):
            if text[name]:
                words += [name, text[name]]
        words.append(text["tif"])
        if text["tif"] == "gtd":
            words.append(text["until"])
        words += [flag for flag in ("reduce", "post") if flag in text["flags"]]
        if preview:
            words.append("preview")
        found = parse(" ".join(word for word in words if word), self._words).command
        assert isinstance(found, Submit)
        return found

    def changed(self) -> None:
        kind = self.fields["type"].value
        self.fields["price"].shown = kind in _PRICED
        self.fields["trigger"].shown = kind in _TRIGGERED
        self.fields["until"].shown = self.fields["tif"].value == "gtd"
        self._usual = self._usual and self._at != "size"
        row = self.row()
        if self._usual and row is not None:
            self.fields["size"].value = f"{self.desk.size_of(row.symbol):f}"
        self._joins = self._joins and self._at != "price"
        if self._joins:
            # Not with every tick: what is to be confirmed must stand still.
            self.fields["price"].value = self._own_side()

    def learnt(self) -> None:
        """The usual size may be another one now."""
        before = self.fields["size"].value
        self.changed()
        if self.fields["size"].value != before:
            self._edited()

    def _own_side(self) -> str:
        """The best price on our side of the market, else the last one; empty where it is not known."""
        row, side = self.row(), self.fields["side"].value
        if row is None or not side:
            return ""
        best = row.bid if side == "buy" else row.ask
        price = row.last if best is None else best
        return "" if price is None else f"{price:f}"

    def begin(self, field: Field) -> str:
        """The price of our side, and for a trigger the last one."""
        row = self.row()
        if field.name == "trigger" and row is not None and row.last is not None:
            return f"{row.last:f}"
        return self._own_side() if field.name == "price" else ""

    def meaning(self, answer: Answer) -> list[Line]:
        return [*verdict(answer), *meaning(answer.data)]


def _fields(order: Submit | None) -> list[Field]:
    flags = "none"
    if order is not None:
        asked = [w for w, on in (("reduce", order.reduce_only), ("post", order.post_only)) if on]
        flags = " and ".join(asked) if len(asked) == 2 else f"{asked[0]} only" if asked else "none"
    words = say(order).split() if order is not None else []
    until = words[words.index("gtd") + 1] if "gtd" in words else ""

    def number(name: str) -> str:
        value = getattr(order, name, None)
        return "" if value is None else f"{value:f}"

    return [
        Field("symbol", "Symbol", order.symbol if order is not None else ""),
        Field(
            "side",
            "Side",
            "sell" if order is not None and order.side is Side.SELL else "buy",
            ("buy", "sell"),
            hint="b or s",
        ),
        Field("size", "Size", number("size"), hint="contracts or coins", kind="number"),
        Field("type", "Type", _TYPES[order.type] if order is not None else LIMIT, tuple(_TYPES.values())),
        Field("trigger", "Trigger", number("stop"), hint="the order starts when this trades", kind="price"),
        Field("price", "Price", number("limit"), hint="limit", kind="price"),
        Field("stop", "Stop", number("stop_loss"), hint="protects what fills; empty: none", kind="price"),
        Field("target", "Target", number("take_profit"), hint="takes the profit; empty: none", kind="price"),
        Field(
            "tif",
            "In force",
            order.tif.value.lower() if order is not None else "day",
            tuple(tif.value.lower() for tif in TimeInForce),
        ),
        Field("until", "Until", until, hint="14:30, or 2026-11-27T14:30", colon=True),
        Field("flags", "Only", flags, _FLAGS),
    ]
