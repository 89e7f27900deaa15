"""The rows of the orders table: state as glyph and word, what is left, where, whose, and why it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.snapshot import OrderRow, Snapshot
from engine.model import OrderStatus, Side

_STATES = {
    OrderStatus.PENDING_NEW: ("◌", "PENDING", "order-pending"),
    OrderStatus.WORKING: ("▶", "WORKING", "order-working"),
    OrderStatus.PARTIAL_FILL: ("◐", "PARTIAL", "order-partial"),
    OrderStatus.FILLED: ("●", "FILLED", "order-filled"),
    OrderStatus.CANCELED: ("○", "CANCELED", "order-closed"),
    OrderStatus.EXPIRED: ("◦", "EXPIRED", "order-closed"),
    OrderStatus.REJECTED: ("✕", "REJECTED", "order-rejected"),
    OrderStatus.UNKNOWN: ("?", "UNKNOWN", "order-unknown"),
}

# What changes most often stands left: a changed row is sent again up to its last changed cell.
COLUMNS = (
    Column("State", 10),
    Column("Age", 5, 4, number=True),
    Column("Left", 5, number=True),
    Column("Qty", 5, 2, number=True),
    Column("Symbol", 6, most=14),
    Column("Side", 4),
    Column("Limit", 8, number=True),
    Column("Stop", 8, 3, number=True),
    Column("Avg px", 8, 6, number=True),
    Column("Type", 4, 7),
    Column("TIF", 4, 8),
    Column("Strategy", 8, 5, most=12),
    Column("Time", 8, 9),
    Column("Order id", 16, 10),
    Column("Note", 10, 1, stretch=True, most=20),
)


def is_working(order: OrderRow) -> bool:
    """True where the broker may still fill it; an unknown status counts as open."""
    return order.status not in _CLOSED


_CLOSED = frozenset(status.value for status in OrderStatus if status.is_closed)


def side_cell(side: str) -> Cell:
    """BUY and SELL as words; the colour comes second."""
    if side in (Side.BUY.value, Side.BUY.name):
        return Cell("BUY", "side-buy")
    if side in (Side.SELL.value, Side.SELL.name):
        return Cell("SELL", "side-sell")
    return Cell(side)


def row(order: OrderRow, zone: str) -> Row:
    """One order as cells."""
    try:
        glyph, word, meaning = _STATES[OrderStatus(order.status)]
    except ValueError:
        glyph, word, meaning = "?", order.status, "order-unknown"
    notes = [
        part
        for part in (
            "FOREIGN" if order.foreign else "",
            order.overlay,
            order.purpose if order.purpose != "trade" else "",
            order.reason,
        )
        if part
    ]
    return Row(
        order.id or order.broker_id,
        (
            Cell(f"{glyph} {word}", meaning),
            Cell(formats.age(order.age), "muted"),
            Cell(formats.size(order.leaves)),
            Cell(formats.size(order.qty)),
            Cell(order.symbol, "heading"),
            side_cell(order.side),
            Cell(formats.price(order.limit)),
            Cell(formats.price(order.stop)),
            Cell(formats.price(order.avg_price)),
            Cell(order.type),
            Cell(order.tif),
            Cell(order.strategy or "-", "order-foreign" if order.foreign else "text"),
            Cell(formats.clock(order.created, zone), "muted"),
            Cell(order.id or order.broker_id, "muted"),
            Cell(" · ".join(notes), "order-foreign" if order.foreign else "text"),
        ),
        order.symbol,
    )


WHICH: Final[dict[str, Callable[[OrderRow], bool]]] = {
    "all": lambda _: True,
    "working": is_working,
    "filled": lambda order: order.filled > 0,
    "rejected": lambda order: order.status == OrderStatus.REJECTED.value,
}
"""The kinds of orders that the screen of orders shows, and which orders are of a kind."""


def table(snapshot: Snapshot, zone: str, which: str = "all") -> Table:
    """The orders of a kind, in the snapshot's order: working first, then the newest closed."""
    working = sum(map(is_working, snapshot.orders))
    unknown = sum(order.status == OrderStatus.UNKNOWN.value for order in snapshot.orders)
    title = f"Orders · {working} working · {len(snapshot.orders) - working} closed"
    if unknown:
        title += f" · {unknown} UNKNOWN"
    if which != "all":
        title = f"Orders · {which.upper()} only · {title.removeprefix('Orders · ')}"
    rows = tuple(row(order, zone) for order in snapshot.orders if WHICH[which](order))
    return Table(title, COLUMNS, rows, f"no {which} orders" if which != "all" else "no orders today")


def kinds(snapshot: Snapshot, which: str) -> tuple[Cell, ...]:
    """The kinds with their counts in one line; the one that is shown stands in brackets."""
    cells: list[Cell] = []
    for kind, belongs in WHICH.items():
        text = f"{kind} {sum(map(belongs, snapshot.orders))}"
        cells.append(Cell(f" [{text}] ", "heading") if kind == which else Cell(f"  {text}  ", "muted"))
    return (*cells, Cell("  v: next kind", "muted"))
