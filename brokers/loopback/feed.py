"""Market data of the exchange process as a feed."""

from __future__ import annotations

from collections.abc import Sequence

from brokers.loopback.line import Line
from brokers.loopback.wire import Address, Data, ExchangeMessage, State
from engine.model import NS, Instrument
from engine.ports import Clock, MarketSink, NotSent


async def fetch_instruments(address: Address, clock: Clock) -> Sequence[Instrument]:
    """What the exchange lists, asked without logging on for an account. Raises `NotSent` with the remedy."""
    line = Line(clock, lambda _: None)
    welcome = await line.open(address, None)
    line.close("asked and answered")
    return welcome.instruments


class RemoteFeed:
    """`engine.ports.Feed` over a line of its own. Connects again, with back-off, when the line breaks; with
    several addresses, to each in turn."""

    name = "loopback"

    def __init__(
        self,
        *addresses: Address,
        instruments: Sequence[Instrument] = (),
        retry: float = 0.1,
    ) -> None:
        self.instruments: Sequence[Instrument] = tuple(instruments)
        """Listed by the exchange; filled by the first connection where not given."""
        self.breaks = 0
        """How often the line broke."""
        self._addresses = addresses
        self._retry = retry

    def start_time(self) -> None:
        """None: it is live."""
        return

    def progress(self) -> None:
        """None: it has no end."""
        return

    async def run(self, clock: Clock, sink: MarketSink, resume_after: int | None = None) -> None:
        """Delivers until it is cancelled. Quotes up to `resume_after` are left out."""

        def take(message: ExchangeMessage) -> None:
            if isinstance(message, State):
                sink.on_market_state(message.symbol, message.state, message.ts)
                sink.on_batch_end(message.ts)
            elif isinstance(message, Data):
                record = message.quote if message.quote is not None else message.trade
                if record is None or (resume_after is not None and record.ts <= resume_after):
                    return
                if message.quote is not None:
                    sink.on_quote(message.quote)
                if message.trade is not None:
                    sink.on_trade(message.trade)
                sink.on_batch_end(record.ts)

        wait, turn = self._retry, 0
        while True:
            line = Line(clock, take)
            try:
                address = self._addresses[turn % len(self._addresses)]
                welcome = await line.open(address, None, market_data=True)
            except NotSent:
                turn += 1
                await clock.sleep(round(wait * NS))
                wait = min(wait * 2, 5.0)
                continue
            self.instruments = self.instruments or welcome.instruments
            wait = self._retry
            try:
                await line.run(NS)
            finally:
                line.close("the feed was stopped")
            self.breaks += 1
