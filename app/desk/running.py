"""Runs a desk in the main thread until it ends: its signals, its failures, the terminal that it leaves."""

from __future__ import annotations

import signal

from app.desk import crash
from app.desk.app import DeskApp
from app.desk.options import DEFAULTS, DeskOptions
from app.desk.result import DeskResult, Reason
from app.desk.terminal import leave_terminal, outlive_terminal
from engine.control.link import Link


def run_desk_app(link: Link, options: DeskOptions = DEFAULTS) -> DeskResult:
    """Runs the desk in the main thread until it ends. The engine is not touched, whatever happens here.

    A crashed screen is started again `restarts` times, and says so; `on_crash` hears of each crash. SIGTERM
    and SIGINT end it with `on_signal`, a text from `over` with `engine-ended`, SIGHUP and a lost terminal
    with `terminal-lost`; after the latter the standard streams are /dev/null and SIGHUP, SIGTSTP, SIGTTIN
    and SIGTTOU stay ignored, so that the process can go on without a terminal. Other handlers are put back.
    """
    failed, left = "", options.restarts
    while True:
        try:
            app = DeskApp(link, options, failed)
        except Exception as error:  # noqa: BLE001 - the engine runs already, and must not be left without a word
            return _never_stood(error, options)
        result = _run_once(app, options.mouse, options.on_signal)
        if result.reason != "crash":
            return result
        if options.on_crash is not None:
            options.on_crash(result)
        if left <= 0:
            return result
        left -= 1
        failed = result.detail


def _never_stood(error: Exception, options: DeskOptions) -> DeskResult:
    report = crash.write_report(error, options.report_dir, options.redact)
    text = options.redact(f"there was no screen: {type(error).__name__}: {error}")
    result = DeskResult("crash", text, report)
    if options.on_crash is not None:
        options.on_crash(result)
    return result


def _run_once(app: DeskApp, mouse: bool, on_signal: Reason) -> DeskResult:
    ends: dict[int, tuple[Reason, str]] = {
        signal.SIGTERM: (on_signal, "SIGTERM"),
        signal.SIGINT: (on_signal, "SIGINT"),
        signal.SIGHUP: ("terminal-lost", "terminal lost: SIGHUP"),
    }

    told: list[int] = []

    def ended(number: int, _frame: object) -> None:
        told.append(number)
        app.on_loop(app.finish, *ends[number])

    before = {number: signal.signal(number, ended) for number in ends}
    try:
        app.run(mouse=mouse)
    except Exception as error:  # noqa: BLE001 - what fails in the screen must not take the engine's process down
        app._handle_exception(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    result = app.desk_result or DeskResult("crash", "the screen ended without saying why")
    if result.reason == "terminal-lost":
        outlive_terminal()
        leave_terminal()
    # Whoever shuts a session down sends SIGHUP and SIGTERM at once: the screen ends by the first that comes,
    # and the second is an order all the same.
    stops = [number for number in told if number != signal.SIGHUP]
    if stops and result.reason in ("terminal-lost", "quit-screen", "crash"):
        return DeskResult(*ends[stops[0]], result.report)
    return result
