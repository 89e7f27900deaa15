"""Bursts of ticks from a loopback gateway of Interactive Brokers, a thread of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from brokers.loopback.tws import Gateway, GatewayThread
from brokers.loopback.tws.client import Client
from brokers.loopback.tws.framing import join
from brokers.loopback.walk import INSTRUMENTS
from engine.model import Quote

BURST = 50_000


@contextmanager
def flooding(bursts: int, begin: int, end: int) -> Iterator[int]:
    """The port of a gateway that sends `bursts` of ticks, spread over the window (ns, monotonic clock)."""
    with GatewayThread() as venue:
        venue.call(_quote)
        over = threading.Event()

        def flood() -> None:
            ready: list[tuple[Client, bytes]] = []
            while not ready and time.monotonic_ns() < end:
                if over.wait(0.2):
                    return
                ready = venue.call(_bursts)  # before the window: making them is not what is measured
            for n in range(bursts):
                at = begin + int((n + 0.5) / bursts * (end - begin))
                if over.wait(max(0.0, (at - time.monotonic_ns()) / 1e9)):
                    return
                venue.call(lambda _: _send(ready))

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            yield venue.port
        finally:
            over.set()
            thread.join()


def _quote(gateway: Gateway) -> None:
    es = next(i for i in INSTRUMENTS if i.symbol == "ES")
    gateway.on_quote(Quote(es.symbol, gateway.clock.now(), 20_000, 10, 20_001, 10))


def _bursts(gateway: Gateway) -> list[tuple[Client, bytes]]:
    """For everybody who watches, 50,000 bids."""
    found = []
    for client in gateway.clients.values():
        for req_id in client.ticks:
            prices = (f"{5000 + (n % 8) * 0.25}" for n in range(BURST))
            bids = b"".join(join(["1", "6", str(req_id), "1", price, "7", "0"]) for price in prices)
            found.append((client, bids))
    return found


def _send(bursts: list[tuple[Client, bytes]]) -> None:
    """All of them in one piece."""
    for client, bids in bursts:
        client._write(bids)
