"""`breakwater replay --desk`: a recording on the desk's own screens."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence

from app.desk.options import DeskOptions
from app.desk.running import run_desk_app
from app.desk.terminal import say
from app.exitcodes import ExitCode
from app.paths import find_config
from app.problems import BadConfig
from app.replay.command import books_config, instruments_of, journal_of, stand, together
from app.replay.link import ReplayLink
from app.settings import Settings, load
from engine.config import EngineConfig
from engine.model import Instrument
from engine.recorder import Tape


def run_desk(args: argparse.Namespace) -> int:
    """Opens the journal and shows it; returns 0 when the desk was closed. Raises what the journal refuses
    with, and `ValueError` for options that do not go together or name no moment."""
    if args.story or args.begin is not None or args.end is not None or args.json:
        raise ValueError("--desk goes with --at, --row and --step only; look for stories on the desk")
    together(args)
    link = ReplayLink(journal_of(args), lambda tape: _configured(args, tape), begin=_begin(args))
    link.start()
    try:
        while not link.ready.wait(0.1):
            if link.latest() is not None:
                break  # a long journal: the desk shows how far it is
        if link.failure is not None:
            raise link.failure
        desk = _settings(args).desk
        result = run_desk_app(link, DeskOptions(**{**desk.looks(), "bell": False, "notify": "no"}))
    finally:
        link.close()
    if result.report is not None:
        say(f"the screen failed; its report is {result.report}\n")
    return ExitCode.INTERNAL if result.reason == "crash" else ExitCode.CLEAN


def _settings(args: argparse.Namespace) -> Settings:
    """How the desk looks; the default where the configuration cannot be read, as for looking it need not."""
    try:
        return load(find_config(args.config, os.environ), os.environ)
    except BadConfig:
        return Settings()


def _configured(args: argparse.Namespace, tape: Tape) -> tuple[EngineConfig, Sequence[Instrument]]:
    return books_config(args, tape), instruments_of(tape)


def _begin(args: argparse.Namespace) -> Callable[[Tape], int]:
    def begin(tape: Tape) -> int:
        return max(1, stand(args, tape)[1])

    return begin
