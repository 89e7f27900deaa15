"""The theme in use: another one by command, and the operator's own file read again when it was saved."""

from __future__ import annotations

from typing import Final

from app.desk import themes
from app.desk.host import Part

LOOK_EVERY: Final = 2.0
"""Seconds between two looks whether a theme's file was saved: one `stat` each."""


class Themed(Part):
    """Part of the app."""

    _desk_theme: themes.DeskTheme
    _asked_theme: str
    """The theme by name or path, as it was asked for; empty: it was handed in, and no file is behind it."""
    _theme_stamp: themes.Stamp | None = None
    theme: str
    """Of Textual's app."""

    def begin_theme(self, theme: themes.DeskTheme | str) -> None:
        """Takes the first theme. Raises `themes.BadTheme`."""
        handed = isinstance(theme, themes.DeskTheme)
        self._asked_theme = "" if handed else str(theme)
        self._theme_stamp = self._stamp()
        self._desk_theme = theme if isinstance(theme, themes.DeskTheme) else themes.load(theme)

    def _stamp(self) -> themes.Stamp | None:
        return themes.stamp(self._asked_theme) if self._asked_theme else None

    def use_theme(self, name: str) -> None:
        """Another theme by name or path, or with an empty name the same one read anew. One that cannot be
        used leaves the old one, and it is said what is wrong with it."""
        asked = name or self._asked_theme or self._desk_theme.name
        stamp = themes.stamp(asked)
        try:
            theme = themes.load(asked)
        except themes.BadTheme as error:
            self._theme_stamp = stamp if asked == self._asked_theme else self._theme_stamp
            self.note(f"the theme stays {self._desk_theme.name}: {error}", "alarm-warning")
            return
        self._asked_theme, self._theme_stamp, self._desk_theme = asked, stamp, theme
        self.register_theme(theme.to_textual())
        if self.theme != theme.name:
            self.theme = theme.name
        else:
            self._watch_theme(theme.name)  # the name is the same, the colours are not
        self.note(f"theme {theme.name}" + (f" from {stamp.path}" if stamp is not None else ""), "heading")

    def watch_theme_file(self) -> None:
        """Takes the theme's file anew when it was saved."""
        if self._asked_theme and self._stamp() != self._theme_stamp:
            self.use_theme("")
