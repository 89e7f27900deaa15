"""Where each position, and each strategy's part of it, stood when the trading day opened.

A part of the books: the same fold over the journal gives it after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from engine.positions import Holding, PositionBook

WHOLE: Final = ""
"""In the place of a strategy: the account."""


class Traded(NamedTuple):
    """What a holding has made and done: realised profit in millionths of a tick-lot, fees in the instrument's
    currency, executions, lots."""

    realised_micro: int
    fees: Decimal
    executions: int
    lots: int


def traded(holding: Holding) -> Traded:
    """Since the journal began."""
    return Traded(holding.realised_micro, holding.fees, holding.executions, holding.bought + holding.sold)


_NOTHING: Final = Traded(0, Decimal(0), 0, 0)


class DayStart:
    """All holdings as they stood; what is not there had not traded before the day."""

    def __init__(self, positions: PositionBook) -> None:
        self._stood = {
            (position.symbol, strategy): traded(holding)
            for position in positions
            for strategy, holding in ((WHOLE, position.held), *position.parts.items())
            if traded(holding) != _NOTHING
        }

    def image(self) -> tuple[tuple[str, str, Traded], ...]:
        """Symbol, strategy and what the holding had made and done, for a saved state of the books."""
        return tuple((*key, what) for key, what in sorted(self._stood.items()))

    @classmethod
    def of(cls, image: Iterable[tuple[str, str, Traded]]) -> DayStart:
        start = cls(PositionBook())
        start._stood = {(symbol, strategy): what for symbol, strategy, what in image}
        return start

    def stood(self, symbol: str, strategy: str = WHOLE) -> Traded:
        """A holding when the day opened."""
        return self._stood.get((symbol, strategy), _NOTHING)

    def since(self, symbol: str, strategy: str, holding: Holding) -> Traded:
        """What the holding has made and done since the day opened."""
        now, then = traded(holding), self.stood(symbol, strategy)
        return Traded(
            now.realised_micro - then.realised_micro,
            now.fees - then.fees,
            now.executions - then.executions,
            now.lots - then.lots,
        )
