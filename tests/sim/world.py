"""One simulated world from a seed: engine, journal, exchange, strategies, operator and market.

`play(options)` runs it and says how it went. The exchange is another process: it outlives the engine, which
is killed and started again on its journal.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.drill.world import CL, ES
from engine.books import Books
from engine.control.commands import Answer, AnyCommand
from engine.control.snapshot import Snapshot
from engine.engine import Engine, Parts
from engine.ids import Ids, draw_mark
from engine.journal import Corrupt, Journal, StoreRefused
from engine.journal.connection import Batch
from engine.model import NS, Instrument, MarketState
from engine.records import EMERGENCY, RunStarted, decode
from engine.sentinel.lease import OPEN
from engine.sessions import calendar
from engine.sim.host import Inside, InsideHost
from engine.sim.invariants import Broken, Counts, Watch
from engine.sim.loop import VirtualClock
from engine.sim.options import Options
from engine.sim.schedule import PROCESS, SimClock, SimLoop
from engine.sim.store import Disk, LateStore
from tests.sim.agreement import LIES, unseen
from tests.sim.life import Feed, Life, WatchedAdapter
from tests.sim.market import Packets, Walk
from tests.sim.sentinel import Watched, WorldPost
from tests.sim.setting import ACCOUNT, EngineSettings, account_config, exchange_config
from tests.sim.venue import Venue
from tests.sim.wire import Wire

FILES = ("", "-wal", ".tail")
"""Suffixes of the journal's files."""
AGREE_WITHIN = 60
"""Simulated seconds after the end of all faults within which everything must agree, or have been told."""
STARTS = {
    "": 1_767_796_200 * NS,  # 2026-01-07 14:30 UTC, a Wednesday
    "session_roll": 1_767_823_200 * NS,  # 2026-01-07 22:00 UTC: 16:00 in Chicago, the session ends
    "daylight": 1_773_007_200 * NS,  # 2026-03-08 22:00 UTC: the first session after the clocks went forward
}
TURNS = {
    "session_roll": 1_767_825_900
    * NS,  # 2026-01-07 22:45 UTC: the next trading day begins, with its pre-open
    "daylight": 1_773_003_600 * NS,  # 2026-03-08 21:00 UTC: the first one after the clocks went forward
}
"""The moment at which the trading day turns, for half of the runs of these kinds."""


@dataclass(slots=True)
class Result:
    """How a run went. `failure` is empty where nothing that must hold was broken."""

    options: Options
    failure: str = ""
    rule: str = ""
    trace: str = ""
    simulated: float = 0.0
    """Simulated seconds."""
    steps: int = 0
    cpu: float = 0.0
    """Seconds of the processor that it took."""
    counts: dict[str, int] = field(default_factory=dict)
    """What happened: orders, executions, crashes …"""


class World:
    """See the module."""

    def __init__(self, options: Options, directory: Path) -> None:
        self.options = options
        self.directory = directory
        self.happened: dict[str, int] = {}
        rng = self.rng = random.Random(f"world {options.seed}")
        when = self._when(rng)
        turns = when in TURNS and self._rng("turn").random() < 0.5
        self.start = TURNS[when] if turns else STARTS[when]
        if when:
            self.start -= int(options.seconds / 2 * NS)
        self.loop = SimLoop(self.start, self._rng("loop"), options.schedule)
        self.loop.failed = self._error
        self.clock = VirtualClock(self.loop)
        self.instruments: list[Instrument] = [ES, CL]
        if turns:
            # One market trades on all the while, so that something is held and works as the day turns: the
            # day is that of the first instrument's calendar.
            self.instruments = [_with_calendar(ES, "cme_equity"), CL]
            self.count("day_turn")
        elif when:
            self.instruments = [_with_calendar(i, "cme_equity") for i in self.instruments]
        self.wall_error = 0
        """Wall clock of the engine's host − true time, ns."""
        self.disk = Disk(self._rng("disk"), lambda: self.loop.now_ns)
        self.disk.latency = int(options.commit_ms * 1e6)
        self.disk.committed = self._committed
        self.disk.cut = lambda: self.crash("power cut")
        self.disk.room = lambda: not (directory / "journal.db.ballast").exists()
        self.durable: set[str] = set()
        """Ids of orders and replaces that are committed."""
        self._noted: set[str] = set()
        """Ids of orders that are committed as sent."""
        self._ids = self._rng("ids")
        self.durable_seq = 0
        self._old_seq = 0
        self.inside = Inside(self._rng("strategies"))
        self.inside.think = int(options.think_ms * 1e6)
        self.settings = EngineSettings(options, rng)
        self.exchange = Venue(
            self.instruments,
            self.clock,
            self._rng("exchange"),
            exchange_config(options, rng),
            account_config(rng),
            account=ACCOUNT,
            stored=self.durable.__contains__,
        )
        self.exchange.failed = self.fail
        if not LIES & options.rates.keys():  # the venue never denies what it has
            self.loop.patrol = self._search
            self.exchange.reached = lambda: self.loop.after.append(self._search)
        self.exchange.doubles = options.rate("duplicate_request") > 0.0
        self.exchange.note = self.note
        self.walks = [
            Walk(symbol, middle, self._rng(f"walk {symbol}"))
            for symbol, middle in (("ES", 24_000), ("CL", 7_000))
        ]
        self.life: Life | None = None
        self.lives = 0
        self.quiet = False
        """The faults have stopped."""
        self.counts = Counts()
        self.told: Callable[[str], None] | None = None
        """Told of everything worth reading, line by line."""
        self.failure: Broken | None = None
        """What failed first."""
        self._done: asyncio.Future[None] | None = None
        self.crash_armed = ""
        """A crash waits for a moment with something in flight; why."""
        self._crash_at_latest = 0
        self._crash_in = "record"
        self._crash_passes = 0
        """So many such moments it still lets go by."""
        self._aim = self._rng("aim")
        self.watched = Watched(self, options.sentinel, options.sentinel_after) if options.sentinel else None
        """The sentinel, where there is one."""

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self.options.seed} {name}")

    def _when(self, rng: random.Random) -> str:
        for name in ("session_roll", "daylight"):
            if rng.random() < self.options.rate(name):
                self.happened[name] = 1
                return name
        return ""

    # -- looking

    def note(self, text: str) -> None:
        """Something worth reading happened; it is part of the trace."""
        self.loop.note(text)
        if self.told is not None:
            self.told(text)

    def count(self, what: str, times: int = 1) -> None:
        self.happened[what] = self.happened.get(what, 0) + times

    def fail(self, broken: Broken) -> None:
        """Ends the run; the first failure counts."""
        if self.failure is None:
            self.failure = broken
            if self._done is not None and not self._done.done():
                self._done.set_exception(broken)

    def _error(self, context: dict[str, Any]) -> None:
        """A callback raised."""
        error = context.get("exception")
        self.fail(Broken("error", f"{context.get('message')}: {error!r} {_where(error)}"))

    def _search(self) -> None:
        """Looks for live orders that the engine does not count."""
        engine = self.engine
        if engine is not None:
            hidden = unseen(engine, self.exchange)
            if hidden:
                self.fail(Broken("hidden", hidden))

    def _aimed(self) -> None:
        """After every callback, as long as a crash waits for its moment."""
        if not self.crash_armed:
            return
        if self.life is not None and (self._in_flight() or self.loop.now_ns >= self._crash_at_latest):
            self._crash_passes -= 1
            if self._crash_passes < 0:
                self.crash(self.crash_armed)
                return
        self.loop.after.append(self._aimed)

    def _in_flight(self) -> bool:
        """What the armed crash waits for is so: a record on its way to the store, a request on its way to the
        venue or back, or an order that was sent while the note of it is not stored."""
        engine = self.engine
        if engine is None:
            return False
        if self._crash_in == "record":
            return bool(engine.core.journal.pending)
        working = engine.core.books.orders.working()
        if self._crash_in == "request":
            return any(r.life.in_flight is not None for r in working)
        return any(r.sent and r.order.id not in self._noted for r in working)

    @property
    def engine(self) -> Engine | None:
        return self.life.engine if self.life is not None else None

    # -- the store

    def _committed(self, batch: Batch) -> None:
        for row in batch.rows:
            self.durable_seq = row.seq
            self.loop.note(f"row {row.crc}")
            if row.kind == "order":
                self.durable.add(row.order_id)
            elif row.kind == "sent":
                self._noted.add(row.order_id)
            elif row.kind == "replace":
                self.durable.add(decode(row.kind, row.body).replace.id)  # type: ignore[union-attr]
            if self.told is not None:
                self.told(f"  row {row.seq} {row.kind} {row.body}")

    # -- lives

    def boot(self) -> None:
        """Starts an engine on what the journal holds, unless one runs."""
        if self.life is not None:
            return
        self.lives += 1
        process = f"engine {self.lives}"
        context = contextvars.Context()
        context.run(PROCESS.set, process)
        clock = SimClock(self.loop, lambda: self.wall_error)
        wire = Wire(
            self.loop,
            self.exchange,
            clock,
            context,
            self._rng(f"wire {self.lives}"),
            {} if self.quiet else dict(self.options.rates),
        )
        wire.struck = self.count
        life = self.life = Life(process, context, clock, wire)
        if self.watched is not None:
            life.sends = self.watched.sends
        self.loop.create_task(self._guarded(self._bring_up, life), name=process, context=context)

    async def _guarded(self, what: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """`what` is begun here: a task that is cancelled before its first step leaves nothing unawaited."""
        try:
            await what(*args)
        except Broken as broken:
            self.fail(broken)
        except Exception as error:  # noqa: BLE001 - whatever comes out of a start is what the run has found
            self.fail(Broken("error", f"{error!r} {_where(error)}"))

    async def _bring_up(self, life: Life) -> None:
        async def open_store(opener: Any) -> LateStore:
            life.store = await LateStore.open(opener, clock=life.clock, disk=self.disk)
            return life.store

        config = self.settings.config()
        books = Books(config, self.instruments)
        try:
            journal = life.journal = await Journal.open(
                self.directory / "journal.db",
                config.journal,
                inline=True,
                clock=life.clock,
                emergency=EMERGENCY,
                opener=open_store,
            )
            async for row in journal.rows():
                books.apply(decode(row.kind, row.body), row.ts)
        except Corrupt as error:
            raise Broken("damage", f"nobody damaged it: {error}") from error
        except (StoreRefused, OSError) as error:
            # What a person would do: look again when the disk is well.
            self.count("starts refused")
            self.note(f"start refused: {error}".replace(str(self.directory), "."))
            self.life = None
            self._bury(life)
            self.later(1.0, self.boot)
            return
        if journal.seq < self.durable_seq:
            self.fail(
                Broken("durable", f"row {self.durable_seq} was committed, the journal ends at {journal.seq}")
            )
        if books.last_ts:
            life.clock.begin_at(max(books.last_ts, life.clock.now()))
        run = books.run.run + 1 if books.run is not None else 1
        post = None if self.watched is None else WorldPost(self.watched, life.context)
        engine = life.engine = Engine(
            Parts(
                fence=OPEN if post is None else post.hold,
                sentinel=post,
                config=config,
                clock=life.clock,
                ids=Ids("sim0", run, draw_mark(self._ids)),
                journal=journal,
                adapter=WatchedAdapter(life, ACCOUNT),
                books=books,
                instruments=self.instruments,
                calendar=calendar,
                log=self._log,
                mode="PAPER",
                lockstep=False,
                skip_idle=self.options.skip_idle,
                speed=1.0,
                seed=self.options.seed,
                reload_limits=lambda: self.settings.limits,
                publish=self._look_on if self.options.screen else None,
                rss_mb=lambda: None,
                host=partial(InsideHost, inside=self.inside),
            )
        )
        life.watch = Watch(engine, self.exchange, self.counts, self.fail, self.loop.after.append)
        life.watch.read = lambda: life.wire.read
        engine.core.commit(RunStarted(install="sim0", run=run, mode="PAPER", account=ACCOUNT, broker="paper"))
        await engine.start()
        life.started = True

    def _look_on(self, snapshot: Snapshot) -> None:
        """A screen: what it is shown of positions is what is in the books at that moment."""
        self.count("snapshots")
        engine = self.engine
        for row in snapshot.positions:
            if engine is not None and row.executed != engine.core.books.positions.qty(row.symbol):
                self.fail(Broken("screen", f"{row.symbol} is shown as {row.executed}"))

    def _log(self, level: str, event: str, **fields: object) -> None:
        if self.told is not None:
            shown = {k: v for k, v in fields.items() if v not in ("", None) and k != "correlation_id"}
            self.told(f"    {level}: {event} {shown}")

    def crash(self, why: str) -> None:
        """SIGKILL, or the power goes: what is committed stays, everything else is gone."""
        life = self.life
        if life is None:
            return
        self.count("crashes")
        self.note(f"{self.loop.now_ns} {why}: {life.process} is gone")
        self.life = None
        self.crash_armed = ""
        self._bury(life)
        # With a sentinel some are away for long enough to be missed.
        mean = 1.0 if self.watched is None else 3.0
        self.later(0.05 + self.rng.expovariate(1.0) * mean, self.boot)

    def _bury(self, life: Life) -> None:
        self.loop.kill(life.process)
        life.wire.dead = True
        if life.wire.session is not None:
            life.wire.session.real.drop("the client is gone")
        if life.store is not None:
            life.store.abandon()
        if life.journal is not None:
            life.journal._lock.release()
        # The system takes a dead process's lock away, also from one that had not got as far as a journal.
        (self.directory / "journal.db.lock").unlink(missing_ok=True)

    def arm_crash(self, why: str) -> None:
        """Crashes with something in flight, at the first such moment or some callbacks later; after five
        seconds at any moment."""
        if not self.crash_armed:
            self.loop.after.append(self._aimed)
        self.crash_armed = why
        self._crash_in = self._aim.choice(("record", "request", "note"))
        self._crash_passes = self._aim.choice((0, 0, 1, 2, 3, 5, 8, 13))
        self._crash_at_latest = self.loop.now_ns + 5 * NS

    def keep_old_state(self) -> None:
        """Copies the journal's files, as a backup of the machine would."""
        self._old_seq = self.durable_seq
        for suffix in FILES:
            file = self.directory / f"journal.db{suffix}"
            kept = self.directory / f"old{suffix}"
            kept.unlink(missing_ok=True)
            if file.exists():
                shutil.copy(file, kept)

    @property
    def has_older_state(self) -> bool:
        """An engine runs, and its files were copied."""
        return self.life is not None and self._old_seq > 0

    def crash_on_older_state(self) -> None:
        """The machine is lost; the engine starts again on the last copy of its files."""
        self.crash("machine lost")
        self.durable_seq = self._old_seq
        for suffix in FILES:
            kept = self.directory / f"old{suffix}"
            file = self.directory / f"journal.db{suffix}"
            file.unlink(missing_ok=True)
            if kept.exists():
                shutil.copy(kept, file)

    def restart(self, reason: str) -> None:
        """The engine is stopped in order and started again."""
        life = self.life
        if life is None or life.engine is None or not life.started or life.stopping:
            return
        life.stopping = True
        self.note(f"{self.loop.now_ns} {reason}")
        self.loop.create_task(
            self._guarded(self._stop_and_go, life, reason), name="stop", context=life.context
        )

    async def _stop_and_go(self, life: Life, reason: str) -> None:
        await self.stop_in_order(life, reason)
        if self.life is life:
            self.life = None
            self._bury(life)
            self.later(0.5, self.boot)

    async def stop_in_order(self, life: Life, reason: str) -> None:
        """The graceful stop, as the application does it."""
        life.stopping = True
        assert life.engine is not None and life.journal is not None
        await life.engine.stop(reason)
        await life.journal.close()

    # -- helpers for what befalls the world

    def later(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        self.loop.call_at_ns(
            self.loop.now_ns + int(seconds * NS), callback, *args, context=contextvars.Context()
        )

    def command(self, command: AnyCommand, answer: Callable[[Answer], None] | None = None) -> None:
        """The operator types something."""
        life = self.life
        if life is not None and life.engine is not None and life.started:
            self.note(f"{self.loop.now_ns} operator: {command!r}")
            life.wire.into_engine(life.engine.command, command, "sim", answer)

    def set_state(self, symbol: str, state: MarketState, seconds: float) -> None:
        until = self.loop.now_ns + int(seconds * NS)
        if self.exchange.market(symbol).state is MarketState.OPEN:
            self.exchange.set_state(symbol, state, until=until)

    # -- the market

    def open_market(self) -> None:
        """From now on prices move: of each instrument by itself, or of all in the same packets."""
        apart = [[walk] for walk in self.walks]
        for walks in [self.walks] if self.options.packets else apart:
            Packets(walks, int(self.options.quote_ms * 1e6)).start(self.clock, self.exchange, self.feed)

    def feed(self) -> Feed | None:
        life = self.life
        if life is None or life.engine is None or not life.started or life.stopping:
            return None if self.watched is None else Feed(None, self.watched.feed_into)
        if life.feed is None:
            life.feed = Feed(life, None if self.watched is None else self.watched.feed_into)
        return life.feed


def _with_calendar(instrument: Instrument, name: str) -> Instrument:
    return Instrument(
        **{f: getattr(instrument, f) for f in instrument.__struct_fields__ if f != "calendar"}, calendar=name
    )


def _where(error: object) -> str:
    """The last places of an exception, on one line."""
    trace = getattr(error, "__traceback__", None)
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " < ".join(reversed(places[-6:]))
