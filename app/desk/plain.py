"""Terminals that cannot show everything: ASCII for those without the glyphs, and which ones those are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Literal

from rich.cells import cell_len

Glyphs = Literal["auto", "unicode", "ascii"]

_ASCII: Final[dict[str, str]] = {
    **dict.fromkeys("╭╮╰╯┏┓┗┛┌┐└┘", "+"),
    **dict.fromkeys("│┃┆┊▏▕", "|"),
    **dict.fromkeys("─━", "-"),
    **dict.fromkeys("█▉▊▋▌▍▎", "#"),
    **dict(zip("▁▂▃▄▅▆▇", ".,:-=+*", strict=True)),
    "▀": '"',
    "░": ":",
    "┄": "-",
    "◆": "*",
    "◂": "<",
    "×": "x",
    "▶": ">",
    "▸": ">",
    "→": ">",
    "▲": "^",
    "▼": "v",
    "△": "!",
    "◐": "%",
    "●": "*",
    "■": "#",
    "◌": ".",
    "◦": ".",
    "·": ".",
    "○": "o",
    "✓": "+",
    "✕": "x",
    "‖": "=",
    "≠": "!",
    "−": "-",
    "…": "~",
    "µ": "u",
    "\xa0": " ",
    "–": "-",
    "’": "'",
}
"""Each glyph and the character that takes its place, of the same width. Words beside them say the same."""

_WITHOUT_GLYPHS: Final = ("linux", "vt52", "vt100", "vt102", "vt220", "vt320", "ansi")
"""Terminals (TERM) whose fonts have not the signs of the desk, whatever the character set."""


def to_ascii(text: str) -> str:
    """The same text in ASCII, cell for cell; what has no counterpart becomes question marks."""
    if text.isascii():
        return text
    return "".join(
        character if character.isascii() else _ASCII.get(character) or "?" * cell_len(character)
        for character in text
    )


def wants_ascii(glyphs: Glyphs, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the desk keeps to ASCII: as it was set, or by what is known of the terminal.

    A character set that is named and is not UTF-8 says no, as does the locale C where somebody chose it.
    An environment that says nothing is taken for UTF-8, as terminals are today.
    """
    if glyphs != "auto":
        return glyphs == "ascii"
    if environ.get("TERM", "").partition("-")[0] in _WITHOUT_GLYPHS:
        return True
    chosen = environ.get("LC_ALL") or environ.get("LC_CTYPE", "")
    if chosen in ("", "C.UTF-8"):
        # Python itself sets LC_CTYPE so where the locale is C or not set at all.
        chosen = chosen if environ.get("LC_ALL") else environ.get("LANG", "")
    if chosen in ("C", "POSIX"):
        return True
    charset = chosen.partition(".")[2].partition("@")[0]
    return bool(charset) and charset.lower().replace("-", "") != "utf8"
