"""What a form takes and what its keys do (F1 in a form)."""

from __future__ import annotations

import textwrap
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical

from app.desk.dialogs import WIDTH, Page
from app.desk.painting import Lines
from app.desk.view.cells import Cell

_KEYS: Final = (
    ("Tab", "the next field; Shift+Tab the one before"),
    ("Up, Down", "in a number: one step, a tick or the usual size; else a field"),
    ("Space", "the next choice; so do Left, Right and first letters"),
    ("[ ]", "what is typed takes its place; after End it goes behind it"),
    ("Ctrl+U", "empties the field; Backspace takes one character"),
    ("Enter", "asks the engine; Enter again, pressed by itself, does it"),
    ("Ctrl+O", "ARMED or SAFE: a SAFE desk sends no order, it previews"),
    ("Esc", "leaves; nothing is sent"),
)
_ORDER: Final = (
    ("Type", "limit: at the price or better. market: at once, at any price. "
             "stop: at the market, stop-limit: at the price or better, once the trigger trades"),
    ("Stop", "protects what fills: closes it once this trades"),
    ("Target", "takes the profit of what fills, at this price or better"),
    ("In force", "day: this session. gtc: until cancelled. gtd: until a time. "
                 "ioc: what fills at once. fok: all at once or nothing"),
    ("Only", "reduce: never opens or adds. post: rests, never trades at once"),
    ("Verdict", "of the real gate, anew each second: ✓ it would pass, ✕ why not. "
                "Where it gets worse, a confirmation is taken back"),
    ("Position", "now; with all working orders filled; with this one as well"),
)  # fmt: skip


class FormHelp(Page):
    """Keys, and for orders what the fields mean."""

    def __init__(self, of_orders: bool) -> None:
        super().__init__()
        self._parts = (*_KEYS, *_ORDER) if of_orders else _KEYS

    def compose(self) -> ComposeResult:
        box = Vertical(Lines(id="formhelp"), classes="box")
        box.border_title = "What is entered here · Esc goes back to it"
        yield box

    def on_mount(self) -> None:
        """Writes it."""
        found = []
        for name, text in self._parts:
            first, *rest = textwrap.wrap(text, WIDTH - 9)
            found.append((Cell(f"{name:<9}", "heading"), Cell(first)))
            found += [(Cell(" " * 9), Cell(part)) for part in rest]
        self.query_one("#formhelp", Lines).show(*found)
