"""Where settings come from: one TOML file, and above it the environment. Both say what they cannot use.

`[risk] max_position = 5` in the file is `BREAKWATER__RISK__MAX_POSITION=5` in the environment, which wins.
Entries of tables keep their case there (`BREAKWATER__RISK__INSTRUMENTS__ES__MAX_POSITION`); lists are JSON,
or words with commas between; so are whole tables.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app.credentials import NAMES, variable
from app.problems import BadConfig, Problem, unknown_key, wrong_value
from app.schema import NOT_IN_FILE, Loc, Unknown, bare, find, misfit, model_of

PREFIX = "BREAKWATER__"
"""Start of the environment variables that set keys; further `__` stand for dots."""

OTHER_VARIABLES = ("BREAKWATER_CONFIG", "BREAKWATER_STATE_DIR", *map(variable, NAMES))
"""Variables of ours that set no key."""

Tree = dict[str, Any]


class TreeSource(PydanticBaseSettingsSource):
    """Hands a tree that was read and checked before to pydantic-settings."""

    def __init__(self, settings_cls: type[BaseSettings], tree: Tree) -> None:
        super().__init__(settings_cls)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self._tree


def read_toml(path: Path, model: type[BaseModel]) -> tuple[Tree, list[Problem]]:
    """The file's values as far as they are of the right type, and what is wrong with the others.

    Raises `BadConfig` where the file cannot be read at all. Numbers with a point are exact decimals.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError as error:
        raise BadConfig(
            [Problem(str(path), "", "there is no such file; 'breakwater init' writes one")]
        ) from error
    except OSError as error:
        raise BadConfig([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig([Problem(str(path), "", f"is no TOML: {error}")]) from error
    problems: list[Problem] = []
    _prune(tree, (), model, str(path), problems)
    return tree, problems


def _prune(node: Any, path: Loc, model: type[BaseModel], where: str, problems: list[Problem]) -> bool:
    """Takes out of a tree what nobody reads or what has the wrong type; True where the node itself stays."""
    if path:
        found = find(model, path)
        if isinstance(found, Unknown):
            problems.append(unknown_key(where, path, node, found, model))
            return False
        why = misfit(found.annotation, node)
        if why:
            problems.append(wrong_value(where, path, node, why, found))
            return False
    if isinstance(node, dict):
        for key in list(node):
            if not _prune(node[key], (*path, key), model, where, problems):
                del node[key]
    elif isinstance(node, list):
        for position, entry in enumerate(node):
            if not _prune(entry, (*path, position), model, where, problems):
                node[position] = None
        if None in node:
            return False  # reported; validating the rest would only repeat it
    return True


def read_environment(
    env: Mapping[str, str], model: type[BaseModel]
) -> tuple[Tree, dict[Loc, str], list[Problem]]:
    """The environment's values as a tree, which variable each path came from, and what is wrong."""
    tree: Tree = {}
    origin: dict[Loc, str] = {}
    problems: list[Problem] = []
    for name in sorted(env):
        if not name.startswith(PREFIX):
            _near_prefix(name, model, problems)
            continue
        where = f"environment {name}"
        path = _path_of(name.removeprefix(PREFIX).split("__"), model)
        found = find(model, path)
        if isinstance(found, Unknown):
            problems.append(unknown_key(where, path, env[name], found, model))
            continue
        try:
            value = _value_of(env[name], found.annotation)
        except ValueError as error:
            problems.append(wrong_value(where, path, env[name], str(error), found))
            continue
        if isinstance(value, (dict, list)) and not _prune(value, path, model, where, problems):
            continue
        node = tree
        for step in path[:-1]:
            node = node.setdefault(str(step), {})
            if not isinstance(node, dict):
                problems.append(Problem(where, "", "a shorter variable sets the whole table already"))
                break
        else:
            node[str(path[-1])] = value
            origin[path] = where
    return tree, origin, problems


def _near_prefix(name: str, model: type[BaseModel], problems: list[Problem]) -> None:
    """A variable that looks like one of ours and would silently be ignored."""
    if not name.startswith("BREAKWATER_"):
        return
    rest = name.removeprefix("BREAKWATER_")
    meant = difflib.get_close_matches(name, OTHER_VARIABLES, 1, 0.9)
    if name not in OTHER_VARIABLES and meant:
        problems.append(Problem(f"environment {name}", "", f"is read by nobody; did you mean {meant[0]}?"))
        return
    if rest.lower() in model.model_fields and rest.lower() not in NOT_IN_FILE:
        problems.append(
            Problem(f"environment {name}", "", f"is read by nobody; did you mean {PREFIX}{rest}?")
        )
        return
    section = rest.partition("_")[0].lower()
    nested = section in model.model_fields and model_of(model.model_fields[section].annotation) is not None
    if "__" in rest or (nested and "_" in rest):
        problems.append(
            Problem(
                f"environment {name}",
                "",
                "is read by nobody; keys are written as BREAKWATER__SECTION__KEY, with two underscores",
            )
        )


def _path_of(steps: list[str], model: type[BaseModel]) -> Loc:
    """Lower-case keys, but entries of tables as they are written."""
    path: Loc = ()
    for step in steps:
        found = find(model, path)
        free = not isinstance(found, Unknown) and get_origin(bare(found.annotation)) is dict
        path = (*path, step if free else step.lower())
    return path


def _value_of(text: str, annotation: Any) -> Any:
    """A variable's text as a value; scalars stay text for pydantic. Raises `ValueError`, saying why."""
    kind = bare(annotation)
    if get_origin(kind) is tuple and model_of(get_args(kind)[0]) is None and not text.startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    if get_origin(kind) in (tuple, dict) or model_of(kind) is not None:
        try:
            return json.loads(text, parse_float=Decimal)
        except ValueError as error:
            raise ValueError(f"is no JSON ({error})") from error
    if kind is float and text.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise ValueError("is no finite number")
    return text


def floats_in_params(tree: Tree) -> None:
    """Strategy parameters are plain floats: their own models know nothing of exact decimals."""
    for strategy in tree.get("strategies", ()):
        params = strategy.get("params") if isinstance(strategy, dict) else None
        if isinstance(params, dict):
            for key, value in params.items():
                if isinstance(value, Decimal):
                    params[key] = float(value)
