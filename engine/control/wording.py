"""A command in plain words, for log and recorder: `set limit ES 1`, `submit ES buy size 2 limit 5012.25`."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.control.commands import Command
from engine.model import OrderType, Side

_BARE: Final = frozenset(
    {
        "symbol",
        "side",
        "name",
        "value",
        "order_id",
        "strategy",
        "scope",
        "target",
        "leave",
        "alert_id",
        "text",
        "source",
    }
)
"""Fields whose value says what it is."""
_TYPES: Final = {OrderType.MARKET: "market", OrderType.STOP: "stop", OrderType.STOP_LIMIT: "stop-limit"}


def worded(command: Command) -> str:
    """The command's name and what it is about; what has its default is left out."""
    words = [str(command.__struct_config__.tag).replace("_", " ")]
    defaults = dict(
        zip(reversed(command.__struct_fields__), reversed(command.__struct_defaults__), strict=False)
    )
    for field in command.__struct_fields__:
        value = getattr(command, field)
        if value in (None, "") or (field in defaults and value == defaults[field]):
            continue
        if value is True:
            words.append(field.replace("_", " "))
            continue
        if value is False:
            words.append(f"no {field.replace('_', ' ')}")
            continue
        said = _said(value)
        words.append(said if field in _BARE else f"{field.replace('_', ' ')} {said}")
    return " ".join(words)


def _said(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Side):
        return value.name.lower()
    if isinstance(value, OrderType):
        return _TYPES.get(value, "limit")
    return str(value)
