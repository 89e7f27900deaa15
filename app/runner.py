"""One run of the engine on the calling thread, in real or in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from app import ibrun, logs
from app.collector import SWITCH_INTERVAL, Collector, tame_collector
from app.confine import unconfined
from app.defaults import with_default_strategies
from app.exitcodes import ExitCode
from app.options import RunOptions
from app.paging.pager import Pager, PageTest, here
from app.paging.pages import TEXT, Told
from app.practice import LoopbackGateway
from app.problems import BadConfig
from app.sentinel.asking import ask_back
from app.sentinel.policy import elsewhere, exchange_addresses
from app.session import (
    Fanout,
    Session,
    assemble,
    feed_of,
    is_replay,
    misplaced_strategies,
    remote_feed,
)
from app.settings import Settings
from app.shadow import days_served
from app.stallwatch import StallWatch
from engine.clock import RealClock
from engine.control.memory import MemoryLink
from engine.control.screens import Stage
from engine.control.server import ControlServer
from engine.core import Log, utc_text
from engine.engine import Engine
from engine.feeds.errors import FeedError
from engine.journal import Journal, StoreFailed
from engine.model import NS
from engine.ports import Feed
from engine.sim.loop import VirtualClock, VirtualLoop

FIXED_START = 1_767_796_200 * NS
"""2026-01-07 14:30 UTC: where a synthetic market in virtual time begins, so that a seed gives the same run on
any day."""

HAND_BACK_WITHIN = 20.0
"""Seconds that a sentinel at work has to come to an end when an engine starts."""

Outcome = tuple[ExitCode, dict[str, Any]]


class Runner:
    """One run of the engine on the calling thread, until it ends, is asked to stop, or fails."""

    def __init__(self, settings: Settings, options: RunOptions, link: MemoryLink, log: Log) -> None:
        self._settings = settings
        self._options = options
        self._link = link
        self._log = log
        self._stop_reason = ""
        self._stop_event: asyncio.Event | None = None
        self.session: Session | None = None
        self.ready = threading.Event()
        """Set once the engine has started, or failed to."""
        self.failure: BaseException | None = None
        self.progress: Callable[[float, int], None] | None = None
        """Told the share of a recording that is done, and its time, some times a second of host time."""
        self.begun: Callable[[dict[str, Any]], None] | None = None
        """Told once what this run is, when it has its journal and its socket."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self._gateway: LoopbackGateway | None = None
        self.screen = ""
        """Who sits at the screen in this process; empty: there is none."""

    def screen_ended(self, *, goodbye: bool, how: str) -> None:
        """The screen in this process is gone; from another thread. Without `goodbye` it was lost."""
        loop, session = self.loop, self.session
        if loop is None or session is None or not self._link.seat:
            return
        with contextlib.suppress(RuntimeError):  # the run has ended meanwhile
            loop.call_soon_threadsafe(
                partial(session.engine.seats.leave, self._link.seat, goodbye=goodbye, how=how)
            )

    def request_stop(self, reason: str) -> None:
        """Asks for the graceful stop; safe from signal handlers and other threads."""
        if not self._stop_reason:
            self._stop_reason = reason
        loop = self.loop
        if isinstance(loop, VirtualLoop) or loop is None:
            return
        # RuntimeError: the run has ended already, and its loop has closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._note_stop)

    def _note_stop(self) -> None:
        if self._stop_event is not None and self._stop_reason:
            self._stop_event.set()

    # -- the two kinds of time

    def run(self) -> Outcome:
        """Runs to the end. Raises what kept it from starting."""
        try:
            return self._run_virtual() if self._options.virtual else self._run_real()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._link.close(self._stop_reason or "it has stopped")
            if self._gateway is not None:
                self._gateway.close()
            self.ready.set()

    def _run_real(self) -> Outcome:
        wall = time.time_ns()
        feed: Feed | None = None
        start: int | None = None
        if not self._elsewhere():
            feed = feed_of(self._settings, self._options, wall)
            start = feed.start_time() or wall
        # Also without a screen: the journal's thread must not keep the engine's waiting.
        sys.setswitchinterval(SWITCH_INTERVAL)
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            clock = RealClock(self.loop, speed=self._options.speed, start=start)
            return runner.run(self._main(clock, feed))

    def _elsewhere(self) -> bool:
        """Whether market data and orders come and go by a socket, in real time."""
        return elsewhere(self._settings, self._options)

    async def _sentinel_makes_room(self) -> None:
        """A sentinel that acts has a session that ours would end, or that keeps ours out: it is asked to hand
        back first. One that does not in time is not waited for; the engine then starts locked out."""
        end = time.monotonic() + HAND_BACK_WITHIN
        while not await asyncio.to_thread(ask_back, self._options.state_dir):
            if time.monotonic() >= end:
                self._log("error", "the sentinel does not hand the lease back", component="sentinel")
                return
            await asyncio.sleep(0.1)

    async def _feed_from_elsewhere(self, clock: Any) -> Feed:
        """Raises `FeedError` with the remedy."""
        options, settings = self._options, self._settings
        if not ibrun.is_ib(options.feed):
            return await remote_feed(exchange_addresses(settings, options), clock)
        if options.speed != 1.0:
            raise FeedError("Interactive Brokers runs in real time: leave --speed out")
        if options.feed == ibrun.LOOPBACK:
            self._gateway = await asyncio.to_thread(ibrun.practice_gateway, settings, options.state_dir)
        return await ibrun.open_feed(
            settings, options.state_dir, clock, waits=lambda why: self._log("warning", why, component="ib")
        )

    def _run_virtual(self) -> Outcome:
        if self._elsewhere():
            raise FeedError("a broker or an exchange elsewhere runs in real time: leave --speed max out")
        feed = feed_of(self._settings, self._options, FIXED_START)
        loop = VirtualLoop(feed.start_time() or FIXED_START, self._poll)
        self.loop = loop
        try:
            outcome = loop.run_until_complete(self._main(VirtualClock(loop), feed))
        finally:
            loop.close()
        for context in loop.errors:
            error = context.get("exception")
            if error is not None:
                raise error
        return outcome

    def _poll(self) -> None:
        """Virtual time looks at the outside now and then."""
        session = self.session
        if session is not None:
            self._serve(session.engine)
            now = time.monotonic()
            if now - self._published >= 1 / self._settings.screen.frame_rate:
                self._published = now
                session.engine.publish()
                self._tell_progress(session)
        self._note_stop()

    def _serve(self, engine: Engine) -> None:
        """Hands over what the screen in this process has left for the engine."""
        link = self._link
        link.serve(
            lambda command, who, answer: engine.command(command, who, answer, link.seat), engine.answers.ask
        )

    _published = 0.0
    _told = 0

    def _tell_progress(self, session: Session) -> None:
        """How far a recording is: every tenth in the log, and on a terminal as it goes."""
        share = session.feed.progress()
        if share is None:
            return
        if int(share * 10) > self._told:
            self._told = int(share * 10)
            self._log("info", f"{self._told * 10} % of the recording", component="runner", status="PROGRESS")
        if self.progress is not None:
            self.progress(share, session.engine.core.clock.now())

    async def _watch_progress(self, session: Session) -> None:
        """Tells how far a recording is, four times a second; in virtual time `_poll` does it."""
        while not self._options.virtual and session.feed.progress() is not None:
            self._tell_progress(session)
            await asyncio.sleep(0.25)

    # -- the run

    async def _main(self, clock: Any, feed: Any) -> Outcome:
        self._stop_event = asyncio.Event()
        self._note_stop()
        loop = asyncio.get_running_loop()
        if feed is None:
            await self._sentinel_makes_room()
            feed = await self._feed_from_elsewhere(clock)
        self._settings = with_default_strategies(
            self._settings,
            [i.symbol for i in feed.instruments],
            self._options.feed.startswith(("synthetic", ibrun.LOOPBACK)),
        )
        where = str(self._options.config or "environment")
        wrong = misplaced_strategies(self._settings, [i.symbol for i in feed.instruments], where)
        wrong += unconfined(self._settings, where)
        if wrong:
            raise BadConfig(wrong)
        server: ControlServer | None = None

        def counters() -> dict[str, int]:
            served = {} if server is None else {f"control.{k}": n for k, n in server.counters.items() if n}
            if server is not None and server.screens is not None:
                served |= {f"screens.{k}": n for k, n in server.screens.counters.items() if n}
            return {**logs.counters(), **served}

        session = await assemble(self._settings, self._options, clock, feed, self._link, self._log, counters)
        engine = session.engine
        if self._gateway is not None:
            self._gateway.take_over()
        try:
            if not self._options.virtual:
                server = ControlServer(
                    self._options.state_dir,
                    snapshot=self._link.latest,
                    command=engine.command,
                    report=lambda event, text: self._log("warning", text, component="control", status=event),
                    stage=Stage(
                        newest=self._link.newest,
                        news=self._link.told,
                        command=engine.command,
                        answer=engine.answers.ask,
                        seats=engine.seats,
                        run=f"{os.getpid()}-{time.time_ns()}",
                    ),
                )
                await server.start()
                self._link.attach(lambda: loop.call_soon_threadsafe(self._serve, engine))
            self.session = session
            if not self._options.virtual:
                loop.set_exception_handler(self._stray)
            about = self.about(session)
            self._log("info", "run started", component="runner", status="STARTED", **about)
            if self.begun is not None:
                self.begun(about)
            if session.notice:
                self._log("info", session.notice, component="runner")
            watch = asyncio.ensure_future(self._watch_progress(session))
            pager = self._pager(engine)
            try:
                code, summary = await self._drive(session, clock)
            except BaseException as error:
                if pager is not None:
                    await asyncio.to_thread(pager.close, _died(error, clock.now()))
                raise
            finally:
                watch.cancel()
            if pager is not None:
                await asyncio.to_thread(pager.close)
            if self._settings.stage == "shadow":
                days = await asyncio.to_thread(
                    days_served, self._settings, self._options.state_dir, os.environ
                )
                summary["shadow_days"] = days
            if session.saver.is_due:
                with contextlib.suppress(TimeoutError):  # a disk that hangs must not hold up the end
                    await asyncio.wait_for(session.saver.save(), 3)
            told = {**summary, "positions": dict(summary["positions"])}
            self._log(
                "info", "run ended", component="runner", status=code.name, exit_code=int(code), summary=told
            )
            return code, summary
        finally:
            if server is not None:
                await server.close()
            await self._close_journal(session.journal)
            if session.exchange is not None:
                session.exchange.close()

    def about(self, session: Session) -> dict[str, Any]:
        """What this run is, for its first line in the log."""
        options = self._options
        return {
            "mode": session.engine.parts.mode,
            "account": self._settings.account,
            "broker": session.adapter.name,
            "feed": options.feed,
            "speed": "max" if options.virtual else options.speed,
            "seed": options.seed,
            "strategies": [s.name for s in self._settings.strategies],
            "config": str(options.config or "none: defaults and environment"),
            "state_dir": str(options.state_dir),
            "pid": os.getpid(),
        }

    async def _close_journal(self, journal: Journal) -> None:
        """Closes the store; a disk that hangs, or rows that it will not take, must not hold up the end."""
        try:
            owed = await asyncio.wait_for(journal.close(), 3)
        except (TimeoutError, StoreFailed) as error:
            self._log("error", f"the journal did not close: {error!r}", component="runner")
            return
        if owed:
            self._log("error", f"{owed} emergency rows could not be written", component="runner")

    def _stray(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that no task waits for: told, counted against the error breaker, never printed."""
        error = context.get("exception")
        text = f"{context.get('message', 'error')}: {error!r}"
        self._log("error", text, component="runner", status="ERROR")
        if self.session is not None:
            engine = self.session.engine
            engine.core.metrics.count("stray_errors")
            engine.controls.on_error("runner", engine.view)
            engine.core.alarm("critical", "error", text)

    async def _drive(self, session: Session, clock: Any) -> Outcome:
        engine, feed = session.engine, session.feed
        assert self._stop_event is not None
        stop = self._stop_event
        ended: list[str] = []

        def feed_ended(reason: str) -> None:
            ended.append(reason)
            stop.set()

        sink = Fanout(session.exchange, engine, feed_ended)
        feed_task = asyncio.ensure_future(self._feed(feed, clock, sink, session.resume_after))
        feed_task.add_done_callback(lambda _: stop.set())
        tame_collector()
        await engine.start()
        if self.screen and not self._options.virtual:
            self._link.seat = engine.seats.join(self.screen)
        engine.publish()
        self.ready.set()
        watcher = asyncio.ensure_future(self._engine_stop(engine, stop))
        stalls = self._watch_stalls(engine)
        collector = None if self._options.virtual else Collector(engine.metrics.stage)
        if collector is not None:
            collector.start()
            engine.pace.after_round = collector.after_round
        timer = None
        timed_out: list[bool] = []
        if self._options.duration is not None:

            def time_is_up() -> None:
                timed_out.append(True)
                stop.set()

            timer = clock.call_later(self._options.duration, time_is_up)
        await stop.wait()
        if timer is not None:
            timer.cancel()
        watcher.cancel()
        if stalls is not None:
            stalls.stop()
        if collector is not None:
            engine.pace.after_round = None
            collector.stop()
        complete = bool(ended)
        if not feed_task.done() and (complete or not timed_out):
            feed_task.cancel()
        reason = (
            self._stop_reason
            or engine.stop_reason
            or (f"feed ended: {ended[0]}" if ended else "")
            or ("time is up" if timed_out else "the feed stopped")
        )
        feed_error = feed_task.exception() if feed_task.done() and not feed_task.cancelled() else None
        if feed_error is None:
            feed_error = getattr(feed, "error", None)
        if feed_error is not None:
            engine.core.alarm("critical", "feed", f"the feed failed: {feed_error}")
            reason = f"feed failed: {feed_error}"
        if complete or timed_out:
            await engine.finish(reason)
        if not feed_task.done():
            feed_task.cancel()
        await engine.stop(reason, complete=complete and is_replay(self._options))
        bad = list(getattr(feed, "bad", ()))
        summary = {"reason": reason, **engine.summary(), "bad_lines": getattr(feed, "bad_lines", 0)}
        for line in bad[:20]:
            self._log("warning", f"bad line skipped: {line}", component="feed", status="BAD_LINE")
        if feed_error is not None:
            return ExitCode.FEED_ERROR, summary
        failed = any(word.startswith("failed") for word in summary["strategies"].values())
        if summary["halted"] or failed:
            return ExitCode.HALTED, summary
        if (complete or timed_out) and not (summary["flat"] and summary["reconciled"]):
            return ExitCode.NOT_FLAT, summary
        return ExitCode.CLEAN, summary

    def _pager(self, engine: Engine) -> Pager | None:
        """None where nobody is to be paged: no program, or a market that is not of today."""
        mode, rules = engine.parts.mode, self._settings.alerts
        if not rules.command or self._options.virtual or mode == "REPLAY":
            return None
        loop, core = asyncio.get_running_loop(), engine.core

        def tell(problem: str) -> None:
            if problem:
                core.alarm("warning", "pager", f"nobody was paged: {problem}", cause="page")
            else:
                core.alarm("info", "pager", "pages are delivered again")

        def trouble(problem: str) -> None:
            with contextlib.suppress(RuntimeError):  # the run has ended meanwhile
                loop.call_soon_threadsafe(tell, problem)

        who = here(mode, self._settings.account)
        pager = Pager(rules, who, self._link.told, lambda: engine.seats.attached, self._log, trouble)
        engine.operator.alert_test.channels.append(PageTest(pager, rules.command[0], loop))
        pager.start(core.books.alerts.rows(core.clock.now()))
        return pager

    def _watch_stalls(self, engine: Engine) -> StallWatch | None:
        """In virtual time the loop turns when it likes, and nobody waits for it."""
        if self._options.virtual:
            return None
        watch = StallWatch(
            self._options.state_dir / "stalls",
            self._settings.stall_after,
            self._log,
            lambda text: engine.core.alarm("critical", "stall", text),
        )
        watch.start()
        return watch

    async def _feed(self, feed: Any, clock: Any, sink: Any, resume_after: int | None) -> None:
        await feed.run(clock, sink, resume_after if is_replay(self._options) else None)

    @staticmethod
    async def _engine_stop(engine: Engine, stop: asyncio.Event) -> None:
        await engine.stopped.wait()
        stop.set()


def _died(error: BaseException, now: int) -> Told:
    """The last line of a run that ends by an error."""
    return Told(kind="new", text=f"the engine has ended by an error: {error!r}"[:TEXT], since=utc_text(now))
