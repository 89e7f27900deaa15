"""What a first start without a configuration says: what this is, in five lines and three keys."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from app.desk.painting import Lines
from app.desk.view.cells import Cell
from engine.control.snapshot import Snapshot


def venue(feed: str) -> str:
    """Where the market comes from and where orders go, by the feed that was asked for; for a first start."""
    kind, _, name = feed.partition(":")
    return {
        "replay": f"The recording {name.rpartition('/')[2]}, over a simulated exchange: paper money.",
        "exchange": f"Market and orders: the exchange process at {name}. Paper money, no broker.",
        "ib-loopback": "A practice gateway of Interactive Brokers' protocol, on this machine; paper.",
        "ib": "Interactive Brokers: the account that the settings name.",
    }.get(kind, "A simulated exchange and market, in this process. No broker, no account, no money.")


def lines(where: str, snapshot: Snapshot | None) -> tuple[str, ...]:
    """The five lines. `where`: of `venue`."""
    mode = snapshot.mode if snapshot is not None else "PAPER"
    if mode == "SHADOW":
        where = "The broker's own market, only looked at: orders stay in this process. No money."
    return (
        f"{mode}. {where}",
        f"{_who_trades(snapshot)} Gate, journal, risk loop and kill switch are those of live trading.",
        "The top line says: mode, whether this desk sends orders, alarms, the day's result, links, time.",
        "The engine goes on when the screen is closed (breakwater attach comes back); nothing is lost.",
        "breakwater init writes a configuration in which every key is explained.",
    )


def _who_trades(snapshot: Snapshot | None) -> str:
    names = [one.name for one in snapshot.strategies] if snapshot is not None else []
    if not names:
        return "No strategy trades: orders come from you alone."
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    one = len(names) == 1
    return (
        f"The strateg{'y' if one else 'ies'} {listed} trade{'s' if one else ''} on it (9 shows; S stops one)."
    )


KEYS: Final[tuple[tuple[str, str], ...]] = (
    ("F12", "halts and cancels everything at once, from anywhere: try it here"),
    ("F1", "says what every key does where you are; Ctrl+P finds it by name"),
    ("Ctrl+Q", "asks what to end: the screen or the engine"),
)
WIDTH: Final = 70


class WelcomePage(ModalScreen[None]):
    """Any key closes it, and does nothing else; the kill key kills all the same."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        box = Vertical(Lines(id="welcome"), classes="box")
        box.border_title = "Welcome to Breakwater · any key begins"
        yield box

    def on_mount(self) -> None:
        """Writes it."""
        found: list[tuple[Cell, ...]] = []
        for number, text in enumerate(self._lines, start=1):
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
