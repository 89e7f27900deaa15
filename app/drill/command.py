"""`breakwater drill` itself: settings, account, agenda, progress, reports, exit code."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from app.cli import version
from app.drill.agenda import agenda
from app.drill.case import Case
from app.drill.context import DrillContext
from app.drill.model import OWN_EXCHANGE, CaseResult, DrillReport
from app.drill.notes import Broken
from app.drill.report_html import html
from app.drill.report_markdown import markdown
from app.drill.report_text import Progress, closing, listing
from app.drill.results import build_fingerprint, config_fingerprint, place_for, save
from app.drill.running import look_at_account, run_case
from app.exitcodes import ExitCode
from app.paths import default_config, find_config, state_dir
from app.problems import BadConfig, Problem
from app.settings import Settings, load


class DrillRefused(Exception):
    """The drill is not begun; the text says why and what to do."""


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
    if args.output:
        folder = Path(args.output).expanduser().absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name, kept = place_for(state, started)
    else:
        name, folder = place_for(state, started)
        kept = folder
    out = sys.stderr if args.json else sys.stdout
    progress = Progress(chosen, out)
    results: list[CaseResult] = []
    interrupted = False
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bw-drill-") as scratch:
        context = DrillContext(settings, seed, Path(scratch), data, args.against or "")
        if args.against:
            _must_be_free(context)
        if not args.json:
            out.write(f"Drill {name}: {len(chosen)} cases, seed {seed}, {_against(args)}.\n")
        progress.begin()
        interrupted = _run_all(chosen, context, results, progress)
        progress.end()
    report = DrillReport(
        id=name,
        started=started,
        wall=round(time.monotonic() - begin, 3),
        version=version(),
        build=build,
        config=config_fingerprint(settings),
        config_file=str(config or ""),
        against=_against(args),
        seed=seed,
        whole=len(chosen) == len(agenda().cases),
        interrupted=interrupted,
        cases=tuple(results),
    )
    save(kept, report)
    files = _write(folder, report)
    if folder != kept:
        save(folder, report)
    if args.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        sys.stdout.write(closing(report, files))
    if interrupted:
        return 130
    return ExitCode.CLEAN if report.passed else ExitCode.INTERNAL


def _run_all(cases: list[Case], context: DrillContext, results: list[CaseResult], progress: Progress) -> bool:
    """Runs them; True where a person or a service manager ended it early, and what ran is still reported."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for case in cases:
            result = run_case(case, context)
            results.append(result)
            progress.done(result)
    except KeyboardInterrupt:
        return True
    finally:
        signal.signal(signal.SIGTERM, before)
    return False


def _must_be_free(context: DrillContext) -> None:
    """A drill flattens: it must not flatten what is not its own. Raises `DrillRefused`."""
    try:
        holds = look_at_account(context)
    except Broken as error:
        raise DrillRefused(f"the account could not be looked at: {error}") from error
    if holds:
        raise DrillRefused(
            f"the account holds {holds}; a drill ends with kill and flatten, so it takes one that is flat "
            "with nothing working"
        )


def _against(args: argparse.Namespace) -> str:
    return f"profile {args.against}" if args.against else OWN_EXCHANGE


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
            "a drill breaks things on purpose and never runs against a live account; "
            "name a paper account of the same broker with --against"
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


def _write(folder: Path, report: DrillReport) -> list[str]:
    """The reports for people; returns their paths."""
    files = []
    for name, text in (("report.md", markdown(report)), ("report.html", html(report))):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        files.append(str(path))
    return [*files, str(folder / "result.json")]


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
