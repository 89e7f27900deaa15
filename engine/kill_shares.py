"""What becomes of the strategies' shares once an instrument is proven flat: nobody holds or wants any of it.

Shares that opposed one another sum to nothing, and the account has nothing of them left; a strategy that goes
on counting one as its own would open a position by "closing" it. What was intended would be bought again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from engine.core import Core
from engine.positions import Position
from engine.records import Intended, Transferred
from engine.strategy.netting import cross


def leave_none(core: Core, emptied: Callable[[str], bool], correlation: str) -> Iterator[tuple[str, str]]:
    """Crosses the shares of every flat instrument that `emptied` names, at the market's middle, and sets to 0
    what is intended there; journalled. Yields each symbol in which that changed something, and a sentence."""
    for position in sorted(core.books.positions, key=lambda p: p.symbol):
        symbol = position.symbol
        if position.held.qty or not emptied(symbol):
            continue
        said = []
        held = {name: part.qty for name, part in position.parts.items() if part.qty}
        if held:
            price = _price(core, position)
            for part in cross(dict.fromkeys(held, 0), held):
                moved = Transferred(
                    symbol=symbol, seller=part.seller, buyer=part.buyer, lots=part.qty, price=price
                )
                core.commit(moved, correlation)
            at = core.price(symbol, price)
            said.append(f"shares that sum to nothing are closed at {at}: {_named(core, symbol, held)}")
        wanted = {name: lots for name, lots in position.intended.items() if lots}
        for name in sorted(wanted):
            core.commit(Intended(strategy=name, symbol=symbol, lots=0), correlation)
        if wanted:
            said.append(f"intended no more: {_named(core, symbol, wanted)}")
        if said:
            yield symbol, f"{symbol}: {'; '.join(said)}"


def _price(core: Core, position: Position) -> int:
    """Ticks at which shares are closed: the market's middle, else that of the last booking."""
    market = core.markets.get(position.symbol)
    if market is not None and market.mark_twice is not None:
        return market.mark_twice // 2
    _, legs = next(position.booked.newest_first())
    return legs[0][2]


def _named(core: Core, symbol: str, lots: Mapping[str, int]) -> str:
    """Who has how much of it, as a person reads it."""
    sizes = ((name, "+" if qty > 0 else "-", core.size(symbol, abs(qty))) for name, qty in lots.items())
    return ", ".join(f"{name} {sign}{size}" for name, sign, size in sorted(sizes))
