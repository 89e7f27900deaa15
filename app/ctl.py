"""`breakwater ctl`: asks a running engine over its socket, and says what came of it."""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from app.exitcodes import CtlExit
from app.paths import find_config, journal_path, place_of, state_dir
from app.tables import SHOW, plain
from engine.control import commands as c
from engine.control import wire
from engine.control.client import ControlClient, NoAnswer, Refused, Unreachable
from engine.control.peer import socket_holder
from engine.model import OrderType, Side, TimeInForce


class Usage(Exception):
    """The arguments make no command."""


class NoStateDir(Exception):
    """Which engine is meant cannot be told."""


def run(args: argparse.Namespace, env: Mapping[str, str] = os.environ) -> int:
    """Carries out one `ctl` command line; returns the exit code."""
    try:
        command = None if args.ctl in (*SHOW, "news") else make(args)
        directory = reach(args, env, "ctl")
        if args.ctl == "news":
            from app import news  # here and not above: it needs what a kill does not

            return news.run(args, directory)
        return _show(args, directory) if command is None else _command(args, command, directory)
    except Usage as error:
        return _fail(args, CtlExit.USAGE, str(error))
    except NoStateDir as error:
        return _fail(args, CtlExit.BAD_CONFIG, str(error))
    except Unreachable as error:
        return _fail(args, CtlExit.UNREACHABLE, str(error))
    except Refused as error:
        return _fail(args, CtlExit.REFUSED, str(error))
    except NoAnswer as error:
        return _fail(args, CtlExit.UNSURE, str(error))


def find_state_dir(args: argparse.Namespace, env: Mapping[str, str]) -> Path:
    """The state directory of the engine that is meant: that of a run with the same options.

    A configuration that is broken in any other key does not matter: a kill must get through. Where even the
    profile cannot be read, the engine that runs is meant.
    """
    if args.state_dir or env.get("BREAKWATER_STATE_DIR"):
        return state_dir(args.state_dir, "paper", env)
    profile, feed = env.get("BREAKWATER__PROFILE"), args.feed or env.get("BREAKWATER__FEED__SOURCE")
    stage = env.get("BREAKWATER__STAGE")
    config = find_config(args.config, env)
    if config is not None and None in (profile, feed, stage):
        try:
            tree = tomllib.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            running = [p for p in ("paper", "live") if wire.socket_path(state_dir(None, p, env)).exists()]
            if profile is None and len(running) != 1:
                raise NoStateDir(
                    f"{config} cannot be read ({error}), so the engine cannot be told; name its --state-dir"
                ) from error
            profile = profile or running[0]
        else:
            profile, stage = profile or tree.get("profile"), stage or tree.get("stage")
            section = tree.get("feed")
            feed = feed or (section.get("source") if isinstance(section, dict) else None)
    place = place_of("live" if profile == "live" else "paper", str(feed or ""), str(stage or ""))
    return state_dir(None, place, env)


def reach(args: argparse.Namespace, env: Mapping[str, str], asks: str) -> Path:
    """The state directory of an engine that can be spoken to; `asks`: which of our commands wants to.

    Raises `NoStateDir`, and `Unreachable` where an engine runs and listens to nobody.
    """
    directory = engine_dir(args, env, asks)
    if not wire.socket_path(directory).exists() and (why := _takes_no_commands(directory)):
        raise Unreachable(why)
    return directory


def engine_dir(args: argparse.Namespace, env: Mapping[str, str], asks: str = "ctl") -> Path:
    """As `find_state_dir`; but where nothing was named, no engine runs there and one of the same profile runs
    elsewhere (a replay has a directory of its own), that one is meant, and it is said.

    Raises `Unreachable` where several run elsewhere.
    """
    directory = find_state_dir(args, env)
    named = args.state_dir or env.get("BREAKWATER_STATE_DIR") or args.feed
    if named or wire.socket_path(directory).exists() or directory.name == "live":
        return directory
    running = [
        path.parent
        for path in sorted(directory.parent.glob(f"*/{wire.SOCKET_NAME}"))
        if path.parent.name != "live" and socket_holder(path) is not None
    ]
    if not running:
        return directory
    if len(running) > 1:
        listed = ", ".join(map(str, running))
        raise Unreachable(f"no engine runs in {directory}; name one that does with --state-dir: {listed}")
    sys.stderr.write(f"breakwater {asks}: {running[0]} is meant: no other engine runs\n")
    return running[0]


def _takes_no_commands(directory: Path) -> str:
    """Why an engine that holds the journal has no socket; empty where none holds it."""
    journal = journal_path(directory)
    if not journal.exists():
        return ""
    # Here and not above: the journal's package is heavy, and a kill that finds its socket has no use for it.
    from engine.journal.errors import AlreadyRunning, StoreRefused
    from engine.journal.files import InstanceLock

    try:
        InstanceLock.shared(journal).release()
    except AlreadyRunning as error:
        return (
            f"process {error.pid or '?'} runs in {directory} and takes no commands: it is just starting, or "
            f"runs in virtual time (--speed max). 'kill -TERM {error.pid or 'PID'}' stops it gracefully"
        )
    except StoreRefused:
        return ""
    return ""


def _fail(args: argparse.Namespace, code: CtlExit, text: str) -> int:
    if args.json:
        sys.stdout.write(json.dumps({"ok": False, "text": text, "exit": int(code)}) + "\n")
    lines = "\n".join(map(plain, text.split("\n")))
    sys.stderr.write(f"breakwater ctl: {lines}\n")
    return code


def _show(args: argparse.Namespace, directory: Path) -> int:
    with ControlClient(directory) as client:
        if args.json:
            sys.stdout.write(client.ask_raw(args.ctl).decode() + "\n")
        else:
            data, ts = client.ask_as_of(args.ctl)
            sys.stdout.write(SHOW[args.ctl](data, ts) + "\n")
    return CtlExit.OK


# ---- commands


def make(args: argparse.Namespace) -> c.AnyCommand:
    """The command that the arguments say. Raises `Usage`."""
    match args.ctl:
        case "submit":
            return _submit(args)
        case "modify":
            if args.words:
                return _modified(args)
            change = c.Modify(
                order_id=args.order,
                size=_decimal("--size", args.size),
                limit=_decimal("--limit", args.limit),
                stop=_decimal("--stop", args.stop),
            )
            if change.size is None and change.limit is None and change.stop is None:
                raise Usage("say what to modify: --size, --limit or --stop")
            return change
        case "do":
            return _said(" ".join(args.words))
        case "buy" | "sell" | "limit" | "roll":
            return _said(" ".join((args.ctl, *args.words)))
        case "cancel":
            return _said(" ".join(("cancel", *args.order)))
        case "cancel-all":
            return c.CancelAll(symbol=args.symbol, strategy=args.strategy)
        case "cancel-everything":
            return c.CancelEverything(account=args.account)
        case "flatten":
            return c.Flatten(symbol=args.symbol)
        case "kill":
            return c.Kill(flatten=not args.no_flatten, reason=args.reason)
        case "reset":
            return _reset(args)
        case "pause":
            return c.Pause(strategy=args.strategy)
        case "resume":
            return c.Resume(strategy=args.strategy)
        case "strategy":
            if args.leave and args.what != "stop":
                raise Usage(f"{args.leave} goes with stop only")
            return _said(" ".join(filter(None, (args.what, args.name, args.leave))))
        case "reload":
            return c.Reload()
        case "adopt":
            return c.Adopt(symbol=args.symbol)
        case "claim":
            return c.Claim(broker_id=args.broker_id, strategy=args.strategy)
        case "gone":
            return c.Gone(order_id=args.order_id)
        case "ack":
            if args.alert != "all" and not args.alert.isdecimal():
                raise Usage(f"'{args.alert}' is no alert; give its number, or all")
            return c.Acknowledge(alert_id=None if args.alert == "all" else int(args.alert))
        case "alert-test":
            return c.TryAlerts()
        case "shutdown":
            return c.Shutdown()
    raise Usage(f"there is no command '{args.ctl}'")


def _said(line: str) -> c.AnyCommand:
    """A line in the desk's command language. Raises `Usage`."""
    from app.grammar.tokens import Context, Misspoken
    from app.grammar.verbs import OfDesk, parse

    try:
        # Neither names nor the engine's time are known here: the engine judges them.
        command = parse(line, Context(zone="")).command
    except Misspoken as error:
        raise Usage(error.pointed(line)) from error
    if isinstance(command, OfDesk):
        raise Usage("armed, safe and its theme are the state of a desk; ctl sends what it is told")
    return command


def _modified(args: argparse.Namespace) -> c.AnyCommand:
    if args.size or args.limit or args.stop:
        raise Usage("give the change in words (size 3 @ 5010) or as options, not both")
    return _said(" ".join(("modify", args.order, *args.words)))


def _submit(args: argparse.Namespace) -> c.Submit:
    size = _decimal("SIZE", args.size)
    if size is None or size <= 0:
        raise Usage(f"SIZE must be above zero, not {args.size}; say sell to sell")
    limit = _decimal("--limit", args.limit)
    if args.price is not None:
        if not args.price.startswith("@"):
            raise Usage(f"'{args.price}' is no price; write it as @{args.price}")
        if limit is not None:
            raise Usage("give one limit price, @PRICE or --limit")
        limit = _decimal("@PRICE", args.price[1:])
    stop = _decimal("--stop", args.stop)
    if args.market and (limit is not None or stop is not None):
        raise Usage("--market goes with no price")
    if not args.market and limit is None and stop is None:
        raise Usage("give a price (@PRICE, --limit, --stop), or say --market")
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    if args.tif == "GTD":
        raise Usage("GTD needs a time, which ctl cannot give; use DAY, GTC, IOC or FOK")
    return c.Submit(
        symbol=args.symbol,
        side=Side.BUY if args.side == "buy" else Side.SELL,
        size=size,
        type=kinds[limit is not None, stop is not None],
        limit=limit,
        stop=stop,
        tif=TimeInForce(args.tif),
        reduce_only=args.reduce_only,
        post_only=args.post_only,
        take_profit=_decimal("--take-profit", args.take_profit),
        stop_loss=_decimal("--stop-loss", args.stop_loss),
        preview=args.preview,
    )


def _reset(args: argparse.Namespace) -> c.Reset:
    if args.scope in ("instrument", "control"):
        if not args.target:
            raise Usage(f"say which {args.scope}: breakwater ctl reset {args.scope} NAME")
        return c.Reset(scope=args.scope, target=args.target)
    if args.target:
        raise Usage(f"reset {args.scope} takes no name")
    return c.Reset(scope="day_loss" if args.scope == "day-loss" else "halt")


def _decimal(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise Usage(f"{name}: '{text}' is no number")
    return value


def _command(args: argparse.Namespace, command: c.AnyCommand, directory: Path) -> int:
    with ControlClient(directory) as client:
        if isinstance(command, (c.Kill, c.Flatten)):
            return _kill(args, client, command)
        answer = client.command(command, args.wait)
        while isinstance(command, c.Reload) and "digest" in answer.data and _may_widen(args, answer):
            command = c.Reload(shown=answer.data["digest"])
            answer = client.command(command, args.wait)
        if isinstance(command, c.Shutdown) and answer.ok:
            _until_gone(client, args.wait)
    if args.json:
        _print_answer(answer, CtlExit.OK if answer.ok else CtlExit.REFUSED)
    elif answer.ok:
        sys.stdout.write("\n".join(map(plain, _told(answer))) + "\n")
    else:
        more = "; 'breakwater ctl reload --widen' takes it over" if "digest" in answer.data else ""
        sys.stderr.write(f"refused: {plain(answer.text)}{more}\n")
    return CtlExit.OK if answer.ok else CtlExit.REFUSED


def _told(answer: c.Answer) -> list[str]:
    """An answer for a person; what an order or a limit would mean in the desk's words."""
    data = answer.data
    if "key" in data or "worst_then" in data:
        # Here and not above: nothing else of the desk is of use to a command.
        from app.desk.view import preview

        lines = preview.limit(data) or preview.meaning(data)
        return [answer.text, *(f"  {''.join(cell.text for cell in line)}".rstrip() for line in lines)]
    # The version stands in the text already.
    details = " ".join(f"{k}={v}" for k, v in data.items() if k not in ("version", "meaning"))
    return [f"{answer.text} {details}".rstrip(), *filter(None, data.get("meaning", "").split("\n"))]


def _may_widen(args: argparse.Namespace, answer: c.Answer) -> bool:
    """Whether what lets more through is meant: said beforehand, or typed by a person who has read it."""
    asked: bool = args.ctl == "reload" and args.widen
    if args.json or (not asked and not sys.stdin.isatty()):
        return asked and "again" not in answer.data
    changed = "The file has changed since it was shown. " if "again" in answer.data else ""
    sys.stderr.write(f"{changed}It lets more through:\n")
    for line in answer.data["changes"].split("\n"):
        sys.stderr.write(f"  {plain(line)}\n")
    if asked:
        return not changed  # what was asked for beforehand was about this very file
    sys.stderr.write("Type WIDEN to take it over, anything else leaves the limits as they are: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().upper() == "WIDEN"


def _print_answer(answer: c.Answer, code: CtlExit, **more: object) -> None:
    row = {"ok": answer.ok, "text": answer.text, "data": answer.data, "exit": int(code), **more}
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


def _until_gone(client: ControlClient, within: float) -> None:
    """Waits until the engine has closed the connection, then for its process to end, so that the next start
    finds everything free. Raises `NoAnswer` where it does not let go of the connection."""
    deadline = time.monotonic() + within
    try:
        while client.receive(deadline - time.monotonic()) is not None:
            pass
    except Unreachable:
        pid = client.welcome.pid if client.welcome is not None else 0
        _await_process(pid, deadline - time.monotonic())
        return
    raise NoAnswer(f"the engine took the shutdown and is still there after {within:g} s")


def _await_process(pid: int, within: float) -> None:
    """Waits for a process to end; returns at once where it cannot be watched."""
    if pid <= 0 or pid == os.getpid() or not hasattr(os, "pidfd_open"):
        return
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([fd], [], [], max(0.0, within))
    finally:
        os.close(fd)


def _kill(args: argparse.Namespace, client: ControlClient, command: c.AnyCommand) -> int:
    """Sends a kill or flatten and stays until its verdict, telling each step."""
    request = client.start(command)
    steps = Steps(quiet=args.json)
    deadline = time.monotonic() + args.wait
    asked = 0
    while (left := deadline - time.monotonic()) > 0:
        message = client.receive(min(left, 0.25))
        if message is None:
            asked = client.start_ask("kill")
        elif isinstance(message, wire.Picture) and message.id == asked:
            steps.show(message)
        elif isinstance(message, wire.Problem) and message.id == request:
            raise Refused(message.code, message.text)
        elif isinstance(message, wire.Reply) and message.id == request:
            if message.answer.final:
                return _verdict(args, message.answer, steps)
            steps.add(message.answer.text)
    text = (
        f"no verdict after {args.wait:g} s ({steps.verdict or 'it still runs'}); it goes on without us. "
        "Look with 'breakwater ctl status' and at the broker directly"
    )
    if args.json:
        _print_answer(c.Answer(ok=False, text=text), CtlExit.NOT_FLAT, steps=steps.all)
    sys.stderr.write(f"NOT CONFIRMED: {plain(text)}\n")
    return CtlExit.NOT_FLAT


def _verdict(args: argparse.Namespace, answer: c.Answer, steps: Steps) -> int:
    for step in filter(None, answer.data.get("steps", "").split("\n")):
        if step != answer.text:
            steps.add(step)
    if not answer.ok and not steps.all:
        code = CtlExit.REFUSED  # it never began
    else:
        code = CtlExit.OK if answer.ok else CtlExit.NOT_FLAT
    if args.json:
        _print_answer(answer, code, steps=steps.all)
    else:
        (sys.stdout if answer.ok else sys.stderr).write(plain(answer.text) + "\n")
    return code


class Steps:
    """The steps of a kill that were told already."""

    def __init__(self, quiet: bool) -> None:
        self.all: list[str] = []
        self.verdict = ""
        self._quiet = quiet

    def add(self, step: str) -> None:
        """Tells a step, once."""
        if step in self.all:
            return
        self.all.append(step)
        if not self._quiet:
            sys.stdout.write(f"  {plain(step)}\n")
            sys.stdout.flush()

    def show(self, picture: wire.Picture) -> None:
        """Tells what is new in a picture of the running procedure; that of an earlier one is passed over."""
        try:
            view = wire.decode_topic("kill", picture.data)
        except wire.WireError:
            return  # another build's picture: it is only the progress; the verdict comes as an answer
        if view is not None and view.running:
            self.verdict = view.verdict
            for step in view.steps:
                self.add(step)
