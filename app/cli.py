"""The command line: parses, and hands over to one module of `app.commands`. Imports nothing heavy itself."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from app.commands import attach, ctl, doctor, drill, exchange, init, journal, replay, run, sentinel, venue
from app.exitcodes import MEANING, ExitCode, table
from app.samples import DEFAULTS

COMMANDS = (
    "desk",
    "headless",
    "attach",
    "ctl",
    "init",
    "doctor",
    "journal",
    "replay",
    "drill",
    "exchange",
    "sentinel",
    "venue",
)

_EPILOG = f"""\
Without a command the workstation starts (desk): paper money, the synthetic market.
{DEFAULTS}
Settings come from the configuration file and the environment; 'breakwater init' writes a commented file.

{table(MEANING)}
'breakwater ctl --help' lists those of ctl. 130: interrupted at the keyboard before the engine ran.
"""


def build() -> argparse.ArgumentParser:
    """The whole command line."""
    common = _common()
    running = _running()
    parser = argparse.ArgumentParser(
        prog="breakwater",
        description="A trading workstation for the terminal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common, running],
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    run.add(commands, [common, running])
    for module in (attach, ctl, init, doctor, journal, replay, drill, exchange, sentinel, venue):
        module.add(commands, [common])
    return parser


def _common() -> argparse.ArgumentParser:
    """Options that stand before or after the command. None has a default here: a subcommand's parser would
    overwrite with it what stands before the command."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    group = common.add_argument_group("options of all commands")
    group.add_argument("--config", metavar="FILE", help="configuration (default: ~/.config/breakwater/…)")
    group.add_argument(
        "--state-dir", metavar="DIR", help="journal, log and socket (default: ~/.local/state/breakwater/…)"
    )
    group.add_argument("--json", action="store_true", help="machine-readable output")
    group.add_argument(
        "--feed",
        metavar="SPEC",
        help="market data: synthetic, replay:FILE, exchange:SOCKET, ib or ib-loopback",
    )
    return common


def _running() -> argparse.ArgumentParser:
    """Options of a run, which stand before or after `desk` and `headless` as well."""
    running = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    group = running.add_argument_group("options of a run")
    group.add_argument("--speed", metavar="N", help="multiple of real time, or max for virtual time")
    group.add_argument("--for", dest="duration", metavar="DURATION", help="stop after: 90s, 10m, 1h30m")
    group.add_argument("--seed", metavar="N", help="seed of everything that is drawn by chance")
    group.add_argument(
        "--i-understand-this-is-live",
        dest="live_confirmation",
        metavar="ACCOUNT",
        help="confirm live trading without being asked; must be the account id",
    )
    group.add_argument(
        "--override-gate",
        dest="override_gate",
        metavar="WORDS",
        help="start a stage whose gate is not met; must be 'promote ACCOUNT to STAGE', and is journalled",
    )
    return running


_DEFAULTS: dict[str, object] = {
    "config": None,
    "state_dir": None,
    "feed": None,
    "speed": None,
    "duration": None,
    "seed": None,
    "json": False,
    "live_confirmation": None,
    "override_gate": None,
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Raises `SystemExit` with code 2 and a message for what is not understood."""
    args = build().parse_args(join_negative(argv))
    for name, value in _DEFAULTS.items():
        if not hasattr(args, name):
            setattr(args, name, value)
    if args.command is None:
        args.command = "desk"
        args.handler = run.desk
    return args


_TIMES: Final = ("--at", "--from", "--to")
"""Options whose value may count back from the end."""


def join_negative(argv: Sequence[str]) -> list[str]:
    """`--at -5m` as `--at=-5m`: argparse would take a value that begins with a minus for an option."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] in _TIMES and word[:1] == "-" and word[1:2].isdigit():
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def version() -> str:
    """The installed version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("breakwater")
    except PackageNotFoundError:
        return "0+uninstalled"


def _open_standard_streams() -> None:
    """Whoever starts us without input, output or error gets none, and no file of ours ever takes their
    numbers: a stray word on standard error must not be written into the journal."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _write_anything() -> None:
    """A character set without some sign of ours must not turn an answer into a traceback: programs that read
    us get UTF-8, a terminal gets a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `breakwater`; returns the exit code."""
    _open_standard_streams()
    _write_anything()
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["exchange"]:
        return exchange.become(words[1:])  # its command line is its own
    if words[:1] == ["venue"]:
        return venue.become(words[1:])
    args = parse(words)
    if args.version:
        print(f"breakwater {version()}")
        return ExitCode.CLEAN
    handler: Callable[[argparse.Namespace], int] = args.handler
    try:
        code = int(handler(args))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.CLEAN
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
