"""Keymaps: the operator's own keys for what the table of keys does, from a file that is checked when loaded.

A key that kill, flatten and quit have cannot be given to anything else, and theirs cannot be moved: Textual
would let a keymap steal them without a word. Two things that work at the same time cannot share a key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Final

from app.desk.keys import KEYS, RESERVED, Key
from app.paths import keymaps_dir

BUILT_IN: Final[tuple[str, ...]] = ("vim",)

_LOST: Final[dict[str, str]] = {
    **dict.fromkeys(("ctrl+i", "ctrl+m", "ctrl+j", "ctrl+h"), "terminals send it as Tab, Enter or Backspace"),
    **dict.fromkeys(("ctrl+s", "ctrl+z"), "terminals keep it for flow and job control"),
    "ctrl+b": "tmux keeps it for itself",
    "ctrl+a": "screen keeps it for itself",
    **dict.fromkeys(("f10", "f11"), "terminal windows keep it for menu and full screen"),
}
_NAME: Final = re.compile(r"(ctrl\+|shift\+)*([a-z0-9]|[a-z]+_?[a-z_]*|f[0-9]{1,2})|[A-Z]", re.ASCII)
_SIGNS: Final[dict[str, str]] = {
    "/": "slash",
    ":": "colon",
    ";": "semicolon",
    "?": "question_mark",
    "!": "exclamation_mark",
    "<": "less_than_sign",
    ">": "greater_than_sign",
    "$": "dollar_sign",
    "^": "circumflex_accent",
    "*": "asterisk",
    "+": "plus",
    "-": "minus",
    "=": "equals_sign",
    ".": "full_stop",
    ",": "comma",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "(": "left_parenthesis",
    ")": "right_parenthesis",
    "'": "apostrophe",
    '"': "quotation_mark",
    "#": "number_sign",
    "%": "percent_sign",
    "&": "ampersand",
    "_": "underscore",
    "~": "tilde",
    "\\": "backslash",
    "|": "vertical_line",
    "@": "at",
    " ": "space",
}
"""Signs as they are typed, and Textual's names of their keys."""
_WRITTEN: Final[dict[str, str]] = {
    **{name: sign for sign, name in _SIGNS.items() if sign != " "},
    "space": "Space",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "escape": "Esc",
}


_SHARED: Final = frozenset({"everywhere", "screen", "table"})
"""Groups that work on more than one screen."""


class BadKeymap(ValueError):
    """A keymap that cannot be used; the text names file, entry, key and remedy."""


def written(name: str) -> str:
    """A key as a person writes it: Ctrl+D, PgDn, F3, ?, x."""
    *mods, key = name.split("+")
    said = _WRITTEN.get(key) or (key if len(key) == 1 and not mods else key.capitalize())
    return "+".join([*(mod.capitalize() for mod in mods), said])


def load(name_or_path: str | Path, own: Path | None = None) -> tuple[Key, ...]:
    """The table of keys with those of a keymap, by name or by path of a file; the plain table for an empty
    name. `own`: folder of the operator's own keymaps (NAME.toml), which go before the built-in ones; without
    it, the one beside the default configuration. Raises `BadKeymap`."""
    if not str(name_or_path):
        return KEYS
    named = isinstance(name_or_path, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name_or_path)
    path = Path(name_or_path)
    mine = (own or keymaps_dir(os.environ)) / f"{name_or_path}.toml"
    if named and mine.is_file():
        path = mine
    elif named and name_or_path in BUILT_IN:
        text = (resources.files("app.desk.keymaps") / f"{name_or_path}.toml").read_text(encoding="utf-8")
        return parse(text, f"keymaps/{name_or_path}.toml")
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(BUILT_IN)
        raise BadKeymap(
            f"keymap {path} cannot be read ({error}); give one of {names}, or a file's path"
        ) from error
    return parse(text, str(path))


def parse(text: str, source: str) -> tuple[Key, ...]:
    """The table of keys with those of a keymap's text. Raises `BadKeymap` that names key and remedy."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadKeymap(f"keymap {source} is not valid TOML: {error}") from error
    table = data.get("keys")
    extra = sorted(set(data) - {"keys"})
    if extra or not isinstance(table, dict):
        what = f"unknown entries {', '.join(extra)}" if extra else "no table [keys]"
        raise BadKeymap(f'keymap {source} has {what}; write [keys] and lines such as copy = ["y"]')
    changed = {ident: _keys(ident, value, source) for ident, value in table.items()}
    found = tuple(
        key._replace(keys=changed[key.id], shown=", ".join(map(written, changed[key.id])))
        if key.id in changed
        else key
        for key in KEYS
    )
    _no_conflicts(found, changed, source)
    return found


def _keys(ident: str, value: object, source: str) -> tuple[str, ...]:
    known = {key.id: key for key in KEYS}
    if ident not in known:
        near = get_close_matches(ident, known, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
        raise BadKeymap(f"keymap {source}: there is nothing called {ident}{hint}")
    if known[ident].group == "everywhere":
        raise BadKeymap(f"keymap {source}: {ident} keeps its keys ({known[ident].shown}); take the line out")
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise BadKeymap(f'keymap {source}: {ident} must be a list of keys such as ["y", "ctrl+d"]')
    return tuple(dict.fromkeys(_key(ident, one, source) for one in value))


def _key(ident: str, text: str, source: str) -> str:
    name = _SIGNS.get(text, text)
    if not _NAME.fullmatch(name):
        raise BadKeymap(
            f"keymap {source}: {ident} has the key {text!r}, which is no key; write x, ctrl+d or f3"
        )
    if name in RESERVED:
        raise BadKeymap(f"keymap {source}: {ident} cannot have {text}: it is reserved for {_owner(name)}")
    if name in _LOST:
        raise BadKeymap(f"keymap {source}: {ident} cannot have {text}: {_LOST[name]}")
    return name


def _owner(name: str) -> str:
    return next(key.id for key in KEYS if name in key.keys)


def _no_conflicts(found: Sequence[Key], changed: Mapping[str, object], source: str) -> None:
    """Two entries that work at the same time must not share a key. Those of two different screens may."""
    for index, one in enumerate(found):
        for other in found[index + 1 :]:
            apart = one.group != other.group and not {one.group, other.group} & _SHARED
            shared = set(one.keys) & set(other.keys)
            if apart or not shared or not {one.id, other.id} & set(changed):
                continue
            raise BadKeymap(
                f"keymap {source}: {one.id} and {other.id} would both have {written(min(shared))}; "
                "give one of them another key"
            )


def for_textual(keys: Sequence[Key]) -> dict[str, str]:
    """What differs from the plain table, as Textual's keymap."""
    plain = {key.id: key.keys for key in KEYS}
    return {f"breakwater.{key.id}": ",".join(key.keys) for key in keys if key.keys != plain[key.id]}
