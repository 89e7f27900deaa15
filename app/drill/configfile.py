"""Settings written back as TOML: the configuration of the engines that a drill starts as processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from app.settings import Settings


def write_config(path: Path, settings: Settings, changes: Mapping[str, Any]) -> None:
    """Writes all settings to a new file (0600), with whole sections or keys replaced by `changes`."""
    values = settings.model_dump(exclude={"secrets"})
    values.update(changes)
    write_values(path, values)


def write_values(path: Path, values: Mapping[str, Any]) -> None:
    """Writes sections and keys to a file (0600); what is not among them is as it is by default."""
    lines: list[str] = []
    _table((), values, lines)
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(name: tuple[str, ...], values: Mapping[str, Any], lines: list[str]) -> None:
    tables: list[tuple[str, Any]] = []
    if name:
        lines.append(f"[{'.'.join(map(_key, name))}]")
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, Mapping) or (_is_tables(value)):
            tables.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in tables:
        if isinstance(value, Mapping):
            _table((*name, key), value, lines)
            continue
        for entry in value:
            lines.append(f"[[{'.'.join(map(_key, (*name, key)))}]]")
            lines.extend(f"{_key(k)} = {_value(v)}" for k, v in entry.items() if v is not None)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return json.dumps(str(value.value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
        )
    return json.dumps(str(value), ensure_ascii=False)
