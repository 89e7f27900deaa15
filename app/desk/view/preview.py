"""What the engine says of an order or a limit before it is sent: would it pass, and what would it do."""

from __future__ import annotations

import textwrap
from decimal import Decimal
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, fit
from engine.control.commands import Answer

Line = tuple[Cell, ...]
MOST: Final = 5
"""Lines that refusals take; the first one is whole in any case."""
WIDTH: Final = 70
"""Cells of a line of them."""


def verdict(answer: Answer) -> list[Line]:
    """Whether the gate would let it pass, each refusal with its control."""
    if answer.ok:
        return [(Cell("✓ ", "order-filled"), Cell("the gate would let it pass"))]
    reasons = answer.data.get("refusals", answer.text).split("\n")
    lines: list[Line] = []
    for number, reason in enumerate(reasons):
        parts = textwrap.wrap(reason, WIDTH - 2) or [""]
        if lines and len(lines) + len(parts) > MOST:
            rest = ", ".join(left.partition(":")[0] for left in reasons[number:])
            lines.append((Cell(fit(f"  and {len(reasons) - number} more: {rest}", WIDTH).rstrip(), "muted"),))
            break
        marks = ("✕ ", *("  " for _ in parts[1:]))
        lines += [
            (Cell(mark, "order-rejected"), Cell(part, "order-rejected"))
            for mark, part in zip(marks, parts, strict=True)
        ]
    return lines


def meaning(data: dict[str, str], what: str = "this order") -> list[Line]:
    """Position, worst case, notional and margin, as far as they are known. `what` is judged."""
    lines = _positions(data, what) if "position" in data else []
    if "margin_then" in data:
        used = _money(data.get("margin_now", data["margin_then"]))
        equity = data.get("equity", "")
        share = ""
        if equity and Decimal(equity) > 0:
            share = f" ({Decimal(data['margin_then']) / Decimal(equity):.1%} of equity)"
        lines.append(
            (
                Cell("Margin    ", "muted"),
                Cell(f"{used} → "),
                Cell(_money(data["margin_then"]), "heading"),
                Cell(f" {data.get('currency', '')}{share}", "muted"),
            )
        )
    if "notional" in data:
        text = f"{_money(data['notional'])} {data.get('currency', '')}"
        lines.append((Cell("Notional  ", "muted"), Cell(text)))
    return lines


def _positions(data: dict[str, str], what: str) -> list[Line]:
    """The position now, and what it would be if orders filled: those that work, then this one as well."""
    cells = [Cell("Position  ", "muted"), Cell("now "), Cell(_size(data["position"]), "heading")]
    now = reach(data["position"], data["worst_now"])
    if now is None:
        cells.append(Cell(" · no working orders"))
    else:
        cells += [Cell(" · with all working orders "), Cell(now)]
    then = reach(data["position"], data["worst_then"]) or _size(data["position"])
    after = [Cell(f"after {what} "), Cell(then, "heading"), Cell(f" of {data['limit']}")]
    if data.get("reduces") == "yes":
        after.append(Cell(" · only reduces", "order-filled"))
    return [tuple(cells), (Cell(" " * 10), *after)]


def reach(position: str, span: str) -> str | None:
    """Where a position may come to, of the ends of a span `0 … +4` that it lies in: the end that is not
    where it stands, both where neither is, None where it stands on both."""
    ends = [end for end in span.split(" … ") if end != position]
    if not ends:
        return None
    return " to ".join(_size(end) for end in dict.fromkeys(ends))


def _size(text: str) -> str:
    return formats.size(Decimal(text), sign=True)


def limit(data: dict[str, str]) -> list[Line]:
    """What a changed limit would mean: what holds now and then, where that comes from, and until when."""
    if "key" not in data:
        return []
    wider, same = data["effect"] == "wider", data["before"] == data["after"]
    lines: list[Line] = [
        (
            Cell("In force  ", "muted"),
            Cell(data["before"]),
            Cell(" stays in force" if same else " → ", "text"),
            Cell("" if same else data["after"], "heading"),
            Cell("  lets MORE through" if wider else "", "alarm-warning"),
        ),
        *_under("Now       ", data["before_from"]),
    ]
    if data["after_from"] != data["before_from"]:
        lines += _under("Then      ", data["after_from"])
    if "note" in data:
        lines += _under("Note      ", data["note"], "alarm-warning")
    if "used" in data:
        lines += _under("Used      ", f"{data['used']} ({data['state']})", "text")
    if "exceeding" in data:
        lines += _under("Exceeded  ", f"by {data['exceeding']}", "alarm-warning")
    name = data["key"].removeprefix("instruments.")
    name = name.removesuffix(".max_position")  # a symbol alone names it
    back = f"'limit {name} file' takes it back; so does a reload of the file (r)"
    return [*lines, *_under("Until     ", back)]


def _under(label: str, text: str, meaning: str = "muted") -> list[Line]:
    """A paragraph behind its label."""
    parts = textwrap.wrap(text, WIDTH - len(label)) or [""]
    heads = (label, *(" " * len(label) for _ in parts[1:]))
    return [(Cell(head, "muted"), Cell(part, meaning)) for head, part in zip(heads, parts, strict=True)]


def one_line(answer: Answer) -> Line:
    """All of it in one line, for below the command line."""
    if not answer.ok:
        return (Cell(" ✕ ", "order-rejected"), Cell(answer.text, "order-rejected"))
    data = answer.data
    said = [Cell(" ✓ ", "order-filled")]
    if "worst_then" in data:
        then = reach(data["position"], data["worst_then"]) or _size(data["position"])
        text = f"would pass; position now {_size(data['position'])}, after this and all working orders {then}"
        said.append(Cell(f"{text} of {data['limit']}"))
        if "margin_then" in data:
            said.append(Cell(f", margin {_money(data['margin_then'])} {data.get('currency', '')}"))
    elif "key" in data:
        more = f", exceeded by {data['exceeding']}" if "exceeding" in data else ""
        note = f"; {data['note']}" if "note" in data else ""
        said.append(Cell(f"{answer.text}{note}; used {data.get('used', '-')}{more}"))
    else:
        said.append(Cell(answer.text))
    return tuple(said)


def _money(text: str) -> str:
    return f"{Decimal(text):,.2f}"
