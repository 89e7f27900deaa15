"""Takes Textual's switches out of the environment before Textual reads them.

Textual reads its variables at import. Some of them would make the desk unsafe: TEXTUAL_ALLOW_SIGNALS turns
the kill key ctrl+backslash into a SIGQUIT, TEXTUAL_PRESS types keys by itself, TEXTUAL_DRIVER replaces the
driver that survives a lost terminal, TEXTUAL_LOG writes what is on the screen to a file.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

UNSAFE = (
    "TEXTUAL",
    "TEXTUAL_ALLOW_SIGNALS",
    "TEXTUAL_DEBUG",
    "TEXTUAL_DEVTOOLS_HOST",
    "TEXTUAL_DEVTOOLS_PORT",
    "TEXTUAL_DRIVER",
    "TEXTUAL_FILTERS",
    "TEXTUAL_LOG",
    "TEXTUAL_PRESS",
    "TEXTUAL_SCREENSHOT",
    "TEXTUAL_SCREENSHOT_FILENAME",
    "TEXTUAL_SCREENSHOT_LOCATION",
    "TEXTUAL_SHOW_RETURN",
    "TEXTUAL_THEME",
)


def tame(environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """Removes what is unsafe and answers with the names that were there.

    What is left alone: TEXTUAL_FPS, TEXTUAL_COLOR_SYSTEM, TEXTUAL_ANIMATIONS, TEXTUAL_DISABLE_KITTY_KEY,
    NO_COLOR: they change looks, not behaviour.
    """
    return [name for name in UNSAFE if environ.pop(name, None) is not None]
