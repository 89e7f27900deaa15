"""The list of the desk's screens. It feeds dispatcher, footer, help, README, command palette and tests.

To add a screen:

1. `app/desk/screens/NAME.py`: a class derived from `app.desk.sheet.Sheet`. `compose` yields its panes;
   `main` is the id of the pane that takes the focus; every widget in it that has `look(snapshot, zone)` is
   handed each new snapshot while the screen is shown, and nothing while it is not. `shown` and `hidden` are
   called when the operator comes and goes: there a screen subscribes to what the snapshot does not carry.
2. An entry in `SCREENS` below. Nothing that is not built stands here.
3. Layout: `themes/NAME.tcss`, found by itself. Colours only as `$m-MEANING`. The screen carries the classes
   `-narrow` (from 0 columns), `-medium` (110), `-wide` (170) and `-tight` (too low for two panes).
4. Keys of its own: entries with `group="NAME"` in `app/desk/keys.py`, `BINDINGS = [*bindings("NAME")]` and
   the `action_...` methods on the class.
5. The README's table of keys: `python -m app.desk.keys`. Pictures at three sizes come by themselves:
   `python -m pytest tests/desk/test_desk_snapshots.py --snapshot-update`, then read them.

This file imports nothing of Textual: the table of keys is read without a screen.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from app.desk.sheet import Sheet


class ScreenEntry(NamedTuple):
    """One screen: where it is, and how the operator gets there."""

    name: str
    keys: tuple[str, ...]
    """Textual's names of the keys; the first is the one that the footer shows."""
    shown: str
    """The keys as a person writes them."""
    label: str
    """One word for footer and title."""
    help: str
    sheet: str
    """`module:class`, imported when the screen is first shown."""
    footer: int | None = None
    """Place in the footer, as in `app.desk.keys.Key`."""
    modes: tuple[str, ...] = ()
    """Modes of the engine in which there is such a screen; empty: in all."""
    hints: tuple[str, ...] = ()
    """Ids of keys that its main pane names in its frame, after the keys that only this screen has."""

    def exists_in(self, mode: str) -> bool:
        """Is there such a screen in an engine of this mode?"""
        return not self.modes or mode in self.modes

    def load(self) -> type[Sheet]:
        """The class of the screen."""
        module, _, name = self.sheet.partition(":")
        found: type[Sheet] = getattr(importlib.import_module(module), name)
        return found


SCREENS: Final[tuple[ScreenEntry, ...]] = (
    ScreenEntry(
        "desk",
        ("f2", "1"),
        "F2, 1",
        "Desk",
        "Orders, positions, risk and alarms on one screen",
        "app.desk.screens.desk:DeskSheet",
        2,
    ),
    ScreenEntry(
        "orders",
        ("f3", "2"),
        "F3, 2",
        "Orders",
        "Every order, working, filled or rejected",
        "app.desk.screens.orders:OrdersSheet",
        3,
        hints=("modify", "cancel", "detail"),
    ),
    ScreenEntry(
        "positions",
        ("f4", "3"),
        "F4, 3",
        "Pos",
        "Intended, executed and broker positions, and where they differ",
        "app.desk.screens.positions:PositionsSheet",
        4,
        hints=("flatten_symbol",),
    ),
    ScreenEntry(
        "risk",
        ("f5", "4"),
        "F5, 4",
        "Risk",
        "Every control: used, limit, state",
        "app.desk.screens.risk:RiskSheet",
        5,
    ),
    ScreenEntry(
        "health",
        ("f6", "5"),
        "F6, 5",
        "Health",
        "Links, latencies, rates, journal, memory",
        "app.desk.screens.health:HealthSheet",
        6,
    ),
    ScreenEntry(
        "log",
        ("f7", "6"),
        "F7, 6",
        "Log",
        "Alarms, and the log as it is written",
        "app.desk.screens.log:LogSheet",
        7,
        hints=("detail",),
    ),
    ScreenEntry(
        "market",
        ("7",),
        "7",
        "Market",
        "One market: price ladder with our orders, time and sales, chart",
        "app.desk.screens.market:MarketSheet",
        9,
    ),
    ScreenEntry(
        "pnl",
        ("8",),
        "8",
        "P&L",
        "The day's curve against its limit; who made what",
        "app.desk.screens.pnl:PnlSheet",
        9,
    ),
    ScreenEntry(
        "strategies",
        ("9",),
        "9",
        "Strategies",
        "Who trades, who was stopped, and why",
        "app.desk.screens.strategies:StrategiesSheet",
        9,
    ),
    ScreenEntry(
        "replay",
        ("0",),
        "0",
        "Replay",
        "The flight recorder: timeline and rows of the journal",
        "app.desk.screens.replay:ReplaySheet",
        8,
        ("RECORDED",),
    ),
)


def entry(name: str) -> ScreenEntry:
    """A screen by name. Raises `KeyError`."""
    for screen in SCREENS:
        if screen.name == name:
            return screen
    raise KeyError(name)
