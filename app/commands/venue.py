"""`breakwater venue NAME`: a broker's own wire protocol over the simulated exchange, to practise against."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from app.exitcodes import ExitCode

VENUES = {"tws": "brokers.loopback.tws"}
"""Name on the command line → the module that is the venue's process."""

_USAGE = f"""usage: breakwater venue NAME [OPTIONS]

A broker's own wire protocol over the simulated exchange, on 127.0.0.1, to practise against.
NAME: {", ".join(VENUES)} (Interactive Brokers: any client for TWS or IB Gateway).
'breakwater venue tws --help' lists its options.
"""


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:  # noqa: ARG001
    """Its line in the help; its options are those of the venue's own module."""
    parser = commands.add_parser("venue", help="a broker's wire protocol over the simulated exchange")
    parser.set_defaults(handler=lambda _: become([]))


def become(words: Sequence[str]) -> NoReturn:
    """Turns this process into the venue, so that signals and exit code are its own."""
    if not words or words[0] not in VENUES:
        asked = bool(words) and words[0] in ("-h", "--help")
        print(_USAGE, end="", file=sys.stdout if asked else sys.stderr)
        raise SystemExit(ExitCode.CLEAN if asked else ExitCode.USAGE)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", VENUES[words[0]], *words[1:]])
