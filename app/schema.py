"""What the settings models know about each key: its type, range, choices, default and reason, for people.

Messages about bad configuration, the environment source and the file that `breakwater init` writes are all
made from this, so that each fact about a key stands in one place: its declaration.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Loc = tuple[str | int, ...]

NOT_IN_FILE = frozenset({"secrets"})
"""Top-level fields that no file and no nested environment variable may set."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads. `field` is None for an entry of a table such as `risk.instruments.ES`."""

    annotation: Any
    field: FieldInfo | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A path that leads nowhere: `at` is its first wrong step, `known` what could stand there."""

    at: Loc
    known: tuple[str, ...]

    def suggestion(self) -> str:
        """The likeliest key that was meant, dotted; empty where nothing is near."""
        near = difflib.get_close_matches(str(self.at[-1]), self.known, 1, 0.6)
        return dotted((*self.at[:-1], near[0])) if near else ""


def anywhere(model: type[BaseModel], name: str, prefix: str = "") -> Iterator[str]:
    """Dotted paths of all keys called `name`, in whatever section."""
    for key, field in model.model_fields.items():
        if key in NOT_IN_FILE and not prefix:
            continue
        if key == name:
            yield prefix + key
        section = model_of(field.annotation)
        if section is not None:
            yield from anywhere(section, name, f"{prefix}{key}.")


def dotted(loc: Loc) -> str:
    """`("strategies", 0, "name")` → `strategies[0].name`."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def bare(annotation: Any) -> Any:
    """An annotation without `Annotated` and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            kinds = [a for a in get_args(annotation) if a is not type(None)]
            if len(kinds) != 1:
                return annotation
            annotation = kinds[0]
        else:
            return annotation


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation stands for, if it does."""
    annotation = bare(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def element_of(annotation: Any) -> Any:
    """What the entries of a list or table are; None for anything else."""
    annotation = bare(annotation)
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0]
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    return None


def find(model: type[BaseModel], loc: Sequence[str | int]) -> Found | Unknown:
    """Follows a path of keys, list positions and table entries through the models."""
    annotation: Any = model
    field: FieldInfo | None = None
    for depth, step in enumerate(loc):
        section = model_of(annotation)
        if section is not None:
            known = tuple(n for n in section.model_fields if section is not model or n not in NOT_IN_FILE)
            if step not in known:
                return Unknown(tuple(loc[: depth + 1]), known)
            field = section.model_fields[str(step)]
            annotation = field.annotation
        else:
            entry = element_of(annotation)
            if entry is None:
                return Unknown(tuple(loc[: depth + 1]), ())
            annotation, field = entry, None
    return Found(annotation, field)


def allowed(annotation: Any, field: FieldInfo | None = None) -> str:
    """What a key takes, for a person: `1 to 20`, `one of paper, live`, `true or false` …"""
    kind = bare(annotation)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(a) for a in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(allowed(a, field) for a in get_args(kind) if a is not type(None))
    if get_origin(kind) is tuple:
        return "list: " + allowed(get_args(kind)[0], None)
    if get_origin(kind) is dict:
        return "table: " + allowed(get_args(kind)[1], None)
    if kind is bool:
        return "true or false"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(m.value) for m in kind)
    if model_of(kind) is not None:
        return "table"
    bounds = _bounds(annotation, field)
    if kind is int:
        return ("whole number " + bounds).strip()
    if kind in (float, Decimal):
        return ("number " + bounds).strip()
    if kind in (str, Path):
        return ("text " + bounds).strip()
    return bounds or "text"


def _bounds(annotation: Any, field: FieldInfo | None) -> str:
    marks: list[Any] = list(field.metadata) if field is not None else []
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        if get_origin(annotation) is Annotated:
            for extra in get_args(annotation)[1:]:
                marks += extra.metadata if isinstance(extra, FieldInfo) else [extra]
            annotation = get_args(annotation)[0]
        else:
            kinds = [a for a in get_args(annotation) if a is not type(None)]
            if len(kinds) != 1:
                break
            annotation = kinds[0]
    found: dict[str, Any] = {}
    for mark in marks:
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern"):
            value = getattr(mark, name, None)
            if value is not None:
                found[name] = value
    if "pattern" in found:
        return f"matching {found['pattern']}"
    low = _plain(found["ge"]) if "ge" in found else "above " + _plain(found["gt"]) if "gt" in found else ""
    high = _plain(found["le"]) if "le" in found else "below " + _plain(found["lt"]) if "lt" in found else ""
    if low and high:
        return f"{low} to {high}"
    if high:
        return f"up to {high}"
    if low:
        return low if low.startswith("above") else f"{low} or more"
    if "min_length" in found:
        longest = found.get("max_length")
        return f"of {found['min_length']} to {longest} characters" if longest else "that is not empty"
    return ""


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def misfit(annotation: Any, value: Any) -> str:
    """Why a value as TOML knows it has the wrong type for a key; empty where it fits.

    Stricter than pydantic: text is no number and `true` is no 1.
    """
    kind = bare(annotation)
    if get_origin(kind) in (Union, types.UnionType):
        return (
            ""
            if any(not misfit(a, value) for a in get_args(kind))
            else f"has the wrong type: {_type_name(value)}"
        )
    if get_origin(kind) is tuple:
        fits = isinstance(value, list)
    elif get_origin(kind) is dict or model_of(kind) is not None:
        fits = isinstance(value, dict)
    elif kind is bool:
        fits = isinstance(value, bool)
    elif kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif kind in (float, Decimal):
        fits = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
        if fits and not Decimal(value).is_finite():
            return "is no finite number"
    elif kind in (str, Path) or get_origin(kind) is Literal or issubclass(kind, Enum):
        fits = isinstance(value, str)
    else:
        fits = True
    return "" if fits else f"has the wrong type: {_type_name(value)}"


def _type_name(value: Any) -> str:
    names: dict[type, str] = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        Decimal: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def fields(model: type[BaseModel], top: bool = False) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a section in order of declaration, plain keys before tables and lists of tables."""
    listed = [(n, f) for n, f in model.model_fields.items() if not (top and n in NOT_IN_FILE)]
    yield from (item for item in listed if not is_table(item[1].annotation))
    yield from (item for item in listed if is_table(item[1].annotation))


def is_table(annotation: Any) -> bool:
    """True for what TOML writes under a heading of its own: sections, tables and lists of sections."""
    kind = bare(annotation)
    if get_origin(kind) is tuple:
        return model_of(get_args(kind)[0]) is not None
    return get_origin(kind) is dict or model_of(kind) is not None
