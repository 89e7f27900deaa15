"""The one table of keys. Dispatcher, footer, help screen, README and tests all read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len

if TYPE_CHECKING:
    from textual.binding import Binding


class Key(NamedTuple):
    """What some keys do. `keys` are Textual's names; the first is the one that is shown."""

    id: str
    keys: tuple[str, ...]
    action: str
    label: str
    """One or two words for the footer."""
    help: str
    group: str
    """Where it works: `everywhere` (dialogs and inputs included), `desk`, or `table`."""
    shown: str
    """How a person writes it."""
    footer: int | None = None
    """Place in the footer, the most important first; None: not there."""


KEYS: Final[tuple[Key, ...]] = (
    Key(
        "kill",
        ("f12", "ctrl+backslash"),
        "kill",
        "KILL",
        "Halt and cancel all working orders, at once; then type FLATTEN and Enter to close all positions",
        "everywhere",
        "F12, Ctrl+\\",
        0,
    ),
    Key(
        "flatten_symbol",
        ("f8",),
        "flatten_symbol",
        "Flatten",
        "Flatten the selected symbol; y confirms",
        "everywhere",
        "F8",
        2,
    ),
    Key(
        "flatten_all",
        # Terminals without the kitty protocol report shift+F8 as F20.
        ("shift+f8", "f20"),
        "flatten_all",
        "Flatten all",
        "Flatten everything; a typed word confirms",
        "everywhere",
        "Shift+F8",
        10,
    ),
    Key(
        "quit",
        ("ctrl+q", "ctrl+c"),
        "ask_quit",
        "Quit",
        "Ask: close the screen (the engine stays) or stop the engine",
        "everywhere",
        "Ctrl+Q, Ctrl+C",
        9,
    ),
    Key("help", ("f1", "question_mark"), "help", "Help", "All keys and commands", "desk", "F1, ?", 1),
    Key("desk", ("f2", "1"), "pane('desk')", "Desk", "Orders and positions", "desk", "F2, 1", 11),
    Key("orders", ("f3", "2"), "pane('orders')", "Orders", "To the orders", "desk", "F3, 2", 3),
    Key("positions", ("f4", "3"), "pane('positions')", "Positions", "To the positions", "desk", "F4, 3", 4),
    Key("risk", ("f5", "4"), "pane('risk')", "Risk", "To the risk limits", "desk", "F5, 4", 5),
    Key("health", ("f6", "5"), "pane('health')", "Health", "To the health figures", "desk", "F6, 5", 7),
    Key("alerts", ("f7", "6"), "pane('alerts')", "Alerts", "To the alerts", "desk", "F7, 6", 6),
    Key("strategies", ("s", "7"), "pane('strategies')", "Strategies", "To the strategies", "desk", "s, 7", 8),
    Key("ack", ("a",), "ack", "Ack", "Acknowledge the alarm that is shown at the top", "desk", "a", 12),
    Key("ack_all", ("A",), "ack_all", "Ack all", "Acknowledge all alarms", "desk", "A"),
    Key("cancel", ("x",), "cancel_order", "Cancel", "Cancel the selected order", "desk", "x", 13),
    Key(
        "cancel_all", ("X",), "cancel_all", "Cancel all", "Cancel all working orders; y confirms", "desk", "X"
    ),
    Key("reload", ("r",), "reload", "Reload", "Read the risk limits again", "desk", "r"),
    Key(
        "pause",
        ("space", "p"),
        "pause_painting",
        "Pause",
        "Stop painting, or go on; the engine does not stop",
        "desk",
        "Space, p",
        14,
    ),
    Key("command", ("colon",), "command_line", "Command", "Type a command", "desk", ":", 15),
    Key(
        "dismiss",
        ("escape",),
        "dismiss",
        "Hide",
        "Hide a finished kill report; leave a dialog",
        "desk",
        "Esc",
    ),
    Key("up", ("up", "k"), "row(-1)", "Up", "One row up", "table", "Up, k"),
    Key("down", ("down", "j"), "row(1)", "Down", "One row down", "table", "Down, j"),
    Key("page_up", ("pageup",), "page(-1)", "Page up", "One page up", "table", "PgUp"),
    Key("page_down", ("pagedown",), "page(1)", "Page down", "One page down", "table", "PgDn"),
    Key("first", ("home", "g"), "edge(-1)", "First", "To the first row", "table", "Home, g"),
    Key("last", ("end", "G"), "edge(1)", "Last", "To the last row", "table", "End, G"),
    Key("detail", ("enter",), "detail", "Detail", "Everything about the selected row", "table", "Enter"),
)

KILL_KEYS: Final[frozenset[str]] = frozenset(KEYS[0].keys)
"""Recognised on the input thread; nothing may take them away."""

RESERVED: Final[frozenset[str]] = frozenset(
    name for key in KEYS if key.group == "everywhere" for name in key.keys
)
"""Not to be given to anything else."""


def bindings(*groups: str) -> list[Binding]:
    """Textual's bindings of these groups; those of `everywhere` have priority over any focus."""
    from textual.binding import Binding

    return [
        Binding(
            ",".join(key.keys),
            key.action,
            key.label,
            show=False,
            priority=key.group == "everywhere",
            id=f"breakwater.{key.id}",
            tooltip=key.help,
        )
        for key in KEYS
        if key.group in groups
    ]


def footer(width: int) -> list[tuple[str, str]]:
    """Key and label from left to right, as many as fit in `width`; KILL is always the first."""
    wanted = sorted((key for key in KEYS if key.footer is not None), key=lambda key: key.footer or 0)
    found: list[tuple[str, str]] = []
    used = 0
    for key in wanted:
        pair = (key.shown.split(",")[0], key.label)
        need = cell_len(pair[0]) + cell_len(pair[1]) + 3
        if used + need > width:
            break
        found.append(pair)
        used += need
    return found


def markdown_table() -> str:
    """The table for the README."""
    where = {"everywhere": "everywhere", "desk": "desk", "table": "tables"}
    lines = ["| key | does | where |", "| --- | --- | --- |"]
    for key in KEYS:
        shown = ", ".join(f"`{part.strip()}`" for part in key.shown.split(", "))
        lines.append(f"| {shown} | {key.help} | {where[key.group]} |")
    return "\n".join(lines) + "\n"
