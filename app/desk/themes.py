"""Themes: TOML files that give every meaning a colour, checked for completeness and contrast when loaded."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from app.desk.view.meanings import MEANINGS
from app.paths import themes_dir

if TYPE_CHECKING:
    from textual.theme import Theme

DEFAULT: Final = "cvd"
BUILT_IN: Final[tuple[str, ...]] = ("cvd", "dark", "light", "high-contrast", "sixteen", "red-up")
FOR_SIXTEEN: Final = "sixteen"
"""Takes the default's place where the terminal has no more colours than that."""
LEAST_CONTRAST: Final = 4.5
"""WCAG 2.1, success criterion 1.4.3 (AA) for text of normal size."""

_COLOURS: Final = (
    "primary",
    "secondary",
    "accent",
    "warning",
    "error",
    "success",
    "foreground",
    "background",
    "surface",
    "panel",
    "boost",
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEX = re.compile(r"#[0-9A-Fa-f]{6}")


class BadTheme(ValueError):
    """A theme file that cannot be used; the text names the file, the key and the remedy."""


@dataclass(frozen=True)
class DeskTheme:
    """A checked theme. `meanings` has a colour for every meaning, all as #rrggbb."""

    name: str
    dark: bool
    colours: Mapping[str, str]
    meanings: Mapping[str, str]

    def to_textual(self) -> Theme:
        """The same for Textual; every meaning becomes a variable `$m-MEANING` of the style sheets."""
        from textual.theme import Theme

        variables = {f"m-{meaning}": colour for meaning, colour in self.meanings.items()}
        return Theme(name=self.name, dark=self.dark, variables=variables, **self.colours)  # type: ignore[arg-type]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb as WCAG 2.1 defines it, 0 to 1."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def load(name_or_path: str | Path, own: Path | None = None) -> DeskTheme:
    """A theme by name, or any theme file by path. Raises `BadTheme`.

    `own`: folder of the operator's own themes (NAME.toml), where one may have the name of a built-in theme
    and takes its place; without it, the folder beside the default configuration.
    """
    named = isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path)
    if named:
        path = (own or themes_dir(os.environ)) / f"{name_or_path}.toml"
        if path.is_file():
            return parse(_read(path, str(path)), str(path))
    if named and name_or_path in BUILT_IN:
        text = (resources.files("themes") / f"{name_or_path}.toml").read_text(encoding="utf-8")
        return parse(text, f"themes/{name_or_path}.toml")
    return parse(_read(Path(name_or_path), str(name_or_path)), str(name_or_path))


class Stamp(NamedTuple):
    """Tells one state of a file from the next: when it was written (ns) and how long it is."""

    path: Path
    written: int
    size: int


def stamp(name_or_path: str | Path, own: Path | None = None) -> Stamp | None:
    """Of the file that `load` would read; None for one of the built-in themes, or where there is no file."""
    named = isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path)
    own_file = (own or themes_dir(os.environ)) / f"{name_or_path}.toml"
    path = own_file if named and (own_file.is_file() or name_or_path in BUILT_IN) else Path(name_or_path)
    try:
        found = path.expanduser().stat()
    except OSError:
        return None
    return Stamp(path, found.st_mtime_ns, found.st_size)


def names(own: Path | None = None) -> tuple[str, ...]:
    """Themes that can be chosen by name: the operator's own, then those that come with the desk."""
    try:
        mine = sorted(path.stem for path in (own or themes_dir(os.environ)).glob("*.toml"))
    except OSError:
        mine = []
    return tuple(dict.fromkeys((*mine, *BUILT_IN)))


def _read(path: Path, source: str) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(BUILT_IN)
        raise BadTheme(
            f"theme {source} cannot be read ({error}); give one of {names}, or a file's path"
        ) from error


def parse(text: str, source: str) -> DeskTheme:
    """The text of a theme file, checked. Raises `BadTheme` that names key and remedy."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadTheme(f"theme {source} is not valid TOML: {error}") from error
    name = data.get("name")
    if not isinstance(name, str) or not name:
        raise BadTheme(f'theme {source} has no name; add a line name = "..."')
    dark = data.get("dark")
    if not isinstance(dark, bool):
        raise BadTheme(f"theme {source}: dark must be true or false")
    extra = sorted(set(data) - {"name", "dark", "colours", "variables"})
    if extra:
        raise BadTheme(f"theme {source} has unknown keys: {', '.join(extra)}")
    colours = _table(data, "colours", _COLOURS, source)
    meanings = _table(data, "variables", MEANINGS, source)
    for ground in ("background", "surface"):
        for meaning in MEANINGS:
            ratio = contrast(meanings[meaning], colours[ground])
            if meaning != "cursor" and ratio < LEAST_CONTRAST:
                raise BadTheme(
                    f"theme {source}: {meaning} {meanings[meaning]} has contrast {ratio:.1f} on {ground} "
                    f"{colours[ground]}; it needs {LEAST_CONTRAST} at least"
                )
    return DeskTheme(name, dark, colours, meanings)


def _table(data: Mapping[str, object], key: str, wanted: tuple[str, ...], source: str) -> dict[str, str]:
    table = data.get(key)
    if not isinstance(table, dict):
        raise BadTheme(f"theme {source} has no table [{key}]")
    missing = [name for name in wanted if name not in table]
    if missing:
        raise BadTheme(f"theme {source}: [{key}] lacks {', '.join(missing)}")
    extra = sorted(set(table) - set(wanted))
    if extra:
        raise BadTheme(f"theme {source}: [{key}] has unknown names: {', '.join(extra)}")
    for name in wanted:
        if not isinstance(table[name], str) or not _HEX.fullmatch(table[name]):
            raise BadTheme(f"theme {source}: {name} must be a colour like #5CC8FF, not {table[name]!r}")
    return {name: table[name] for name in wanted}
