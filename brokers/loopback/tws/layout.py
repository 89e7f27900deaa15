"""How messages are described: one table serves encoding, decoding and their checks, so both cannot differ.

A layout is a row of parts. Plain fields are written as words: `orderId# action qty% transmit? =11` (see
`framing.to_text` for the signs; `=` is a constant). `Many` is a count and as many items, `When` a part that
is only there if the fields before it say so. Parts may begin with a server version, or end before one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from brokers.loopback.tws.framing import WireError, from_text, to_text

Values = dict[str, Any]
"""A message without its type: field name → value; None is "not set"."""

_SIGNS = "#%~?"
_FOREVER = 1 << 20


class Field(NamedTuple):
    name: str
    kind: str
    since: int = 0
    before: int = _FOREVER


class Const(NamedTuple):
    text: str
    since: int = 0
    before: int = _FOREVER


class Many(NamedTuple):
    """A count and so many items, each a `Values` of its own."""

    name: str
    item: Layout


class When(NamedTuple):
    """Parts that are there when `test` of the values so far holds."""

    test: Callable[[Values], bool]
    parts: Layout


Part = Field | Const | Many | When
Layout = tuple[Part, ...]


def fields(words: str, since: int = 0, before: int = _FOREVER) -> Layout:
    """Plain fields from words."""
    parts: list[Part] = []
    for word in words.split():
        if word.startswith("="):
            parts.append(Const(word[1:], since, before))
        elif word[-1] in _SIGNS:
            parts.append(Field(word[:-1], word[-1], since, before))
        else:
            parts.append(Field(word, "", since, before))
    return tuple(parts)


def names(layout: Layout) -> Iterator[str]:
    """All field names of a layout at its own level."""
    for part in layout:
        if isinstance(part, Field | Many):
            yield part.name
        elif isinstance(part, When):
            yield from names(part.parts)


_known: dict[int, frozenset[str]] = {}
_plans: dict[tuple[int, int], Layout] = {}
"""By the layout's `id`: layouts are constants of modules and live as long as the process."""


def _names(layout: Layout) -> frozenset[str]:
    known = _known.get(id(layout))
    if known is None:
        known = _known[id(layout)] = frozenset(names(layout))
    return known


def _plan(layout: Layout, version: int) -> Layout:
    """The parts of a layout that are there in a version."""
    plan = _plans.get((id(layout), version))
    if plan is None:
        plan = tuple(p for p in layout if isinstance(p, Many | When) or p.since <= version < p.before)
        _plans[id(layout), version] = plan
    return plan


def encode(layout: Layout, values: Values, version: int) -> list[str]:
    """Values → texts. Missing values are "not set". `layout` is a constant of a module. Raises `WireError`
    for a value that has no field."""
    unknown = values.keys() - _names(layout)
    if unknown:
        raise WireError(f"no field for {', '.join(sorted(unknown))}")
    out: list[str] = []
    _encode(layout, values, version, out)
    return out


def _encode(layout: Layout, values: Values, version: int, out: list[str]) -> None:
    for part in _plan(layout, version):
        if type(part) is Field:
            name, kind = part.name, part.kind
            value = values.get(name)
            out.append(to_text(kind, False if value is None and kind == "?" else value, name))
        elif isinstance(part, Const):
            out.append(part.text)
        elif isinstance(part, When):
            if part.test(values):
                _encode(part.parts, values, version, out)
        elif isinstance(part, Many):
            items = values.get(part.name) or []
            out.append(str(len(items)))
            for item in items:
                out += encode(part.item, item, version)


def decode(layout: Layout, texts: Sequence[str], version: int) -> Values:
    """Texts → values. Raises `WireError` for missing, left over or unreadable fields."""
    values: Values = {}
    end = _decode(layout, texts, 0, version, values)
    if end != len(texts):
        raise WireError(f"{len(texts) - end} fields are left over: {list(texts[end:])!r}")
    return values


def _decode(layout: Layout, texts: Sequence[str], at: int, version: int, values: Values) -> int:
    for part in layout:
        if isinstance(part, When):
            if part.test(values):
                at = _decode(part.parts, texts, at, version, values)
        elif isinstance(part, Many):
            count = from_text("#", _take(texts, at, part.name), part.name) or 0
            at += 1
            items: list[Values] = []
            for _ in range(count):
                item: Values = {}
                at = _decode(part.item, texts, at, version, item)
                items.append(item)
            values[part.name] = items
        elif part.since <= version < part.before:
            text = _take(texts, at, part.name if isinstance(part, Field) else f"={part.text}")
            if isinstance(part, Field):
                values[part.name] = from_text(part.kind, text, part.name)
            elif text != part.text:
                raise WireError(
                    f"expected {part.text!r} and got {text!r}; is it a newer form of the message?"
                )
            at += 1
    return at


def _take(texts: Sequence[str], at: int, name: str) -> str:
    if at >= len(texts):
        raise WireError(f"the message ends before field {name}")
    return texts[at]
