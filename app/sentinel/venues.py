"""Where a sentinel can act: how it proves while it waits that the broker is there, and how it gets there."""

from __future__ import annotations

import asyncio
from typing import Protocol

from app import ibrun
from app.options import RunOptions
from app.sentinel.policy import cannot_act, exchange_addresses
from app.session import remote_feed
from app.settings import Settings
from brokers.ib.adapter import IbAdapter
from brokers.loopback.adapter import RemotePaperAdapter
from brokers.loopback.line import Line
from brokers.loopback.wire import Address
from engine.model import NS
from engine.ports import Clock
from engine.sentinel.acting import Ground


class Venue(Protocol):
    """One way to one broker."""

    name: str
    alone: bool
    """It can act only when the engine's own session has ended, and the engine's process with it."""

    async def probe(self) -> None:
        """Asks over the session that is held while it waits, and opens it where there is none. Raises
        `NotSent` or `QueryFailed`."""

    async def reach(self) -> Ground:
        """A new session of the engine's account, to act in. Raises `NotSent`, `QueryFailed`, `FeedError`."""

    async def close(self) -> None: ...


def venue_of(settings: Settings, options: RunOptions, clock: Clock) -> Venue | None:
    """Where this run's orders rest, if a sentinel can act there; None: it can only tell."""
    if cannot_act(settings, options):
        return None
    if ibrun.is_ib(options.feed):
        return IbVenue(settings, options, clock)
    return ExchangeVenue(settings, exchange_addresses(settings, options), clock)


class ExchangeVenue:
    """The exchange in a process of its own. While it waits it holds a line that trades nothing. To act it
    logs on for the account, and the exchange closes the session that the engine had."""

    alone = False

    def __init__(self, settings: Settings, addresses: tuple[Address, ...], clock: Clock) -> None:
        self.name = f"exchange:{addresses[0]}"
        self._settings = settings
        self._addresses = addresses
        self._clock = clock
        self._line: Line | None = None
        self._task: asyncio.Task[str] | None = None
        self._turn = 0

    async def probe(self) -> None:
        line = self._line
        if line is None or not line.up:
            line = Line(self._clock, lambda _: None)
            await line.open(self._next(), None)
            self._line = line
            self._task = asyncio.get_running_loop().create_task(line.run())
        await line.ping(5 * NS)

    async def reach(self) -> Ground:
        address = self._next()
        adapter = RemotePaperAdapter(
            address, self._settings.account, self._clock, patience=self._settings.link.patience
        )
        feed = await remote_feed((address,), self._clock)
        return Ground(adapter, feed.instruments, lambda engine: feed.run(self._clock, engine))

    async def close(self) -> None:
        if self._line is not None:
            self._line.close("the sentinel leaves")

    def _next(self) -> Address:
        """Another door with each attempt."""
        self._turn += 1
        return self._addresses[(self._turn - 1) % len(self._addresses)]


class IbVenue:
    """Interactive Brokers. While it waits it holds a session under a client id of its own. Only the client
    that placed an order can cancel it, so it acts under the engine's, which is free when the engine's process
    has ended."""

    alone = True

    def __init__(self, settings: Settings, options: RunOptions, clock: Clock) -> None:
        self.name = f"ib {settings.ib.host}:{settings.ib.port}"
        self._settings = settings
        self._options = options
        self._clock = clock
        self._waiting: IbAdapter | None = None

    async def probe(self) -> None:
        settings = self._settings
        if self._waiting is None:
            own = settings.ib.model_copy(update={"client_id": settings.ib.sentinel_id, "what_if": False})
            adapter = IbAdapter(own, settings.account, self._clock, real_money=settings.profile == "live")
            adapter.bind(lambda _: None)
            self._waiting = adapter
        await self._waiting.connect()
        await self._waiting.probe()

    async def reach(self) -> Ground:
        await self.close()
        # Margins, which what-if orders ask for, are of no account to who only closes.
        quick = self._settings.ib.model_copy(update={"what_if": False})
        settings = self._settings.model_copy(update={"ib": quick})
        feed = await ibrun.open_feed(settings, self._options.state_dir, self._clock)
        return Ground(feed.adapter, feed.instruments, lambda engine: feed.run(self._clock, engine))

    async def close(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            await waiting.close()
