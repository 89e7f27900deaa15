"""The gateway as a process: `python -m brokers.loopback.tws --port 7497`; ended by SIGTERM or Ctrl+C.

When it listens it writes one line of JSON to standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from brokers.exchange import AccountConfig
from brokers.exchange.ledger import LedgerError
from brokers.loopback.tws.build import make_gateway
from brokers.loopback.tws.config import TwsConfig
from brokers.loopback.tws.control import Control
from brokers.loopback.tws.framing import WireError
from brokers.loopback.tws.gateway import Gateway
from brokers.loopback.tws.recording import check
from brokers.loopback.tws.replay import Replay
from brokers.loopback.walk import INSTRUMENTS, Walk
from engine.clock import RealClock
from engine.feeds.errors import FeedError
from engine.feeds.open import open_feed
from engine.feeds.replay import ReplayFeed
from engine.feeds.synthetic import SyntheticFeed
from engine.model import Instrument
from engine.ports import Clock

AnyFeed = Walk | SyntheticFeed | ReplayFeed

_HELLO = """\
Practise against it with any IB client: host 127.0.0.1, port {port}, any client id, account {accounts}.
It is a simulation: no order leaves this machine, and it was never compared with a real TWS.
"""


def parse(arguments: Sequence[str], prog: str = "breakwater venue tws") -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="A gateway that speaks the TWS socket protocol over a simulated exchange, on 127.0.0.1.",
    )
    parser.add_argument(
        "--port", type=int, default=7497, help="TCP port (default 7497, TWS's for paper); 0: any"
    )
    parser.add_argument(
        "--feed",
        default="synthetic:ES,NQ",
        help="synthetic[:SYMBOLS], walk[:SYMBOLS][@EVENTS_PER_SECOND], replay:FILE, or none",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="multiple of real time for a replay")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn by chance")
    parser.add_argument(
        "--account", action="append", dest="accounts", help="account; may be given again (default DU1234567)"
    )
    parser.add_argument("--cash", type=Decimal, default=Decimal(1_000_000))
    parser.add_argument("--directory", type=Path, help="keeps orders and executions there, over restarts")
    parser.add_argument("--read-only", action="store_true", help="orders are refused with 321")
    parser.add_argument("--market-data", choices=("live", "delayed", "none"), default="live")
    parser.add_argument(
        "--control", action="store_true", help="takes commands on standard input that make things go wrong"
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="writes the wire, both ways")
    parser.add_argument(
        "--play", type=Path, metavar="FILE", help="plays a recording to one client, then ends"
    )
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="checks a recording field by field, and ends"
    )
    return parser.parse_args(arguments)


async def main(arguments: Sequence[str], prog: str = "breakwater venue tws") -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit code."""
    options = parse(arguments, prog)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level=logging.WARNING)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        if options.check is not None:
            return _check(options.check)
        if options.play is not None:
            return await _play(options, stop)
        return await _serve(options, stop)
    except (FeedError, LedgerError, WireError, ValueError, OSError) as error:
        sys.stderr.write(f"{prog}: {error}\n")
        return 2


async def _serve(options: argparse.Namespace, stop: asyncio.Event) -> int:
    clock, feed, instruments = _market(options)
    gateway = make_gateway(
        clock,
        instruments,
        seed=options.seed,
        config=_config(options),
        account=AccountConfig(cash=options.cash),
        directory=options.directory,
        record=options.record,
    )
    gateway.start()
    listener, port = await gateway.listen(options.port)
    _ready(port, accounts=list(gateway.config.accounts), restored=gateway.exchange.restored)
    sys.stderr.write(_HELLO.format(port=port, accounts=", ".join(gateway.config.accounts)))
    market = None if feed is None else asyncio.create_task(_drive(feed, clock, gateway))
    control = None if not options.control else asyncio.create_task(_control(Control(gateway)))
    await stop.wait()
    for task in (market, control):
        if task is not None:
            task.cancel()
    listener.close()
    await gateway.close()
    return 0


def _config(options: argparse.Namespace) -> TwsConfig:
    try:
        return TwsConfig(
            accounts=tuple(options.accounts or TwsConfig().accounts),
            read_only=options.read_only,
            market_data=options.market_data,
        )
    except ValidationError as error:
        raise ValueError(str(error)) from error


def _market(options: argparse.Namespace) -> tuple[Clock, AnyFeed | None, Sequence[Instrument]]:
    """The clock, the feed and what is listed. A replay brings its own time."""
    loop = asyncio.get_running_loop()
    kind, _, spec = options.feed.partition(":")
    if kind == "none":
        return RealClock(loop), None, INSTRUMENTS
    if kind.startswith("walk"):
        import random

        return RealClock(loop), Walk(spec, INSTRUMENTS, random.Random(options.seed)), INSTRUMENTS
    now = RealClock(loop)
    feed = open_feed(options.feed, seed=options.seed, start_ns=now.now())
    start = feed.start_time()
    clock = now if start is None else RealClock(loop, speed=options.speed, start=start)
    return clock, feed, feed.instruments


async def _drive(feed: AnyFeed, clock: Clock, gateway: Gateway) -> None:
    try:
        await feed.run(clock, gateway)
    except Exception as error:  # noqa: BLE001 - the venue stays open without a market, and says so
        sys.stderr.write(f"the feed failed, the venue goes on without: {error!r}\n")
        gateway.on_feed_end(repr(error))


async def _control(control: Control) -> None:
    """Commands from standard input, each answered by one line of JSON. Its end changes nothing."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    sys.stderr.write("Say help for the commands.\n")
    while line := await reader.readline():
        sys.stdout.write(json.dumps(control.run(line.decode(errors="replace"))) + "\n")
        sys.stdout.flush()


def _check(path: Path) -> int:
    problems = check(path)
    for problem in problems:
        sys.stdout.write(problem + "\n")
    sys.stdout.write(f"{path}: {len(problems)} messages are not explained to the last field\n")
    return 1 if problems else 0


async def _play(options: argparse.Namespace, stop: asyncio.Event) -> int:
    """Plays the recording's first connection to the client that comes."""
    replay = Replay.of(options.play)
    listener, port = await replay.listen(options.port)
    _ready(port, play=str(options.play))
    waiting = asyncio.create_task(stop.wait())
    done = asyncio.create_task(replay.finished.wait())
    await asyncio.wait((waiting, done), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    done.cancel()
    listener.close()
    for difference in replay.differences:
        sys.stdout.write(difference + "\n")
    return 1 if replay.differences else 0


def _ready(port: int, **more: object) -> None:
    sys.stdout.write(json.dumps({"ready": True, "pid": os.getpid(), "port": port, **more}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
