"""`breakwater replay`: its command line; `app.replay` does the looking."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from app.exitcodes import ExitCode


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "replay",
        parents=common,
        help="the flight recorder: the state at any moment, and the story of an order or alarm",
        description="Rebuilds the engine's state at any moment from a journal: of a stopped engine, a "
        "backup, or (from a copy) of a running one. Nothing is written.",
    )
    parser.add_argument("journal", nargs="?", help="file, or state directory (default: the one in use)")
    parser.add_argument(
        "--at", metavar="TIME", help="2026-11-25T14:30:07Z, 14:30:07 (UTC), +90s, -5m (default: end)"
    )
    parser.add_argument("--row", metavar="N", type=int, help="stand at this row instead")
    parser.add_argument("--step", metavar="N", type=int, help="so many rows on from there; back with -N")
    parser.add_argument("--from", dest="begin", metavar="TIME", help="list the rows from here")
    parser.add_argument("--to", dest="end", metavar="TIME", help="list the rows up to here")
    parser.add_argument(
        "--story", metavar="ID", help="follow an order id, a correlation id, or an alarm (#12)"
    )
    parser.add_argument(
        "--desk", action="store_true", help="on the desk: step, play and jump; every screen shows the moment"
    )
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    from app.ctl import NoStateDir
    from app.replay import command
    from engine.journal.errors import StoreRefused

    try:
        if args.desk:
            from app.replay.desk import run_desk

            return run_desk(args)
        return command.run(args)
    except NoStateDir as error:
        return _fail(args, ExitCode.BAD_CONFIG, str(error))
    except StoreRefused as error:
        return _fail(args, ExitCode.STORE_REFUSED, str(error))
    except FileNotFoundError as error:
        text = f"there is no {error.filename}" if error.filename else str(error)
        return _fail(args, ExitCode.STORE_REFUSED, f"{text}; name the journal or its state directory")
    except ValueError as error:
        return _fail(args, ExitCode.USAGE, str(error))
    except BrokenPipeError:
        raise  # who reads has seen enough: no fault of the journal
    except OSError as error:
        return _fail(args, ExitCode.STORE_REFUSED, f"{error.filename}: {error.strerror}")


def _fail(args: argparse.Namespace, code: ExitCode, text: str) -> int:
    if args.json:
        print(json.dumps({"error": text, "exit": int(code)}))
    sys.stderr.write(f"breakwater: {text}\n")
    return code
