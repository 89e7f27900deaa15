"""`breakwater sentinel`: the process that watches over the engine; `--status` asks one that runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from app.exitcodes import ExitCode


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "sentinel",
        parents=common,
        help="watches over the engine and acts for it when it dies or stands still",
    )
    parser.add_argument("--status", action="store_true", help="say what the sentinel and the lease say")
    parser.add_argument("--spawned", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(handler=sentinel)


def sentinel(args: argparse.Namespace) -> int:
    """Runs one, again and again unless the engine has started it; or tells how the one that runs is."""
    from app import logs
    from app.ibrun import practised
    from app.options import RunOptions
    from app.paths import find_config, place_of, sentinel_log_path, state_dir
    from app.problems import BadConfig
    from app.sentinel import asking, process
    from app.settings import Settings, load
    from engine.control.directory import UnsafeDirectory
    from engine.journal import AlreadyRunning, StoreRefused

    env = os.environ
    config = find_config(args.config, env)
    given = {"feed.source": args.feed} if args.feed is not None else {}

    def read() -> Settings:
        return practised(load(config, env, given))

    try:
        settings = read()
    except BadConfig as error:
        return _fail(ExitCode.BAD_CONFIG, str(error))
    place = state_dir(args.state_dir, place_of(settings.profile, settings.feed.source, settings.stage), env)
    if args.status:
        told = asking.status(place)
        print(json.dumps(told) if args.json else "\n".join(f"{k}: {v}" for k, v in told.items()))
        return ExitCode.CLEAN
    options = RunOptions(state_dir=place, config=config, feed=settings.feed.source, seed=settings.seed)
    logs.configure(
        level=settings.log.level,
        file=sentinel_log_path(place),
        rotate_mb=settings.log.rotate_mb,
        keep=settings.log.keep,
        secrets=settings.secrets.values(),
    )
    try:
        while True:
            left = process.run(settings, options, spawned=args.spawned)
            if args.spawned or not left:
                return ExitCode.CLEAN
            time.sleep(1)  # the engine takes over what was done; then a new watch begins
            settings = read()
    except BadConfig as error:
        return _fail(ExitCode.BAD_CONFIG, str(error))
    except AlreadyRunning as error:
        return _fail(ExitCode.ALREADY_RUNNING, f"a sentinel runs with this state directory: {error}")
    except (StoreRefused, UnsafeDirectory, OSError) as error:
        return _fail(ExitCode.STORE_REFUSED, str(error))
    except Exception:
        logs.get("sentinel").exception("the sentinel failed")
        raise
    finally:
        logs.shutdown()


def _fail(code: ExitCode, text: str) -> int:
    for line in text.splitlines():
        sys.stderr.write(f"breakwater: {line}\n")
    return code
