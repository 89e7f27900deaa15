"""The exchange process: `breakwater exchange --socket PATH --seed N [--feed walk:ES@20] …`.

It outlives its clients: kill them, restart them, and it still knows every order. With `--ledger` it also
outlives its own death. When it listens it writes one line of JSON to standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from brokers.exchange import AccountConfig, Exchange, ExchangeConfig
from brokers.exchange.gateways import FIRST
from brokers.loopback.connection import ClientLine
from brokers.loopback.walk import INSTRUMENTS, Walk
from brokers.loopback.wire import Address, Data, State
from engine.clock import RealClock
from engine.feeds.errors import FeedError
from engine.feeds.open import open_feed
from engine.feeds.synthetic import SyntheticFeed
from engine.model import Instrument, MarketState, Quote, Trade
from engine.ports import Clock


class Server:
    """Serves one exchange to many clients. Also the market sink: the exchange first, then the listeners."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._lines: list[ClientLine] = []

    async def serve(self, gateway: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one client until it leaves. `gateway`: the door it came by."""
        line = ClientLine(self.exchange, reader, writer, self, gateway)
        self._lines.append(line)
        try:
            await line.run()
        finally:
            self._lines.remove(line)

    def on_quote(self, quote: Quote) -> None:
        self.exchange.on_quote(quote)
        for line in self._lines:
            if line.market_data:
                line.send(Data(quote=quote))

    def on_trade(self, trade: Trade) -> None:
        self.exchange.on_trade(trade)
        for line in self._lines:
            if line.market_data:
                line.send(Data(trade=trade))

    def on_market_state(self, symbol: str, state: MarketState, ts: int) -> None:
        self.exchange.on_market_state(symbol, state, ts)
        for line in self._lines:
            if line.market_data:
                line.send(State(symbol, state, ts))

    def on_batch_end(self, ts: int) -> None:
        self.exchange.on_batch_end(ts)

    def on_feed_end(self, reason: str) -> None:
        self.exchange.on_feed_end(reason)

    def shut(self, gateway: str) -> None:
        for line in list(self._lines):
            if line.market_data and line.gateway == gateway:
                line.cut(f"gateway {gateway} is out of order")

    def drop_clients(self, reason: str) -> None:
        for line in list(self._lines):
            line.cut(reason)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="breakwater exchange", description=__doc__)
    several = "; may be given again: each is a gateway to the same books (primary, backup, gateway3 …)"
    parser.add_argument(
        "--socket",
        type=_socket,
        dest="doors",
        action="append",
        help="Unix socket to listen on; made with mode 0600" + several,
    )
    parser.add_argument(
        "--port",
        type=_port,
        dest="doors",
        action="append",
        help="TCP port on 127.0.0.1; 0: any" + several,
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--feed",
        default="none",
        help="none, walk[:SYMBOLS][@EVENTS_PER_SECOND], synthetic[:SYMBOLS], replay:FILE",
    )
    parser.add_argument("--instruments", type=Path, help="JSON file with the list of instruments")
    parser.add_argument("--config", type=Path, help="JSON file with the exchange's settings")
    parser.add_argument("--ledger", type=Path, help="SQLite file that keeps the books")
    parser.add_argument("--cash", type=Decimal, default=Decimal(1_000_000))
    parser.add_argument("--currency", default="USD", help="of the account")
    parser.add_argument(
        "--fx",
        type=_rate,
        action="append",
        metavar="CURRENCY=RATE",
        help="the account's currency for one unit of another; default USDT=1. Orders in an instrument whose "
        "currency is neither are refused",
    )
    options = parser.parse_args(arguments)
    if not options.doors:
        parser.error("say where to listen: --socket PATH or --port PORT")
    return options


def _socket(text: str) -> Address:
    return Address(path=Path(text))


def _rate(text: str) -> tuple[str, Decimal]:
    currency, _, rate = text.partition("=")
    try:
        value = Decimal(rate)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (currency.isalnum() and value.is_finite() and value > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no rate; write EUR=1.08")
    return currency, value


def _port(text: str) -> Address:
    return Address(port=int(text))


async def main(arguments: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT."""
    options = parse(arguments)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = RealClock(loop)
    exchange, feed = build(options, clock)
    server = Server(exchange)
    listeners, addresses = [], []
    for place, door in enumerate(options.doors, 1):
        listener, address = await listen(door, gateway_name(place), server)
        listeners.append(listener)
        addresses.append(address)
    ready: dict[str, object] = {
        "ready": True,
        "pid": os.getpid(),
        "restored": exchange.restored,
        **addresses[0],
    }
    ready["doors"] = addresses
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    market = asyncio.create_task(_drive(feed, clock, server)) if feed is not None else None
    await stop.wait()
    if market is not None:
        market.cancel()
    for listener in listeners:
        listener.close()
    server.drop_clients("the exchange is stopped")
    exchange.close()
    return 0


def build(options: argparse.Namespace, clock: Clock) -> tuple[Exchange, Walk | SyntheticFeed | None]:
    """The exchange and its market, if it has one. Ends the program with a message where options are wrong."""
    rng = random.Random(options.seed)
    market_rng = random.Random(rng.getrandbits(64))
    listed: Sequence[Instrument] = INSTRUMENTS
    if options.instruments is not None:
        listed = msgspec.json.decode(options.instruments.read_bytes(), type=list[Instrument])
    feed: Walk | SyntheticFeed | None = None
    kind, _, spec = options.feed.partition(":")
    try:
        if kind == "walk":
            feed = Walk(spec, listed, market_rng)
        elif kind == "synthetic":
            made = open_feed(options.feed, seed=options.seed, start_ns=clock.now())
            assert isinstance(made, SyntheticFeed)
            feed, listed = made, made.instruments
        elif kind != "none":
            raise ValueError("it may be none, walk:… or synthetic:…")
    except (ValueError, FeedError) as error:
        raise SystemExit(f"--feed {options.feed}: {error}") from error
    config = ExchangeConfig()
    if options.config is not None:
        config = ExchangeConfig.model_validate_json(options.config.read_bytes())
    rates = dict(options.fx or [("USDT", Decimal(1))])
    account = AccountConfig(cash=options.cash, currency=options.currency, fx=rates)
    return Exchange(listed, clock, rng, config, account, ledger=options.ledger), feed


def gateway_name(number: int) -> str:
    """What the doors are called, in the order of the command line."""
    return {1: FIRST, 2: "backup"}.get(number, f"gateway{number}")


async def listen(door: Address, gateway: str, server: Server) -> tuple[asyncio.Server, dict[str, str | int]]:
    """Opens one socket, for this user only; says where."""
    serve = functools.partial(server.serve, gateway)
    if door.path is not None:
        with contextlib.suppress(FileNotFoundError):
            door.path.unlink()  # left behind by an exchange that was killed
        before = os.umask(0o177)
        try:
            listener = await asyncio.start_unix_server(serve, door.path)
        finally:
            os.umask(before)
        return listener, {"gateway": gateway, "socket": str(door.path)}
    listener = await asyncio.start_server(serve, "127.0.0.1", door.port)
    return listener, {"gateway": gateway, "port": listener.sockets[0].getsockname()[1]}


async def _drive(feed: Walk | SyntheticFeed, clock: Clock, server: Server) -> None:
    try:
        await feed.run(clock, server)
    except Exception as error:  # noqa: BLE001 - the exchange stays open without a market, and says so
        sys.stderr.write(f"the feed failed, the exchange goes on without: {error!r}\n")
        server.on_feed_end(repr(error))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
