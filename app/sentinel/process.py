"""The sentinel's process: listens for heartbeats, keeps a journal of its own, and acts when they stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from app import logs
from app.options import RunOptions
from app.paging.pager import Pager, here
from app.paths import sentinel_journal_path, sentinel_lease_path, sentinel_socket
from app.sentinel.build import build_mark
from app.sentinel.engineprocess import WatchedEngine
from app.sentinel.policy import cannot_act, policy_of
from app.sentinel.venues import Venue, venue_of
from app.session import mode_of, rss_mb
from app.settings import Settings
from engine.clock import RealClock
from engine.control.directory import private_directory
from engine.control.news import Event, News
from engine.control.peer import peer_of
from engine.control.wire import reachable
from engine.core import Log
from engine.ids import Ids, draw_install, draw_mark
from engine.journal import Journal, StoreFailed
from engine.model import NS
from engine.ports import NotSent, QueryFailed
from engine.records import EMERGENCY, KINDS
from engine.records_sentinel import SentinelNote
from engine.sentinel.acting import Emergency, Ground, Tools
from engine.sentinel.lease import Holder, Leasehold
from engine.sentinel.leasefile import LeaseFile
from engine.sentinel.machine import Phase, Rules
from engine.sentinel.messages import FORMAT, Beat, Lines, Said, heard, line
from engine.sentinel.watch import Watch

PROBE_EVERY: Final = 2 * NS
"""ns between two questions to the broker while it waits."""
TOLD_FOR: Final = 30.0
"""Seconds for which one that only tells stays after it has told."""
LEVELS: Final = dict.fromkeys(("silent", "fenced", "undone", "unpaged"), "error") | {"trouble": "warning"}
"""How its notes stand in the log; the others are for information."""


class Sentinel:
    """One process. Made and run by `run`."""

    def __init__(
        self, settings: Settings, options: RunOptions, clock: RealClock, journal: Journal, *, spawned: bool
    ) -> None:
        """`spawned`: an engine has started it a moment ago."""
        self._spawned = spawned
        self._clock = clock
        self._journal = journal
        self._log: Log = logs.engine_log("sentinel")
        self._lease = LeaseFile(sentinel_lease_path(options.state_dir))
        self._hold = Leasehold(self._lease, Holder.SENTINEL)
        self._options = options
        self._policy = policy_of(settings, options)
        self._after = settings.sentinel.after
        self._limits = cannot_act(settings, options)
        # One that only tells has no business at the broker, not even a session.
        acts = self._policy in ("cancel", "flatten")
        self._venue: Venue | None = venue_of(settings, options, clock) if acts else None
        self._reachable: bool | None = None
        self._probe_text = ""
        self._clients: set[_Client] = set()
        self._build = build_mark()
        self._engine = WatchedEngine(options.state_dir, self._log)
        self._ended = False
        """The engine's process was ended, so that its session is free."""
        config = settings.engine_config()
        mode = mode_of(settings, options)
        self._told = News()
        who = here(mode, settings.account)
        # Nobody sits at a screen of an engine that is dead or stands still.
        rules = settings.alerts
        loop = asyncio.get_running_loop()

        def paging(problem: str) -> None:
            loop.call_soon_threadsafe(self._paging, problem)

        self._pager = Pager(rules, who, self._told, lambda: 0, self._log, paging) if rules.command else None
        self._unpaged = ""
        section = config.sentinel.model_copy(update={"policy": self._policy})
        rng = random.SystemRandom()
        tools = Tools(
            config=config.model_copy(update={"sentinel": section}),
            clock=clock,
            journal=journal,
            ids=lambda: Ids(draw_install(rng), 1, draw_mark(rng)),
            fence=self._hold,
            log=self._log,
            reach=self._reach,
            mode=mode,
            draw=rng.random,
            rss_mb=rss_mb,
        )
        # One that cannot act takes no lease either: it would only lock the engine out.
        policy = self._policy if self._venue is not None else "alert"
        # Once it has told there is nothing to stay for; an engine that comes back starts another one.
        hold = section.hold if policy != "alert" else min(section.hold, TOLD_FOR)
        self._holds = int(hold * NS), int(section.hold * NS)
        self.watch = Watch(
            Rules(policy, after=int(section.after * NS), hold=int(hold * NS)),
            clock,
            self._hold,
            self._note,
            lambda see: Emergency(tools, see),
            self._engine.end,
            draw_install(rng) if journal.seq == 0 else "",
        )

    async def run(self) -> None:
        """Until nothing is left to be done here."""
        loop = asyncio.get_running_loop()
        path = sentinel_socket(self._options.state_dir)
        # Whoever holds the journal is the sentinel; what lies here was left by a dead one.
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        before = os.umask(0o177)
        try:
            with reachable(path) as address:
                server = await loop.create_unix_server(lambda: _Client(self), address)
        finally:
            os.umask(before)
        probing = loop.create_task(self._probe_on(), name="probe")
        if self._pager is not None:
            self._pager.start()
        try:
            await self.watch.left.wait()
        finally:
            probing.cancel()
            self.watch.stop()
            server.close()
            for client in list(self._clients):
                client.close()
            if self._venue is not None:
                await self._venue.close()
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            if self._pager is not None:
                await asyncio.to_thread(self._pager.close)

    # -- clients: the engine, and who only asks

    def join(self, client: _Client) -> None:
        self._clients.add(client)

    def leave(self, client: _Client) -> None:
        self._clients.discard(client)

    def hear(self, text: bytes, pid: int) -> bytes:
        """Takes one line; the answer. Raises `msgspec.MsgspecError`."""
        message = heard(text)
        if isinstance(message, Beat):
            self._engine.know(pid)
        self.watch.heard(message)
        return line(self.said())

    def said(self) -> Said:
        watch = self.watch
        text = self._limits or (self._probe_text if self._reachable is False else "")
        if watch.phase is not Phase.WATCHING:
            text = watch.said
        return Said(
            phase=watch.phase,
            policy=self._policy,
            pid=os.getpid(),
            after=self._after,
            n=watch.n,
            venue="" if self._venue is None else self._venue.name,
            reachable=self._reachable,
            text=text,
            format=FORMAT,
            build=self._build,
            unpaged=self._unpaged,
        )

    def _paging(self, problem: str) -> None:
        """A page did not reach the user's program (empty: one did again). The pager tries on, ever more
        slowly; the engine reads it from the journal, or hears it while it lives. One that only tells has not
        told then: it stays as long as one that acts."""
        self._unpaged = problem
        self.watch.rules = replace(self.watch.rules, hold=self._holds[bool(problem)])
        text = problem or "pages are delivered again"
        epoch = max(self._hold.epoch, 0)
        self._note(SentinelNote(event="unpaged" if problem else "paged", text=text, epoch=epoch))

    def strange(self, pid: int, why: str) -> None:
        """Words that are not known. They count only where the engine says them, and no other program that
        found the socket."""
        if self._engine.is_it(pid):
            self.watch.strange(why)
        else:
            self._log("warning", f"process {pid} says what is not known here: {why}", component="sentinel")

    # -- the broker

    async def _probe_on(self) -> None:
        """Keeps a session at the broker and asks over it, until there is something to do there; and leaves
        when the state directory is gone, and with it whatever engine there was, unless it may have to act."""
        while True:
            if (
                self._spawned
                and self.watch.phase is Phase.IDLE
                and not self.watch.n
                and self._engine.died_unheard()
            ):
                self.watch.unheard()
            busy = self.watch.phase in (Phase.FENCING, Phase.ACTING, Phase.YIELDING)
            guards = self.watch.phase is Phase.WATCHING and self._venue is not None
            if not (busy or guards or self._options.state_dir.exists()):
                self.watch.left.set()
                return
            if self._venue is not None and self.watch.phase in (Phase.IDLE, Phase.WATCHING, Phase.SILENT):
                try:
                    await self._venue.probe()
                except (NotSent, QueryFailed) as error:
                    self._reachable, self._probe_text = False, str(error)
                else:
                    self._reachable, self._probe_text = True, ""
            await self._clock.sleep(PROBE_EVERY)

    async def _reach(self) -> Ground:
        venue = self._venue
        assert venue is not None
        if venue.alone and not self._ended:
            self._ended = True
            text = f"{venue.name} takes one session of the engine's client id: {self._engine.end().text}"
            self.watch.trouble(text)
        return await venue.reach()

    def _note(self, note: SentinelNote) -> None:
        now = self._clock.now()
        self._journal.append_nowait(KINDS[SentinelNote], note, ts=now)
        self._told.put(Event(self._told.last + 1, now, "alarm", "", "", note))
        level = LEVELS.get(note.event, "info")
        self._log(level, note.text, component="sentinel", status=note.event.upper())


class _Client(asyncio.Protocol):
    """One connection: lines in, an answer to each."""

    def __init__(self, sentinel: Sentinel) -> None:
        self._sentinel = sentinel
        self._lines = Lines()
        self._pid = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._pid, uid = peer_of(transport.get_extra_info("socket"))
        if uid != os.geteuid():
            transport.abort()
            return
        self._transport = transport
        self._sentinel.join(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - silence is what counts
        self._sentinel.leave(self)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        try:
            for text in self._lines.feed(data):
                if text == b"":
                    transport.write(line(self._sentinel.said()))  # somebody only asks how it is
                    continue
                answer = self._sentinel.hear(text, self._pid)
                if transport.get_write_buffer_size() == 0:
                    transport.write(answer)
        except (ValueError, msgspec.MsgspecError) as error:
            self._sentinel.strange(self._pid, str(error))
            transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def run(settings: Settings, options: RunOptions, *, spawned: bool) -> bool:
    """Runs one sentinel until it leaves; False: a signal ended it. Raises `StoreRefused` (another one runs:
    `AlreadyRunning`), `OSError`."""
    private_directory(options.state_dir)
    with asyncio.Runner() as runner:
        return runner.run(_main(settings, options, RealClock(runner.get_loop()), spawned=spawned))


async def _main(settings: Settings, options: RunOptions, clock: RealClock, *, spawned: bool) -> bool:
    # Its notes are few, and its closing orders are sent whatever the disk says.
    durable = settings.engine_config().journal.model_copy(update={"ballast_mb": 1, "min_free_mb": 0})
    path = sentinel_journal_path(options.state_dir)
    journal = await Journal.open(path, durable, inline=False, clock=clock, emergency=EMERGENCY)
    logs.set_clock(clock.now)
    signalled: list[bool] = []
    try:
        sentinel = Sentinel(settings, options, clock, journal, spawned=spawned)

        def end() -> None:
            signalled.append(True)
            sentinel.watch.left.set()

        _until_signalled(end)
        await sentinel.run()
        return not signalled
    finally:
        with contextlib.suppress(StoreFailed):
            await journal.close()


def _until_signalled(leave: Callable[[], None]) -> None:
    """SIGTERM and SIGINT end it; it keeps the lease where it holds it. A terminal's end is nothing to it."""
    loop = asyncio.get_running_loop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
