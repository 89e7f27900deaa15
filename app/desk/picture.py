"""A picture of the desk as SVG, without a terminal: for the README, from a link to a real engine."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from app.desk import themes
from app.desk.app import DeskApp
from app.desk.options import DeskOptions
from engine.control.link import Link

_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_FONT = re.compile(r"\s*@font-face\s*\{[^}]*\}", re.DOTALL)


def svg(
    link: Link,
    *,
    size: tuple[int, int] = (120, 40),
    theme: themes.DeskTheme | str = themes.DEFAULT,
    zone: str = "America/Chicago",
    title: str = "Breakwater",
    keys: tuple[str, ...] = (),
) -> str:
    """The desk as it would stand on a terminal of `size` (columns, lines), after `keys` were pressed.

    Call it from a thread without a running event loop. The fonts are those of the reader: no addresses.
    """

    async def draw() -> str:
        app = DeskApp(link, DeskOptions(theme=theme, frame_rate=0, zone=zone))
        async with app.run_test(headless=True, size=size) as pilot:
            await pilot.pause()
            await pilot.press(*keys)
            # Twice: a first snapshot may show or hide lines, which moves the panes.
            for _ in range(2):
                app.paint()
                await pilot.pause()
            return app.export_screenshot(title=title, simplify=True)

    return _COMMENT.sub("", _FONT.sub("", asyncio.run(draw())))


def export(link: Link, path: Path, *, size: tuple[int, int] = (120, 40), theme: str = themes.DEFAULT) -> Path:
    """Writes the picture to a file and answers with its path."""
    path.write_text(svg(link, size=size, theme=theme), encoding="utf-8")
    return path
