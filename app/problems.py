"""Bad configuration, said so that it can be put right: where, which key, what it says, what is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from app.schema import Found, Loc, Unknown, allowed, anywhere, dotted, find

SECRET_WORD = re.compile(
    r"(?i)pass(word|wd|phrase)|secret|token(?!s)|credential|private|authorization|(^|[_.-])(api)?[_-]?key$|apikey"
)
"""Names whose values are never shown and never logged."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `where`: file or environment variable; `key`: dotted path, may be empty."""

    where: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.text}" if self.key else f"{self.where}: {self.text}"


class BadConfig(Exception):
    """The configuration is refused. Its text lists every problem, one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(p) for p in self.problems))


def shown(value: Any, key: str = "") -> str:
    """A value for a message: as TOML would write it, short, and never a secret."""
    if SECRET_WORD.search(key):
        return "(not shown)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, Decimal):
        text = str(value)
    elif isinstance(value, (dict, BaseModel)):
        return "{…}"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def unknown_key(where: str, path: Loc, value: Any, found: Unknown, model: type[BaseModel]) -> Problem:
    """A key that nobody reads, with the one that was likely meant."""
    key = dotted(path)
    near = found.suggestion() or " or ".join(anywhere(model, str(found.at[-1])))
    if path[0] == "secrets" or (not near and SECRET_WORD.search(str(found.at[-1]))):
        return Problem(
            where,
            key,
            "secrets are not read from here: put them into the environment as BREAKWATER_BROKER_PASSWORD "
            "or BREAKWATER_BROKER_TOKEN, or name a file of your own with mode 0600 in credentials.file",
        )
    hint = f"did you mean {near}?" if near else _listed(found)
    return Problem(where, key, f"unknown key (value {shown(value, key)}); {hint}")


def _listed(found: Unknown) -> str:
    parent = dotted(found.at[:-1])
    if not found.known:
        return f"{parent} has no keys of its own"
    names = ", ".join(found.known[:12]) + (" …; 'breakwater init' lists all" if len(found.known) > 12 else "")
    return f"known {'in ' + parent if parent else 'at the top'}: {names}"


def wrong_value(where: str, path: Loc, value: Any, why: str, found: Found) -> Problem:
    """A value of the wrong type or out of range, with what is allowed."""
    key = dotted(path)
    return Problem(where, key, f"{shown(value, key)} {why}; allowed: {_right(found, key)}")


def _right(found: Found, key: str) -> str:
    """What is allowed, with an example where there is one."""
    text = allowed(found.annotation, found.field)
    examples = found.field.examples if found.field is not None else None
    return f"{text}, such as {shown(examples[-1], key)}" if examples else text


_WHY = {
    "greater_than": "is out of range",
    "greater_than_equal": "is out of range",
    "less_than": "is out of range",
    "less_than_equal": "is out of range",
    "literal_error": "is no choice",
    "enum": "is no choice",
    "string_pattern_mismatch": "does not match",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "finite_number": "is no finite number",
    "int_parsing": "is no whole number",
    "int_from_float": "is no whole number",
    "int_type": "is no whole number",
    "float_parsing": "is no number",
    "float_type": "is no number",
    "decimal_parsing": "is no number",
    "decimal_type": "is no number",
    "bool_parsing": "is neither true nor false",
    "too_short": "has too few entries",
}


def from_validation(
    error: ValidationError, model: type[BaseModel], where: Mapping[Loc, str], default: str
) -> list[Problem]:
    """The problems behind a validation error, the first of each key. `where` names the source of paths that
    are not from `default`."""
    problems: list[Problem] = []
    for item in error.errors():
        path: Loc = tuple(item["loc"])
        found = find(model, path)
        while isinstance(found, Unknown) and path and item["type"] != "extra_forbidden":
            path = path[:-1]  # pydantic adds the member of a union to the path
            found = find(model, path)
        source = next((where[path[:n]] for n in range(len(path), 0, -1) if path[:n] in where), default)
        if path and any(p.key == dotted(path) for p in problems):
            continue  # each member of a union complains about the same value
        if isinstance(found, Unknown):
            problems.append(unknown_key(source, path, item["input"], found, model))
        elif item["type"] == "missing":
            problems.append(
                Problem(source, dotted(path), f"is missing; it takes: {_right(found, dotted(path))}")
            )
        elif item["type"] == "value_error":
            problems.append(Problem(source, dotted(path), str(item["ctx"]["error"])))
        else:
            why = _WHY.get(item["type"], item["msg"][:1].lower() + item["msg"][1:])
            problems.append(wrong_value(source, path, item["input"], why, found))
    return problems
