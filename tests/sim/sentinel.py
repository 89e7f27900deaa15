"""A sentinel in a simulated world: a second process with its own journal and line, over the same exchange.

The lease is one word in the world; heartbeats take a while and may be late. It is killed and started again as
the engine is. Whatever either side hands to the exchange is held against the lease at that moment.
"""

from __future__ import annotations

import contextvars
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from brokers.paper.adapter import PaperAdapter
from engine.engine import Engine
from engine.ids import Ids, draw_install, draw_mark
from engine.journal import Journal, Row
from engine.journal.connection import Batch
from engine.model import NS, Order, Replace
from engine.records import EMERGENCY, KINDS
from engine.records_sentinel import SentinelNote
from engine.sending import Recorded
from engine.sentinel.acting import Emergency, Ground, Tools
from engine.sentinel.lease import Holder, Lease, Leasehold
from engine.sentinel.machine import HOLDS, Phase, Rules
from engine.sentinel.messages import FORMAT, Beat, Said, ToSentinel
from engine.sentinel.takeover import Regained, journal_of
from engine.sentinel.watch import Ended
from engine.sentinel.watch import Watch as Post
from engine.sim.invariants import Broken, Watch
from engine.sim.schedule import PROCESS, SimClock
from engine.sim.store import Disk, LateStore
from tests.sim.setting import ACCOUNT
from tests.sim.wire import Wire

if TYPE_CHECKING:
    from tests.sim.world import World


class Word:
    """`engine.sentinel.lease.LeaseStore` in the world: what stalls, stalls between two callbacks."""

    trouble = ""

    def __init__(self) -> None:
        self.lease = Lease()

    def enter(self) -> Lease | None:
        return self.lease

    def leave(self) -> None:
        pass

    def write(self, lease: Lease) -> None:
        self.lease = lease


class WorldPost:
    """Implements `engine.sentinel.keeper.Post` for one engine."""

    problem = ""
    build = "sim"

    def __init__(self, watched: Watched, context: contextvars.Context) -> None:
        self.hold = Leasehold(watched.word, Holder.ENGINE)
        self.policy, self.after = watched.policy, watched.after
        self._watched = watched
        self._context = context
        self._take: Callable[[Said], None] = lambda _: None
        self._closed = False

    def bind(self, take: Callable[[Said], None], unread: Callable[[str], None]) -> None:
        self._take = take

    def end(self, *, by_force: bool) -> str:
        return "it is one of this world"

    def tend(self) -> None:
        pass

    def send(self, message: ToSentinel) -> None:
        watched, loop = self._watched, self._watched.world.loop
        late = watched.rng.random()
        delay = 1 + int(late**20 * watched.late * NS)

        def arrive() -> None:
            watched.hear(message, self._answer)

        loop.call_at_ns(loop.now_ns + delay, arrive, context=contextvars.Context())

    def _answer(self, said: Said) -> None:
        if not self._closed:
            self._watched.world.loop.call_soon(self._take, said, context=self._context)

    async def regain(self) -> Regained | None:
        watched = self._watched
        if watched.word.lease.holder is Holder.SENTINEL:
            if watched.post is not None:
                return None
            self.hold.claim()
        elif not self.hold.claim(but=Holder.SENTINEL):
            return None
        return Regained(journal_of(watched.rows), tuple(watched.rows))

    async def close(self) -> None:
        self._closed = True


class Guarded(PaperAdapter):
    """What the sentinel's engine hands over is held against the lease."""

    def __init__(self, wire: Wire, word: Word, failed: Callable[[Broken], None]) -> None:
        super().__init__(wire, ACCOUNT)  # type: ignore[arg-type]
        self._word = word
        self._failed = failed

    def submit(self, order: Recorded[Order]) -> None:
        self._look(order.request)
        super().submit(order)

    def replace(self, change: Recorded[Replace]) -> None:
        self._look(change.request)
        super().replace(change)

    def cancel(self, order_id: str, broker_id: str | None) -> None:
        self._look(order_id)
        super().cancel(order_id, broker_id)

    def _look(self, what: object) -> None:
        if self._word.lease.holder is not Holder.SENTINEL:
            self._failed(Broken("lease", f"the sentinel sends without the lease: {what!r}"))


class Watched:
    """The sentinel's part of a world."""

    def __init__(self, world: World, policy: str, after: float) -> None:
        self.world = world
        self.policy = policy
        self.after = after
        self.word = Word()
        self.rng: random.Random = world._rng("sentinel")
        self.late = self.rng.choice((0.0, 0.5, 1.5 * after))
        """Seconds that a heartbeat may be late."""
        self.rows: list[Row] = []
        """What its journal has committed."""
        self.post: Post | None = None
        self.engine: Engine | None = None
        """Its own, while it acts."""
        self.lives = 0
        self.up = False
        self.context = contextvars.Context()
        self._heard: int | None = None
        self._wire: Wire | None = None
        self._store: LateStore | None = None
        self._journal: Journal | None = None
        self.disk = Disk(world._rng("sentinel's disk"), lambda: world.loop.now_ns)
        self.disk.latency = world.disk.latency
        self.disk.committed = self._committed

    def _committed(self, batch: Batch) -> None:
        for row in batch.rows:
            self.rows.append(Row(row.seq, row.ts, row.kind, row.correlation, row.order_id, row.body, row.crc))
            if row.kind == "order":
                self.world.durable.add(row.order_id)

    # -- the engine's side

    def hear(self, message: ToSentinel, answer: Callable[[Said], None]) -> None:
        """Something reached the sentinel's socket; it reads it when it runs."""
        post = self.post
        if post is not None:
            if isinstance(message, Beat):
                self._heard = self.world.loop.now_ns
            self.world.loop.call_soon(self._read, post, message, answer, context=self.context)

    def _read(self, post: Post, message: ToSentinel, answer: Callable[[Said], None]) -> None:
        if post is not self.post:
            return
        before = post.phase
        post.heard(message)
        self._look(before)
        answer(
            Said(
                phase=post.phase,
                policy=self.policy,
                pid=self.lives,
                after=self.after,
                n=post.n,
                text=post.said,
                format=FORMAT,
                build="sim",
            )
        )

    def sends(self, what: object) -> None:
        """The engine hands something to the exchange."""
        if self.word.lease.holder is not Holder.ENGINE:
            self.world.fail(Broken("lease", f"the engine sends without the lease: {what!r}"))

    def untaken(self, engine: Engine) -> str:
        """Which of the sentinel's orders reached the exchange and are not the engine's own now."""
        orders, reached = engine.core.books.orders, self.world.exchange.has_seen
        sent = [row.order_id for row in self.rows if row.kind == "order" and reached(row.order_id)]
        return ", ".join(i for i in sent if (r := orders.get(i)) is None or r.foreign)

    def _look(self, before: Phase) -> None:
        """It took the lease a moment ago: the silence was real."""
        post, now = self.post, self.world.loop.now_ns
        if post is None or before in HOLDS or post.phase not in HOLDS:
            return
        self.world.count("fenced")
        if self._heard is None or now - self._heard < self.after * NS:
            self.world.fail(Broken("alive", f"the lease was taken, a heartbeat came at {self._heard}"))

    # -- its lives

    def boot(self) -> None:
        """Starts it, unless it runs."""
        if self.up:
            return
        self.up = True
        self.lives += 1
        process = f"sentinel {self.lives}"
        self.context = contextvars.Context()
        self.context.run(PROCESS.set, process)
        world = self.world
        world.loop.create_task(world._guarded(self._bring_up, process), name=process, context=self.context)

    async def _bring_up(self, process: str) -> None:
        world = self.world
        clock = SimClock(world.loop, lambda: world.wall_error)

        async def open_store(opener: Any) -> LateStore:
            self._store = await LateStore.open(opener, clock=clock, disk=self.disk)
            return self._store

        config = world.settings.config()
        journal = self._journal = await Journal.open(
            world.directory / "sentinel.db",
            config.journal,
            inline=True,
            clock=clock,
            emergency=EMERGENCY,
            opener=open_store,
        )
        wire = self._wire = Wire(
            world.loop, world.exchange, clock, self.context, world._rng(f"sentinel wire {self.lives}"), {}
        )
        hold = Leasehold(self.word, Holder.SENTINEL)

        async def reach() -> Ground:
            return Ground(Guarded(wire, self.word, world.fail), world.instruments, self._run_feed)

        section = config.sentinel.model_copy(update={"policy": self.policy, "after": self.after})
        tools = Tools(
            config=config.model_copy(update={"sentinel": section}),
            clock=clock,
            journal=journal,
            ids=lambda: Ids(draw_install(world._ids), 1, draw_mark(world._ids)),
            fence=hold,
            log=world._log,
            reach=reach,
            lockstep=False,
        )

        def note(record: SentinelNote) -> None:
            world.note(f"{world.loop.now_ns} {process}: {record.event}: {record.text}")
            journal.append_nowait(KINDS[SentinelNote], record, ts=clock.now())

        self._heard = world.loop.now_ns
        self.post = post = Post(
            Rules(self.policy, int(self.after * NS), 10**6 * NS),  # type: ignore[arg-type]
            clock,
            hold,
            note,
            partial(Emergency, tools),
            lambda: Ended(False, "there is no process here"),
            "simulated" if journal.seq == 0 else "",
        )
        see = post.see

        def seen(event: Any, text: str = "") -> None:
            before = post.phase
            see(event, text)
            self._look(before)

        post.see = seen  # type: ignore[method-assign]
        await post.left.wait()
        self.die("leaves")
        world.later(0.5, self.boot)

    async def _run_feed(self, engine: Engine) -> None:
        self.engine = engine
        world = self.world
        Watch(engine, world.exchange, world.counts, world.fail, world.loop.after.append)
        await engine.stopped.wait()

    def die(self, why: str) -> None:
        """SIGKILL, or its end: what is committed stays."""
        if not self.up:
            return
        self.up = False
        self.world.note(f"{self.world.loop.now_ns} sentinel {self.lives} {why}")
        if self.post is not None:
            self.post.stop()
        self.post, self.engine = None, None
        self.world.loop.kill(f"sentinel {self.lives}")
        if self._wire is not None:
            self._wire.dead = True
            if self._wire.session is not None:
                self._wire.session.real.drop("the client is gone")
        if self._store is not None:
            self._store.abandon()
        if self._journal is not None:
            self._journal._lock.release()
        (self.world.directory / "sentinel.db.lock").unlink(missing_ok=True)

    def stall(self, seconds: float) -> None:
        self.world.loop.stall(f"sentinel {self.lives}", self.world.loop.now_ns + int(seconds * NS))

    def feed_into(self, method: str, *args: Any) -> None:
        """Prices on their way to its engine."""
        if self.engine is not None and self._wire is not None:
            self._wire.into_engine(getattr(self.engine, method), *args)
