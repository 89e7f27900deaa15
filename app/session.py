"""Puts one run together from settings and options: feed, exchange, journal, books, engine, control socket.

The same assembly serves the desk, the headless runner and a run in virtual time; they differ in the loop and
the clock that they hand in.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Protocol

from app import ibrun, logs
from app.confine import host_factory
from app.options import RunOptions
from app.paths import exchange_ledger_path, journal_path, sentinel_lease_path
from app.problems import Problem
from app.sentinel.policy import address_of, exchange_addresses, policy_of
from app.sentinel.post import SentinelPost
from app.settings import Settings, reload_limits
from app.shadow import shadow_exchange
from app.uptime import since_boot
from brokers.exchange.config import AccountConfig
from brokers.exchange.depth import ExchangeDepth
from brokers.exchange.exchange import Exchange
from brokers.ib.feed import IbFeed
from brokers.loopback.adapter import RemotePaperAdapter
from brokers.loopback.feed import RemoteFeed, fetch_instruments
from brokers.loopback.wire import Address
from brokers.paper.adapter import paper_connections
from brokers.shadow import ShadowExchange, shadow_connections
from engine.books import Books
from engine.control.memory import MemoryLink
from engine.core import Log
from engine.engine import Engine, Parts
from engine.feeds.errors import FeedError
from engine.feeds.open import open_feed
from engine.ids import Ids, draw_install, draw_mark
from engine.journal import Journal, StoreRefused, images
from engine.journal.tools import rotate
from engine.model import Instrument, MarketState, Mode, Quote, Trade
from engine.ports import Adapter, Clock, Feed, NotSent, QueryFailed
from engine.recorder.recent import RecentRows
from engine.records import EMERGENCY, GateOverridden, RunStarted
from engine.restoring import Saver, restore
from engine.sentinel.lease import OPEN
from engine.sessions import calendar


class SteerableClock(Clock, Protocol):
    def begin_at(self, ts: int) -> None:
        """Moves engine time to `ts` before the run starts."""


class Fanout:
    """Delivers a feed to the exchange first, so that it has matched before the engine looks."""

    def __init__(self, exchange: Exchange | None, engine: Engine, ended: Callable[[str], None]) -> None:
        self._exchange = exchange
        self._engine = engine
        self._ended = ended
        if exchange is not None and hasattr(exchange, "on_mbo"):
            self.on_mbo = exchange.on_mbo

    def on_quote(self, quote: Quote) -> None:
        if self._exchange is not None:
            self._exchange.on_quote(quote)
        self._engine.on_quote(quote)

    def on_trade(self, trade: Trade) -> None:
        if self._exchange is not None:
            self._exchange.on_trade(trade)
        self._engine.on_trade(trade)

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        if self._exchange is not None:
            self._exchange.on_market_state(symbol, state, ts)
        self._engine.on_market_state(symbol, state, ts)

    def on_batch_end(self, ts: int) -> None:
        if self._exchange is not None:
            self._exchange.on_batch_end(ts)
        self._engine.on_batch_end(ts)

    def on_feed_end(self, reason: str) -> None:
        self._engine.on_feed_end(reason)
        self._ended(reason)


@dataclass(slots=True)
class Session:
    """One assembled run."""

    settings: Settings
    options: RunOptions
    engine: Engine
    feed: Feed
    exchange: Exchange | None
    adapter: Adapter
    journal: Journal
    clock: SteerableClock
    saver: Saver
    went_on_from: int
    """The last row of the saved state of the books that it began with; 0: all rows were folded."""
    resume_after: int | None
    notice: str
    """What a person should know about how it starts: resumed, started afresh."""


def feed_of(settings: Settings, options: RunOptions, start: int) -> Feed:
    """The feed that was asked for. Raises `FeedError` with the remedy."""
    return open_feed(options.feed, seed=options.seed, start_ns=start, on_bad=settings.feed.on_bad_line)


def misplaced_strategies(settings: Settings, listed: Iterable[str], where: str) -> list[Problem]:
    """Strategies whose symbols the market data does not have; `where` names the configuration."""
    known = sorted(listed)
    return [
        Problem(
            where,
            f"strategies[{position}].symbols",
            f"{strategy.name} wants {symbol}, which the feed does not have; it has {', '.join(known)}",
        )
        for position, strategy in enumerate(settings.strategies)
        for symbol in strategy.symbols
        if symbol not in known
    ]


async def instruments_of(settings: Settings, feed: str, seed: int, clock: Clock) -> Sequence[Instrument]:
    """What a feed lists, without running it. Raises `FeedError` with the remedy."""
    address = address_of(feed)
    if ibrun.is_ib(feed):
        looked = await ibrun.open_feed(settings, None, clock, waits=lambda _: None)
        await looked.adapter.close()
        return looked.instruments
    if address is not None:
        return (await remote_feed((address,), clock)).instruments
    made = open_feed(feed, seed=seed, start_ns=clock.now(), on_bad=settings.feed.on_bad_line)
    return made.instruments


def is_replay(options: RunOptions) -> bool:
    return options.feed.startswith("replay:")


def mode_of(settings: Settings, options: RunOptions) -> Mode:
    """What a run is called on every screen."""
    if settings.stage == "shadow":
        return "SHADOW"
    if is_replay(options):
        return "REPLAY"
    return "LIVE" if settings.profile == "live" else "PAPER"


def rss_mb() -> float | None:
    """Resident memory of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def assemble(
    settings: Settings,
    options: RunOptions,
    clock: SteerableClock,
    feed: Feed,
    link: MemoryLink,
    log: Log,
    counters: Callable[[], Mapping[str, int]] = dict,
) -> Session:
    """Opens the journal, rebuilds the books and wires everything; nothing trades yet.

    Raises `StoreRefused` (journal), `FeedError`, `BadConfig`.
    """
    config = settings.engine_config()
    path = journal_path(options.state_dir)
    ledger_path = exchange_ledger_path(options.state_dir)
    durable = config.journal
    if options.virtual:
        # Nothing outside depends on a run in virtual time, and its disk would be most of its time.
        durable = durable.model_copy(update={"durability": "process"})
    journal = await Journal.open(path, durable, inline=options.virtual, clock=clock, emergency=EMERGENCY)
    notice = ""

    def empty() -> Books:
        return Books(config, feed.instruments)

    recent = RecentRows()
    restored = await restore(empty, journal, recent)
    books, saved = restored.books, restored.saved
    if restored.doubt:
        text = f"the saved state of the books is not used: {restored.doubt}; all rows were folded"
        log("warning", text, component="journal")
        images.discard(path)
    if books.run is not None and (books.run.mode == "SHADOW") is not (settings.stage == "shadow"):
        await journal.close()
        raise StoreRefused(
            f"{options.state_dir} holds the journal of a {books.run.mode} run, and stage = {settings.stage}: "
            f"a shadow has an account of its own; give this run another --state-dir"
        )
    other = books.run.feed if books.run is not None else feed.name
    finished = books.ended is not None and books.ended.complete
    if other != feed.name and not finished and (is_replay(options) or other.startswith("replay")):
        await journal.close()
        raise FeedError(
            f"{options.state_dir} holds an unfinished run of {other}, which has its own time and account; "
            f"finish that one, or give this one another --state-dir"
        )
    if is_replay(options) and (finished or books.run is None) and ledger_path.exists():
        # First the venue, then the journal: a kill between the two leaves a state that comes here again.
        rotate(ledger_path)
    if is_replay(options) and finished:
        await journal.close()
        moved = rotate(path)
        notice = f"the recording had been run to its end; that journal is {moved} now, this run starts afresh"
        journal = await Journal.open(path, durable, inline=options.virtual, clock=clock, emergency=EMERGENCY)
        books, recent, saved = empty(), RecentRows(), 0
    saver = Saver(empty, books, journal, log, saved=saved, inline=options.virtual)
    if saver.is_due:
        # The last run did not end in order. Before the first of this one's rows nothing has to be punctual.
        await saver.save()
    resume_after = books.last_ts or None
    if resume_after is not None:
        if is_replay(options):
            notice = "an unfinished run of this recording goes on where it stopped"
        clock.begin_at(max(resume_after, clock.now()))
    logs.set_clock(clock.now)
    # In virtual time a seed repeats a run to the letter; elsewhere no two journals may share their ids.
    rng = random.Random(options.seed) if options.virtual else random.SystemRandom()
    before = books.run
    install = before.install if before is not None else draw_install(rng)
    run = before.run + 1 if before is not None else 1
    exchange, (adapter, *backups) = broker_of(settings, options, clock, feed, run)
    post = sentinel_post(settings, options, log)
    engine = Engine(
        Parts(
            config=config,
            clock=clock,
            ids=Ids(install, run, draw_mark(rng)),
            journal=journal,
            adapter=adapter,
            books=books,
            instruments=list(feed.instruments),
            calendar=calendar,
            log=log,
            mode=mode_of(settings, options),
            lockstep=options.virtual,
            speed=1.0 if options.virtual else options.speed,
            seed=options.seed,
            reload_limits=lambda: reload_limits(options.config, os.environ),
            recent=recent,
            depth=None if exchange is None else ExchangeDepth(exchange),
            log_tail=logs.tail,
            backups=backups,
            draw=random.Random(f"{options.seed}:link:{run}").random if options.virtual else rng.random,
            publish=link.publish,
            tell=link.told.tell,
            rss_mb=rss_mb,
            import_paths=import_paths(options),
            host=host_factory(settings, options.virtual, log, options.state_dir),
            feed_name=options.feed,
            feed_progress=feed.progress,
            counters=counters,
            fence=OPEN if post is None else post.hold,
            sentinel=post,
            saver=saver,
            lots_cap=settings.promotion.pilot_lots if settings.stage == "pilot" else None,
        )
    )
    real_time = not options.virtual and options.speed == 1.0 and not is_replay(options)
    boot, uptime = since_boot() if real_time else ("", 0)
    engine.core.commit(
        RunStarted(
            install=install,
            run=run,
            mode=engine.parts.mode,
            account=config.account,
            broker=adapter.name,
            feed=feed.name,
            stage=settings.stage,
            real_time=real_time,
            boot=boot,
            uptime=uptime,
            instruments=tuple(feed.instruments),
        )
    )
    if options.gate_missing:
        text = f"the gate of stage {settings.stage} was overridden: {'; '.join(options.gate_missing)}"
        engine.core.commit(
            GateOverridden(
                stage=settings.stage, missing=options.gate_missing, typed=options.gate_typed, who=getuser()
            )
        )
        engine.core.alarm("warning", "gate", text)
    return Session(
        settings=settings,
        options=options,
        engine=engine,
        feed=feed,
        exchange=exchange,
        adapter=adapter,
        journal=journal,
        clock=clock,
        saver=saver,
        went_on_from=saved,
        resume_after=resume_after,
        notice=notice,
    )


def sentinel_post(settings: Settings, options: RunOptions, log: Log) -> SentinelPost | None:
    """The way to the process that watches over this run; None: none does, and none ever did. Raises
    `StoreRefused` where the lease cannot be opened."""
    policy = policy_of(settings, options)
    path = sentinel_lease_path(options.state_dir)
    if options.virtual or (policy == "off" and not path.exists()):
        return None
    try:
        return SentinelPost(options, policy, settings.sentinel.after, log)
    except OSError as error:
        raise StoreRefused(f"{path}: {error.strerror}; look after the state directory") from error


def broker_of(
    settings: Settings, options: RunOptions, clock: Clock, feed: Feed, run: int
) -> tuple[Exchange | None, Sequence[Adapter]]:
    """The connections: to Interactive Brokers, to an exchange in this process, or to one in a process of its
    own; or the shadow of one of those outside, at an exchange in this process."""
    real = real_connections(settings, options, clock, feed)
    shadow = settings.stage == "shadow"
    if real and not shadow:
        return None, real
    exchange = (ShadowExchange if shadow else Exchange)(
        feed.instruments,
        clock,
        random.Random(f"{options.seed}:exchange:{run}"),
        shadow_exchange(settings) if shadow else settings.paper.exchange,
        AccountConfig(cash=settings.paper.cash, currency=settings.currency, fx=settings.fx),
        ledger=exchange_ledger_path(options.state_dir),
    )
    if shadow:
        return exchange, shadow_connections(real, exchange, settings)
    return exchange, paper_connections(exchange, settings)


def real_connections(settings: Settings, options: RunOptions, clock: Clock, feed: Feed) -> Sequence[Adapter]:
    """Those to a broker outside of this process; none where it is in it."""
    if isinstance(feed, IbFeed):
        return [feed.adapter]
    patience, shadow = settings.link.patience, settings.stage == "shadow"
    return [
        RemotePaperAdapter(address, settings.account, clock, patience=patience, read_only=shadow)
        for address in exchange_addresses(settings, options)
    ]


async def remote_feed(addresses: Sequence[Address], clock: Clock) -> Feed:
    """The market data of an exchange in another process. Raises `FeedError` where none listens."""
    cause: Exception | None = None
    for address in addresses:
        try:
            return RemoteFeed(*addresses, instruments=await fetch_instruments(address, clock))
        except (NotSent, QueryFailed) as error:
            cause = error
    where = " or ".join(map(str, addresses))
    option = f"--port {addresses[0].port}" if addresses[0].port is not None else f"--socket {addresses[0]}"
    raise FeedError(
        f"no exchange answers on {where}; start one with 'breakwater exchange {option}'"
    ) from cause


def import_paths(options: RunOptions) -> tuple[str, ...]:
    """Where a user's own strategy modules may lie: beside the configuration, and the working directory."""
    paths: Iterable[Path] = [Path.cwd()]
    if options.config is not None:
        paths = [options.config.parent, *paths]
    return tuple(dict.fromkeys(str(p) for p in paths))
