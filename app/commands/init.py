"""`breakwater init`: writes a commented configuration."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from app.exitcodes import ExitCode


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("init", parents=common, help="write a commented configuration file")
    parser.add_argument("path", nargs="?", help="where (default: where it is looked for)")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    from app import initconfig
    from app.paths import default_config

    named = args.path or args.config or os.environ.get("BREAKWATER_CONFIG")
    path = Path(named).expanduser() if named else default_config(os.environ)
    try:
        initconfig.write(path, force=args.force)
    except initconfig.Exists as error:
        sys.stderr.write(f"breakwater: {error}\n")
        return ExitCode.USAGE
    except OSError as error:
        sys.stderr.write(f"breakwater: {path} cannot be written: {error.strerror}; name another path\n")
        return ExitCode.USAGE
    print(f"wrote {path}; every key is commented out at its default")
    return ExitCode.CLEAN
