"""The panes of one market: touch, price ladder, time and sales, chart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar

from textual.geometry import Size

from app.desk.grid import HEADER, Grid
from app.desk.painting import Lines
from app.desk.view import chart, market
from app.desk.view.arranging import Arrangement
from app.desk.view.cells import Cell, Table, steady
from engine.control.questions import MAX_PRINTS
from engine.control.replies import MarketSeen, OwnOrder, Print

STILL: float = 10.0
"""Seconds after the operator's last key in the ladder for which its prices stay where they are."""


class MarketHead(Lines):
    """The touch, the last trade, our position, and what the data are worth."""

    def tell(self, seen: MarketSeen | None, text: str) -> None:
        """Shows the market, or why there is none."""
        if seen is None:
            self.show((Cell(f" {text}", "risk-warn"),), ())
        else:
            self.show(*market.head(seen, self.size.width))


class Ladder(Grid):
    """Prices one tick apart, with the book and our orders. Its prices never move under a cursor in use.

    For whoever trades on it: `price` and `symbol` are what the cursor stands on, `orders_here` our orders at
    that price.
    """

    keeps_places: ClassVar[bool] = False

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._seen: MarketSeen | None = None
        self._top: Decimal | None = None
        self._placed = False
        """Whether the cursor has been put to the touch of this market."""

    @property
    def arrangement(self) -> Arrangement:
        """Prices have one order; they are neither sorted nor filtered."""
        return Arrangement()

    @arrangement.setter
    def arrangement(self, how: Arrangement) -> None:
        """Not taken over."""

    @property
    def symbol(self) -> str:
        """The market that is shown; empty: none."""
        return self._seen.symbol if self._seen is not None else ""

    @property
    def price(self) -> Decimal | None:
        """The price under the cursor; None where none is selected, or it has left the ladder."""
        row = self.selected
        return Decimal(row.key) if row is not None and self._seen is not None else None

    @property
    def orders_here(self) -> tuple[OwnOrder, ...]:
        """Our orders at the price under the cursor."""
        price = self.price
        if price is None or self._seen is None:
            return ()
        return tuple(order for order in self._seen.own if order.price == price)

    def tell(self, seen: MarketSeen | None, text: str) -> None:
        """Shows the market, or why there is none."""
        if seen is None:
            self._seen = self._top = None
            self._placed = False
            self.show(Table("Ladder", market.LADDER, (), text))
            return
        if self._seen is not None and self._seen.symbol != seen.symbol:
            self._top = None
            self._placed = False
        self._seen = seen
        self._draw()

    def centre(self) -> None:
        """Puts the touch into the middle."""
        self._top = None
        self._draw()

    def take_cursor(self) -> None:
        """The cursor begins at the touch, in the middle, not at the highest price."""
        if not self._cursor_key and self._seen is not None:
            middle = market.middle(self._seen)
            for index, row in enumerate(self.rows):
                if middle is not None and Decimal(row.key) == middle:
                    self._cursor = index
                    self._placed = True
        super().take_cursor()

    def on_resize(self) -> None:
        """Another height takes another number of prices, with the touch in the middle again."""
        super().on_resize()
        if not self._still:
            self._top = None
        self._draw()

    @property
    def _still(self) -> bool:
        """Whether the operator is at work here: prices must not move under his cursor."""
        return self._focused and self._now() - self._used_at < STILL

    def _draw(self) -> None:
        seen, rows = self._seen, self.size.height - HEADER
        if seen is None or rows <= 0:
            return
        top = market.centred(seen, rows, self._top, still=self._still)
        if top is None:
            self.show(Table(f"{seen.symbol} ladder", market.LADDER, (), "no price yet"))
            return
        self._top = top
        self.show(market.ladder(seen, top, rows))
        if self._focused and not self._placed:
            self.take_cursor()
            self.refresh()

    def on_focus(self) -> None:
        """The cursor becomes visible."""
        super().on_focus()
        self._placed = bool(self.rows)


class TapePane(Grid):
    """Time and sales, newest first."""

    keeps_places: ClassVar[bool] = False

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._prints: deque[Print] = deque(maxlen=MAX_PRINTS)
        self._missed = 0
        self._named = ("", "UTC")

    @property
    def last(self) -> int:
        """Number of the newest print that is shown."""
        return self._prints[-1].n if self._prints else 0

    def clear(self) -> None:
        """Another market."""
        self._prints.clear()
        self._missed = 0

    def add(self, prints: Iterable[Print], missed: int, symbol: str, zone: str) -> None:
        """Takes further prints. `missed`: how many before them are not there."""
        before = self.last
        if before:
            self._missed += missed
        self._prints.extend(p for p in prints if p.n > before)
        self._named = symbol, zone
        self._draw()

    def on_focus(self) -> None:
        """Who looks here closely can scroll through all of it."""
        super().on_focus()
        self._draw()

    def on_resize(self) -> None:
        """More lines take more prints."""
        super().on_resize()
        self._draw()

    def _draw(self) -> None:
        if not self._prints:
            return
        count = steady(len(self._prints), max(1, self.size.height - HEADER), self._focused)
        self.show(market.tape(list(self._prints)[-count:], *self._named, self._missed))

    def tell(self, text: str) -> None:
        """Nothing to show, and why."""
        self.clear()
        self.show(Table("Time and sales", market.TAPE, (), text))


class PriceChart(Lines):
    """Bars of the price with our fills."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._seen: MarketSeen | None = None
        self._seconds = 60
        self._zone = "UTC"

    def tell(self, seen: MarketSeen | None, seconds: int, zone: str, text: str = "") -> None:
        """Shows the bars, or why there are none."""
        self._seen, self._seconds, self._zone = seen, seconds, zone
        if seen is None:
            self.border_title = "Chart"
            self.show((Cell(f" {text}", "muted"),))
            return
        self.border_title = (
            f"{seen.symbol} bars of {span(seconds)} · ░ up █ down · our fills ▲ bought ▼ sold ◆ both"
        )
        self.draw(self.size)

    def on_resize(self) -> None:
        """Another size takes another chart."""
        self.draw(self.size)

    def draw(self, size: Size) -> None:
        """Draws anew."""
        seen = self._seen
        if seen is not None and not seen.bars and seen.depth == "none":
            self.show((Cell(f" {seen.depth_text}", "muted"),))
        elif seen is not None and size.height > 0:
            room = (size.width, size.height)
            self.show(*chart.candles(seen.bars, seen.fills, room, seen.tick, self._seconds, self._zone))


def span(seconds: int) -> str:
    """A span of bars in words."""
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"
