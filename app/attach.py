"""The desk in a process of its own, over the socket of an engine that runs elsewhere.

However this process ends, the engine goes on; whether it counts as lost or as closed is said by a goodbye.
"""

from __future__ import annotations

import logging
import queue
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.desk.options import DeskOptions
from app.desk.result import DeskResult
from app.desk.running import run_desk_app
from app.desk.terminal import say
from app.exitcodes import AttachExit
from app.link import SocketLink
from app.logsink import Renderer
from app.paths import find_config, log_path
from app.problems import BadConfig
from app.settings import Settings, load
from engine.control.commands import Answer, Shutdown

NEWS_KEPT: Final = 1_000
"""Events that a screen keeps at hand."""
ATTACH_WITHIN: Final = 2.0
"""Seconds that the engine gets to take the screen in before it is shown, empty, all the same."""
STOP_WITHIN: Final = 10.0
"""Seconds in which the engine must answer the wish to stop it."""


def run_attached(
    directory: Path, *, config: str | None, read_only: bool, take_control: bool, env: Mapping[str, str]
) -> int:
    """Shows the engine of a state directory until the screen ends; returns the exit code."""
    settings = _settings(config, env)
    # A word on standard error would stand in the middle of the screen.
    logging.basicConfig(
        level=logging.WARNING,
        handlers=[logging.FileHandler(log_path(directory).with_name("attach.log"), delay=True)],
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    desk = settings.desk
    rate = min(settings.screen.frame_rate, 5.0) if desk.slow else settings.screen.frame_rate
    link = SocketLink(directory, read_only=read_only, take_control=take_control, rate=rate, history=NEWS_KEPT)
    link.start()
    if refusal := link.attached(ATTACH_WITHIN):
        link.close(None)
        sys.stderr.write(f"breakwater attach: {refusal}\n")
        return AttachExit.UNREACHABLE
    goodbye: str | None = None
    try:
        result = run_desk_app(
            link,
            DeskOptions(
                **desk.looks(),
                redact=Renderer(settings.secrets.values()).blank,
                frame_rate=rate,
                who="attach",
                report_dir=directory,
                state_dir=directory,
                on_signal="signal",
                over=lambda: link.outdated,
            ),
        )
        code, goodbye = _ended(result, link, directory)
    finally:
        link.close(goodbye)
    return code


def _settings(config: str | None, env: Mapping[str, str]) -> Settings:
    """The screen's settings. A configuration that is being edited must not keep anybody from the engine."""
    try:
        return load(find_config(config, env), env)
    except BadConfig as error:
        sys.stderr.write(f"breakwater attach: the screen has its default settings: {error}\n")
        return Settings()


def _ended(result: DeskResult, link: SocketLink, directory: Path) -> tuple[AttachExit, str | None]:
    """Says how it ended: the exit code, and the goodbye where the screen went on purpose."""
    where = f"--state-dir {directory}"
    if result.report is not None:
        say(f"the screen failed; its report is {result.report}\n")
    match result.reason:
        case "stop-engine":
            answer = _stop_engine(link)
            say(f"{'' if answer.ok else 'the engine was NOT stopped: '}{answer.text}\n")
            return AttachExit.OK if answer.ok else AttachExit.REFUSED, result.detail
        case "quit-screen":
            say(
                "the screen is closed; the engine goes on. 'breakwater attach "
                f"{where}' brings it back; 'breakwater ctl {where} shutdown' stops the engine.\n"
            )
            return AttachExit.OK, result.detail
        case "crash":
            say(f"{result.detail}\nthe engine goes on; 'breakwater attach {where}' tries again.\n")
            return AttachExit.INTERNAL, None
        case _:
            say(f"the screen has ended ({result.detail}); the engine goes on.\n")
            return AttachExit.OK, None


def _stop_engine(link: SocketLink) -> Answer:
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    link.send(Shutdown(), "attach", answers.put)
    try:
        while not (answer := answers.get(timeout=STOP_WITHIN)).final:
            pass
    except queue.Empty:
        return Answer(
            ok=False, text=f"it did not answer within {STOP_WITHIN:g} s; look with 'breakwater ctl'"
        )
    return answer
