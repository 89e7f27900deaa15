"""Kill and flatten on screen: what they would reach, how far they are, and the final verdict."""

from __future__ import annotations

from app.desk.view import formats
from app.desk.view.cells import Cell
from app.desk.view.orders import is_working
from engine.control.snapshot import KillView, PositionRow, Snapshot

Cells = tuple[Cell, ...]


def _open(position: PositionRow) -> bool:
    return bool(position.executed) or bool(position.broker) or position.broker is None


def _described(position: PositionRow) -> str:
    known = position.broker if position.broker is not None else position.executed
    doubt = "" if position.broker is not None else " (broker's view not known)"
    return f"{position.symbol} {formats.size(known, sign=True)}{doubt}"


def scope_all(snapshot: Snapshot | None) -> str:
    """What flattening everything reaches, in words; the account by name."""
    if snapshot is None:
        return "everything; no picture of the engine yet"
    held = [position for position in snapshot.positions if _open(position)]
    working = sum(map(is_working, snapshot.orders))
    listed = ", ".join(_described(position) for position in held[:6])
    more = f" and {len(held) - 6} more" if len(held) > 6 else ""
    count = f"{len(held)} position{'' if len(held) == 1 else 's'}"
    orders = f"{working} working order{'' if working == 1 else 's'}"
    tail = f": {listed}{more}" if held else ""
    return f"{snapshot.mode} account {snapshot.account}: {count}, {orders}{tail}"


def scope_symbol(snapshot: Snapshot | None, symbol: str) -> str:
    """What flattening one symbol reaches."""
    if snapshot is None:
        return symbol
    working = sum(is_working(order) and order.symbol == symbol for order in snapshot.orders)
    orders = f"{working} working order{'' if working == 1 else 's'}"
    for position in snapshot.positions:
        if position.symbol == symbol:
            return f"{snapshot.mode} account {snapshot.account}: {_described(position)}, {orders}"
    return f"{snapshot.mode} account {snapshot.account}: {symbol}, no position known, {orders}"


def verdict_cell(kill: KillView) -> Cell:
    """RUNNING, or the engine's final word; anything that is not plainly flat is shown as trouble."""
    if kill.running or not kill.verdict:
        return Cell(" RUNNING ", "paused")
    if kill.verdict.lower().startswith("flat"):
        return Cell(f" ✓ {kill.verdict} ", "armed")
    return Cell(f" ✕ {kill.verdict} ", "halted")


def lines(kill: KillView, height: int) -> list[Cells]:
    """The newest steps that fit in `height` lines; the last line is the verdict."""
    shown = kill.steps[-max(0, height - 1) :] if height > 1 else ()
    hidden = len(kill.steps) - len(shown)
    found: list[Cells] = []
    for number, step in enumerate(shown, start=hidden + 1):
        current = kill.running and number == len(kill.steps)
        mark = Cell(" ▸ ", "heading") if current else Cell(" · ", "muted")
        found.append((mark, Cell(f"{number}. {step}", "heading" if current else "text")))
    found.append((Cell(" "), verdict_cell(kill)))
    return found
