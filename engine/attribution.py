"""Whose an execution is, where its order serves several: lots shared out among strategies."""

from __future__ import annotations

from collections.abc import Mapping

from engine.model import Fill
from engine.positions import Attribution, PositionBook
from engine.strategy.netting import attribute, share_fill


def declared(positions: PositionBook, symbol: str) -> dict[str, int]:
    """What each strategy that declared an intention for the symbol holds of it, signed lots."""
    return {s: positions.strategy_qty(s, symbol) for s in positions.get(symbol).intended}


def netted(positions: PositionBook, fill: Fill, behind: Mapping[str, int]) -> Attribution:
    """Of a netted order: `behind` says which strategies needed how much of it when it was made."""
    symbol = fill.symbol
    intended = positions.get(symbol).intended
    parts = share_fill(fill.qty, fill.side, intended, declared(positions, symbol), behind)
    return tuple(parts.items())


def closed(positions: PositionBook, fill: Fill, owner: str) -> Attribution:
    """Of the flatten procedure, or a roll: the lots of whoever holds them, in proportion; `owner` keeps what
    goes beyond them."""
    held = positions.get(fill.symbol).parts
    holders = {s: abs(part.qty) for s, part in held.items() if part.qty * fill.side.sign < 0}
    lots = min(fill.qty, sum(holders.values()))
    parts = attribute(lots, holders) if lots else {}
    if lots < fill.qty:
        parts[owner] = parts.get(owner, 0) + fill.qty - lots
    return tuple(parts.items())


def rescaled(owners: Attribution, qty: int) -> Attribution:
    """The same owners for another number of lots, as a correction has it."""
    return tuple(attribute(qty, dict(owners)).items())
