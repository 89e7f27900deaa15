"""What may come next: completions of the word under the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.grammar.orders import OPTIONS
from app.grammar.tokens import Context, words
from app.grammar.verbs import VERBS
from engine.feeds.instruments import root_of

_MODIFY: Final = ("size", "@", "stop", "preview")
_SCOPES: Final = ("halt", "day_loss", "instrument", "control")


def complete(line: str, context: Context) -> list[str]:
    """Whole words that the word at the end of `line` may become, the likely ones first; where the line ends
    with a space, all that may follow."""
    found = words(line)
    fresh = not line or line[-1].isspace() or line[-1] == "@"
    begun = "" if fresh or not found else found.pop().text
    candidates = _next([word.text for word in found], context)
    return [
        name for name in dict.fromkeys(candidates) if name.lower().startswith(begun.lower()) and name != begun
    ]


def completed(line: str, context: Context) -> str:
    """The line with the word at its end completed as far as it is certain, and a space where it is whole."""
    options = complete(line, context)
    if not options:
        return line
    begun = "" if not line or line[-1].isspace() else words(line)[-1].text
    common = options[0]
    for option in options[1:]:
        while not option.lower().startswith(common.lower()):
            common = common[:-1]
    if len(common) < len(begun):
        return line
    return line[: len(line) - len(begun)] + common + (" " if len(options) == 1 else "")


def _next(before: list[str], context: Context) -> Iterable[str]:
    if not before:
        return tuple(VERBS)
    verb = VERBS.get(before[0].lower())
    if verb is None:
        return ()
    last = before[-1].lower()
    match verb.takes, len(before):
        case "size", 2:
            return context.symbols
        case "size", n if n > 2:
            return () if last in ("@", "trigger", "stop", "target", "gtd") else OPTIONS
        case "symbol", 1:
            return (*context.symbols, *(["all"] if before[0] == "flatten" else []))
        case "months", 1:
            return context.symbols
        case "months", 2:
            return tuple(s for s in context.symbols if s != before[1] and root_of(s) == root_of(before[1]))
        case "months", n if n > 2:
            return () if "within" in before else ("all", "within")
        case "order", 1:
            return context.orders
        case "order", n if n > 1:
            return () if last in _MODIFY else _MODIFY
        case "orders", 1:
            return ("all", *context.orders)
        case "orders", 2 if last == "all":
            return context.symbols
        case "limit", 1:
            return (*context.symbols, *context.controls)
        case "limit", 2:
            return ("file",)
        case "theme", 1:
            return ("reload", *context.themes)
        case "alert", 1:
            return map(str, context.alerts)
        case "strategy", 1:
            return context.strategies
        case "strategy", 2 if before[0].lower() == "stop":
            return ("keep", "cancel", "flatten")
        case "scope", 1:
            return _SCOPES
        case "scope", 2:
            return {"instrument": context.symbols, "control": context.controls}.get(last, ())
    return {"kill": ("flatten",), "take": ("control",)}.get(before[0], ()) if len(before) == 1 else ()
