"""What is remembered of each market for whoever looks at it: prints, bars, our fills. Nothing decides by it.

All of it is bounded, and begins with this run of the engine.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from engine.control.questions import BAR_SECONDS, MAX_BARS, MAX_MARKS, MAX_PRINTS
from engine.facts import AnyFact, Busted, Corrected
from engine.market import Market, MarketBook
from engine.model import NS, ExecutionKey, Fill, Side, Trade


class Print(NamedTuple):
    """A trade of the market: its number, UTC ns, ticks, lots, aggressor."""

    n: int
    ts: int
    price: int
    size: int
    aggressor: Side | None


class Bar(NamedTuple):
    """A span from `ts` (UTC ns) on: prices in half ticks, so that a middle is exact; `volume` in lots."""

    ts: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    traded: bool


class Mark(NamedTuple):
    """A fill of ours. `ts`: engine time."""

    key: ExecutionKey
    ts: int
    side: Side
    price: int
    qty: int
    order_id: str


def merged(first: Bar | None, later: Bar) -> Bar:
    """Two neighbours as one bar, at the start of the first. Prices of trades stand before middles."""
    if first is None:
        return later
    if first.traded != later.traded:
        prices = first if first.traded else later
        return prices._replace(ts=first.ts)
    return Bar(
        first.ts,
        first.open,
        max(first.high, later.high),
        min(first.low, later.low),
        later.close,
        first.volume + later.volume,
        first.traded,
    )


_BASE: Final = BAR_SECONDS[0] * NS
_SPANS: Final = tuple(seconds * NS for seconds in BAR_SECONDS)


class MarketMemory:
    """One instrument. `n`: number of the newest print."""

    __slots__ = (
        "_begin",
        "_close",
        "_done",
        "_high",
        "_low",
        "_open",
        "_seen",
        "_traded",
        "_volume",
        "marks",
        "n",
        "prints",
    )

    def __init__(self) -> None:
        self.n = 0
        self.prints: deque[Print] = deque(maxlen=MAX_PRINTS)
        self.marks: deque[Mark] = deque(maxlen=MAX_MARKS)
        self._done: dict[int, deque[Bar]] = {span: deque(maxlen=MAX_BARS) for span in _SPANS}
        """By span: bars, the last of which may grow by what follows within its span."""
        self._begin = 0
        self._open = self._high = self._low = self._close = 0
        self._volume = 0
        self._seen = False
        """Whether anything is known of the present span: a price of zero is a price."""
        self._traded = False

    # -- what comes in

    def on_trade(self, trade: Trade, now: int) -> None:
        """A print, at engine time `now`."""
        self.n += 1
        self.prints.append(Print(self.n, now, trade.price, trade.size, trade.aggressor))
        if now - self._begin >= _BASE:
            self._roll(now)
        price = 2 * trade.price
        if not self._traded:
            self._traded = self._seen = True
            self._open = self._high = self._low = price
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price
        self._volume += trade.size

    def sample(self, mark_twice: int | None, now: int) -> None:
        """The middle as it stands now: what a bar shows in which nothing traded."""
        if now - self._begin >= _BASE:
            self._roll(now)
        if self._traded or mark_twice is None:
            return
        if not self._seen:
            self._seen = True
            self._open = self._high = self._low = mark_twice
        self._high = max(self._high, mark_twice)
        self._low = min(self._low, mark_twice)
        self._close = mark_twice

    def on_fill(self, fill: Fill, now: int) -> None:
        """An execution of ours."""
        self.marks.append(Mark(fill.key, now, fill.side, fill.price, fill.qty, fill.order_id or ""))

    def forget(self, key: ExecutionKey) -> None:
        """An execution was taken back or changed."""
        self.marks = deque((m for m in self.marks if m.key != key), maxlen=MAX_MARKS)

    # -- bars

    def _current(self) -> Bar | None:
        if not self._seen:
            return None
        return Bar(self._begin, self._open, self._high, self._low, self._close, self._volume, self._traded)

    def _roll(self, now: int) -> None:
        bar = self._current()
        if bar is not None:
            for span, bars in self._done.items():
                start = bar.ts // span * span
                if bars and bars[-1].ts == start:
                    bars[-1] = merged(bars[-1], bar)
                else:
                    bars.append(bar._replace(ts=start))
        self._begin = now // _BASE * _BASE
        self._open = self._high = self._low = self._close = self._volume = 0
        self._seen = self._traded = False

    def bars(self, seconds: int, most: int) -> list[Bar]:
        """The newest bars of one span, oldest first, the unfinished one included. Raises `KeyError` for a
        span that is not kept."""
        span = seconds * NS
        done = list(self._done[span])
        bar = self._current()
        if bar is not None:
            start = bar.ts // span * span
            if done and done[-1].ts == start:
                done[-1] = merged(done[-1], bar)
            else:
                done.append(bar._replace(ts=start))
        return done[-most:] if most > 0 else []


class MarketMemories:
    """The memories of all markets of an engine."""

    def __init__(self, markets: MarketBook) -> None:
        self._markets: list[tuple[Market, MarketMemory]] = []
        self._by_symbol: dict[str, MarketMemory] = {}
        for symbol, market in markets.by_symbol.items():
            memory = self._by_symbol[symbol] = MarketMemory()
            self._markets.append((market, memory))

    def of(self, symbol: str) -> MarketMemory | None:
        return self._by_symbol.get(symbol)

    def on_trade(self, trade: Trade, now: int) -> None:
        memory = self._by_symbol.get(trade.symbol)
        if memory is not None:
            memory.on_trade(trade, now)

    def on_fill(self, fill: Fill, now: int) -> None:
        memory = self._by_symbol.get(fill.symbol)
        if memory is not None:
            memory.on_fill(fill, now)

    def revise(self, fact: AnyFact, now: int) -> None:
        """A bust takes a fill back, a correction puts another in its place."""
        if isinstance(fact, Busted | Corrected):
            for _, memory in self._markets:
                memory.forget(fact.key)
            if isinstance(fact, Corrected):
                self.on_fill(fact.fill, now)

    def sample(self, now: int) -> None:
        """Several times a second."""
        for market, memory in self._markets:
            memory.sample(market.mark_twice, now)
