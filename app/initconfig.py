"""The configuration file that `breakwater init` writes: every key with its default, range and reason.

All of it comes from the settings models. Each key is commented out, so that old files freeze no defaults.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.schema import allowed, bare, element_of, fields, is_table, model_of
from app.settings import Settings

_WIDTH = 100

_HEAD = """\
Breakwater configuration.

Every key is shown with its default, commented out: take the # away to change it. Where a key is not set, its
default holds. Unknown keys, wrong types and values out of range are refused at start; 'breakwater doctor'
checks this file without starting anything.

The environment wins over this file: [risk] max_position is BREAKWATER__RISK__MAX_POSITION there. The command
line wins over both. The limits in [risk] are read again while the engine runs by 'breakwater ctl reload'.

Secrets do not belong here and are refused: see [credentials].
"""

_LIST_DEFAULTS = {"strategies": "on paper the sample strategies, live none"}
_EXAMPLE_NAMES = {"instruments": "ES", "max_gross_by_class": "future", "fx": "EUR"}


def text(commented: bool = True) -> str:
    """The whole file. With `commented` False every key that has a default is set to it."""
    lines = [*_comment(_HEAD), ""]
    lines += _section(Settings, (), commented, top=True)
    return "\n".join(lines).rstrip() + "\n"


class Exists(Exception):
    """There is a file already."""


def write(path: Path, force: bool = False) -> None:
    """Writes the file with mode 0600. Raises `Exists` unless `force`; `OSError` where that fails."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not force:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise Exists(f"{path} exists already; --force replaces it, or name another path") from error
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text())
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _section(
    model: type[BaseModel], path: tuple[str, ...], commented: bool, top: bool = False
) -> Iterator[str]:
    for name, field in fields(model, top):
        if not is_table(field.annotation):
            yield from _key(name, field, commented)
            yield ""
            continue
        inner = (*path, name)
        section = model_of(field.annotation)
        if section is not None:
            yield ""
            yield f"[{'.'.join(inner)}]"
            yield from _comment(field.description or _summary(section))
            yield ""
            yield from _section(section, inner, commented)
        elif get_origin(bare(field.annotation)) is dict:
            yield from _table(inner, field)
        else:
            yield from _list_of_tables(inner, field)


def _key(name: str, field: FieldInfo, commented: bool) -> Iterator[str]:
    yield from _comment(field.description or "")
    default = _default(field)
    takes = allowed(field.annotation, field)
    if default is None:
        yield from _comment(f"Default: not set. Allowed: {takes}.")
        yield f"# {name} = {_example(field.annotation)}"
    else:
        yield from _comment(f"Default: {_toml(default)}. Allowed: {takes}.")
        yield f"{'# ' if commented else ''}{name} = {_toml(default)}"


def _table(path: tuple[str, ...], field: FieldInfo) -> Iterator[str]:
    """A table with names of the user's choice: an example, always commented out."""
    entry = element_of(field.annotation)
    section = model_of(entry)
    name = _EXAMPLE_NAMES.get(path[-1], "NAME")
    yield from _comment(field.description or "")
    if section is None:
        yield from _comment(f"Default: empty. Allowed: {allowed(field.annotation, field)}.")
        yield f"# [{'.'.join(path)}]"
        yield f"# {name} = {_example(entry, path[-1])}"
        yield ""
        return
    yield from _comment(f"Default: empty. A table for each; for {name}:")
    yield f"# [{'.'.join((*path, name))}]"
    yield from _example_section(section)


def _list_of_tables(path: tuple[str, ...], field: FieldInfo) -> Iterator[str]:
    section = model_of(element_of(field.annotation))
    assert section is not None
    yield ""
    yield from _comment(field.description or _summary(section))
    default = _LIST_DEFAULTS.get(path[-1], "none")
    yield from _comment(f"Default: {default}. A table for each:")
    yield f"# [[{'.'.join(path)}]]"
    yield from _example_section(section)


def _example_section(section: type[BaseModel]) -> Iterator[str]:
    for key, inner in section.model_fields.items():
        default = _default(inner)
        shown = "not set" if default is None else _toml(default)
        needed = "Needed" if inner.is_required() else f"Default: {shown}"
        takes = allowed(inner.annotation, inner)
        yield from _comment(f"{_one_line(inner.description)} {needed}. Allowed: {takes}.", "#   ")
        if inner.examples:
            value = _toml(inner.examples[0])
        else:
            value = _example(inner.annotation, key) if default is None else _toml(default)
        yield f"# {key} = {value}"
    yield ""


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return None
    default = field.get_default(call_default_factory=True)
    return None if default is PydanticUndefined else default


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _comment(text: str, mark: str = "# ") -> list[str]:
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        lines += [mark + line for line in textwrap.wrap(_one_line(paragraph), _WIDTH - len(mark))]
        lines.append(mark.rstrip())
    return lines[:-1]


def _toml(value: Any) -> str:
    """A default as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return json.dumps(value.value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + "}"
    raise TypeError(f"no TOML for {value!r}")


_EXAMPLES = {
    "name": '"meanrev"',
    "symbols": '["ES"]',
    "fx": "1.08",
    "low": "1000",
    "high": "2000",
}


def _example(annotation: Any, key: str = "") -> str:
    """Something to write for a key without default."""
    if key in _EXAMPLES:
        return _EXAMPLES[key]
    kind = bare(annotation)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _toml(next(iter(kind)).value)
    if kind is int:
        return "10"
    if kind is float or kind is Decimal:
        return "1000"
    if get_origin(kind) is Literal:
        return _toml(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return f"[{_example(get_args(kind)[0])}]"
    return '"…"'
