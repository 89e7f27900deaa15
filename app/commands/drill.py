"""`breakwater drill`: its command line; `app.drill` does the drilling."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from app.exitcodes import ExitCode


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "drill",
        parents=common,
        help="break things on purpose on paper, and report whether all held",
        description="Runs the adversarial agenda: connection, every order transition, breakdowns, every "
        "limit, kill and flatten. By default against exchanges of its own, with your limits; nothing is "
        "traded at a broker. Results are stored for the promotion gates.",
    )
    parser.add_argument("--list", action="store_true", help="show the cases and stop")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="numbers or globs: 2.3, 4, '3.*', '*kill*'")
    parser.add_argument("--seed", metavar="N", help="seed of everything that is drawn by chance")
    parser.add_argument(
        "--against", metavar="PROFILE", help="a paper account: a configuration, or NAME of one"
    )
    parser.add_argument("--data", metavar="DIR", help="folder with recorded days, for the recorded shock")
    parser.add_argument(
        "--output", metavar="DIR", help="where reports go (default: the state directory's drills)"
    )
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    from app.drill import command
    from app.problems import BadConfig

    try:
        return command.run(args, os.environ)
    except BadConfig as error:
        return _fail(args, ExitCode.BAD_CONFIG, str(error))
    except command.DrillRefused as error:
        return _fail(args, error.code, str(error))
    except command.NotStored as error:
        return _fail(args, ExitCode.STORE_REFUSED, str(error))
    except ValueError as error:
        return _fail(args, ExitCode.USAGE, str(error))
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _fail(args, ExitCode.USAGE, text)


def _fail(args: argparse.Namespace, code: ExitCode, text: str) -> int:
    if args.json:
        print(json.dumps({"error": text, "exit": int(code)}))
    sys.stderr.write(f"breakwater: {text}\n")
    return code
