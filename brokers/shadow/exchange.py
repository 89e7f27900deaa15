"""The exchange that a shadow trades at: moved by a real broker's data, which may tell halts and no hours."""

from __future__ import annotations

from brokers.exchange.exchange import Exchange
from engine.model import MarketState
from engine.sessions import calendar


class ShadowExchange(Exchange):
    """As the simulated exchange, but that a market of which the feed knows no state has that of its calendar:
    quotes that a broker tells out of hours open nothing."""

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        instrument = self.instruments.get(symbol)
        if state is MarketState.UNKNOWN and instrument is not None:
            state = self.config.initial_state
            if self.config.follow_calendars:
                state = calendar(instrument.calendar).state(ts)
        super().on_market_state(symbol, state, ts)
