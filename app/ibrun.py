"""A run at Interactive Brokers: its adapter and feed, and what a run against the loopback gateway is.

`--feed ib-loopback` starts `breakwater venue tws` as a process beside the run, or takes the one that an
earlier run left there, and trades at it through the same adapter, library and socket as at a real TWS.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.practice import LoopbackGateway
from app.settings import Settings
from brokers.ib.adapter import IbAdapter
from brokers.ib.config import IbConfig, IbContract
from brokers.ib.feed import IbFeed
from brokers.ib.setup import PAPER_PREFIX
from brokers.ib.wire import ClientIdTaken
from engine.feeds.errors import FeedError
from engine.feeds.instruments import lookup
from engine.model import NS
from engine.ports import Clock, NotSent

LIVE: Final = "ib"
LOOPBACK: Final = "ib-loopback"
PORT: Final = 17497
"""Where the loopback gateway listens; none of those that TWS uses, so that neither is taken for the other."""
ACCOUNT: Final = "DU1234567"
SYMBOLS: Final = ("ES", "NQ")
LET_GO_WITHIN: Final = 20.0
"""Seconds in which a TWS that has much to do finds that a client has gone, and gives its id out again."""


def is_ib(feed: str) -> bool:
    """Whether a feed spec means Interactive Brokers, real or played."""
    return feed in (LIVE, LOOPBACK)


def practised(settings: Settings) -> Settings:
    """The settings of a run against the loopback gateway: its account, port, contracts. Others unchanged."""
    if settings.feed.source != LOOPBACK:
        return settings
    # Its synthetic market never closes, whatever the hours of the real one are.
    contracts = {
        symbol: IbContract(exchange=lookup(symbol).venue, expiry="front", calendar="always")
        for symbol in SYMBOLS
    }
    ib = IbConfig(
        port=settings.ib.port if settings.ib.port != IbConfig().port else PORT,
        client_id=settings.ib.client_id,
        contracts=settings.ib.contracts or contracts,
    )
    return settings.model_copy(update={"broker": "ib", "account": ACCOUNT, "ib": ib})


def real_money(settings: Settings) -> bool:
    """Which kind of account TWS must have. A shadow may look at either: its name says which it is."""
    if settings.stage == "shadow":
        return not settings.account.startswith(PAPER_PREFIX)
    return settings.profile == "live"


def order_mark(state: Path, client_id: int) -> Path:
    """Where the highest order number that a client id used is kept."""
    return state / f"ib-client-{client_id}.json"


async def open_feed(
    settings: Settings, state: Path | None, clock: Clock, *, waits: Callable[[str], None] | None = None
) -> IbFeed:
    """Logs on and looks the contracts up, because the engine needs them before it exists. Raises `FeedError`
    with the remedy.

    `waits`: TWS may have a run before this one in its books still, which was killed or has just ended: it is
    given the time to notice, and this is told why, once. None: a client id in use fails at once.
    """
    adapter = IbAdapter(
        settings.ib,
        settings.account,
        clock,
        real_money=real_money(settings),
        read_only=settings.stage == "shadow",
        mark=None if state is None else order_mark(state, settings.ib.client_id),
    )
    try:
        await _prepared(adapter, settings, clock, waits)
    except NotSent as error:
        raise FeedError(f"{error}; 'breakwater doctor' looks at the whole set-up") from error
    return IbFeed(adapter)


async def _prepared(
    adapter: IbAdapter, settings: Settings, clock: Clock, waits: Callable[[str], None] | None
) -> None:
    begun: int | None = None
    while True:
        try:
            await adapter.prepare()
            return
        except ClientIdTaken as taken:
            if waits is None:
                raise
            if begun is None:
                begun = clock.mono()
                waits(f"waiting for up to {LET_GO_WITHIN:g} s: {taken}")
            elif clock.mono() - begun >= LET_GO_WITHIN * NS:
                raise
        await clock.sleep(int(settings.link.retry_first * NS))


def practice_gateway(settings: Settings, state: Path) -> LoopbackGateway:
    """The loopback gateway that a run of these settings trades at, started where there is none. Blocks until
    it listens. Raises `FeedError` with the remedy."""
    return LoopbackGateway(state, settings.ib.port, settings.paper.cash, settings.seed, ACCOUNT, SYMBOLS)
