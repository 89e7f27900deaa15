"""The day's result as rows: what the curve says in words, and who made what."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.replies import DayRow, DaySeen
from engine.model import NS

Cells = tuple[Cell, ...]

COLUMNS: Final = (
    Column("Name", 10, most=14),
    Column("Net", 10, number=True),
    Column("Realised", 10, 1, number=True),
    Column("Open", 10, 2, number=True),
    Column("Fees", 8, 3, number=True),
    Column("Position", 8, 4, number=True),
    Column("Fills", 5, 5, number=True),
    Column("Lots", 5, 6, number=True),
    Column("Slip tk", 7, 7, number=True),
    Column("Share", 10, 8, stretch=True),
)


def head(seen: DaySeen) -> tuple[Cells, ...]:
    """Two lines: the day against its limit; where the curve begins, and what was carried over."""
    first = [Cell(f" {seen.trading_day or 'no day open'} ", "heading"), Cell("day "), formats.pnl(seen.pnl)]
    if seen.limit is not None:
        first.append(Cell(f"  stops at {formats.money(-seen.limit)}"))
        if seen.pnl is not None and seen.limit:
            used = max(Decimal(0), -seen.pnl) / seen.limit
            meaning = "risk-tripped" if used >= 1 else "risk-warn" if used >= Decimal("0.8") else "muted"
            first.append(Cell(f" {formats.bar(float(used), 10)} {used * 100:.0f} % used ", meaning))
    first.append(Cell(f"  {seen.currency}", "muted"))
    second = [Cell(f" equity {formats.money(seen.equity, sign=False)}"), *_account(seen)]
    if seen.carried:
        second.append(Cell(f"  carried over {formats.money(seen.carried)}", "muted"))
    second += [
        Cell(f"  opened {formats.money(seen.opening_equity, sign=False)}", "muted"),
        Cell(f"  peak {formats.money(seen.peak, sign=False)}", "muted"),
    ]
    if seen.partial:
        second.append(Cell(f"  {seen.partial}", "in-flight"))
    return tuple(first), tuple(second)


def _account(seen: DaySeen) -> Cells:
    """The broker's own equity, and how old that word of his is."""
    said = seen.account
    if said is None:
        return (Cell("  broker's not known", "muted"),) if seen.equity is not None else ()
    age = formats.age((seen.ts - said.at) / NS)
    told = f"  broker's {formats.money(said.equity, sign=False)} "
    if said.counts:
        return (Cell(told), Cell(f"{age} old", "muted"))
    return (Cell(told), Cell(f"{age} old: not known now", "in-flight"))


def row(of: DayRow, most: Decimal, symbol: str = "") -> Row:
    """One strategy or instrument. `most`: the largest net of its table, for the bar."""
    return Row(
        of.name,
        (
            Cell(of.name, "heading"),
            formats.pnl(of.net),
            Cell(formats.money(of.realised)),
            Cell(formats.money(of.open)),
            Cell(formats.money(of.fees, sign=False), "muted"),
            Cell("" if of.position is None else formats.size(of.position, sign=True)),
            Cell(str(of.fills)),
            Cell(formats.size(of.lots)),
            _slippage(of.slippage),
            _share(of.net, most),
        ),
        symbol,
    )


def _share(net: Decimal | None, most: Decimal) -> Cell:
    """A net as a bar beside the largest of the table; its sign is in the words before it."""
    if net is None or not most:
        return Cell("")
    return Cell("█" * round(10 * abs(net) / most), "pnl-up" if net > 0 else "pnl-down")


def _most(rows: tuple[DayRow, ...]) -> Decimal:
    return max((abs(of.net) for of in rows if of.net is not None), default=Decimal(0))


def _slippage(ticks: float | None) -> Cell:
    """Ticks a lot: plus is against us."""
    if ticks is None:
        return Cell(formats.NONE, "muted")
    text = f"{ticks:+.2f}"
    return Cell(formats.MINUS + text[1:] if text.startswith("-") else text)


def total(rows: tuple[DayRow, ...]) -> Decimal | None:
    """Sum of the nets; None where one is not known."""
    nets = [of.net for of in rows]
    return None if None in nets else sum((net for net in nets if net is not None), Decimal(0))


def instruments(seen: DaySeen) -> Table:
    """What each instrument made; those that did nothing today come last."""
    ordered = sorted(seen.instruments, key=lambda of: (not (of.fills or of.position), of.name))
    title = f"By instrument · {formats.money(total(seen.instruments))} net"
    most = _most(seen.instruments)
    return Table(title, COLUMNS, tuple(row(of, most, of.name) for of in ordered), "no instruments")


def strategies(seen: DaySeen) -> Table:
    """What each strategy made, manual trading included."""
    title = f"By strategy · {formats.money(total(seen.strategies))} net"
    most = _most(seen.strategies)
    return Table(title, COLUMNS, tuple(row(of, most) for of in seen.strategies), "no strategy has traded")
