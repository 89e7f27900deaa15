"""Runs an engine: headless in real or virtual time, or beside the desk on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from app import logs
from app.defaults import with_default_strategies
from app.desk.terminal import outlive_terminal, say
from app.exitcodes import ExitCode
from app.logsink import Renderer
from app.options import RunOptions
from app.problems import BadConfig
from app.session import (
    Fanout,
    Session,
    assemble,
    exchange_addresses,
    feed_of,
    is_replay,
    misplaced_strategies,
    remote_feed,
)
from app.settings import Settings
from app.summary import summary_text
from engine.clock import RealClock
from engine.control.memory import MemoryLink
from engine.control.server import ControlServer
from engine.core import Log, utc_text
from engine.engine import Engine
from engine.feeds.errors import FeedError
from engine.journal import Journal, StoreFailed
from engine.model import NS
from engine.ports import Feed
from engine.sim.loop import VirtualClock, VirtualLoop

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread gives the interpreter up to another that waits; the default of 5 ms is half a
risk period."""

FIXED_START = 1_767_796_200 * NS
"""2026-01-07 14:30 UTC: where a synthetic market in virtual time begins, so that a seed gives the same run on
any day."""

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
            self.ready.set()

    def _run_real(self) -> Outcome:
        wall = time.time_ns()
        feed: Feed | None = None
        start: int | None = None
        if not exchange_addresses(self._settings, self._options):
            feed = feed_of(self._settings, self._options, wall)
            start = feed.start_time() or wall
        # Also without a screen: the journal's thread must not keep the engine's waiting.
        sys.setswitchinterval(SWITCH_INTERVAL)
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            clock = RealClock(self.loop, speed=self._options.speed, start=start)
            return runner.run(self._main(clock, feed))

    def _run_virtual(self) -> Outcome:
        if exchange_addresses(self._settings, self._options):
            raise FeedError("an exchange in another process runs in real time: leave --speed max out")
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
            self._link.serve(session.engine.command)
            now = time.monotonic()
            if now - self._published >= 1 / self._settings.screen.frame_rate:
                self._published = now
                session.engine.publish()
                self._tell_progress(session)
        self._note_stop()

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
            feed = await remote_feed(exchange_addresses(self._settings, self._options), clock)
        self._settings = with_default_strategies(
            self._settings, [i.symbol for i in feed.instruments], self._options.feed.startswith("synthetic")
        )
        misplaced = misplaced_strategies(
            self._settings, [i.symbol for i in feed.instruments], str(self._options.config or "environment")
        )
        if misplaced:
            raise BadConfig(misplaced)
        server: ControlServer | None = None

        def counters() -> dict[str, int]:
            control = {} if server is None else {f"control.{k}": n for k, n in server.counters.items() if n}
            return {**logs.counters(), **control}

        session = await assemble(self._settings, self._options, clock, feed, self._link, self._log, counters)
        engine = session.engine
        try:
            if not self._options.virtual:
                server = ControlServer(
                    self._options.state_dir,
                    snapshot=self._link.latest,
                    command=engine.command,
                    report=lambda event, text: self._log("warning", text, component="control", status=event),
                )
                await server.start()
                self._link.attach(lambda: loop.call_soon_threadsafe(self._link.serve, engine.command))
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
            try:
                code, summary = await self._drive(session, clock)
            finally:
                watch.cancel()
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
        engine.publish()
        self.ready.set()
        watcher = asyncio.ensure_future(self._engine_stop(engine, stop))
        collector = None if self._options.virtual else asyncio.ensure_future(collect_by_hand())
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
        if collector is not None:
            collector.cancel()
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

    async def _feed(self, feed: Any, clock: Any, sink: Any, resume_after: int | None) -> None:
        await feed.run(clock, sink, resume_after if is_replay(self._options) else None)

    @staticmethod
    async def _engine_stop(engine: Engine, stop: asyncio.Event) -> None:
        await engine.stopped.wait()
        stop.set()


SETTLED = 10.0
"""Seconds after the start when a screen stands, whose many objects live as long as it does."""
COLLECT_EVERY = 60.0
"""Seconds between two looks at the oldest generation. The desk leaves nothing there (`app.desk.strips`): one
takes 2 to 7 ms as measured, within a period of the risk loop; it is for what nobody has thought of."""


def tame_collector() -> None:
    """Keeps the garbage collector's long pauses out of the risk loop: what exists now is frozen, young
    generations stay small and frequent, and the oldest is collected by hand alone (`collect_by_hand`)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 1_000_000)


async def collect_by_hand(sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Freezes what the screen has brought, then looks at the oldest generation while little has gathered."""
    await sleep(SETTLED)
    gc.collect()
    gc.freeze()
    while True:
        await sleep(COLLECT_EVERY)
        gc.collect()


def run_headless(settings: Settings, options: RunOptions, log: Log) -> int:
    """Runs without a screen; prints the summary; returns the exit code."""
    link = MemoryLink(time.monotonic)
    runner = Runner(settings, options, link, log)
    stops = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "SIGINT"}
    before = {s: signal.signal(s, lambda n, _: runner.request_stop(stops[signal.Signals(n)])) for s in stops}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.stderr.isatty() and not options.json:
        runner.progress = lambda share, ts: _show(f"\r{100 * share:5.1f} %  {utc_text(ts)} ")
    if not options.json:
        runner.begun = lambda about: _show(_greeting(options, about))
    try:
        code, summary = runner.run()
    finally:
        if runner.progress is not None:
            _show("\r\x1b[K")
        for number, handler in before.items():
            signal.signal(number, handler)
    if options.json:
        say(json.dumps(summary) + "\n")
    elif settings.log.to == "file":
        say(summary_text(summary))
    else:  # standard output is the log's, line by line; the summary is its last line as well
        _show(summary_text(summary))
    return int(code)


def _greeting(options: RunOptions, about: dict[str, Any]) -> str:
    """What a person at a terminal should know of a run that shows nothing until it ends."""
    stop = "Ctrl+C or SIGTERM"
    if not options.virtual:
        stop += f", or 'breakwater ctl --state-dir {options.state_dir} shutdown'"
    return (
        f"breakwater: {about['mode']} account {about['account']} at {about['broker']}, feed {about['feed']}; "
        f"journal and log are in {options.state_dir}\n"
        f"breakwater: {stop} stops it\n"
    )


def _show(text: str) -> None:
    """Writes to standard error, which may be gone by now."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


class EngineThread:
    """The engine on a thread of its own, for the desk in the main thread."""

    def __init__(self, settings: Settings, options: RunOptions, log: Log) -> None:
        self.link = MemoryLink(time.monotonic)
        self.runner = Runner(settings, options, self.link, log)
        self.outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name="engine", daemon=False)

    def start(self) -> None:
        """Starts and waits until the engine trades, or has failed to start; raises what it failed with."""
        self._thread.start()
        self.runner.ready.wait()
        if self.runner.failure is not None:
            self._thread.join()
            raise self.runner.failure

    def _run(self) -> None:
        try:
            self.outcome = self.runner.run()
        except BaseException as error:  # noqa: BLE001 - kept in runner.failure and raised by whoever joins
            self.runner.failure = error

    def stop(self, reason: str) -> None:
        self.runner.request_stop(reason)

    def join(self, timeout: float | None = None) -> bool:
        """Waits for the end; False when it did not come in time."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def over(self) -> str:
        """How the run ended, once it has ended in order; empty before that, and after a failure."""
        return str(self.outcome[1]["reason"]) if self.outcome is not None else ""


def run_desk(settings: Settings, options: RunOptions, log: Log, who: str = "desk") -> int:
    """Runs the workstation: the engine on its thread, the screen here. The engine outlives the screen."""
    from app.desk.app import run_desk_app
    from app.desk.result import DeskResult

    engine = EngineThread(settings, options, log)
    asked: list[str] = []

    def on_signal(number: int, _: object) -> None:
        """Before the screen stands and after it has ended; while it stands, it has handlers of its own."""
        asked.append(signal.Signals(number).name)
        if number != signal.SIGHUP:
            engine.stop(asked[-1])

    before = {n: signal.signal(n, on_signal) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        engine.start()
        result = DeskResult("quit-screen", f"{' '.join(asked)} before it stood")
        if not asked:
            result = run_desk_app(
                engine.link,
                theme=settings.desk.theme,
                zone=settings.desk.zone,
                redact=Renderer(settings.secrets.values()).blank,
                frame_rate=5.0 if settings.desk.slow else settings.screen.frame_rate,
                bell=settings.desk.bell,
                mouse=settings.desk.mouse,
                plain=settings.desk.slow,
                glyphs=settings.desk.glyphs,
                who=who,
                report_dir=options.state_dir,
                over=engine.over,
            )
        if result.report is not None:
            say(f"the screen failed; its report is {result.report}\n")
        if result.reason == "stop-engine":
            engine.stop(result.detail)
        elif result.reason != "engine-ended" and asked in ([], ["SIGHUP"]) and not engine.join(0):
            outlive_terminal()
            level = {"crash": "error", "terminal-lost": "warning"}.get(result.reason, "info")
            log(level, f"the screen has ended: {result.detail}; the engine goes on", component="desk")
            say(_goes_on(options, result.detail))
        engine.join()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if engine.runner.failure is not None:
        raise engine.runner.failure
    assert engine.outcome is not None
    code, summary = engine.outcome
    say(json.dumps(summary) + "\n" if options.json else summary_text(summary))
    return int(code)


def _goes_on(options: RunOptions, why: str) -> str:
    ctl = f"breakwater ctl --state-dir {options.state_dir}"
    return (
        f"the screen has ended ({why}); the engine goes on without it, and this terminal may be closed.\n"
        f"Look with '{ctl} status', stop it with '{ctl} shutdown'.\n"
    )
