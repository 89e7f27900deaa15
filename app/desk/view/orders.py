"""The rows of the orders table: state as glyph and word, what is left, where, whose, and why it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from app.desk.view.rows import KEPT, Rows
from engine.control.snapshot import CLOSED_SHOWN, OrderRow, Snapshot, order_age
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


def key(order: OrderRow) -> str:
    """What names an order's row: our id, or the broker's where there is none of ours."""
    return order.id or order.broker_id


def keys(orders: Sequence[OrderRow]) -> list[str]:
    """Of all orders; without a call for each, as there may be thousands in a frame."""
    ours = list(map(attrgetter("id"), orders))
    return ours if "" not in ours else list(map(key, orders))


class _Made:
    """Rows that were made, each given out again for as long as its order and the words for its age stand: a
    table compares and paints rows by identity first."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._rows: dict[int, tuple[OrderRow, str, Row]] = {}

    def at(self, order: OrderRow, ts: int) -> Row:
        """The row of an order in a snapshot of this time, UTC ns."""
        age = formats.age(order_age(order.created, ts))
        known = self._rows.get(id(order))
        if known is not None and known[0] is order and known[1] == age:
            return known[2]
        if len(self._rows) >= KEPT:
            self._rows.clear()
        made = row(order, self._zone, age)
        self._rows[id(order)] = (order, age, made)
        return made


@lru_cache(maxsize=4)
def _made(zone: str) -> _Made:
    return _Made(zone)


def row(order: OrderRow, zone: str, age: str) -> Row:
    """One order as cells; `age` in words."""
    try:
        glyph, word, meaning = _STATES[OrderStatus(order.status)]
    except ValueError:
        glyph, word, meaning = "?", order.status, "order-unknown"
    if order.last_known and order.status != OrderStatus.UNKNOWN:
        word, meaning = f"{word}?", "muted"  # what it was when the link broke
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
        key(order),
        (
            Cell(f"{glyph} {word}", meaning),
            Cell(age, "muted"),
            Cell(formats.size(order.leaves)),
            Cell(formats.size(order.qty)),
            Cell(order.symbol, "heading"),
            side_cell(order.side),
            Cell(formats.price(order.limit)),
            Cell(formats.price(order.stop)),
            Cell(formats.average(order.avg_price)),
            Cell(order.type),
            Cell(order.tif),
            Cell(
                "+".join(order.behind) or order.strategy or "-", "order-foreign" if order.foreign else "text"
            ),
            Cell(formats.clock(order.created, zone), "muted"),
            Cell(order.id or order.broker_id, "muted"),
            Cell(" · ".join(notes), "order-foreign" if order.foreign else "text"),
        ),
        order.symbol,
    )


class Tally(NamedTuple):
    """How many orders there are of each kind."""

    all: int
    working: int
    filled: int
    rejected: int
    unknown: int


_last: tuple[tuple[OrderRow, ...], Tally] = ((), Tally(0, 0, 0, 0, 0))


def tally(orders: tuple[OrderRow, ...]) -> Tally:
    """Counts the orders of a snapshot, once: several lines of the screen tell of them."""
    global _last
    if _last[0] is not orders:
        statuses = Counter(map(attrgetter("status"), orders))
        _last = (
            orders,
            Tally(
                all=len(orders),
                working=sum(count for status, count in statuses.items() if status not in _CLOSED),
                filled=sum(map(bool, map(attrgetter("filled"), orders))),
                rejected=statuses[OrderStatus.REJECTED.value],
                unknown=statuses[OrderStatus.UNKNOWN.value],
            ),
        )
    return _last[1]


WHICH: Final[dict[str, Callable[[OrderRow], bool]]] = {
    "all": lambda _: True,
    "working": is_working,
    "filled": lambda order: order.filled > 0,
    "rejected": lambda order: order.status == OrderStatus.REJECTED.value,
}
"""The kinds of orders that the screen of orders shows, and which orders are of a kind."""


def table(snapshot: Snapshot, zone: str, which: str = "all") -> Table:
    """The orders of a kind, in the snapshot's order: working first, then the newest closed."""
    count = tally(snapshot.orders)
    known = "" if snapshot.comparison.orders else " as last known"
    closed = count.all - count.working
    newest = "the newest " if closed >= CLOSED_SHOWN else ""  # older ones are in the story and the journal
    title = f"Orders · {count.working} working{known} · {newest}{closed} closed"
    if count.unknown:
        title += f" · {count.unknown} UNKNOWN"
    if which != "all":
        title = f"Orders · {which.upper()} only · {title.removeprefix('Orders · ')}"
    shown = snapshot.orders if which == "all" else tuple(filter(WHICH[which], snapshot.orders))
    made, ts = _made(zone), snapshot.ts
    rows = Rows.from_items(shown, keys(shown), lambda order: made.at(order, ts))
    return Table(title, COLUMNS, rows, f"no {which} orders" if which != "all" else "no orders today")


def kinds(snapshot: Snapshot, which: str) -> tuple[Cell, ...]:
    """The kinds with their counts in one line; the one that is shown stands in brackets."""
    cells: list[Cell] = []
    count = tally(snapshot.orders)
    for kind in WHICH:
        text = f"{kind} {getattr(count, kind)}"
        cells.append(Cell(f" [{text}] ", "heading") if kind == which else Cell(f"  {text}  ", "muted"))
    return (*cells, Cell("  v: next kind", "muted"))
