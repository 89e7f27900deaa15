"""The two ways to host an engine: headless on this thread, or on a thread of its own beside the desk."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import threading
import time
from typing import Any

from app.desk.terminal import FROM_TERMINAL, outlive_terminal, say
from app.logsink import Renderer
from app.options import RunOptions
from app.runner import Outcome, Runner
from app.settings import Settings
from app.summary import summary_text
from engine.control.memory import MemoryLink
from engine.core import Log, utc_text


def run_headless(settings: Settings, options: RunOptions, log: Log) -> int:
    """Runs without a screen; prints the summary; returns the exit code."""
    link = MemoryLink(time.monotonic)
    runner = Runner(settings, options, link, log)
    stops = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "SIGINT"}
    before = {s: signal.signal(s, lambda n, _: runner.request_stop(stops[signal.Signals(n)])) for s in stops}
    # Neither a terminal that goes nor job control at one that stays may end or stop an engine.
    for number in FROM_TERMINAL:
        before[number] = signal.signal(number, signal.SIG_IGN)
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
    """Writes to standard error, which may be gone by now; to one that takes nothing (ctrl+s), nothing."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr.isatty():
            _to_terminal(text)
        elif select.select([], [sys.stderr], [], 0)[1]:
            sys.stderr.write(text)
            sys.stderr.flush()


def _to_terminal(text: str) -> None:
    """Writes what the terminal takes and waits for nothing: one that took text a moment ago may be stopped by
    now. By an opening of its own: not to wait is a property of an opening, and the shell has the other one.
    """
    terminal = os.open(os.ttyname(sys.stderr.fileno()), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(terminal, text.encode(sys.stderr.encoding, "backslashreplace"))
    finally:
        os.close(terminal)


class EngineThread:
    """The engine on a thread of its own, for the desk in the main thread."""

    def __init__(self, settings: Settings, options: RunOptions, log: Log, screen: str = "") -> None:
        """`screen`: who sits at the screen beside it."""
        self.link = MemoryLink(time.monotonic)
        self.runner = Runner(settings, options, self.link, log)
        self.runner.screen = screen
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
    from app.desk.options import DeskOptions
    from app.desk.result import DeskResult
    from app.desk.running import run_desk_app
    from app.desk.welcome import venue

    engine = EngineThread(settings, options, log, screen=who)
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
            desk = DeskOptions(
                **settings.desk.looks(),
                redact=Renderer(settings.secrets.values()).blank,
                frame_rate=5.0 if settings.desk.slow else settings.screen.frame_rate,
                who=who,
                report_dir=options.state_dir,
                over=engine.over,
                state_dir=options.state_dir,
                welcome=venue(options.feed) if options.config is None else "",
            )
            result = run_desk_app(engine.link, desk)
        if result.report is not None:
            say(f"the screen failed; its report is {result.report}\n")
        if result.reason == "stop-engine":
            engine.stop(result.detail)
        elif result.reason != "engine-ended" and asked in ([], ["SIGHUP"]) and not engine.join(0):
            outlive_terminal()
            engine.runner.screen_ended(goodbye=result.reason == "quit-screen", how=result.detail)
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
    where = f"--state-dir {options.state_dir}"
    return (
        f"the screen has ended ({why}); the engine goes on without it and holds this terminal, which may be "
        f"closed.\nIn another one 'breakwater attach {where}' brings a screen back, and "
        f"'breakwater ctl {where} shutdown' ends the engine.\n"
    )
