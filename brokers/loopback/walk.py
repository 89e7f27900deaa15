"""A small market of its own for the exchange process: a seeded random walk with queues, prints and bursts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from engine.model import NS, Instrument, Quote, Side, Trade
from engine.ports import Clock, MarketSink

START_PRICE: Final = 20_000
"""Ticks at which every walk starts."""

INSTRUMENTS: Final = (
    Instrument(
        symbol="ES",
        venue="SIM",
        asset_class="equity",
        tick=Decimal("0.25"),
        multiplier=Decimal(50),
        initial_margin=Decimal(12_000),
        maintenance_margin=Decimal(11_000),
        fee=Decimal("2.25"),
    ),
    Instrument(
        symbol="NQ",
        venue="SIM",
        asset_class="equity",
        tick=Decimal("0.25"),
        multiplier=Decimal(20),
        initial_margin=Decimal(18_000),
        maintenance_margin=Decimal(16_500),
        fee=Decimal("2.25"),
    ),
)
"""What the exchange process lists when it is told nothing else."""


class Walk:
    """Quotes whose touch moves by single ticks, and prints at it; `engine.ports.Feed` of made-up data.

    `spec`: SYMBOL,SYMBOL@RATE, rate in events a second for each instrument; both parts may be missing.
    Raises `ValueError` for a symbol that is not among `listed`.
    """

    def __init__(self, spec: str, listed: Sequence[Instrument], rng: random.Random) -> None:
        names, _, rate = spec.partition("@")
        known = {i.symbol: i for i in listed}
        wanted = [name for name in names.split(",") if name] or list(known)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ValueError(f"no instrument {', '.join(unknown)}; listed are {', '.join(known)}")
        self.name = f"walk:{spec}"
        self.instruments: Sequence[Instrument] = [known[name] for name in wanted]
        self._rng = rng
        self._rate = float(rate or 20)
        self._bids = dict.fromkeys(wanted, START_PRICE)

    def start_time(self) -> None:
        """None: it is live."""
        return

    def progress(self) -> None:
        """None: it has no end."""
        return

    async def run(self, clock: Clock, sink: MarketSink, resume_after: int | None = None) -> None:  # noqa: ARG002 - nothing recorded to skip
        """Delivers until it is cancelled."""
        while True:
            for symbol in self._bids:
                self._event(symbol, clock.now(), sink)
            sink.on_batch_end(clock.now())
            await clock.sleep(round(self._rng.expovariate(self._rate) * NS))

    def _event(self, symbol: str, ts: int, sink: MarketSink) -> None:
        rng = self._rng
        bid = self._bids[symbol]
        draw = rng.random()
        if draw < 0.3:
            bid += rng.choice((-1, 1))
            self._bids[symbol] = bid
        elif draw < 0.6:
            side = rng.choice((Side.BUY, Side.SELL))
            price = bid + 1 if side is Side.BUY else bid
            sink.on_trade(Trade(symbol, ts, price, 1 + int(rng.expovariate(0.3)), side))
        sink.on_quote(Quote(symbol, ts, bid, 5 + rng.randrange(40), bid + 1, 5 + rng.randrange(40)))
