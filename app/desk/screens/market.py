"""The screen of one market: price ladder with our orders, time and sales, a chart with our fills."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from app.desk.asking import Asker
from app.desk.host import host_of
from app.desk.keys import bindings
from app.desk.panes.market import Ladder, MarketHead, PriceChart, TapePane, span
from app.desk.sheet import Sheet
from engine.control.questions import BAR_SECONDS, MAX_BARS, MAX_LEVELS, AnyQuestion, AnyReply, MarketOf
from engine.control.replies import Declined, MarketSeen
from engine.control.snapshot import Snapshot
from engine.model import Side

EVERY = 0.2
"""Seconds between two looks at the book."""
LOW = 16
"""Lines of the sheet under which there is no chart."""
BARS_EVERY = 1.0
"""Seconds between two looks at the chart."""


class MarketSheet(Sheet):
    """Asks for one market while it is shown: that of the row that was selected before."""

    main = "ladder"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("market")]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.symbol = ""
        self._symbols: tuple[str, ...] = ()
        self._zone = "UTC"
        self._seconds = 60
        self._charted = True
        """Whether the operator wants a chart; the ladder has its place otherwise."""
        self._book = Asker(self, self._ask_book, self._took_book, EVERY)
        self._bars = Asker(self, self._ask_bars, self._took_bars, BARS_EVERY)

    def compose(self) -> ComposeResult:
        yield MarketHead(id="markethead")
        with Container(id="marketupper"):
            yield Ladder(id="ladder")
            yield TapePane(id="tape")
        yield PriceChart(id="pricechart")

    # What comes in

    def shown(self) -> None:
        """Shows the market that the operator has just looked at elsewhere."""
        pane = host_of(self).desk.last_pane
        row = pane.selected if pane is not None else None
        if row is not None and row.symbol:
            self.choose(row.symbol)
        self._book.forget()
        self._bars.forget()

    def look(self, snapshot: Snapshot, zone: str) -> None:
        """Asks for what is new."""
        super().look(snapshot, zone)
        self._zone = zone
        self._symbols = tuple(position.symbol for position in snapshot.positions)
        if not self.symbol:
            held = [position.symbol for position in snapshot.positions if position.executed]
            self.choose((held or list(self._symbols) or [""])[0])
        self._book.pulse()
        self._bars.pulse()

    def on_resize(self) -> None:
        """How much is asked for depends on how much has room; where there is little, the ladder has it."""
        self._fit_chart()
        self.call_after_refresh(self._ask_anew)

    def _fit_chart(self) -> None:
        self.query_one(PriceChart).display = self._charted and self.size.height >= LOW

    def _ask_anew(self) -> None:
        self._book.ask()
        self._bars.ask()

    def choose(self, symbol: str) -> None:
        """Shows another market."""
        if symbol == self.symbol:
            return
        self.symbol = symbol
        self._empty("the market is being asked for …")
        self._book.forget()
        self._bars.forget()

    def _ask_book(self) -> AnyQuestion | None:
        if not self.symbol or not self.size.height:
            return None
        levels = min(MAX_LEVELS, max(1, self.query_one(Ladder).size.height))
        return MarketOf(symbol=self.symbol, levels=levels, tape_after=self.query_one(TapePane).last)

    def _ask_bars(self) -> AnyQuestion | None:
        width = self.query_one(PriceChart).size.width
        if not self.symbol or not width:
            return None
        bars = min(MAX_BARS, width)
        return MarketOf(symbol=self.symbol, levels=0, prints=0, bars=bars, bar_seconds=self._seconds)

    def _took_book(self, reply: AnyReply) -> None:
        if isinstance(reply, MarketSeen) and reply.symbol == self.symbol:
            self._desk.learn(reply)
            tape = self.query_one(TapePane)
            if reply.last_print < tape.last:
                tape.clear()  # another engine, which counts anew
            tape.add(reply.prints, reply.prints_missed, reply.symbol, self._zone)
            self.query_one(MarketHead).tell(reply, "")
            self.query_one(Ladder).tell(reply, "")
        elif isinstance(reply, Declined):
            self._empty(reply.text)

    def _took_bars(self, reply: AnyReply) -> None:
        if isinstance(reply, MarketSeen) and reply.symbol == self.symbol:
            self.query_one(PriceChart).tell(reply, self._seconds, self._zone)

    def _empty(self, text: str) -> None:
        """Nothing here may look alive while it is not known."""
        if not self.is_mounted:
            return
        self.query_one(MarketHead).tell(None, text)
        self.query_one(Ladder).tell(None, text)
        self.query_one(TapePane).tell(text)
        self.query_one(PriceChart).tell(None, self._seconds, self._zone, text)

    # Keys

    def action_symbol(self, step: int) -> None:
        """The next market, or the one before."""
        if self._symbols:
            place = self._symbols.index(self.symbol) if self.symbol in self._symbols else -step
            self.choose(self._symbols[(place + step) % len(self._symbols)])
            self._ask_anew()

    def action_span(self) -> None:
        """Longer bars, then the shortest again."""
        place = BAR_SECONDS.index(self._seconds)
        self._seconds = BAR_SECONDS[(place + 1) % len(BAR_SECONDS)]
        self.query_one(PriceChart).tell(None, self._seconds, self._zone, f"bars of {span(self._seconds)} …")
        self._bars.ask()

    def action_ladder(self, side: str) -> None:
        """A limit order at the price under the cursor."""
        ladder, app = self.query_one(Ladder), self._desk
        if ladder.price is None or not ladder.symbol:
            self.say("b and s trade at the ladder's price: put the cursor on one")
            return
        app.trade_at(Side.BUY if side == "buy" else Side.SELL, ladder.symbol, ladder.price)

    def action_chart(self) -> None:
        """The ladder takes the place of the chart, or gives it back."""
        self._charted = not self._charted
        self._fit_chart()
        self.call_after_refresh(self._ask_anew)

    def action_centre(self) -> None:
        """The touch into the middle of the ladder."""
        self.query_one(Ladder).centre()
