"""`breakwater desk` and `breakwater headless`: settings and options checked, log started, engine run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app.exitcodes import ExitCode

if TYPE_CHECKING:
    from app.options import RunOptions
    from app.settings import Settings

NO_TERMINAL_FOR = "60s"
"""How long the engine runs when the workstation was asked for and there is no terminal."""


def add(commands: argparse._SubParsersAction[Any], common: list[argparse.ArgumentParser]) -> None:
    screen = commands.add_parser(
        "desk", parents=common, help="the workstation, with the engine in the same process (default)"
    )
    screen.set_defaults(handler=desk)
    without = commands.add_parser("headless", parents=common, help="the same engine without a screen")
    without.set_defaults(handler=headless)


def desk(args: argparse.Namespace) -> int:
    """The workstation; without a terminal a minute of the paper engine, and it says so."""
    missing = no_terminal()
    if not missing:
        return _start(args, with_screen=True)
    told = (
        f"no screen ({missing}): the same paper engine runs without a screen for "
        f"{args.duration or NO_TERMINAL_FOR}; 'breakwater headless' does so on purpose"
    )
    sys.stderr.write(f"breakwater: {told}\n")
    args.duration = args.duration or NO_TERMINAL_FOR
    return _start(args, with_screen=False, told=told)


def headless(args: argparse.Namespace) -> int:
    return _start(args, with_screen=False)


def no_terminal() -> str:
    """Why there can be no screen; empty where there can."""
    streams = (("input", sys.stdin), ("output", sys.stdout), ("error", sys.stderr))  # it draws on the last
    for name, stream in streams:
        if stream is None or not stream.isatty():
            return f"standard {name} is not a terminal"
    term = os.environ.get("TERM", "")
    return f"TERM is '{term}'" if term in ("", "dumb") else ""


def _start(args: argparse.Namespace, *, with_screen: bool, told: str = "") -> int:
    from app.options import parse_duration, parse_speed

    try:
        duration = _named("--for", parse_duration, args.duration)
        _named("--speed", parse_speed, args.speed)
        if args.seed is not None and not args.seed.isdecimal():
            raise ValueError(f"--seed: '{args.seed}' is no whole number of 0 or more")
    except ValueError as error:
        return _fail(args, ExitCode.USAGE, str(error))
    return _guarded(args, lambda: _run(args, duration, with_screen, told))


T = TypeVar("T")


def _named(option: str, parse: Callable[[str], T], text: str | None) -> T | None:
    """What an option says. Raises `ValueError` that names it."""
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error


def _guarded(args: argparse.Namespace, go: Callable[[], int]) -> int:
    """Runs, and turns what refuses to start into a message and an exit code."""
    from app.problems import BadConfig
    from app.promotion import GateClosed
    from app.settings import LiveRefused
    from brokers.exchange.ledger import LedgerError
    from engine.control.directory import UnsafeDirectory
    from engine.control.server import AlreadyRunning
    from engine.feeds.errors import FeedError
    from engine.journal import errors as journal

    try:
        return go()
    except BadConfig as error:
        return _fail(args, ExitCode.BAD_CONFIG, str(error))
    except LiveRefused as error:
        return _fail(args, ExitCode.LIVE_REFUSED, str(error))
    except GateClosed as error:
        return _fail(args, ExitCode.GATE_CLOSED, str(error))
    except (journal.AlreadyRunning, AlreadyRunning) as error:
        return _fail(args, ExitCode.ALREADY_RUNNING, str(error))
    except (journal.StoreRefused, journal.StoreFailed, LedgerError, UnsafeDirectory) as error:
        return _fail(args, ExitCode.STORE_REFUSED, str(error))
    except FeedError as error:
        return _fail(args, ExitCode.FEED_ERROR, str(error))


def _fail(args: argparse.Namespace, code: ExitCode, text: str) -> int:
    if args.json:
        print(json.dumps({"error": text, "exit": int(code)}))
    for line in text.splitlines():
        sys.stderr.write(f"breakwater: {line}\n")
    return code


def _run(args: argparse.Namespace, duration: int | None, with_screen: bool, told: str) -> int:
    from app import logs
    from app.paths import journal_path, log_path
    from engine.control.directory import private_directory
    from engine.journal.files import InstanceLock

    settings, options = prepare(args, duration, told, ask=with_screen)
    private_directory(options.state_dir)
    # Taken and given back: a run that is refused must not write into the log of the one that runs.
    InstanceLock.shared(journal_path(options.state_dir)).release()
    to_stdout = settings.log.to in ("stdout", "both") and not with_screen and not options.json
    logs.configure(
        level=settings.log.level,
        file=None if settings.log.to == "stdout" and to_stdout else log_path(options.state_dir),
        stdout=to_stdout,
        rotate_mb=settings.log.rotate_mb,
        keep=settings.log.keep,
        secrets=settings.secrets.values(),
        lossless=options.virtual,
    )
    from app import hosting

    try:
        if with_screen:
            return hosting.run_desk(settings, options, logs.engine_log())
        return hosting.run_headless(settings, options, logs.engine_log())
    except Exception:
        logs.get("app").exception("the run failed, or never began")
        raise
    finally:
        logs.shutdown()


def prepare(
    args: argparse.Namespace, duration: int | None, told: str, *, ask: bool
) -> tuple[Settings, RunOptions]:
    """Settings and options of a run. Raises `BadConfig`, `LiveRefused` and `GateClosed`."""
    from app.ibrun import practised
    from app.options import RunOptions, parse_speed
    from app.paths import find_config, place_of, state_dir
    from app.promotion import pass_gate
    from app.settings import LiveRefused, confirm_live, load

    env = os.environ
    config = find_config(args.config, env)
    given = {"feed.source": args.feed, "feed.speed": args.speed, "seed": args.seed}
    settings = practised(load(config, env, {key: value for key, value in given.items() if value is not None}))
    _refuse_stage(settings, str(config or "defaults"))
    if told and settings.profile == "live":
        raise LiveRefused("there is no terminal, and the profile is live; say breakwater headless on purpose")
    typed = args.live_confirmation
    if settings.profile == "live" and typed is None and ask:
        typed = _ask_for_account(settings.account)
    confirm_live(settings, typed)
    place = state_dir(args.state_dir, place_of(settings.profile, settings.feed.source, settings.stage), env)
    passage = pass_gate(settings, place, env, _words_for_gate(args, settings, place, ask))
    options = RunOptions(
        state_dir=place,
        config=config,
        feed=settings.feed.source,
        speed=parse_speed(str(settings.feed.speed)),
        duration=duration,
        seed=settings.seed,
        json=args.json,
        live_confirmation=typed,
        gate_missing=passage.missing,
        gate_typed=passage.typed,
        told=told,
    )
    return settings, options


def _words_for_gate(args: argparse.Namespace, settings: Settings, place: Path, ask: bool) -> str | None:
    """What overrides the gate: the option, or on the desk what a person types who saw what is missing."""
    from app.promotion import missing, phrase

    if args.override_gate is not None or not ask or settings.stage == "paper":
        given: str | None = args.override_gate
        return given
    lacking = missing(settings, place, os.environ)
    if not lacking:
        return None
    print(f"Stage {settings.stage} may not be started yet. Missing:")
    for item in lacking:
        print(f"  {item.text}")
    print(f"To start it all the same, and to have that journalled, type: {phrase(settings)}")
    try:
        return input("Anything else stops: ").strip()
    except EOFError:
        return ""


def _refuse_stage(settings: Settings, where: str) -> None:
    """Stages that this feed and broker cannot be traded in. Raises `BadConfig`."""
    from app.problems import BadConfig, Problem
    from app.shadow import nothing_to_shadow

    why = nothing_to_shadow(settings)
    if why:
        raise BadConfig([Problem(where, "stage", why)])
    if settings.stage == "live" and settings.profile != "live":
        text = "stage = live trades real money and takes profile = live; no broker that does is built yet"
        raise BadConfig([Problem(where, "stage", text)])


def _ask_for_account(account: str) -> str:
    print(f"This is LIVE trading with real money, account {account}.")
    try:
        return input("Type the account id to go on, anything else to stop: ").strip()
    except EOFError:
        return ""
