"""Kill and flatten on screen: what they would reach, how far they are, and the final verdict."""

from __future__ import annotations

import textwrap
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell
from app.desk.view.orders import is_working
from engine.control.snapshot import KillView, PositionRow, Snapshot

Cells = tuple[Cell, ...]


WITH_DATE: Final = 100
"""Cells from which on the lines of a procedure carry the date beside the time."""
_WISHED_FOR: Final = (
    "flat, confirmed",
    "reduced to target, confirmed",
    "halted, no orders working, confirmed",
)
"""How the engine's final words begin when the procedure reached what it was asked for."""


def _open(position: PositionRow, compared: bool) -> bool:
    # The broker's figure counts where it is not from before our last fill; what it said last, where it cannot
    # be asked.
    told = position.diff is not None or not compared
    return bool(position.executed) or (told and bool(position.broker))


def _described(position: PositionRow, compared: bool) -> str:
    executed = formats.size(position.executed, sign=True)
    if position.broker is None:
        return f"{position.symbol} {executed} (broker's view not known)"
    if not compared:
        broker = formats.size(position.broker, sign=True)
        return f"{position.symbol} {executed} (not compared; the broker said {broker} last)"
    if position.diff is None:
        return f"{position.symbol} {executed} (the broker's view is older than the last fill)"
    if position.broker == position.executed:
        return f"{position.symbol} {executed}"
    broker = formats.size(position.broker, sign=True)
    return f"{position.symbol} {broker} at the broker, {executed} executed"


def scope_all(snapshot: Snapshot | None) -> str:
    """What flattening everything reaches, in words; the account by name."""
    if snapshot is None:
        return "everything; no picture of the engine yet"
    compared = snapshot.comparison.holds
    held = [position for position in snapshot.positions if _open(position, compared)]
    unread = sum(position.broker is None and not position.executed for position in snapshot.positions)
    working = sum(map(is_working, snapshot.orders))
    listed = ", ".join(_described(position, compared) for position in held[:6])
    more = f" and {len(held) - 6} more" if len(held) > 6 else ""
    count = f"{len(held)} position{'' if len(held) == 1 else 's'}"
    orders = f"{working} working order{'' if working == 1 else 's'}"
    tail = f": {listed}{more}" if held else ""
    doubt = f"; the broker's view of {unread} more is not known" if unread else ""
    return f"{snapshot.mode} account {snapshot.account}: {count}, {orders}{tail}{doubt}"


def left_open(snapshot: Snapshot | None) -> str:
    """What stays open after a kill that is left at halting, in a few words; empty where nothing is open and
    all three views say so."""
    if snapshot is None:
        return "what is open is not known"
    compared = snapshot.comparison.holds
    held = [position for position in snapshot.positions if _open(position, compared)]
    unread = sum(position.broker is None and not position.executed for position in snapshot.positions)
    parts = []
    if held:
        one = len(held) == 1
        parts.append(f"{len(held)} position{'' if one else 's'} stay{'s' if one else ''} open")
    if unread:
        parts.append(f"the broker's view of {unread} is not known")
    if working := sum(map(is_working, snapshot.orders)):
        parts.append(f"{working} order{'' if working == 1 else 's'} not yet cancelled")
    if not compared:
        parts.append("not compared with the broker")
    return ", ".join(parts)


def scope_symbol(snapshot: Snapshot | None, symbol: str) -> str:
    """What flattening one symbol reaches."""
    if snapshot is None:
        return symbol
    working = sum(is_working(order) and order.symbol == symbol for order in snapshot.orders)
    orders = f"{working} working order{'' if working == 1 else 's'}"
    for position in snapshot.positions:
        if position.symbol == symbol:
            described = _described(position, snapshot.comparison.holds)
            return f"{snapshot.mode} account {snapshot.account}: {described}, {orders}"
    return f"{snapshot.mode} account {snapshot.account}: {symbol}, no position known, {orders}"


def brief(text: str, width: int, zone: str) -> str:
    """A step or verdict by the exchange's clock; where there is little room with the time of day alone."""
    return formats.local(text, zone, dated=width >= WITH_DATE)


def verdict_cell(kill: KillView) -> Cell:
    """RUNNING, or the engine's final word; anything that is not plainly what was asked for is trouble."""
    if kill.running or not kill.verdict:
        return Cell(" RUNNING ", "paused")
    if kill.verdict.lower().startswith(_WISHED_FOR):
        return Cell(f" ✓ {kill.verdict} ", "armed")
    return Cell(f" ✕ {kill.verdict} ", "halted")


def _verdict_lines(kill: KillView, height: int, width: int, zone: str) -> list[Cells]:
    """The verdict whole, in as many lines as it needs and there are."""
    said = verdict_cell(kill)
    text = brief(said.text.strip(), width, zone)
    parts = textwrap.wrap(text, max(10, width - 3), subsequent_indent="  ")
    if len(parts) > height:
        parts[height - 1 :] = [" ".join(part.strip() for part in parts[height - 1 :])]
    longest = max(map(len, parts))
    return [(Cell(" "), Cell(f" {part.ljust(longest)} ", said.meaning)) for part in parts]


def lines(kill: KillView, height: int, width: int, zone: str) -> list[Cells]:
    """The newest steps that fit in `height` lines of `width` cells; the last lines are the verdict."""
    verdict = _verdict_lines(kill, max(1, height - 1), width, zone)
    steps = kill.steps
    if not kill.running and kill.verdict and steps and steps[-1].endswith(kill.verdict):
        steps = steps[:-1]  # it says what the verdict says
    room = height - len(verdict)
    shown = steps[-room:] if room > 0 else ()
    hidden = len(steps) - len(shown)
    found: list[Cells] = []
    for number, step in enumerate(shown, start=hidden + 1):
        current = kill.running and number == len(kill.steps)
        mark = Cell(" ▸ ", "heading") if current else Cell(" · ", "muted")
        found.append((mark, Cell(f"{number}. {brief(step, width, zone)}", "heading" if current else "text")))
    return [*found, *verdict]
