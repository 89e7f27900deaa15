"""The one table of keys. Dispatcher, footer, help screen, README and tests all read it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from app.desk.screens import SCREENS, entry

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
    """Where it works: `everywhere` (dialogs and inputs included), `screen` (every screen, no dialog),
    `table`, or the name of the one screen that has it."""
    shown: str
    """How a person writes it."""
    footer: int | None = None
    """Place in the footer, the most important first; None: not there."""
    modes: tuple[str, ...] = ()
    """Modes of the engine in which there is such a key; empty: in all."""
    short: tuple[str, str] = ("", "")
    """Key and label where the footer is narrow; empty: as they are."""

    @property
    def first(self) -> str:
        """The key that the footer names."""
        return self.shown.split(",")[0]


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
        8,
        short=("", "Flat"),
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
        11,
    ),
    Key(
        "arm",
        ("ctrl+o",),
        "arm",
        "Arm",
        "ARMED or SAFE: whether this desk sends orders or only previews them; on LIVE a typed word. Every "
        "kill or halt of the account, whoever's, makes it SAFE; so does its reset",
        "everywhere",
        "Ctrl+O",
        9,
        short=("^O", ""),
    ),
    Key(
        "quit",
        ("ctrl+q", "ctrl+c"),
        "ask_quit",
        "Quit",
        "Ask: close the screen (the engine stays) or stop the engine",
        "everywhere",
        "Ctrl+Q, Ctrl+C",
        10,
    ),
    Key("help", ("f1", "question_mark"), "help", "Help", "All keys and commands", "screen", "F1, ?", 1),
    *(
        Key(
            f"show_{screen.name}",
            screen.keys,
            f"show('{screen.name}')",
            screen.label,
            screen.help,
            "screen",
            screen.shown,
            screen.footer,
            screen.modes,
            ("", {"orders": "Ord", "health": "Hlth"}.get(screen.name, "")),
        )
        for screen in SCREENS
    ),
    Key("ack", ("a",), "ack", "Ack", "Acknowledge the alarm that is shown at the top", "screen", "a", 12),
    Key("ack_all", ("A",), "ack_all", "Ack all", "Acknowledge all alarms", "screen", "A"),
    Key(
        "ticket",
        ("f9",),
        "ticket",
        "Order",
        "Enter an order in the selected symbol: Enter, then Enter again, sends it where the desk is ARMED",
        "screen",
        "F9",
        2,
    ),
    Key(
        "modify",
        ("m",),
        "modify_order",
        "Modify",
        "Change the selected order, or ours at the ladder's price",
        "screen",
        "m",
        16,
    ),
    Key(
        "cancel",
        ("x",),
        "cancel_order",
        "Cancel",
        "Cancel the selected order, or ours at the ladder's price",
        "screen",
        "x",
        13,
    ),
    Key(
        "cancel_all",
        ("X",),
        "cancel_all",
        "Cancel all",
        "Cancel all working orders; y confirms",
        "screen",
        "X",
    ),
    Key("reload", ("r",), "reload", "Reload", "Read the risk limits again", "screen", "r"),
    Key(
        "pause",
        ("p",),
        "pause_painting",
        "Pause",
        "Stop painting, or go on; the engine does not stop",
        "screen",
        "p",
        14,
    ),
    Key(
        "palette",
        ("ctrl+p",),
        "palette",
        "Palette",
        "Everything that can be done here, by name",
        "screen",
        "Ctrl+P",
        16,
    ),
    Key("command", ("colon",), "command_line", "Command", "Type a command", "screen", ":", 15),
    Key(
        "dismiss",
        ("escape",),
        "dismiss",
        "Hide",
        "Hide a finished kill report; leave a dialog",
        "screen",
        "Esc",
    ),
    Key("kind", ("v",), "kind(1)", "Kind", "All, working, filled or rejected orders", "orders", "v"),
    Key(
        "adopt",
        ("d",),
        "adopt",
        "Adopt",
        "Take the broker's position as the truth after a difference; a typed word confirms",
        "positions",
        "d",
    ),
    Key(
        "reset_instrument",
        ("R",),
        "reset_instrument",
        "Reset",
        "Take back the instrument's halt; a typed word confirms",
        "positions",
        "R",
    ),
    Key(
        "reset_control",
        ("R",),
        "reset_control",
        "Reset",
        "Take back what the control has done; a typed word confirms",
        "risk",
        "R",
    ),
    Key(
        "edit_limit",
        ("l",),
        "edit_limit",
        "Limit",
        "Change the selected limit; what it would mean stands there before it is done",
        "risk",
        "l",
    ),
    Key(
        "stop_or_start",
        ("S",),
        "stop_or_start",
        "Stop",
        "Stop the strategy's process, its own on_stop for what it leaves, or start it again; y confirms",
        "strategies",
        "S",
    ),
    Key(
        "pause_or_resume",
        ("t",),
        "pause_or_resume",
        "Pause",
        "Pause the strategy, or resume it after a y",
        "strategies",
        "t",
    ),
    Key(
        "reload_strategy",
        ("u",),
        "reload_strategy",
        "Reload",
        "Load the strategy's file again, check it in a fresh process, and let that take over; y confirms",
        "strategies",
        "u",
    ),
    Key("ack_row", ("K",), "ack_row", "Ack row", "Acknowledge the selected alarm", "log", "K"),
    Key(
        "shelve",
        ("z",),
        "shelve",
        "Shelve",
        "Keep the selected alarm still for some minutes, with a reason",
        "log",
        "z",
    ),
    Key(
        "replay_back",
        ("comma",),
        "replay_step(-1)",
        "Back",
        "One row of the recording back",
        "screen",
        ",",
        modes=("RECORDED",),
    ),
    Key(
        "replay_on",
        ("full_stop",),
        "replay_step(1)",
        "On",
        "One row of the recording on",
        "screen",
        ".",
        modes=("RECORDED",),
    ),
    Key(
        "replay_far_back",
        ("left_curly_bracket",),
        "replay_step(-100)",
        "Far back",
        "A hundred rows back",
        "screen",
        "{",
        modes=("RECORDED",),
    ),
    Key(
        "replay_far_on",
        ("right_curly_bracket",),
        "replay_step(100)",
        "Far on",
        "A hundred rows on",
        "screen",
        "}",
        modes=("RECORDED",),
    ),
    Key(
        "replay_before",
        ("left_parenthesis",),
        "replay_event(-1)",
        "Event before",
        "To the fill, alarm, halt or kill before",
        "screen",
        "(",
        modes=("RECORDED",),
    ),
    Key(
        "replay_next",
        ("right_parenthesis",),
        "replay_event(1)",
        "Next event",
        "To the next fill, alarm, halt or kill",
        "screen",
        ")",
        modes=("RECORDED",),
    ),
    Key(
        "replay_play",
        ("P",),
        "replay_play",
        "Play",
        "Plays the recording, faster, and stands again",
        "screen",
        "P",
        modes=("RECORDED",),
    ),
    Key(
        "replay_jump",
        ("J",),
        "replay_jump",
        "Jump",
        "Jump to a time: 14:30:07, -5m, or to a row: #412",
        "screen",
        "J",
        modes=("RECORDED",),
    ),
    Key("up", ("up", "k"), "row(-1)", "Up", "One row up", "table", "Up, k"),
    Key("down", ("down", "j"), "row(1)", "Down", "One row down", "table", "Down, j"),
    Key("page_up", ("pageup",), "page(-1)", "Page up", "One page up", "table", "PgUp"),
    Key("page_down", ("pagedown",), "page(1)", "Page down", "One page down", "table", "PgDn"),
    Key("first", ("home", "g"), "edge(-1)", "First", "To the first row", "table", "Home, g"),
    Key("last", ("end", "G"), "edge(1)", "Last", "To the last row", "table", "End, G"),
    Key("detail", ("enter",), "detail", "Detail", "Everything about the selected row", "table", "Enter"),
    Key("search", ("slash",), "find('search')", "Search", "Search the rows", "table", "/"),
    Key("next", ("n",), "again(1)", "Next", "To the next row that was searched for", "table", "n"),
    Key("previous", ("N",), "again(-1)", "Previous", "To the previous one", "table", "N"),
    Key("filter", ("f",), "find('filter')", "Filter", "Show only rows with certain words", "table", "f"),
    Key("sort_right", ("greater_than_sign",), "sort(1)", "Sort", "Sort by the next column", "table", ">"),
    Key("sort_left", ("less_than_sign",), "sort(-1)", "Sort", "Sort by the previous column", "table", "<"),
    Key("invert", ("i",), "invert", "Invert", "Turn the sorting round", "table", "i"),
    Key("pin", ("space",), "pin", "Pin", "Keep the row on top, or let it go", "table", "Space"),
    Key("columns", ("C",), "columns", "Columns", "Choose the columns; they are remembered", "table", "C"),
    Key("copy", ("c",), "copy", "Copy", "Copy the row (OSC 52)", "table", "c"),
    Key(
        "ladder_buy",
        ("b",),
        "ladder('buy')",
        "Buy",
        "ARMED: buy at the price under the cursor, a limit order of desk.sizes; SAFE: the ticket with it",
        "market",
        "b",
    ),
    Key("ladder_sell", ("s",), "ladder('sell')", "Sell", "The same on the other side", "market", "s"),
    Key(
        "market_before",
        ("left_square_bracket",),
        "symbol(-1)",
        "Before",
        "The market before",
        "market",
        "[",
    ),
    Key("market_next", ("right_square_bracket",), "symbol(1)", "Next", "The next market", "market", "]"),
    Key("market_span", ("t",), "span", "Span", "Bars of 5 s, 1 min or 5 min", "market", "t"),
    Key("market_chart", ("v",), "chart", "Chart", "A longer ladder, without the chart", "market", "v"),
    Key(
        "market_centre",
        ("z",),
        "centre",
        "Centre",
        "The touch to the middle of the ladder",
        "market",
        "z",
    ),
    Key(
        "log_source",
        ("w",),
        "source",
        "News",
        "News (fills, rejections, alarms, audit: none is left out) in the log's place, or the log again",
        "log",
        "w",
    ),
    Key(
        "log_level",
        ("l",),
        "level",
        "Level",
        "Lines of this level and above only, one level on; of news, one stream after the other",
        "log",
        "l",
    ),
    Key(
        "log_related",
        ("o",),
        "related",
        "Related",
        "Only lines about what the selected line is about; again: all",
        "log",
        "o",
    ),
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


def hints(screen: str, keys: Sequence[Key] = KEYS) -> list[Key]:
    """The keys that a screen names in the frame of its main pane: its own, and what goes with them."""
    also = entry(screen).hints
    own = [key for key in keys if key.group == screen]
    return own + [key for name in also for key in keys if key.id == name]


def where(key: Key) -> str:
    """Where a key works, in words."""
    if key.group == "everywhere":
        return "everywhere"
    if key.group == "screen":
        return "every screen" if not key.modes else "in a recording"
    return {"table": "tables"}.get(key.group) or f"{entry(key.group).label} screen"


def markdown_table() -> str:
    """The table for the README."""
    lines = ["| key | does | where |", "| --- | --- | --- |"]
    for key in KEYS:
        shown = ", ".join(f"`{part.strip()}`" for part in key.shown.split(", "))
        lines.append(f"| {shown} | {key.help} | {where(key)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown_table())
