"""`breakwater init`: writes a commented configuration."""

from __future__ import annotations

import argparse
import json
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
        return _fail(args, str(error))
    except OSError as error:
        return _fail(args, f"{path} cannot be written: {error.strerror}; name another path")
    told = f"wrote {path}; every key is commented out at its default"
    print(json.dumps({"file": str(path)}) if args.json else told)
    return ExitCode.CLEAN


def _fail(args: argparse.Namespace, text: str) -> int:
    if args.json:
        print(json.dumps({"error": text, "exit": int(ExitCode.USAGE)}))
    sys.stderr.write(f"breakwater: {text}\n")
    return ExitCode.USAGE
