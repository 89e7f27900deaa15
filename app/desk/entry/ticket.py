"""The order ticket (F9): every field of an order, judged by the real gate while it is filled in."""

from __future__ import annotations

from typing import ClassVar, Final

from app.desk.entry.form import Field, Form
from app.desk.view.preview import Line, meaning, verdict
from app.grammar.saying import say
from app.grammar.tokens import Context, Misspoken
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
_NEEDED: Final = ("size", "symbol", "trigger", "price", "until")
"""Without these, where they are shown, there is no order."""
_FLAGS: Final = ("none", "reduce only", "post only", "reduce and post")


class Ticket(Form):
    """Its fields make a line of the command language, which is what is parsed, previewed and sent."""

    kind: ClassVar[str] = "ticket"

    def __init__(self, context: Context, order: Submit | None, *, confirm: bool = False) -> None:
        """`order`: what the fields start with."""
        self._words = context
        super().__init__("ORDER TICKET", _fields(order), at="size", confirm=confirm)

    def command(self, *, preview: bool) -> AnyCommand:
        text = {name: field.value.strip() for name, field in self.fields.items()}
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
        Field(
            "side",
            "Side",
            "sell" if order is not None and order.side is Side.SELL else "buy",
            ("buy", "sell"),
        ),
        Field("size", "Size", number("size"), hint="contracts or coins"),
        Field("symbol", "Symbol", order.symbol if order is not None else ""),
        Field("type", "Type", _TYPES[order.type] if order is not None else LIMIT, tuple(_TYPES.values())),
        Field("trigger", "Trigger", number("stop"), hint="the order starts when this trades"),
        Field("price", "Price", number("limit"), hint="limit"),
        Field("stop", "Stop", number("stop_loss"), hint="protects what fills; empty: none"),
        Field("target", "Target", number("take_profit"), hint="takes the profit; empty: none"),
        Field(
            "tif",
            "In force",
            order.tif.value.lower() if order is not None else "day",
            tuple(tif.value.lower() for tif in TimeInForce),
        ),
        Field("until", "Until", until, hint="14:30, or 2026-11-27T14:30"),
        Field("flags", "Only", flags, _FLAGS),
    ]
