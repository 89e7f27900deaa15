"""`breakwater exchange`: the simulated exchange as a process of its own, for drills and tests."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:  # noqa: ARG001
    """Its line in the help; its options are those of `brokers.loopback.server`."""
    parser = commands.add_parser("exchange", help="the simulated exchange as a process of its own")
    parser.set_defaults(handler=lambda _: become([]))


def become(words: Sequence[str]) -> NoReturn:
    """Turns this process into the exchange, so that signals and exit code are its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "brokers.loopback.server", *words])
