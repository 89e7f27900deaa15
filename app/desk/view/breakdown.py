"""Who holds what: each strategy's share of a position beside what it intends, and what belongs to none."""

from __future__ import annotations

from decimal import Decimal

from app.desk.view import formats
from app.desk.view.cells import Cell, Column, Row, Table
from engine.control.snapshot import Snapshot

NOBODY = "(none)"
"""Stands for what is held and was ordered by no strategy that is known."""

COLUMNS = (
    Column("Symbol", 8, most=14),
    Column("Strategy", 10, most=20),
    Column("Intend", 8, number=True),
    Column("Holds", 8, number=True),
    Column("To go", 8, number=True),
    Column("State", 10, stretch=True),
)


def _row(symbol: str, strategy: str, wanted: Decimal | None, held: Decimal, state: str) -> Row:
    to_go = None if wanted is None else wanted - held
    return Row(
        f"{symbol}/{strategy}",
        (
            Cell(symbol, "heading"),
            Cell(strategy, "order-foreign" if strategy == NOBODY else "text"),
            Cell(formats.size(wanted, sign=True, unknown=formats.NONE)),
            Cell(formats.size(held, sign=True)),
            Cell(formats.size(to_go, sign=True, unknown=formats.NONE), "in-flight" if to_go else "muted"),
            Cell(state, "muted"),
        ),
        symbol,
    )


def table(snapshot: Snapshot, *, symbol: str = "", strategy: str = "") -> Table:
    """Of one symbol, of one strategy, or of all. Intentions of strategies that declare none are a dash."""
    rows: list[Row] = []
    intends = {one.name: one for one in snapshot.strategies}
    for position in snapshot.positions:
        if symbol and position.symbol != symbol:
            continue
        names = {*position.by_strategy, *(n for n, one in intends.items() if position.symbol in one.intended)}
        for name in sorted(names):
            if strategy and name != strategy:
                continue
            one = intends.get(name)
            wanted = one.intended.get(position.symbol) if one is not None else None
            state = one.state if one is not None else ""
            rows.append(
                _row(position.symbol, name, wanted, position.by_strategy.get(name, Decimal(0)), state)
            )
        rest = position.executed - sum(position.by_strategy.values(), Decimal(0))
        if rest and not strategy:
            rows.append(_row(position.symbol, NOBODY, None, rest, "held by no strategy"))
    title = " · ".join(["By strategy", *filter(None, (symbol, strategy))])
    return Table(title, COLUMNS, tuple(rows), "nothing held, nothing intended")
