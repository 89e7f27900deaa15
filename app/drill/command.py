"""`breakwater drill` itself: settings, account, agenda, progress, reports, exit code."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from app.cli import version
from app.drill.agenda import agenda
from app.drill.case import Case
from app.drill.context import DrillContext
from app.drill.guardian import guarded
from app.drill.model import OWN_EXCHANGE, PROFILE, DrillReport
from app.drill.notes import Broken
from app.drill.report_text import Progress, closing, listing
from app.drill.results import build_fingerprint, config_fingerprint, sealed
from app.drill.running import look_at_account, run_case
from app.drill.shelf import NotStored as NotStored
from app.drill.shelf import Shelf
from app.exitcodes import ExitCode
from app.paths import default_config, find_config, state_dir
from app.problems import BadConfig, Problem
from app.settings import Settings, load


class DrillRefused(Exception):
    """The drill is not begun; the text says why and what to do."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Runs the agenda; 0 where all that ran passed, 1 where something failed. Raises `BadConfig`,
    `DrillRefused`, `ValueError` for options."""
    chosen = agenda().chosen(args.only or [])
    if args.list:
        sys.stdout.write(_listed(chosen) if args.json else listing(chosen))
        return ExitCode.CLEAN
    config, settings = profile(args, env)
    seed = _seed(args.seed, settings)
    data = _folder(args.data)
    state = state_dir(args.state_dir, "paper", env)
    started = time.time_ns()
    build = build_fingerprint()  # of what runs now, whatever is installed meanwhile
    out = sys.stderr if args.json else sys.stdout
    with guarded() as scratch:
        context = DrillContext(settings, seed, scratch, data, args.against or "")
        if args.against:
            _must_be_free(context)
        shelf = Shelf(state, started, args.output)
        # Until it has ended it counts as interrupted: one that is killed leaves what it had found.
        report = DrillReport(
            id=shelf.name,
            started=started,
            wall=0.0,
            version=version(),
            build=build,
            config=config_fingerprint(settings),
            config_file=str(config or ""),
            against=_against(args),
            seed=seed,
            whole=len(chosen) == len(agenda().cases),
            interrupted=True,
            asked=len(chosen),
        )
        shelf.begin(report)
        progress = Progress(chosen, out)
        if not args.json:
            many = f"{len(chosen)} case{'s' if len(chosen) != 1 else ''}"
            progress.say(f"Drill {shelf.name}: {many}, seed {seed}, {_against(args)}.\n")
        report = _run_all(chosen, context, report, shelf, progress)
    files, problem = shelf.finish(report)
    with contextlib.suppress(OSError):  # the terminal, or whoever read this, may be gone; the report is not
        sys.stdout.write(
            msgspec.json.encode(sealed(report)).decode() + "\n" if args.json else closing(report, files)
        )
        sys.stdout.flush()
    if problem:
        raise NotStored(problem)
    if report.interrupted:
        return 130
    return ExitCode.CLEAN if report.passed else ExitCode.INTERNAL


def _run_all(
    cases: list[Case], context: DrillContext, report: DrillReport, shelf: Shelf, progress: Progress
) -> DrillReport:
    """Runs them; the report as it is in the end, interrupted where a person, a service manager or a terminal
    that was closed ended it early."""
    ends = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in ends]
    begin = time.monotonic()

    def so_far(**changes: Any) -> DrillReport:
        return msgspec.structs.replace(report, wall=round(time.monotonic() - begin, 3), **changes)

    progress.begin()
    try:
        for case in cases:
            result = run_case(case, context)
            report = so_far(cases=(*report.cases, result))
            shelf.keep(report)
            progress.done(result)
        return so_far(interrupted=False)
    except KeyboardInterrupt:
        return so_far()
    finally:
        progress.end()
        for number, handler in zip(ends, before, strict=True):
            signal.signal(number, handler)


def _must_be_free(context: DrillContext) -> None:
    """A drill flattens: it must not flatten what is not its own. Raises `DrillRefused`."""
    try:
        holds = look_at_account(context)
    except Broken as error:
        text = f"the account could not be looked at: {error}; see 'breakwater doctor --config …'"
        raise DrillRefused(ExitCode.NOT_FLAT, text) from error
    if holds:
        raise DrillRefused(
            ExitCode.NOT_FLAT,
            f"the account holds {holds}; a drill ends with kill and flatten, so it takes one that is flat "
            "with nothing working; flatten it with its own engine, or at the broker",
        )


def _against(args: argparse.Namespace) -> str:
    return f"{PROFILE}{args.against}" if args.against else OWN_EXCHANGE


def profile(args: argparse.Namespace, env: Mapping[str, str]) -> tuple[Path | None, Settings]:
    """The settings that are drilled: the trader's own, or those of the profile that --against names (a file,
    or NAME for NAME.toml beside the default configuration). Raises `DrillRefused` for live trading."""
    if args.against:
        named = Path(args.against).expanduser()
        if named.suffix != ".toml":
            named = default_config(env).parent / f"{args.against}.toml"
        if not named.exists():
            text = f"there is no profile {named}; write one with 'breakwater init {named}'"
            raise BadConfig([Problem("--against", "", text)])
        config: Path | None = named.absolute()
    else:
        config = find_config(args.config, env)
    settings = load(config, env)
    if settings.profile == "live":
        raise DrillRefused(
            ExitCode.LIVE_REFUSED,
            "a drill breaks things on purpose and never runs against a live account; "
            "name a paper account of the same broker with --against",
        )
    return config, settings


def _seed(given: str | None, settings: Settings) -> int:
    if given is None:
        return settings.seed
    if not given.isdecimal():
        raise ValueError(f"--seed: '{given}' is no whole number of 0 or more")
    return int(given)


def _folder(given: str | None) -> Path | None:
    if given is None:
        return None
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise ValueError(f"--data: there is no folder {folder}")
    return folder


def _listed(cases: list[Case]) -> str:
    return (
        json.dumps(
            [
                {
                    "id": c.id,
                    "title": c.title,
                    "why": c.why,
                    "pace": "real" if c.live is not None else "virtual",
                    "any_paper_account": c.live is not None and not c.own_exchange,
                    "controls": list(c.controls),
                }
                for c in cases
            ],
            ensure_ascii=False,
        )
        + "\n"
    )
