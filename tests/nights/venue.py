"""The exchange of a night: a process of its own, whose prices are what the night says and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from app.drill.processes import ExchangeProcess
from brokers.loopback.line import Line
from brokers.loopback.walk import INSTRUMENTS
from brokers.loopback.wire import Push
from engine.clock import RealClock
from engine.model import NS, Instrument, MarketState, Quote, Side
from engine.ports import NotSent

ACCOUNT = "PAPER"
OIL = Instrument(
    symbol="CL",
    venue="SIM",
    asset_class="energy",
    tick=Decimal("0.01"),
    multiplier=Decimal(1000),
    nonpositive_price=True,
    initial_margin=Decimal(8_000),
    maintenance_margin=Decimal(7_000),
    fee=Decimal("2.25"),
)
LISTED = (*INSTRUMENTS, OIL)
BEAT = 0.1
"""Seconds between two quotes of an instrument."""
TICK = {i.symbol: i.tick for i in LISTED}


class Venue(ExchangeProcess):
    """The exchange with a market of one tick's spread that stands until it is moved.

    Quotes come ten times a second from a thread, over a line of its own, until the feed is taken away.
    """

    def __init__(self, folder: Path, faults: Mapping[str, float]) -> None:
        listed, config = folder / "instruments.json", folder / "exchange.json"
        listed.write_bytes(msgspec.json.encode(LISTED))
        config.write_text(json.dumps({"faults": dict(faults)}))
        options = ("--instruments", str(listed), "--config", str(config))
        super().__init__(folder, seed=1, feed="none", options=options)
        self._bids = {"ES": Decimal(5000), "NQ": Decimal(18000), "CL": Decimal(10)}
        self._fed = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._feed()), daemon=True)
        self._thread.start()

    # -- what happens there

    def moves(self, symbol: str, bid: str) -> None:
        """The market stands there from now on."""
        self._bids[symbol] = Decimal(bid)

    @contextlib.contextmanager
    def without_data(self) -> Iterator[None]:
        """No quotes come meanwhile."""
        self._fed = False
        try:
            yield
        finally:
            self._fed = True

    def halts(self, symbol: str) -> None:
        """Trading in it is halted."""
        self.drill("state", symbol=symbol, state=MarketState.HALTED)

    def opens(self, symbol: str) -> None:
        """It trades again."""
        self.drill("state", symbol=symbol, state=MarketState.OPEN)

    def somebody_trades(self, side: Side, qty: int, symbol: str = "ES") -> None:
        """A trade on our account that did not come from here: a phone call, another terminal."""
        ticks = int(self._bids[symbol] / TICK[symbol])
        self.drill("trade", account=ACCOUNT, symbol=symbol, side=side, qty=qty, price=ticks)

    # -- what is true there

    def held(self, symbol: str = "ES") -> int:
        """Lots, by the exchange's own books."""
        return self.audit().positions.get(ACCOUNT, {}).get(symbol, 0)

    def resting(self, symbol: str = "ES") -> list[Decimal]:
        """Prices of the orders that work there, lowest first."""
        tick = TICK[symbol]
        return sorted(
            o.limit * tick
            for o in self.audit().orders
            if o.symbol == symbol and o.limit is not None and not o.status.is_closed
        )

    def executed(self, symbol: str = "ES") -> int:
        """Lots that were traded since the night began, both sides."""
        return sum(e.qty for e in self.audit().executions if e.symbol == symbol)

    # -- the market

    async def _feed(self) -> None:
        while not self._ended.is_set():
            # An exchange that is down has no market either; the next round tries again.
            with contextlib.suppress(NotSent, OSError):
                await self._feed_one_line()
            await asyncio.sleep(BEAT)

    async def _feed_one_line(self) -> None:
        clock = RealClock(asyncio.get_running_loop())
        line = Line(clock, lambda _: None)
        await line.open(self.address, None)
        reading = asyncio.ensure_future(line.run(NS))
        try:
            while line.up and not self._ended.is_set():
                for symbol, bid in self._bids.items() if self._fed else ():
                    ticks = int(bid / TICK[symbol])
                    line.send(Push(quote=Quote(symbol, clock.now(), ticks, 50, ticks + 1, 50)))
                await asyncio.sleep(BEAT)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)
        super().close()
