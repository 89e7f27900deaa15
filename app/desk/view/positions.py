"""The rows of the positions table: intended, executed and broker side by side, and whether they agree."""

from __future__ import annotations

from decimal import Decimal

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.snapshot import NOT_COMPARED, PositionRow, Snapshot

COLUMNS = (
    Column("State", 11, most=14),
    Column("Symbol", 6, most=14),
    Column("Open P&L", 9, 2, number=True),
    Column("MD", 5, 3),
    Column("Last", 8, 5, number=True),
    Column("Intend", 6, 1, number=True),
    Column("Exec", 6, number=True),
    Column("Broker", 6, number=True),
    Column("Diff", 5, number=True),
    Column("Avg px", 8, 4, number=True),
    Column("Realised", 9, 6, number=True),
    Column("Fees", 7, 9, number=True),
    Column("Market", 8, 7),
    Column("By strategy", 12, 8, stretch=True),
)

_AGREE = "agree"


def state_cell(position: PositionRow) -> Cell:
    """= AGREE, ≠ DRIFT and so on: sign and word say it, the colour repeats it."""
    word = position.state.upper()
    if position.state == _AGREE:
        return Cell(f"= {word}", "agree")
    if position.state == "in flight":
        return Cell(f"~ {word}", "in-flight")
    if position.state.startswith("halted"):  # the engine adds why: `halted: drift`
        word = "HALTED"
    elif position.state.startswith("held"):
        word = "HELD"
    if position.diff is not None and position.diff != 0:
        return Cell(f"≠ {word}", "drift")
    if word in ("HALTED", "HELD"):
        return Cell(f"■ {word}", "halted")
    if position.state in ("unknown", NOT_COMPARED) or position.broker is None:
        return Cell(f"? {word}", "order-unknown")
    return Cell(f"≠ {word}", "drift")


def _broker_cell(position: PositionRow) -> Cell:
    """The broker's figure; with a question mark where it says nothing about now."""
    size = formats.size(position.broker, sign=True)
    return Cell(f"{size}?", "muted") if position.broker is not None and position.diff is None else Cell(size)


def _diff_cell(position: PositionRow) -> Cell:
    if position.diff is None:
        return Cell(formats.UNKNOWN, "muted")
    if position.diff == 0:
        return Cell("=0", "muted")
    return Cell(
        formats.size(position.diff, sign=True), "drift" if position.state != "in flight" else "in-flight"
    )


_DATA = {"stale": ("STALE", "stale"), "crossed": ("CROSS", "health-warn"), "closed": ("SHUT", "muted")}


def _data_cell(position: PositionRow) -> Cell:
    """The age of live data, else the word for what is wrong with it."""
    if position.data_state == "live":
        return Cell(formats.age(position.data_age), "health-ok")
    word, meaning = _DATA.get(position.data_state, (position.data_state.upper(), "health-warn"))
    return Cell(word, meaning)


def _open_cell(position: PositionRow) -> Cell:
    """What is open, at the last price; with a question mark where that price says nothing about now."""
    cell = formats.pnl(position.open_pnl)
    known = position.data_state in ("live", "closed") or not position.executed or position.open_pnl is None
    return cell if known else Cell(f"{cell.text}?", "muted")


def row(position: PositionRow) -> Row:
    """One instrument as cells."""
    shares = " ".join(
        f"{name} {formats.size(share, sign=True)}" for name, share in sorted(position.by_strategy.items())
    )
    return Row(
        position.symbol,
        (
            state_cell(position),
            Cell(position.symbol, "heading"),
            _open_cell(position),
            _data_cell(position),
            Cell(formats.price(position.last)),
            Cell(formats.size(position.intended, sign=True, unknown=formats.NONE)),
            Cell(formats.size(position.executed, sign=True)),
            _broker_cell(position),
            _diff_cell(position),
            Cell(formats.average(position.avg_price)),
            formats.pnl(position.realised_pnl),
            Cell(formats.money(position.fees, sign=False), "muted"),
            Cell(position.market_state, "text" if position.market_state == "OPEN" else "health-warn"),
            Cell(shares, "muted"),
        ),
        position.symbol,
    )


def _rank(position: PositionRow) -> tuple[bool, bool, Decimal, Decimal, str]:
    return (
        position.state in (_AGREE, "in flight"),
        position.broker is not None,
        # Where the difference is not known: what it was when the broker last said something.
        -abs((position.executed if position.broker is None else position.broker) - position.executed),
        -abs(position.executed),
        position.symbol,
    )


def _since(snapshot: Snapshot) -> str:
    """How long ago the broker was last compared."""
    at = snapshot.comparison.at
    return "yet" if at is None else f"for {formats.age((snapshot.ts - at) / 1e9)}"


def day_sum(snapshot: Snapshot) -> tuple[Cell, ...]:
    """How the day's result adds up: what is open, what is realised, what it cost, and what was before."""
    rows, day = snapshot.positions, snapshot.day_pnl
    opens = [row.open_pnl for row in rows]
    realised = sum((row.realised_pnl for row in rows), Decimal(0))
    fees = sum((row.fees for row in rows), Decimal(0))
    if day is None or None in opens:
        return (Cell(" DAY ", "heading"), Cell("not known: a price or a rate is missing", "muted"))
    held = sum((part for part in opens if part is not None), Decimal(0))
    before = day - (held + realised - fees)
    cells = [
        *(Cell(" DAY ", "heading"), formats.pnl(day), Cell(" = open ", "muted"), Cell(formats.money(held))),
        *(Cell("  realised ", "muted"), Cell(formats.money(realised))),
        *(Cell("  fees ", "muted"), Cell(formats.money(-fees))),
    ]
    if abs(before) >= Decimal("0.01"):
        cells += [Cell("  of earlier days, or by exchange rates ", "muted"), Cell(formats.money(before))]
    return tuple(cells)


def table(snapshot: Snapshot) -> Table:
    """What is in doubt or halted first, then by size of the difference and of the position."""
    unusual = [position for position in snapshot.positions if position.state not in (_AGREE, "in flight")]
    # A halted instrument on which broker and executions agree is in no doubt.
    doubtful = sum(not (position.state.startswith("halted") and position.diff == 0) for position in unusual)
    title = "Positions · intended | executed | broker"
    if not snapshot.comparison.holds:
        title += f" · NOT COMPARED {_since(snapshot)}"
    else:
        title += f" · {doubtful} IN DOUBT" if doubtful else ""
    title += f" · {len(unusual) - doubtful} HALTED" if len(unusual) > doubtful else ""
    rows = tuple(row(position) for position in sorted(snapshot.positions, key=_rank))
    return Table(title, COLUMNS, rows, "no instruments")
