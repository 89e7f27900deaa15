"""What a first start without a configuration says: what this is, in five lines and three keys."""

from __future__ import annotations

import textwrap
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from app.desk.painting import Lines
from app.desk.view.cells import Cell

LINES: Final[tuple[str, ...]] = (
    "This is the paper desk: a simulated exchange and market. No broker, no account, no money.",
    "Two sample strategies trade on it. Gate, journal, risk loop and kill switch are those of live trading.",
    "The top line says: mode, whether this desk sends orders, alarms, the day's result, links, time.",
    "The engine goes on when the screen is closed (breakwater attach comes back), and remembers all it did.",
    "breakwater init writes a configuration in which every key is explained.",
)
KEYS: Final[tuple[tuple[str, str], ...]] = (
    ("F12", "halts and cancels everything at once, from anywhere: try it here"),
    ("F1", "says what every key does where you are; Ctrl+P finds it by name"),
    ("Ctrl+Q", "asks what to end: the screen or the engine"),
)
WIDTH: Final = 70


class WelcomePage(ModalScreen[None]):
    """Any key closes it, and does nothing else; the kill key kills all the same."""

    def compose(self) -> ComposeResult:
        box = Vertical(Lines(id="welcome"), classes="box")
        box.border_title = "Welcome to Breakwater · any key begins"
        yield box

    def on_mount(self) -> None:
        """Writes it."""
        found: list[tuple[Cell, ...]] = []
        for number, text in enumerate(LINES, start=1):
            first, *rest = textwrap.wrap(text, WIDTH - 3)
            found.append((Cell(f"{number}. ", "muted"), Cell(first)))
            found += [(Cell("   "), Cell(line)) for line in rest]
        found.append(())
        found += [(Cell(f"{key:<8}", "heading"), Cell(text)) for key, text in KEYS]
        self.query_one("#welcome", Lines).show(*found)

    def on_key(self, event: events.Key) -> None:
        """Begins."""
        event.stop()
        event.prevent_default()
        self.dismiss()
