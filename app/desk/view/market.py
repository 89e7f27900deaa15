"""One market as rows: its touch in one line, the price ladder with our orders in it, time and sales."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from app.desk.view.rows import Kept
from engine.control.replies import MarketSeen, OwnOrder, Print

Cells = tuple[Cell, ...]

LADDER: Final = (
    Column("Mine", 4, number=True),
    Column("Before", 6, 1, number=True),
    Column("Bid", 6, number=True),
    Column("Price", 9, number=True),
    Column("Ask", 6, number=True),
    Column("Before", 6, 1, number=True),
    Column("Mine", 4, number=True),
    Column("Notes", 6, 2, stretch=True, most=24),
)
TAPE: Final = (
    Column("Time", 8, 1),
    Column("Price", 7, number=True),
    Column("Size", 4, number=True),
    Column("Side", 4),
    Column("#", 5, 2, number=True),
)

_SIDES: Final = {"B": Cell("BUY", "side-buy"), "S": Cell("SELL", "side-sell"), "": Cell("?", "muted")}


def head(seen: MarketSeen, width: int) -> tuple[Cells, ...]:
    """Two lines: the touch and what trades; our position and what the data are worth."""
    first = [
        Cell(f" {seen.symbol} ", "heading"),
        Cell("last "),
        Cell(formats.price(seen.last), "heading"),
        Cell("  bid "),
        Cell(_touch(seen.bid_size, seen.bid), "side-buy"),
        Cell("  ask "),
        Cell(_touch(seen.ask_size, seen.ask), "side-sell"),
    ]
    if seen.bid is not None and seen.ask is not None:
        ticks = (seen.ask - seen.bid) / seen.tick
        word = "crossed" if ticks < 0 else "locked" if ticks == 0 else f"{ticks:.0f} wide"
        first.append(Cell(f"  {word}", "muted" if ticks > 0 else "risk-warn"))
    closed = seen.state not in ("OPEN", "UNKNOWN")
    second = [
        Cell(" "),
        Cell(f" {seen.state} " if closed else seen.state, "paused" if closed else "muted"),
        *_data(seen),
        Cell("  position "),
        Cell(formats.size(seen.position, sign=True), "heading"),
    ]
    if seen.avg_price is not None:
        second.append(Cell(f" at {average(seen.avg_price)}"))
    if seen.low_limit is not None or seen.high_limit is not None:
        low, high = formats.price(seen.low_limit), formats.price(seen.high_limit)
        second.append(Cell(f"  limits {low} to {high}", "muted"))
    depth = "" if seen.depth == "orders" else f"  {seen.depth_text}"
    if depth and sum(len(cell.text) for cell in second) + len(depth) <= width:
        second.append(Cell(depth, "muted"))
    return tuple(first), tuple(second)


def average(price: Decimal) -> str:
    """An average price without the zeros behind it."""
    text = f"{price:f}"
    return formats.price(Decimal(text.rstrip("0").rstrip(".") if "." in text else text))


def _touch(size: Decimal | None, price: Decimal | None) -> str:
    if price is None:
        return "none"
    return f"{formats.size(size)} × {formats.price(price)}"


def _data(seen: MarketSeen) -> list[Cell]:
    age = "" if seen.data_age is None else f" {formats.age(seen.data_age)}"
    if seen.data_state == "live":
        return [Cell("  data"), Cell(age, "health-ok")]
    meaning = "muted" if seen.data_state == "closed" else "stale"
    return [Cell("  data "), Cell(f" {seen.data_state}{age} ", meaning)]


def middle(seen: MarketSeen) -> Decimal | None:
    """Where a ladder has its centre: the middle of the touch on the tick, else what there is."""
    if seen.bid is not None and seen.ask is not None:
        half = (seen.bid + seen.ask) / 2
        return half // seen.tick * seen.tick
    for price in (seen.last, seen.bid, seen.ask, seen.avg_price):
        if price is not None:
            return price // seen.tick * seen.tick
    return None


def centred(seen: MarketSeen, rows: int, before: Decimal | None, *, still: bool) -> Decimal | None:
    """The highest price of a ladder of so many rows. It stays where it was `before` while the touch is well
    inside, and while the operator works in it (`still`) until the touch leaves it: prices must not move
    under a cursor."""
    centre = middle(seen)
    if centre is None or rows <= 0:
        return before
    if before is not None:
        margin = 0 if still else min(2, max(0, (rows - 1) // 2))
        lowest = before - seen.tick * (rows - 1)
        inside = [p for p in (seen.bid, seen.ask) if p is not None] or [centre]
        if all(lowest + margin * seen.tick <= p <= before - margin * seen.tick for p in inside):
            return before
    return centre + seen.tick * (rows // 2)


def ladder(seen: MarketSeen, top: Decimal, rows: int) -> Table:
    """`rows` prices from `top` down, one tick apart. The row's key is the price as it is quoted."""
    bids = {level.price: level.size for level in seen.bids}
    asks = {level.price: level.size for level in seen.asks}
    mine: dict[Decimal, list[OwnOrder]] = {}
    for order in seen.own:
        if order.price is not None:
            mine.setdefault(order.price, []).append(order)
    traded = seen.prints[-1] if seen.prints else None
    found = []
    for step in range(rows):
        price = top - step * seen.tick
        at = mine.get(price, [])
        buys, sells = ([o for o in at if o.side == side] for side in ("BUY", "SELL"))
        notes = _notes(seen, price, at)
        meaning = "heading" if price == seen.last else "text"
        if price in (seen.low_limit, seen.high_limit):
            notes.append("price limit")
        if traded is not None and traded.price == price:
            notes.insert(0, f"◂ {formats.size(traded.size)}")
        found.append(
            Row(
                f"{price:f}",
                (
                    *_own(buys, "side-buy"),
                    _level(bids, price, "side-buy"),
                    Cell(formats.price(price), meaning),
                    _level(asks, price, "side-sell"),
                    *reversed(_own(sells, "side-sell")),
                    Cell(" ".join(notes), "muted"),
                ),
                seen.symbol,
            )
        )
    title = f"{seen.symbol} ladder"
    lowest = top - seen.tick * (rows - 1)
    out = sum(o.price is None or not lowest <= o.price <= top for o in seen.own) + seen.own_left_out
    if out:
        title += f" · {out} of our orders out of sight"
    return Table(title, LADDER, tuple(found), "no price yet")


def _level(levels: dict[Decimal, Decimal | None], price: Decimal, meaning: str) -> Cell:
    if price not in levels:
        return Cell("")
    return Cell(formats.size(levels[price]), meaning)


def _own(orders: Sequence[OwnOrder], meaning: str) -> tuple[Cell, Cell]:
    """How much of ours stands at a price, and what stands before the first of it."""
    if not orders:
        return Cell(""), Cell("")
    total = sum((o.leaves for o in orders), Decimal(0))
    return Cell(formats.size(total), meaning), Cell(before(orders), "muted")


def before(orders: Iterable[OwnOrder]) -> str:
    """The place in the queue of the foremost of our orders: exact, `~` an estimate, `?` not known."""
    resting = [o for o in orders if not waits_for_price(o)]
    known = [o for o in resting if o.ahead is not None]
    if not known:
        return "?" if resting else ""
    first = min(known, key=lambda o: o.ahead or Decimal(0))
    return ("" if first.ahead_exact else "~") + formats.size(first.ahead)


def waits_for_price(order: OwnOrder) -> bool:
    """True for a stop, which stands in no queue."""
    return order.type in ("STP", "STL")


def _notes(seen: MarketSeen, price: Decimal, orders: Sequence[OwnOrder]) -> list[str]:
    notes = []
    if seen.avg_price is not None and seen.position and abs(seen.avg_price - price) * 2 < seen.tick:
        notes.append(f"avg {formats.size(seen.position, sign=True)}")
    stops = sum((o.leaves for o in orders if waits_for_price(o)), Decimal(0))
    if stops:
        notes.append(f"stop {formats.size(stops)}")
    notes += [f"{o.overlay}" for o in orders if o.overlay]
    notes += ["UNKNOWN" for o in orders if o.status == "UNKNOWN"]
    return notes


@lru_cache(maxsize=4)
def _printed(symbol: str, zone: str) -> Kept[Print]:
    return Kept(lambda made: printed(made, symbol, zone))


def printed(made: Print, symbol: str, zone: str) -> Row:
    """One print."""
    return Row(
        str(made.n),
        (
            Cell(formats.clock(made.ts, zone), "muted"),
            Cell(formats.price(made.price), "heading"),
            Cell(formats.size(made.size)),
            _SIDES.get(made.aggressor, _SIDES[""]),
            Cell(str(made.n), "muted"),
        ),
        symbol,
    )


def tape(prints: Iterable[Print], symbol: str, zone: str, missed: int = 0) -> Table:
    """Time and sales, newest first."""
    rows = tuple(map(_printed(symbol, zone), reversed(list(prints))))
    title = "Time and sales" + (f" · {missed} missed" if missed else "")
    return Table(title, TAPE, rows, "no prints yet: this feed may have none")
