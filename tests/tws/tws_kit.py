"""A gateway and real clients on one loop, for tests: whichever IB library this environment has."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from brokers.exchange import AccountConfig, ExchangeConfig
from brokers.loopback.tws import Gateway, TwsConfig, make_gateway
from engine.clock import RealClock
from engine.model import Quote, Trade

LIBRARY = next((n for n in ("ib_insync", "ib_async") if importlib.util.find_spec(n)), "")
"""The library that the sessions run with."""

needs_library = pytest.mark.skipif(
    not LIBRARY, reason="no IB library here: pip install -e '.[ib]', or make test-ib for both"
)
if LIBRARY:
    ibi: Any = importlib.import_module(LIBRARY)

EXCHANGE = ExchangeConfig(
    order_latency_ms=1,
    order_jitter_ms=0,
    report_latency_ms=1,
    report_jitter_ms=0,
    message_limit=1_000_000,
)


class Venue:
    """A running gateway with the quotes that a test gives it."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port
        self._clients: list[Any] = []

    async def connect(self, client_id: int = 1, **options: Any) -> Any:
        """A logged-on `IB`, in sync."""
        ib = ibi.IB()
        ib.RaiseRequestErrors = True
        self._clients.append(ib)
        await ib.connectAsync("127.0.0.1", self.port, clientId=client_id, **options)
        return ib

    def quote(self, bid: int | None, ask: int | None, symbol: str = "ES", lots: int = 10) -> None:
        """Ticks: 4 to a point of ES."""
        sizes = (0 if bid is None else lots, 0 if ask is None else lots)
        self.gateway.on_quote(Quote(symbol, self.gateway.clock.now(), bid, sizes[0], ask, sizes[1]))

    def trade(self, price: int, lots: int = 1, symbol: str = "ES") -> None:
        self.gateway.on_trade(Trade(symbol, self.gateway.clock.now(), price, lots))

    def close_clients(self) -> None:
        for ib in self._clients:
            ib.disconnect()


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer; fails with the condition's source where none comes in time."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"did not come true within {seconds} s: {condition!r}")
        await asyncio.sleep(0.004)
    return answer


async def pause(seconds: float = 0.06) -> None:
    """Time in which nothing should happen."""
    await asyncio.sleep(seconds)


def venue_test(
    *,
    problems: bool = False,
    exchange: ExchangeConfig = EXCHANGE,
    account: AccountConfig | None = None,
    record: bool = False,
    quotes: bool = True,
    **settings: Any,
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Runs an async test with a `Venue`; at its end no client may have said anything undecodable, unless
    `problems`. `settings` are those of `TwsConfig`."""

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        async def run(tmp_path: Path) -> None:
            gateway = make_gateway(
                RealClock(asyncio.get_running_loop()),
                seed=7,
                config=TwsConfig(**settings),
                exchange=exchange,
                account=account,
                record=tmp_path / "wire.jsonl" if record else None,
            )
            gateway.start()
            listener, port = await gateway.listen()
            venue = Venue(gateway, port)
            if quotes:
                venue.quote(20_000, 20_001)
            try:
                await test(venue)
                assert problems or not gateway.problems
            finally:
                venue.close_clients()
                listener.close()
                await gateway.close()

        def wrapped(tmp_path: Path) -> None:
            asyncio.run(run(tmp_path))

        functools.update_wrapper(wrapped, test)
        del wrapped.__wrapped__  # type: ignore[attr-defined]  # pytest would ask for the inner arguments
        return needs_library(wrapped)

    return decorate


def es(month: int = 0) -> Any:
    """ES as a client names it exactly; `month` 1: the second one."""
    now = time.time_ns()
    from brokers.loopback.tws.contracts import list_contracts
    from brokers.loopback.walk import INSTRUMENTS

    listed = list_contracts(INSTRUMENTS, now)[month]
    return ibi.Contract(
        conId=listed.con_id,
        symbol=listed.symbol,
        secType="FUT",
        exchange="CME",
        currency="USD",
        lastTradeDateOrContractMonth=listed.expiry,
        localSymbol=listed.local_symbol,
        multiplier="50",
        tradingClass=listed.trading_class,
    )


def limit(side: str, qty: int, price: float, **more: Any) -> Any:
    return ibi.LimitOrder(side, qty, price, **{"tif": "DAY", **more})


class Tap:
    """Everything that a library's wrapper is told, in order: (callback, arguments)."""

    def __init__(self, ib: Any, *names: str) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        for name in names or ("openOrder", "orderStatus", "execDetails", "commissionReport", "error"):
            original = getattr(ib.wrapper, name)
            setattr(ib.wrapper, name, functools.partial(self._call, name, original))

    def _call(self, name: str, original: Callable[..., Any], *arguments: Any) -> Any:
        self.calls.append((name, arguments))
        return original(*arguments)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def codes(self) -> list[int]:
        return [arguments[1] for arguments in self.of("error")]


async def working(venue: Venue, ib: Any, price: float = 4990, **more: Any) -> Any:
    """A resting order that the client knows of."""
    trade = ib.placeOrder(es(), limit("BUY", 2, price, **{"tif": "GTC", **more}))
    await until(lambda: trade.orderStatus.status == "Submitted")
    return trade


# -- messages
