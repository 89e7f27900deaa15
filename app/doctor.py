"""`breakwater doctor`: looks at everything that a run needs without starting one, and says what to do."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from app import confine, doctor_host, ibrun
from app.ctl import NoStateDir, find_state_dir
from app.doctor_host import Check, Place
from app.doctor_strategies import strategies
from app.exitcodes import ExitCode
from app.paths import exchange_socket, find_config, journal_path, log_path
from app.problems import BadConfig
from app.promotion import checklist
from app.session import misplaced_strategies
from app.settings import Settings, load
from app.tables import plain
from brokers.ib.checkup import Finding, checkup
from brokers.loopback.wire import Address
from engine.clock import RealClock
from engine.control import wire
from engine.control.client import ControlClient, Refused, Unreachable
from engine.control.peer import socket_holder
from engine.feeds.errors import FeedError
from engine.feeds.open import open_feed
from engine.journal import tools
from engine.journal.errors import AlreadyRunning, StoreRefused


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    """Prints all findings; 0 unless one is FAIL."""
    found = list(examine(args, env))
    failed = [c for c in found if c.state == "FAIL"]
    if args.json:
        report = {"ok": not failed, "checks": [asdict(c) for c in found]}
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
    else:
        width = max(len(c.name) for c in found)
        for check in found:
            lines = check.text.splitlines() or [""]
            sys.stdout.write(f"{check.state}  {check.name.ljust(width)}  {plain(lines[0])}\n")
            for line in lines[1:]:
                sys.stdout.write(f"      {' ' * width}  {plain(line)}\n")
            if check.remedy:
                sys.stdout.write(f"      {' ' * width}  → {plain(check.remedy)}\n")
    return ExitCode.INTERNAL if failed else ExitCode.CLEAN


def examine(args: argparse.Namespace, env: Mapping[str, str]) -> Iterator[Check]:
    """All checks, in the order in which a start would meet the problems."""
    settings = Settings()
    config = find_config(args.config, env)
    try:
        given = {"feed.source": args.feed} if args.feed and ibrun.is_ib(args.feed) else {}
        settings = ibrun.practised(load(config, env, given))
        if args.broker == "ib":
            settings = settings.model_copy(update={"broker": "ib"})
        yield _config(config, settings)
    except BadConfig as error:
        yield Check(
            "config", "FAIL", str(error), "put the keys right; 'breakwater init PATH' writes a good example"
        )
    try:
        feed = args.feed or settings.feed.source
        place = Place(config, settings, find_state_dir(args, env), feed, env, args.page)
    except NoStateDir as error:
        yield Check("state dir", "FAIL", str(error), "name it with --state-dir")
        return
    for check in _CHECKS:
        yield from check(place)


def _config(path: Path | None, settings: Settings) -> Check:
    what = f"{settings.profile}, stage {settings.stage}, account {settings.account}, broker {settings.broker}"
    if path is None:
        return Check(
            "config", "PASS", f"no file; defaults: {what}", "'breakwater init' writes a commented one"
        )
    found = path.stat()
    if found.st_uid not in (0, os.geteuid()):
        return Check(
            "config",
            "FAIL",
            f"{path} belongs to uid {found.st_uid}, who can change your limits",
            f"say: chown {os.geteuid()} {path}",
        )
    if stat.S_IMODE(found.st_mode) & 0o022:
        return Check(
            "config",
            "FAIL",
            f"{path} can be written by others (mode {stat.S_IMODE(found.st_mode):04o}), limits included",
            f"say: chmod go-w {path}",
        )
    return Check("config", "PASS", f"{path}: {what}")


def _secrets(place: Place) -> Iterator[Check]:
    credentials = place.settings.credentials
    known = [name for name, value in place.settings.secrets if value is not None]
    if known:
        yield Check("secrets", "PASS", f"found: {', '.join(known)}")
    elif place.settings.broker == "paper":
        yield Check("secrets", "PASS", "none are needed for paper")
    elif place.settings.broker == "ib":
        yield Check("secrets", "PASS", "none are needed for IB: TWS holds the log-in")
    else:
        where = credentials.file or "the environment"
        yield Check("secrets", "WARN", f"none found in {where}", "set BREAKWATER_BROKER_PASSWORD or the like")


def _state_dir(place: Place) -> Iterator[Check]:
    path = place.state_dir
    if not path.exists():
        parent = next(p for p in path.parents if p.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield Check("state dir", "PASS", f"{path} does not exist yet; the first run makes it (0700)")
        else:
            yield Check(
                "state dir",
                "FAIL",
                f"{path} does not exist and {parent} cannot be written",
                "make it yours, or name another --state-dir",
            )
        return
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        yield Check("state dir", "FAIL", f"{path} is no directory", "name another --state-dir")
    elif found.st_uid != os.geteuid():
        yield Check(
            "state dir", "FAIL", f"{path} belongs to uid {found.st_uid}", "run as that user, or name another"
        )
    elif not os.access(path, os.W_OK | os.X_OK):
        yield Check("state dir", "FAIL", f"{path} cannot be written", f"say: chmod u+rwx {path}")
    elif mode & 0o077:
        yield Check(
            "state dir", "WARN", f"{path} is open to others (mode {mode:04o})", f"say: chmod 700 {path}"
        )
    else:
        yield Check("state dir", "PASS", f"{path} (0700)")
    for file in (journal_path(path), log_path(path)):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Check("files", "WARN", f"{file} can be used by others", f"say: chmod 600 {file}")


def _journal(place: Place) -> Iterator[Check]:
    path = journal_path(place.state_dir)
    if not path.exists() or not path.stat().st_size:  # empty: a start that was refused left it
        yield Check("journal", "PASS", "none yet; the first run makes it")
        return
    try:
        report = tools.verify(path)
    except AlreadyRunning as error:
        who = f"process {error.pid}" if error.pid else "a process"
        yield Check("journal", "PASS", f"in use by {who}, which verified it at its start")
        return
    except StoreRefused as error:
        yield Check("journal", "FAIL", str(error), "it was not touched")
        return
    except OSError as error:
        yield Check("journal", "FAIL", f"{path}: {error.strerror}", f"make it readable: chmod 600 {path}")
        return
    if report.ok:
        yield Check("journal", "PASS", f"{report.rows} rows, {report.executions} executions, all good")
    else:
        yield Check(
            "journal",
            "FAIL",
            "\n".join((f"{path} is damaged after {report.rows} good rows", *report.problems)),
            "'breakwater journal rotate' keeps it; then a backup, or a fresh start: the broker decides",
        )


def _engine(place: Place) -> Iterator[Check]:
    path = wire.socket_path(place.state_dir)
    holder = socket_holder(path)
    if holder is None:
        if path.exists():
            yield Check(
                "engine",
                "WARN",
                f"none runs, and {path} was left behind: the last one was killed",
                "start it again; it recovers from its journal",
            )
        else:
            yield Check("engine", "PASS", "none runs with this state directory")
        return
    try:
        with ControlClient(place.state_dir, name="doctor") as client:
            status: wire.Status = client.ask("status")
    except Refused as error:
        yield Check("engine", "WARN", f"process {holder}: {error}", "look again in some seconds")
        return
    except Unreachable as error:
        yield Check("engine", "FAIL", f"process {holder} does not answer: {error}", "act at the broker first")
        return
    text = f"runs as process {holder}: {status.mode}, {status.working} orders working"
    if status.halted:
        yield Check("engine", "WARN", f"{text}; HALTED: {status.halt_reason}", "'breakwater ctl reset …'")
    elif "down" in (status.broker, status.data, status.engine, status.journal):
        yield Check("engine", "WARN", f"{text}; something is down", "'breakwater ctl health'")
    else:
        yield Check("engine", "PASS", text)


def _sentinel(place: Place) -> Iterator[Check]:
    from app.sentinel.checkup import look

    yield Check("sentinel", *look(place.settings, place.state_dir, place.feed))


def _alerts(place: Place) -> Iterator[Check]:
    from app.paging import checkup

    yield Check("alerts", *checkup.look(place.settings, place.env, send=place.page))


def _interactive_brokers(place: Place) -> Iterator[Check]:
    """The set-up of TWS or IB Gateway, step by step."""

    async def walk() -> list[Finding]:
        settings = place.settings
        clock = RealClock(asyncio.get_running_loop())
        real, looks = ibrun.real_money(settings), settings.stage == "shadow"
        steps = checkup(settings.ib, settings.account, clock, real_money=real, read_only=looks)
        return [finding async for finding in steps]

    with contextlib.ExitStack() as stack:
        if place.feed == ibrun.LOOPBACK:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bw-")))
            try:
                gateway = ibrun.practice_gateway(place.settings, folder)
            except FeedError as error:
                yield Check(
                    "ib session", "FAIL", str(error), "another program may have that port: set ib.port"
                )
                return
            stack.callback(gateway.close)
        found = asyncio.run(walk())
    for finding in found:
        yield Check(*finding)


def _broker(place: Place) -> Iterator[Check]:
    if place.settings.broker == "ib":
        yield from _interactive_brokers(place)
        return
    kind, _, where = place.feed.partition(":")
    if kind == "exchange" and where:
        named = place.settings.connections
        for name, address in [(c.name, c.address) for c in named] or [("", "")]:
            yield _exchange(f"broker {name}".strip(), Address.parse(address or where), needed=True)
        return
    path = exchange_socket(place.state_dir)
    if path.exists():
        yield _exchange("broker", Address(path=path), needed=False)
        return
    yield Check("broker", "PASS", f"{place.settings.broker}: simulated in the engine's process")


def _exchange(title: str, address: Address, *, needed: bool) -> Check:
    """Whether an exchange listens at one address."""
    family = socket.AF_INET if address.path is None else socket.AF_UNIX
    probe = socket.socket(family, socket.SOCK_STREAM)
    probe.settimeout(2)
    try:
        if address.path is None:
            probe.connect(("127.0.0.1", address.port))
        else:
            with wire.reachable(address.path) as short:
                probe.connect(short)
        return Check(title, "PASS", f"an exchange in a process of its own listens on {address}")
    except OSError as error:
        option = f"--port {address.port}" if address.path is None else f"--socket {address.path}"
        return Check(
            title,
            "FAIL" if needed else "WARN",
            f"nothing answers at {address}: {error.strerror or error}",
            f"start it with 'breakwater exchange {option}'" + ("" if needed else ", or remove the file"),
        )
    finally:
        probe.close()


def _feed(place: Place) -> Iterator[Check]:
    """The feed, and whether strategies and limits name what it has."""
    if place.feed.startswith("exchange:"):
        yield Check("feed", "PASS", "market data comes with the exchange; see broker")
        return
    if ibrun.is_ib(place.feed):
        yield Check("feed", "PASS", "market data comes with the session; see ib data")
        return
    try:
        feed = open_feed(place.feed, seed=place.settings.seed, start_ns=time.time_ns())
    except FeedError as error:
        yield Check("feed", "FAIL", str(error), "put feed.source, or --feed, right")
        return
    listed = [i.symbol for i in feed.instruments]
    yield Check("feed", "PASS", f"{place.feed}: {', '.join(listed)}")
    for problem in misplaced_strategies(place.settings, listed, str(place.config or "environment")):
        yield Check("strategies", "FAIL", str(problem), "put the symbol right, or name another feed")
    limits = place.settings.risk
    for symbol in sorted({*limits.instruments, *limits.allowed} - set(listed)):
        yield Check(
            "limits",
            "WARN",
            f"risk names {symbol}, which this feed does not have; nothing is limited by it",
            f"it has {', '.join(listed)}",
        )


def _stage(place: Place) -> Iterator[Check]:
    """The stage, and what moving up demands."""
    stage = place.settings.stage
    items = checklist(place.settings, place.state_dir, place.env)
    lines = [f"{stage}; what moving up demands:"]
    for item in items:
        above = f" [{', '.join(item.stages)}]" if item.stages else ""
        lines.append(f"{'✓' if item.met else '✗'} {item.text}{above}")
    lacking = [i for i in items if not i.met and stage in i.stages]
    if lacking:
        remedy = "; ".join(i.remedy for i in lacking)
        yield Check("stage", "FAIL", "\n".join(lines), f"{remedy}; or set stage = paper")
    else:
        ahead = next((i.remedy for i in items if not i.met and i.stages), "")
        yield Check("stage", "PASS", "\n".join(lines), f"to move up: {ahead}" if ahead else "")


_CHECKS: tuple[Callable[[Place], Iterator[Check]], ...] = (
    _secrets,
    _state_dir,
    doctor_host.disk,
    doctor_host.clock,
    _journal,
    _engine,
    _sentinel,
    _alerts,
    _broker,
    _feed,
    strategies,
    confine.check,
    _stage,
    doctor_host.limits,
    doctor_host.terminal,
)
