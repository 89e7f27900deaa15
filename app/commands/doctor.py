"""`breakwater doctor`: its command line; `app.doctor` does the checking."""

from __future__ import annotations

import argparse
import os
from typing import Any


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "doctor", parents=common, help="check configuration, disk, clock, journal, engine and broker"
    )
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    from app import doctor

    return doctor.run(args, os.environ)
