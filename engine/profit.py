"""What the positions have earned at their marks, with the day's profit and the equity that follow from it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.books import Books
from engine.market import MarketBook

_NOTHING: Final = Decimal(0)


class Profit:
    """Figures in account currency, kept until a position, a price or the day moves: each order and each round
    of the risk loop asks for them several times. `reckon` brings them up to date; None means "not known"."""

    __slots__ = ("_books", "_day", "_held", "_marked", "_markets", "_valued", "equity", "of_day", "total")

    def __init__(self, books: Books, markets: MarketBook) -> None:
        self._books = books
        self._markets = markets
        self._held = self._valued = -1
        """Versions of positions and prices that the figures were reckoned of."""
        self._day: object = None
        """The day that they were reckoned of."""
        self._marked: dict[str, tuple[int | None, Decimal]] = {}
        """Of each instrument the doubled mark (0 where nothing is held) and the profit at it, for the
        positions as of `_held`."""
        self.total: Decimal | None = None
        """Realised + open − fees since the journal began; None where a held position has no mark."""
        self.of_day: Decimal | None = None
        self.equity: Decimal | None = None

    def reckon(self) -> None:
        """Brings the figures up to date."""
        books, valued = self._books, self._markets.valued
        held, day = books.positions.version, books.day
        if valued == self._valued and held == self._held and day is self._day:
            return
        self._valued = -1  # of a reckoning that fails nothing is known
        if held != self._held:
            self._marked.clear()
        self.total = total = self._summed()
        self.of_day = self.equity = None
        if total is not None and day is not None:
            self.of_day = total - day.baseline
            self.equity = day.opening_equity + self.of_day
        self._held, self._valued, self._day = held, valued, day

    def _summed(self) -> Decimal | None:
        """The profit of all instruments. Only those are reckoned anew whose mark is another one."""
        total, marked, by_symbol = _NOTHING, self._marked, self._markets.by_symbol
        for position in self._books.positions:
            symbol = position.symbol
            mark: int | None = 0  # what is flat follows no price
            if position.held.qty:
                market = by_symbol.get(symbol)
                mark = market.mark_twice if market is not None else None
            known = marked.get(symbol)
            if known is None or known[0] != mark:
                one = self._books.profit(symbol, mark)
                if one is None:
                    return None
                known = marked[symbol] = (mark, one)
            total += known[1]
        return total
