"""Puts a gateway together: exchange, contracts, files; and runs one in a thread of its own, for tests."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from brokers.exchange import AccountConfig, Exchange, ExchangeConfig
from brokers.loopback.tws.config import TwsConfig
from brokers.loopback.tws.contracts import list_contracts
from brokers.loopback.tws.gateway import Gateway
from brokers.loopback.tws.recording import Recorder
from brokers.loopback.walk import INSTRUMENTS
from engine.clock import RealClock
from engine.model import Instrument
from engine.ports import Clock, Feed

T = TypeVar("T")


def make_gateway(
    clock: Clock,
    instruments: Sequence[Instrument] = INSTRUMENTS,
    *,
    seed: int = 1,
    config: TwsConfig | None = None,
    exchange: ExchangeConfig | None = None,
    account: AccountConfig | None = None,
    months: int = 2,
    directory: Path | None = None,
    record: Path | None = None,
) -> Gateway:
    """A gateway that has not been started. `months`: how many delivery months each root lists. `directory`:
    where books and orders are kept; without one they are gone with the process. `record`: file for the wire.
    The same seed gives the same latencies and faults. Raises `ValueError` where the books do not fit."""
    rng = random.Random(seed)
    listed = list_contracts(instruments, clock.now(), months=months)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    venue = Exchange(
        [c.instrument for c in listed],
        clock,
        random.Random(rng.getrandbits(64)),
        exchange or ExchangeConfig(message_limit=1_000_000),
        account or AccountConfig(),
        ledger=None if directory is None else directory / "exchange.db",
    )
    if directory is not None:
        _require_listed(venue, directory)
    return Gateway(
        venue,
        listed,
        random.Random(rng.getrandbits(64)),
        config,
        recorder=None if record is None else Recorder(record),
        store=None if directory is None else directory / "orders.db",
    )


def _require_listed(venue: Exchange, directory: Path) -> None:
    """Books speak only of what is listed. Raises `ValueError` with the remedy, and lets go of them."""
    books = venue.books
    spoken = {o.symbol for o in books.orders.values()} | {e.fill.symbol for e in books.executions}
    for account in books.accounts.values():
        spoken |= set(account.holdings)
    missing = sorted(spoken - set(venue.instruments))
    if missing:
        venue.close()
        raise ValueError(
            f"the books in {directory} hold {', '.join(missing)}, which this feed does not list; start with "
            "the feed that they were made with, or choose another directory"
        )


class GatewayThread:
    """A gateway on a thread and an event loop of its own: `with GatewayThread() as venue: … venue.port …`.

    `make` gets the loop's clock and returns the gateway; `feed` runs into it. `call` runs a function on the
    gateway's thread and returns what it returns: everything about `venue.gateway` goes by it.
    """

    def __init__(
        self, make: Callable[[Clock], Gateway] = make_gateway, *, feed: Feed | None = None, port: int = 0
    ) -> None:
        self.gateway: Gateway
        self.port = port
        self._make = make
        self._feed = feed
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="tws-gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def call(self, action: Callable[[Gateway], T]) -> T:
        """Runs `action(gateway)` on the gateway's thread. Raises what it raises."""

        async def run() -> T:
            return action(self.gateway)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        clock = RealClock(self._loop)
        try:
            self.gateway = self._make(clock)
            self.gateway.start()
            listener, self.port = await self.gateway.listen(self.port)
        except BaseException as error:  # noqa: BLE001 - raised where the thread was started
            self._error = error
            return
        finally:
            self._ready.set()
        market = None
        if self._feed is not None:
            market = asyncio.create_task(self._feed.run(clock, self.gateway))
        await self._stop.wait()
        if market is not None:
            market.cancel()
        listener.close()
        await self.gateway.close()
