"""What is known of each market: the newest good quote and trade, its state, its marks, how fresh it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.feeds.watchdog import DataState, Watchdog
from engine.model import Instrument, MarketState, Quote, Trade
from engine.risk.view import DataState as RiskData
from engine.risk.view import Market as Rules
from engine.sessions import Calendar

_UNKNOWN: Final = MarketState.UNKNOWN


class Market:
    """One instrument's market as the engine sees it."""

    __slots__ = (
        "calendar",
        "high_limit",
        "instrument",
        "last",
        "last_ts",
        "low_limit",
        "mark_twice",
        "quote",
        "quote_perf",
        "reference",
        "rules",
        "valued",
        "venue_state",
        "version",
        "watchdog",
    )

    def __init__(self, instrument: Instrument, calendar: Calendar, watchdog: Watchdog) -> None:
        self.instrument = instrument
        self.calendar = calendar
        self.watchdog = watchdog
        self.quote: Quote | None = None
        self.quote_perf = 0
        """Host counter at which the quote arrived, for measuring."""
        self.last: int | None = None
        self.last_ts = 0
        self.venue_state = MarketState.UNKNOWN
        self.low_limit: int | None = None
        self.high_limit: int | None = None
        self.rules = Rules(_UNKNOWN)
        """The venue's state and limits in the form that controls read."""
        self.mark_twice: int | None = None
        """Bid + ask of the last two-sided, uncrossed quote, or twice the last trade: marks profit."""
        self.reference: int | None = None
        """Middle of the newest quote, rounded down, where it has two sides; else the last trade."""
        self.version = 0
        self.valued = 0
        """Counts the changes of `reference` and `mark_twice`: most quotes bring new sizes alone."""

    def state(self, now: int) -> MarketState:
        """What the venue says; where it says nothing, what the calendar says."""
        if self.venue_state is not _UNKNOWN:
            return self.venue_state
        return self.calendar.state(now)

    def data(self, now: int) -> DataState:
        return self.watchdog.state(now)

    def risk_data(self, now: int) -> RiskData:
        """The watchdog's word in the form that controls read."""
        watchdog = self.watchdog
        word, age, _ = watchdog.look(now)
        return RiskData(word, age, watchdog.limit)


class MarketBook:
    """All markets of this engine."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self.by_symbol: dict[str, Market] = {m.instrument.symbol: m for m in markets}
        self.version = 0
        """Counts every change of any market."""
        self.valued = 0
        """Counts every change of the worth of anything."""
        self.refused = 0
        """Quotes and trades for symbols that nobody subscribed, or that the watchdog refused."""

    def get(self, symbol: str) -> Market | None:
        return self.by_symbol.get(symbol)

    def on_quote(self, quote: Quote, now: int, perf: int) -> bool:
        """Takes a quote in; False when it was refused (unknown symbol, out of sequence, a bad tick)."""
        market = self.by_symbol.get(quote.symbol)
        if market is None or not market.watchdog.on_quote(quote, now):
            self.refused += 1
            return False
        market.quote = quote
        market.quote_perf = perf
        bid, ask = quote.bid, quote.ask
        mark, reference = market.mark_twice, market.last
        if bid is not None and ask is not None:
            reference = (bid + ask) // 2
            if bid < ask:
                mark = bid + ask
        if mark != market.mark_twice or reference != market.reference:
            self._value(market, mark, reference)
        market.version += 1
        self.version += 1
        return True

    def on_trade(self, trade: Trade, now: int) -> bool:
        market = self.by_symbol.get(trade.symbol)
        if market is None or not market.watchdog.on_trade(trade, now):
            self.refused += 1
            return False
        market.last = trade.price
        market.last_ts = trade.ts
        quote = market.quote
        one_sided = quote is None or quote.bid is None or quote.ask is None
        if market.mark_twice is None or (one_sided and market.reference != trade.price):
            mark = 2 * trade.price if market.mark_twice is None else market.mark_twice
            self._value(market, mark, trade.price if one_sided else market.reference)
        market.version += 1
        self.version += 1
        return True

    def _value(self, market: Market, mark: int | None, reference: int | None) -> None:
        market.mark_twice, market.reference = mark, reference
        market.valued += 1
        self.valued += 1

    def on_feed_state(self, symbol: str, state: MarketState, now: int) -> bool:
        """A state that the feed tells: it knows nothing of price limits, so those of the venue stay."""
        market = self.by_symbol.get(symbol)
        low, high = (None, None) if market is None else (market.low_limit, market.high_limit)
        return self.on_state(symbol, state, low, high, now)

    def on_state(self, symbol: str, state: MarketState, low: int | None, high: int | None, now: int) -> bool:
        """Takes the venue's word on a market; True when it changed something."""
        market = self.by_symbol.get(symbol)
        if market is None:
            self.refused += 1
            return False
        changed = (market.venue_state, market.low_limit, market.high_limit) != (state, low, high)
        market.venue_state, market.low_limit, market.high_limit = state, low, high
        market.rules = Rules(state, low, high)
        market.watchdog.on_market_state(state, now)
        market.version += 1
        self.version += 1
        return changed
