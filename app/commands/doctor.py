"""`breakwater doctor`: its command line; `app.doctor` does the checking."""

from __future__ import annotations

import argparse
import os
from typing import Any


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "doctor", parents=common, help="check configuration, disk, clock, journal, engine and broker"
    )
    parser.add_argument(
        "--broker",
        choices=("ib",),
        help="walk through the set-up of this broker, also where the configuration does not name it yet",
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="also run the program of [alerts] once with a test page, and say whether it took it",
    )
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    from app import doctor

    return doctor.run(args, os.environ)
