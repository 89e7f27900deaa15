"""`breakwater journal`: export, verify, back up or move aside a stopped engine's journal; compare two."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from app.exitcodes import ExitCode


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("journal", parents=common, help="look after the journal of a stopped engine")
    parser.set_defaults(handler=_run)
    verbs = parser.add_subparsers(dest="journal", metavar="WHAT", required=True)
    for name, text, target in (
        ("export", "write all rows as JSON lines", "file to write; must not exist"),
        ("verify", "check every row's checksum and order", None),
        ("backup", "copy it, verified", "file to write; must not exist"),
        ("rotate", "move it aside, so that the next run starts a new one", None),
    ):
        verb = verbs.add_parser(name, parents=common, help=text)
        verb.add_argument("--journal", dest="file", metavar="FILE", help="instead of the state directory's")
        if target:
            verb.add_argument("target", help=target)
    verb = verbs.add_parser(
        "compare", parents=common, help="a shadow's fills beside those of a real run, order by order"
    )
    verb.add_argument("--journal", dest="file", metavar="FILE", help="instead of the state directory's")
    verb.add_argument("--against", metavar="FILE", required=True, help="the journal of the real run")
    verb.add_argument("--within", default="5s", help="how far apart two orders may be made (default 5s)")


def _run(args: argparse.Namespace) -> int:
    from app.ctl import NoStateDir, find_state_dir
    from app.paths import journal_path
    from engine.journal import errors, tools

    try:
        path = Path(args.file) if args.file else journal_path(find_state_dir(args, os.environ))
        if args.journal == "verify":
            return _verify(args, path)
        if args.journal == "compare":
            return _compare(args, path)
        if args.journal == "export":
            rows = tools.export(path, Path(args.target))
            _say(args, f"{rows} rows written to {args.target}", rows=rows, file=args.target)
        elif args.journal == "backup":
            rows = tools.backup(path, Path(args.target))
            _say(args, f"{rows} rows copied to {args.target} and verified", rows=rows, file=args.target)
        else:
            moved = tools.rotate(path)
            _say(args, f"moved to {moved}; the next run starts a new journal", file=str(moved))
    except NoStateDir as error:
        return _fail(args, ExitCode.BAD_CONFIG, str(error))
    except errors.AlreadyRunning as error:
        return _fail(args, ExitCode.ALREADY_RUNNING, str(error))
    except errors.StoreRefused as error:
        return _fail(args, ExitCode.STORE_REFUSED, str(error))
    except FileNotFoundError as error:
        return _fail(args, ExitCode.STORE_REFUSED, f"{_text(error)}; name its --state-dir")
    except FileExistsError as error:
        return _fail(args, ExitCode.USAGE, _text(error))
    except BrokenPipeError:
        raise  # who reads has seen enough: no fault of the journal
    except OSError as error:
        return _fail(args, ExitCode.STORE_REFUSED, _text(error))
    return ExitCode.CLEAN


def _text(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.strerror else str(error)


def _verify(args: argparse.Namespace, path: Path) -> int:
    import msgspec

    from engine.journal import tools

    if not path.exists():
        raise FileNotFoundError(f"there is no journal at {path}")
    report = tools.verify(path)
    if args.json:
        print(msgspec.json.encode(report).decode())
    elif report.ok:
        print(f"{path}: good, {report.rows} rows, {report.executions} executions, {report.bytes} bytes")
    else:
        where = "" if report.first_bad is None else f" from row {report.first_bad} on"
        print(f"{path}: DAMAGED{where}; {report.rows} rows before it are good")
        for problem in report.problems:
            print(f"  {problem}")
        print(
            "  Keep it with 'breakwater journal rotate', then put a backup in its place or start afresh: the "
            "broker's own orders, executions and positions decide."
        )
    return ExitCode.CLEAN if report.ok else ExitCode.INTERNAL


def _compare(args: argparse.Namespace, path: Path) -> int:
    import msgspec

    from app.compare import compare, text
    from app.options import parse_duration
    from engine.recorder import open_tape

    try:
        within = parse_duration(args.within)
        with open_tape(path) as shadow, open_tape(Path(args.against)) as real:
            found = compare(shadow, real, within)
    except ValueError as error:
        return _fail(args, ExitCode.USAGE, str(error))
    print(msgspec.json.encode(found).decode() if args.json else text(found))
    return ExitCode.CLEAN


def _say(args: argparse.Namespace, text: str, **fields: object) -> None:
    print(json.dumps(fields) if args.json else text)


def _fail(args: argparse.Namespace, code: ExitCode, text: str) -> int:
    if args.json:
        print(json.dumps({"error": text, "exit": int(code)}))
    sys.stderr.write(f"breakwater: {text}\n")
    return code
