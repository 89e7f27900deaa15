"""`breakwater attach`: its command line; finds the engine, then `app.attach` shows it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from app.exitcodes import ATTACH_MEANING, AttachExit, table


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "attach",
        parents=common,
        help="the workstation's screen for an engine that runs elsewhere",
        description="Shows an engine that runs without a screen, or that has lost its own. The first screen "
        "is in control; others look on, may kill, and may take control.",
        epilog=table(ATTACH_MEANING),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--read-only", action="store_true", help="send nothing from here, not even a kill")
    parser.add_argument(
        "--take-control", action="store_true", help="take control from the screen that has it, if one has"
    )
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    from app.commands.run import no_terminal
    from app.ctl import NoStateDir, reach
    from engine.control.client import ControlClient, Unreachable

    if args.read_only and args.take_control:
        return _fail(AttachExit.USAGE, "--read-only and --take-control exclude each other")
    if missing := no_terminal():
        return _fail(AttachExit.USAGE, f"no screen: {missing}; 'breakwater ctl status' needs none")
    try:
        directory = reach(args, os.environ, "attach")
        with ControlClient(directory, name="attach"):
            pass  # who cannot get in learns why before the terminal is taken over
    except NoStateDir as error:
        return _fail(AttachExit.BAD_CONFIG, str(error))
    except Unreachable as error:
        return _fail(AttachExit.UNREACHABLE, str(error))
    from app.attach import run_attached

    return run_attached(
        directory,
        config=args.config,
        read_only=args.read_only,
        take_control=args.take_control,
        env=os.environ,
    )


def _fail(code: AttachExit, text: str) -> int:
    for line in text.splitlines():
        sys.stderr.write(f"breakwater attach: {line}\n")
    return code
